"""A folder that takes the place of an earlier one: whole, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path


@contextlib.contextmanager
def put_in_place(beside: Path, folder: Path, own: Collection[Path]) -> Iterator[None]:
    """Rename a folder to where it belongs; if the block raises, everything is as it was before.

    Args:
        beside: The new folder, on the same disk as `folder`.
        folder: Where it goes. What lies there is replaced, but for files that are not `own`.
        own: Files of the earlier folder that go with it, relative to it.

    Raises:
        OSError: It cannot be moved; everything is as it was.
    """
    earlier = beside.with_name(f"{beside.name}.old") if folder.exists() else None
    if earlier:
        folder.rename(earlier)
    is_moved = False
    try:
        beside.rename(folder)
        is_moved = True
        yield
    except BaseException:
        if is_moved:
            folder.rename(beside)
        if earlier:
            earlier.rename(folder)
        raise
    if earlier:
        _clear(earlier, own, folder)


def _clear(earlier: Path, own: Collection[Path], folder: Path) -> None:
    """Remove the files of the earlier folder and move all others into the new one, never over anything."""
    for path in sorted(earlier.rglob("*"), reverse=True):
        relative = path.relative_to(earlier)
        with contextlib.suppress(OSError):  # the new one is in place: what cannot be tidied is left where it is
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif relative in own:
                path.unlink()
            elif not (folder / relative).exists():
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                path.rename(folder / relative)
    with contextlib.suppress(OSError):
        earlier.rmdir()
