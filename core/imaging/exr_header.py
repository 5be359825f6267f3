"""Windows of an OpenEXR image by its header: where its pixels lie, and what a camera sees of them.

The standard library only: Blender shows the data window, while the worker reads the display window (`exr`), and
Blender's process must know how they differ.

Source: openexr.com, "OpenEXR File Layout".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"\x76\x2f\x31\x01"
_LONGEST: Final = 1 << 20
"""Bytes of a header that are looked at."""


@dataclass(frozen=True)
class Windows:
    """Both windows of an image; pixels count from the display window's corner."""

    size: tuple[int, int]
    """(width, height) of the display window."""
    data_size: tuple[int, int]
    data_corner: tuple[int, int]
    """(x, y) of the data window's upper left pixel."""

    @property
    def are_same(self) -> bool:
        """Return whether the data window is the display window."""
        return self.data_corner == (0, 0) and self.data_size == self.size


def read_windows(path: Path) -> Windows | None:
    """Read an EXR image's windows, of several parts the first's; None of any other file, or of a damaged one."""
    try:
        with path.open("rb") as file:
            header = file.read(_LONGEST) if file.read(4) == MAGIC else b""
        boxes = _boxes(header)
        left, top, right, bottom = boxes[b"displayWindow"]
        data = boxes[b"dataWindow"]
    except (OSError, KeyError, ValueError, struct.error):
        return None
    size, data_size = (right - left + 1, bottom - top + 1), (data[2] - data[0] + 1, data[3] - data[1] + 1)
    if min(*size, *data_size) < 1:
        return None
    return Windows(size, data_size, (data[0] - left, data[1] - top))


def _boxes(header: bytes) -> dict[bytes, tuple[int, ...]]:
    """List the windows among the attributes that follow the version: name, kind, length, value."""
    start = 4
    found: dict[bytes, tuple[int, ...]] = {}
    while header[start : start + 1] not in (b"", b"\0") and len(found) < 2:
        name_end = header.index(b"\0", start)
        kind_end = header.index(b"\0", name_end + 1)
        (length,) = struct.unpack_from("<i", header, kind_end + 1)
        if header[name_end + 1 : kind_end] == b"box2i":
            found[header[start:name_end]] = struct.unpack_from("<4i", header, kind_end + 5)
        start = kind_end + 5 + max(0, length)
    return {name: box for name, box in found.items() if name in (b"dataWindow", b"displayWindow")}
