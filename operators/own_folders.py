"""Which saved reconstructions are the artist's own, so that their photos are found again without a question.

A list of checksums beside the add-on's other files, one of each `reconstruction.json` that this user saved here. It
holds no paths, and nothing that someone else made or changed is in it.
"""

import contextlib
import hashlib
import uuid
from pathlib import Path
from typing import Final

from ..core.imaging.flaws import is_regular
from ..core.storage import DESCRIPTION
from .runtime import user_folder

FILE: Final = "own_reconstructions.txt"
MOST: Final = 2000
"""Checksums that are kept, the latest."""


def remember_own(folder: Path) -> None:
    """Write down that a saved folder is the artist's own; where that cannot be written, its photos are asked for."""
    with contextlib.suppress(OSError):
        place = user_folder()
        place.mkdir(parents=True, exist_ok=True)
        known = [mark for mark in _known() if mark != _mark(folder)]
        beside = place / f".{FILE}.{uuid.uuid4().hex[:8]}.part"
        beside.write_text("\n".join([*known, _mark(folder)][-MOST:]) + "\n", encoding="ascii")
        beside.replace(place / FILE)


def is_own(folder: Path) -> bool:
    """Tell whether a folder is one that `remember_own` was told of, and unchanged since."""
    with contextlib.suppress(OSError):
        return is_regular(folder / DESCRIPTION) and _mark(folder) in _known()
    return False


def _mark(folder: Path) -> str:
    with (folder / DESCRIPTION).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known() -> list[str]:
    file = user_folder() / FILE
    return file.read_text(encoding="ascii", errors="replace").split() if is_regular(file) else []
