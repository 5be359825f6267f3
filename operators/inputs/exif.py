"""The one thing that Blender does not tell of a photo: which way up it was taken.

The tag's place and values are those of the EXIF standard (CIPA DC-008, tag 0x0112).
"""

import struct
from pathlib import Path
from typing import Final

from ...core.imaging.flaws import is_regular

HEADERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
ORIENTATION: Final = 0x0112
HEAD: Final = 256 * 1024
"""Bytes of a file in which its EXIF data starts; those of JPEG must be in the first 64 KiB or so."""


def is_on_its_side(path: Path) -> bool:
    """Tell whether EXIF turns a picture by a quarter, so that width and height change places."""
    return any(orientation >= 5 for orientation in _orientations(path))


def is_turned(path: Path) -> bool:
    """Tell whether EXIF turns or mirrors a picture at all."""
    return any(orientation != 1 for orientation in _orientations(path))


def _orientations(path: Path) -> list[int]:
    if not is_regular(path):
        return []
    with path.open("rb") as file:
        head = file.read(HEAD)
    return [_orientation(head, start, order) for start, order in _headers(head)]


def _headers(head: bytes) -> list[tuple[int, str]]:
    """Find where EXIF data starts: a TIFF file as a whole, or one inside of JPEG, PNG or WebP after its mark."""
    marks = [0] + [start + len(mark) for mark in (b"Exif\0\0", b"eXIf", b"EXIF") if (start := head.find(mark)) >= 0]
    starts = [start + skip for start in marks for skip in (0, 4)]  # WebP puts a length between
    return [(start, HEADERS[head[start : start + 4]]) for start in starts if head[start : start + 4] in HEADERS]


def _orientation(head: bytes, start: int, order: str) -> int:
    """Return the orientation that the first directory names; 1, which is upright, where there is none."""
    try:
        (offset,) = struct.unpack_from(order + "I", head, start + 4)
        (entries,) = struct.unpack_from(order + "H", head, start + offset)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", head, start + offset + 2 + 12 * entry)
            if tag == ORIENTATION:
                return int(value)
    except struct.error:  # the directory lies beyond what was read, or is damaged
        pass
    return 1
