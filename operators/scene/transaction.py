"""Everything or nothing: what a failed build made is removed again, and what an export needed for a moment as well."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import bpy


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Remove every data-block made inside the block when it ends in an exception, cancelling included."""
    before = _data_blocks()
    try:
        yield
    except BaseException:
        remove(_data_blocks() - before)
        raise


@contextmanager
def temporary_data() -> Iterator[None]:
    """Remove every data-block made inside the block, however it ends."""
    before = _data_blocks()
    try:
        yield
    finally:
        remove(_data_blocks() - before)


def remove(data_blocks: Iterable[bpy.types.ID]) -> None:
    """Remove data-blocks of any kind; scenes first and by their own way, since a batch leaves the window's traces."""
    rest = set(data_blocks)
    for scene in [item for item in rest if isinstance(item, bpy.types.Scene)]:
        rest.discard(scene)
        bpy.data.scenes.remove(scene)
    bpy.data.batch_remove(rest)


def _data_blocks() -> set[bpy.types.ID]:
    return set(bpy.data.user_map())
