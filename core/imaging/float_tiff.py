"""TIFF images of floating-point samples, which Pillow opens as grey only.

Pillow's libtiff undoes their compression: it is handed the same strips or tiles as grey of 8 bits, each sample as so
many pixels as it has bytes. Predictors and byte order are undone here.

Samples are scene-linear, as Blender and paint programs take them, but for a profile that says otherwise; whole numbers
up to 255 or 65535 are no light but levels that were stored as floats.

Source: TIFF 6.0; Adobe Photoshop TIFF Technical Note 3 (floating-point predictor).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from ..types import ByteArray, FloatArray
from .colours import D65, SRGB, xyz_from
from .linear_files import Light, LinearImage, refuse_huge
from .logluv import read_log_l, read_log_luv
from .profiles import matrix_of_linear

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS, _STRIP_COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 322, 323, 324, 325, 338, 339
_PROFILE: Final = 34675
_FLOAT: Final = 3
_LOSSLESS: Final = (1, 5, 8, 32773, 32946, 34925, 50000)
"""None, LZW, Deflate, PackBits, Deflate, LZMA, Zstandard."""
_SGI_LOG, _LOG_L, _LOG_LUV = 34676, 32844, 32845
_ASSOCIATED, _UNASSOCIATED = 1, 2
_MANY: Final = 16
"""Different whole numbers in an image that tell levels from flat areas of light."""


class FloatTiffImage(LinearImage, TiffImagePlugin.TiffImageFile):
    """A TIFF of floating-point grey or RGB, or of LogLuv; any other is left to Pillow's own plug-in."""

    format = "FLOAT_TIFF"
    format_description = "TIFF of floating-point samples"
    starts = (b"II", b"MM")

    def _setup(self) -> None:
        tags: Any = self.tag_v2
        self._matrix, self._is_encoded = None, False
        self._is_log = tags.get(_COMPRESSION) == _SGI_LOG and tags.get(_PHOTOMETRIC) in (_LOG_L, _LOG_LUV)
        if self._is_log:
            self._mode, self._size = "RGB", (int(tags[_WIDTH]), int(tags[_LENGTH]))
            return
        self._bits = {int(bits) for bits in tags.get(_BITS, (1,))}
        self._count = int(tags.get(_SAMPLES, 1))
        is_float = set(tags.get(_FORMAT, (1,))) == {_FLOAT} and self._bits in ({16}, {32}, {64})
        colours = {1: 1, 2: 3}.get(tags.get(_PHOTOMETRIC))
        if not is_float or colours is None or not colours <= self._count <= 16:
            raise SyntaxError("not a TIFF of floating-point grey or RGB")
        if tags.get(_COMPRESSION, 1) not in _LOSSLESS:
            raise OSError("unknown compression of floating-point samples")
        self._colours = colours
        extra = tuple(tags.get(_EXTRA, ()))[: self._count - colours]
        self._alpha = next((kind for kind in extra[:1] if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
        self._mode = "RGB" if self._alpha is None else "RGBA"
        self._size = int(tags[_WIDTH]), int(tags[_LENGTH])
        profile = tags.get(_PROFILE)
        self._matrix = matrix_of_linear(profile)
        self._is_encoded = profile is not None and self._matrix is None
        if self._is_encoded:
            self.info["icc_profile"] = profile

    def read_light(self) -> Light:
        """Decode the samples."""
        if self._is_log:
            return _log_light(self.fp, self.tag_v2, self.size)
        width, height = self.size
        refuse_huge(width * height * self._count)
        samples = _samples(self.fp, self.tag_v2, self.size, self._count, self._bits.copy().pop())
        colour = samples[..., : self._colours]
        scale = _level_scale(colour)
        light = np.empty((height, width, len(self.mode)), np.float32)
        light[..., :3] = colour * np.float32(1.0 / scale) if scale else colour
        if self._alpha is not None:
            light[..., 3] = samples[..., self._colours]
            if self._alpha == _UNASSOCIATED and not (scale or self._is_encoded):
                light[..., :3] *= light[..., 3:]
        return Light(light, self._matrix, is_encoded=self._is_encoded or bool(scale))


def _log_light(file: Any, tags: Mapping[int, Any], size: tuple[int, int]) -> Light:
    """Decode the logarithms of light."""
    refuse_huge(3 * size[0] * size[1])
    if _TILE_OFFSETS in tags:
        raise OSError("LogLuv in tiles")
    _, rows = _grid(tags, size)
    strips = [_read(file, *place) for place in zip(tags[_STRIP_OFFSETS], tags[_STRIP_COUNTS], strict=True)]
    if tags[_PHOTOMETRIC] == _LOG_LUV:
        return Light(read_log_luv(strips, size, rows), np.linalg.inv(xyz_from(SRGB, D65)))
    return Light(np.repeat(read_log_l(strips, size, rows)[..., None], 3, axis=2))


def _level_scale(colour: FloatArray) -> float | None:
    """Return what white is where samples are whole numbers, 255 or 65535; None where they are light."""
    peak = float(colour.max())
    if not 1.0 < peak <= 65535.0 or float(colour.min()) < 0.0 or not np.array_equal(colour, np.trunc(colour)):
        return None
    if len(np.unique(colour[:: max(1, len(colour) // 64)])) < _MANY:
        return None
    return 255.0 if peak <= 255.0 else 65535.0


def _samples(file: Any, tags: Mapping[int, Any], size: tuple[int, int], count: int, bits: int) -> FloatArray:
    """Return [H, W, count] samples."""
    width, height = size
    if tags.get(_PLANAR, 1) != 2:
        return _plane(file, tags, size, count, bits, slice(None))
    across, down = _grid(tags, size)
    chunks = -(-width // across) * -(-height // down)
    planes = [_plane(file, tags, size, 1, bits, slice(index * chunks, (index + 1) * chunks)) for index in range(count)]
    return np.concatenate(planes, axis=2)


def _grid(tags: Mapping[int, Any], size: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) of a strip or tile."""
    if _TILE_OFFSETS in tags:
        return int(tags[_TILE_WIDTH]), int(tags[_TILE_LENGTH])
    return size[0], min(int(tags.get(_ROWS, size[1])), size[1])


def _plane(
    file: Any, tags: Mapping[int, Any], size: tuple[int, int], count: int, bits: int, chunks: slice
) -> FloatArray:
    """Decode the strips or tiles of all samples, or of one plane."""
    (width, height), (across, down) = size, _grid(tags, size)
    if min(across, down) < 1:
        raise OSError("strips or tiles without pixels")
    columns, size_of = -(-width // across), bits // 8
    refuse_huge(columns * across * height * count)
    is_tiled = _TILE_OFFSETS in tags
    offsets = tags[_TILE_OFFSETS if is_tiled else _STRIP_OFFSETS][chunks]
    counts = tags[_TILE_COUNTS if is_tiled else _STRIP_COUNTS][chunks]
    parts = [_read(file, offset, length) for offset, length in zip(offsets, counts, strict=True)]
    row = across * count * size_of
    grey = _grey_tiff(parts, (columns * row, height), (row, down) if is_tiled else (0, down), tags)
    with Image.open(io.BytesIO(grey), formats=["TIFF"]) as image:
        decoded: ByteArray = np.asarray(image).reshape(height * columns, row)
    order = "<" if tags.prefix == b"II" else ">"  # type: ignore[attr-defined]
    samples = _predicted(decoded, int(tags.get(_PREDICTOR, 1)), count, size_of, order)
    return samples.reshape(height, columns * across, count)[:, :width]


def _read(file: Any, offset: int, length: int) -> bytes:
    file.seek(offset)
    data: bytes = file.read(length)
    if len(data) < length:
        raise OSError("a strip or tile is cut off")
    return data


def _predicted(rows: ByteArray, predictor: int, count: int, size: int, order: str) -> FloatArray:
    """Undo a predictor.

    Args:
        rows: [R, n · count · size] bytes of rows of strips or tiles.
        predictor: 1 none, 2 differences of neighbours, 3 differences of bytes that are sorted by significance.
        count: Samples of a pixel.
        size: Bytes of a sample.
        order: Byte order of the file.

    Returns:
        [R, n · count] samples.
    """
    if predictor == 3:
        summed = rows.reshape(len(rows), -1, count).cumsum(axis=1, dtype=np.uint8).reshape(len(rows), size, -1)
        return np.ascontiguousarray(summed.swapaxes(1, 2)).view(f">f{size}")[..., 0]
    if predictor == 2:
        differences: NDArray[Any] = rows.view(f"{order}u{size}").reshape(len(rows), -1, count)
        whole = differences.cumsum(axis=1, dtype=f"=u{size}").reshape(len(rows), -1)
        return whole.view(f"=f{size}")
    return rows.view(f"{order}f{size}")


def _grey_tiff(parts: Sequence[bytes], size: tuple[int, int], grid: tuple[int, int], tags: Mapping[int, Any]) -> bytes:
    """Write strips, or tiles where `grid` has a width, as a TIFF of 8-bit grey."""
    starts = np.cumsum([8, *map(len, parts)]).tolist()
    lengths = [len(part) for part in parts]
    entries: list[tuple[int, Sequence[int]]] = [
        (_WIDTH, [size[0]]),
        (_LENGTH, [size[1]]),
        (_BITS, [8]),
        (_COMPRESSION, [int(tags.get(_COMPRESSION, 1))]),
        (_PHOTOMETRIC, [1]),
        (_FILL_ORDER, [int(tags.get(_FILL_ORDER, 1))]),
    ]
    if grid[0]:
        entries += [(_SAMPLES, [1]), (_TILE_WIDTH, [grid[0]]), (_TILE_LENGTH, [grid[1]])]
        entries += [(_TILE_OFFSETS, starts[:-1]), (_TILE_COUNTS, lengths)]
    else:
        entries += [(_STRIP_OFFSETS, starts[:-1]), (_SAMPLES, [1]), (_ROWS, [grid[1]]), (_STRIP_COUNTS, lengths)]
    directory = starts[-1] + starts[-1] % 2
    beyond = directory + 2 + 12 * len(entries) + 4
    table, values = struct.pack("<H", len(entries)), b""
    for tag, numbers in entries:
        data = struct.pack(f"<{len(numbers)}I", *numbers)
        place = data if len(numbers) == 1 else struct.pack("<I", beyond + len(values))
        values += data if len(numbers) > 1 else b""
        table += struct.pack("<HHI", tag, 4, len(numbers)) + place
    body = b"".join(parts) + bytes(starts[-1] % 2)
    return struct.pack("<2sHI", b"II", 42, directory) + body + table + bytes(4) + values
