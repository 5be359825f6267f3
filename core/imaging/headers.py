"""The size of a picture as its header tells it: Blender would decode all of it for that, whatever memory it takes.

The headers are those of PNG (W3C, Portable Network Graphics, 5.3 and 11.2.1) and JPEG (ITU-T T.81, B.2.2). Of movies of
the MP4 and MOV kind (ISO/IEC 14496-12, 8.3.2) it is how they are to be shown, which Blender tells in part only.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from .exr_header import MAGIC as EXR
from .exr_header import read_windows
from .flaws import is_regular

PNG: Final = b"\x89PNG\r\n\x1a\n"
PNG_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
PIXELS: Final = b"IDAT"
AT_ONCE: Final = 1 << 20
"""Bytes of a chunk that are held."""
JPEG: Final = b"\xff\xd8\xff"
LONGEST: Final = 1 << 24
"""Bytes of a movie's header that are looked at."""
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG's segments that tell the size."""


@dataclass(frozen=True)
class Shape:
    """How a movie is to be shown."""

    is_turned: bool
    """By a quarter."""
    is_wide: bool
    """As it is stored."""


def stored_size(path: Path) -> tuple[int, int] | None:
    """Read (width, height) of a PNG, JPEG or EXR, not yet upright; None of any other kind, and where it is not told."""
    if not is_regular(path):
        return None
    try:
        with path.open("rb") as file:
            start = file.read(24)
            found = struct.unpack(">II", start[16:]) if start.startswith(PNG) else None
            found = _jpeg_size(file) if start.startswith(JPEG) else found
        windows = read_windows(path) if start.startswith(EXR) else None
    except (OSError, struct.error):
        return None
    if windows is not None:
        return windows.size
    return (found[0], found[1]) if found and all(found) else None


def movie_shape(path: Path) -> Shape | None:
    """Read how a movie of the MP4 or MOV kind is shown; None of any other, and where it is not told."""
    if not is_regular(path):
        return None
    try:
        with path.open("rb") as file:
            header = _box(file, b"moov")
    except (OSError, OverflowError, struct.error):
        return None
    for track in header.split(b"tkhd")[1:]:
        start = 40 if track[:1] == b"\0" else 52  # the times before it have 32 bits, or 64
        if len(track) < start + 44:
            return None
        a, b, _, c, d, *_, width, height = struct.unpack_from(">9iII", track, start)
        if width and height:  # sound has none
            return Shape(abs(b) + abs(c) > abs(a) + abs(d), width > height)
    return None


def is_spherical(path: Path) -> bool:
    """Tell whether a movie of the MP4 or MOV kind states that it shows all around.

    Source: Google's Spherical Video RFC, V1 (XML in a box of its own) and V2 (boxes st3d and sv3d).
    """
    try:
        with path.open("rb") as file:
            header = _box(file, b"moov")
    except (OSError, OverflowError, struct.error):
        return False
    return b"sv3d" in header or b"GSpherical:Spherical>" in header


def _box(file: BinaryIO, kind: bytes) -> bytes:
    """Return what the first box of a kind holds; nothing where there is none."""
    while len(start := file.read(8)) == 8:
        length, found = struct.unpack(">I4s", start)
        length = struct.unpack(">Q", file.read(8))[0] - 16 if length == 1 else length - 8
        if found == kind:
            return file.read(min(length, LONGEST) if length > 0 else LONGEST)  # 0: up to the end of the file
        if length < 0:
            return b""
        file.seek(length, 1)
    return b""


def is_whole_png(path: Path) -> bool:
    """Tell whether a PNG is there to its end; of a disk that was full Blender says nothing."""
    if not path.is_file() or path.stat().st_size < len(PNG_END):
        return False
    with path.open("rb") as file:
        file.seek(-len(PNG_END), os.SEEK_END)
        return file.read() == PNG_END


def has_sound_checksums(path: Path) -> bool:
    """Tell whether the checksums of a PNG's pixel data fit; decoders that skip them show other pixels and say nothing.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(len(PNG))
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind != PIXELS:
                file.seek(length + 4, os.SEEK_CUR)
            elif not _has_sound_checksum(file, length):
                return False
    return True


def _has_sound_checksum(file: BinaryIO, length: int) -> bool:
    """Read a chunk's content and its checksum; a file that ends before it is left to the decoder."""
    found, left = zlib.crc32(PIXELS), length
    while left and (part := file.read(min(left, AT_ONCE))):
        found, left = zlib.crc32(part, found), left - len(part)
    stated = file.read(4)
    return len(stated) < 4 or found == int.from_bytes(stated, "big")


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
