"""The size of a picture as its header tells it: Blender would decode all of it for that, whatever memory it takes.

The headers are those of PNG (W3C, Portable Network Graphics, 11.2.1) and JPEG (ITU-T T.81, B.2.2).
"""

import struct
from pathlib import Path
from typing import BinaryIO, Final

PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG's segments that tell the size."""


def stored_size(path: Path) -> tuple[int, int] | None:
    """Read (width, height) of a PNG or JPEG, not yet upright; None of any other kind, and where it is not told."""
    try:
        with path.open("rb") as file:
            start = file.read(24)
            found = struct.unpack(">II", start[16:]) if start.startswith(PNG) else None
            found = _jpeg_size(file) if start.startswith(JPEG) else found
    except (OSError, struct.error):
        return None
    return (found[0], found[1]) if found and all(found) else None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """Go from segment to segment until one tells the size."""
    file.seek(2)
    while (mark := file.read(4))[:1] == b"\xff":
        kind, length = struct.unpack(">xBH", mark)
        if kind in FRAMES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    return None
