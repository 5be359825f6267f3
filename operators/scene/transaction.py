"""Everything or nothing: what a failed build made is removed again, and what an export needed for a moment as well.

A build in slices gives Blender back to the artist in between. Undo frees the data-blocks made since its last step and
moves others, opening a file frees them all, and a reference to one that is gone crashes or raises. So nothing is kept
over a pause but identities (`ID.session_uid`), which stay for as long as Blender runs and are never given twice.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import bpy

from ...core.errors import CancelledError
from ...core.types import Progress


class LostError(Exception):
    """Something that earlier slices made is gone; the work is to start again from its beginning."""


class Shelf:
    """Keeps track of what slices of work have made; all of it is removed when its block ends in an exception.

    Until the last slice nothing of it is linked and nothing of it uses other data, but for node groups that use each
    other, so that Blender drops it by itself where an undo step or a file should come to hold some of it.

    Args:
        scene: Where all of it goes in the end.
    """

    def __init__(self, scene: bpy.types.Scene) -> None:
        self._scene = scene.session_uid
        self._made: set[int] = set()
        self._given_up: set[int] = set()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if kind is not None:
            self.clear()
        remove(_found(self._given_up))

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene, wherever undo may have moved it; see `find_scene`."""
        return find_scene(self._scene)

    @contextmanager
    def slice(self) -> Iterator[None]:
        """Count what is made inside the block to the shelf, however it ends; it must not pause."""
        before = data_blocks().keys()
        try:
            yield
        finally:
            self._made |= data_blocks().keys() - before

    def pause(self, progress: Progress) -> Generator[Progress, None, None]:
        """Give Blender back to the artist, and see what is left afterwards.

        Raises:
            CancelledError: The scene is gone.
            LostError: Something else is.
        """
        yield progress
        find_scene(self._scene)
        if not self._made <= data_blocks().keys():
            raise LostError

    def made(self) -> list[bpy.types.ID]:
        """Return all that is left of what the slices made."""
        return _found(self._made)

    def clear(self) -> None:
        """Remove all that is left of it; what redo brings back is removed in the end."""
        remove(self.made())
        self._given_up |= self._made
        self._made.clear()


def find_scene(session_uid: int) -> bpy.types.Scene:
    """Find the scene that work is for, since undo and artists replace and delete scenes meanwhile.

    Raises:
        CancelledError: It is gone.
    """
    for scene in bpy.data.scenes:
        if scene.session_uid == session_uid:
            return scene
    raise CancelledError("The scene was deleted during the run, so nothing was built.")


@contextmanager
def temporary_data() -> Iterator[None]:
    """Remove every data-block made inside the block, however it ends."""
    before = data_blocks().keys()
    try:
        yield
    finally:
        remove(_found(data_blocks().keys() - before))


def remove(items: Iterable[bpy.types.ID]) -> None:
    """Remove data-blocks of any kind; scenes first and by their own way, since a batch leaves the window's traces."""
    rest = set(items)
    for scene in [item for item in rest if isinstance(item, bpy.types.Scene)]:
        rest.discard(scene)
        bpy.data.scenes.remove(scene)
    bpy.data.batch_remove(rest)


def data_blocks() -> dict[int, bpy.types.ID]:
    """Return everything that the file holds, by identity."""
    data: Any = bpy.data
    return {item.session_uid: item for name in _COLLECTIONS for item in getattr(data, name)}


def _found(identities: Iterable[int]) -> list[bpy.types.ID]:
    there = data_blocks()
    return [there[identity] for identity in there.keys() & set(identities)]


_COLLECTIONS = [
    item.identifier
    for item in bpy.types.BlendData.bl_rna.properties
    if item.type == "COLLECTION" and item.identifier != "all_ids"  # from 5.2 on, all the others again
]
