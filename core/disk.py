"""Why a file could not be written: systems and Blender name the reason, but not always the right one."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

FULL: Final = "the disk is full"
LITTLE: Final = 64 * 1024
"""Bytes of free space below which a failed write is taken for that of a full disk."""
_FULL_CODES: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def write_problem(error: BaseException, path: Path) -> str:
    """Return the reason of a failed write in a few words.

    A full disk, or a full quota, is called that: what Blender reports of it may be "No such file or directory", since
    it first misses a file in the folder for temporary files.

    Args:
        error: What the write raised.
        path: The file or folder that was to be written.
    """
    if isinstance(error, OSError) and error.errno in _FULL_CODES:
        return FULL
    full = next((folder for folder in _folders(path) if _is_full(folder)), None)
    if full is not None:
        return f"{FULL}, on which {full} lies"
    return (getattr(error, "strerror", None) or str(error)).strip()


def existing_parent(path: Path) -> Path:
    """Return the nearest folder above a path that is there."""
    return next((parent for parent in path.parents if parent.exists()), path.parent)


def _folders(path: Path) -> Iterable[Path]:
    yield existing_parent(path)
    yield Path(tempfile.gettempdir())


def _is_full(folder: Path) -> bool:
    with suppress(OSError):
        if shutil.disk_usage(folder).free < LITTLE:
            return True
        if sys.platform != "win32":
            status = os.statvfs(folder)
            return status.f_files > 0 and status.f_favail == 0
    return False
