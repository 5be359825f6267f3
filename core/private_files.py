"""Files and folders that only their owner can read, whatever the umask."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def new_private_folder(folder: Path) -> None:
    """Make a folder that nobody else can look into, whatever the umask."""
    folder.mkdir()
    make_private(folder)


def make_private(path: Path) -> None:
    """Let nobody else read a file or look into a folder; Windows has the rights of the folder around it for that."""
    if os.name == "posix":
        with contextlib.suppress(OSError):  # file systems of cameras and sticks know no rights
            path.chmod(0o700 if path.is_dir() else 0o600)
