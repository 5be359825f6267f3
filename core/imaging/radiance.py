"""Radiance images (.hdr): light as three mantissas with one exponent.

Source: G. Ward, "Radiance File Formats" (picture format), with the run lengths of whole scanlines that every program
has written since 1991.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from ..types import ByteArray, FloatArray
from .colours import D65, SRGB, Chromaticities, srgb_from, xyz_from
from .linear_files import Light, LinearImage, refuse_huge

_MARKS: Final = (b"#?RADIANCE", b"#?RGBE")
_LONGEST: Final = 1 << 16
"""Bytes of a header that are looked at."""
_SIZE: Final = re.compile(rb"-Y +(\d{1,7}) +\+X +(\d{1,7})\n")


class RadianceImage(LinearImage):
    """A Radiance image whose rows go from the top to the bottom, as all in use."""

    format = "HDR"
    format_description = "Radiance"
    starts = _MARKS

    def _open(self) -> None:
        stream: Any = self.fp
        stream.seek(0)
        head = stream.read(_LONGEST)
        end = head.find(b"\n\n")
        size = _SIZE.match(head, end + 2) if head.startswith(_MARKS) and end >= 0 else None
        if size is None:
            raise SyntaxError("not a Radiance image with rows from the top")
        self._values = dict(line.partition(b"=")[::2] for line in head[:end].split(b"\n") if b"=" in line)
        self._size, self._mode, self._start = (int(size[2]), int(size[1])), "RGB", size.end()

    def read_light(self) -> Light:
        """Decode the rows."""
        width, height = self.size
        refuse_huge(4 * width * height)
        stream: Any = self.fp
        stream.seek(self._start)
        packed = _pixels(stream.read(), width, height)
        scale = np.ldexp(np.float32(1.0), packed[..., 3:].astype(np.int32) - 136)
        light = np.where(packed[..., 3:] > 0, packed[..., :3] * scale, np.float32(0.0)).astype(np.float32)
        return Light(light, _matrix(self._values))


def _matrix(values: dict[bytes, bytes]) -> FloatArray | None:
    if values.get(b"FORMAT", b"").strip() == b"32-bit_rle_xyze":
        return np.linalg.inv(xyz_from(SRGB, D65))
    try:
        told = [float(number) for number in values.get(b"PRIMARIES", b"").split()]
        points = [(told[index], told[index + 1]) for index in (0, 2, 4, 6)]
        primaries: Chromaticities = points[0], points[1], points[2]
        matrix = srgb_from(primaries, points[3])
    except (ValueError, IndexError, np.linalg.LinAlgError):
        return None
    return matrix if np.isfinite(matrix).all() else None


def _pixels(data: bytes, width: int, height: int) -> ByteArray:
    """Return [H, W, 4] mantissas and exponents.

    Raises:
        OSError: The data is cut off or damaged.
    """
    mark = bytes((2, 2, width >> 8, width & 255)) if 8 <= width < 32768 else b"\0"
    if not data.startswith(mark):
        if len(data) < 4 * width * height:
            raise OSError("rows are missing")
        return np.frombuffer(data, np.uint8, 4 * width * height).reshape(height, width, 4)
    pixels = np.empty((height, width, 4), np.uint8)
    start = 0
    for row in range(height):
        if data[start : start + 4] != mark:
            raise OSError("a row is damaged")
        start += 4
        for channel in range(4):
            pixels[row, :, channel], start = _runs(data, start, width)
    return pixels


def _runs(data: bytes, start: int, width: int) -> tuple[ByteArray, int]:
    """Decode one byte of every pixel of a row: its values, and where the next begin."""
    decoded = bytearray()
    while len(decoded) < width:
        count = data[start] if start < len(data) else 0
        if count > 128:
            decoded += data[start + 1 : start + 2] * (count - 128)
            start += 2
        elif count:
            decoded += data[start + 1 : start + 1 + count]
            start += 1 + count
        else:
            break
    if len(decoded) != width:
        raise OSError("a row is cut off or damaged")
    return np.frombuffer(bytes(decoded), np.uint8), start
