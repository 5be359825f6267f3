"""Temporary folders that have an owner: private to the user, and swept once the process that made them is gone.

A folder holds a file that its process keeps locked. The system gives the lock up however the process ends, so that a
later one can tell what was left behind from what is in use. The file also names what its process writes elsewhere and
has not finished.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

PREFIX: Final = "image_to_scene_"
STAGED: Final = f".{PREFIX}"
"""The start of the names of files and folders outside temporary folders that are not complete yet."""
OWNER: Final = ".owner"
YOUNG: Final = 2.0
"""Seconds for which a folder is left alone, since its process may be about to lock it."""
_STAGED_NAME: Final = re.compile(re.escape(STAGED) + "[0-9a-f]{32}")
_LOCKED_BYTE: Final = 1 << 30  # far behind the content: Windows lets nobody else read a locked byte


class OwnedFolder:
    """A new folder for temporary files of this process.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))  # for its user alone, whatever the umask
        self._owner = (self.path / OWNER).open("ab", buffering=0)
        _lock(self._owner)

    def name_beside(self, target: Path) -> Path:
        """Return a new name in a target's own folder, which is swept as this folder is if the process is killed."""
        path = target.with_name(f"{STAGED}{uuid.uuid4().hex}{target.suffix}")
        self._owner.write(os.fsencode(path) + b"\0")
        return path

    def close(self) -> None:
        """Remove it with all that it holds."""
        self._owner.close()
        shutil.rmtree(self.path, ignore_errors=True)


def take_temporary_folder() -> OwnedFolder | None:
    """Make a folder in which this process and all it starts, Blender included, put their temporary files.

    Returns:
        The folder; None where none can be made.
    """
    try:
        folder = OwnedFolder()
    except OSError:
        return None
    os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder.path)))
    tempfile.tempdir = str(folder.path)
    return folder


def sweep() -> None:
    """Remove what killed processes of this user left behind; what may be in use, or anybody else's, stays."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with suppress(OSError):
                if _is_left_behind(folder):
                    _remove(folder)


def _is_left_behind(folder: Path) -> bool:
    owner = folder / OWNER
    if folder.is_symlink() or not (_is_mine(folder) and _is_mine(owner)):
        return False
    if time.time() - owner.stat().st_mtime < YOUNG:
        return False
    with owner.open("ab") as file:
        return _lock(file)


def _is_mine(path: Path) -> bool:
    return sys.platform == "win32" or path.lstat().st_uid == os.getuid()


def _remove(folder: Path) -> None:
    for owner in folder.rglob(OWNER):
        for path in _staged(owner):
            for item in path.parent.glob(f"{path.name}*"):  # Blender writes name.blend@ first
                if item.is_dir() and not item.is_symlink():
                    shutil.rmtree(item, ignore_errors=True)
                else:
                    item.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _staged(owner: Path) -> Iterator[Path]:
    """List what an owner had not finished, by names that nothing else has."""
    for name in owner.read_bytes().split(b"\0"):
        path = Path(os.fsdecode(name))
        if match := _STAGED_NAME.match(path.name):
            yield path.with_name(match[0])


def _lock(file: IO[bytes]) -> bool:
    """Lock a file for this process; return whether that was possible."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
