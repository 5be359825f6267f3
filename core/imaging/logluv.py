"""LogLuv TIFF images: light in 32 bits a pixel, as several libraries write floating-point TIFF by default.

Rows hold the bytes of all pixels' words, the highest first, with runs coded. A word is the logarithm of luminance and
the chromaticity u'v'; of grey images only the former.

Source: G. Ward Larson, "LogLuv encoding for full-gamut, high-dynamic range images", 1998 (32-bit form, run lengths).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import ByteArray, FloatArray


def read_log_luv(strips: Sequence[bytes], size: tuple[int, int], rows_per_strip: int) -> FloatArray:
    """Return [H, W, 3] CIE XYZ.

    Args:
        strips: As stored.
        size: (width, height).
        rows_per_strip: Of all strips but the last.

    Raises:
        OSError: A strip is damaged.
    """
    words = _words(strips, size, rows_per_strip, 4)
    luminance = _luminance(words >> 16)
    u, v = ((((words >> shift) & 0xFF) + np.float32(0.5)) / np.float32(410.0) for shift in (8, 0))
    x, y = 9.0 * u, 4.0 * v  # both times 6 u' - 16 v' + 12, which goes out of their ratio
    z = 12.0 - 3.0 * u - 20.0 * v
    return np.stack([x / y * luminance, luminance, z / y * luminance], axis=-1)


def read_log_l(strips: Sequence[bytes], size: tuple[int, int], rows_per_strip: int) -> FloatArray:
    """Return [H, W] luminance of a grey image; see `read_log_luv`."""
    return _luminance(_words(strips, size, rows_per_strip, 2))


def _luminance(log: NDArray[Any]) -> FloatArray:
    """Return luminance by its logarithm of 15 bits; the 16th, its sign, makes it black."""
    light = np.exp2((log.astype(np.float32) + np.float32(0.5)) / np.float32(256.0) - np.float32(64.0))
    return np.where((log == 0) | (log >= 0x8000), np.float32(0.0), light)


def _words(
    strips: Sequence[bytes], size: tuple[int, int], rows_per_strip: int, size_of_word: int
) -> NDArray[np.uint32]:
    width, height = size
    words = np.zeros((height, width), np.uint32)
    for index, strip in enumerate(strips):
        start = 0
        for row in range(index * rows_per_strip, min((index + 1) * rows_per_strip, height)):
            for place in reversed(range(size_of_word)):
                plane, start = _plane(strip, start, width)
                words[row] |= plane.astype(np.uint32) << np.uint32(8 * place)
    return words


def _plane(strip: bytes, start: int, width: int) -> tuple[ByteArray, int]:
    """Decode one byte of every word of a row: its values, and where the next begin."""
    decoded = bytearray()
    try:
        while len(decoded) < width:
            count = strip[start]
            if count >= 128:
                decoded += strip[start + 1 : start + 2] * (count - 126)
                start += 2
            else:
                decoded += strip[start + 1 : start + 1 + count]
                start += 1 + count
    except IndexError as error:
        raise OSError("a strip is cut off") from error
    return np.frombuffer(bytes(decoded[:width]), np.uint8), start
