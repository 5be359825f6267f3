"""OpenEXR images: which of their parts and channels are the image, and where it lies.

The image is the display window, as a camera sees it: a data window that is smaller is surrounded by transparent black,
one that is larger (overscan) is cropped. (Blender shows the data window and knows no other, see `exr_header`.)

Of several parts and layers the plain R, G, B count first, then those that renderers call the whole image, then the
first in the file. Luminance alone is grey; with chroma (RY, BY) it becomes RGB. Chromaticities other than Rec. 709 are
converted. Deep samples are not read.

Source: openexr.com, "OpenEXR File Layout" and "Technical Introduction to OpenEXR" (luminance/chroma).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..types import FloatArray
from .colours import D65, SRGB, Chromaticities, srgb_from
from .exr_header import MAGIC
from .flaws import UnreadableError
from .linear_files import Light, LinearImage, refuse_huge

_ACES: Final[Chromaticities] = ((0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.077))
_ACES_WHITE: Final = (0.32168, 0.33767)
_WHOLE_IMAGE: Final = ("combined", "beauty", "composite", "rgba", "rgb", "image", "main", "color")
"""Names of layers, in lower case, that hold what a renderer or compositor made in the end."""
_Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom excluded


class ExrImage(LinearImage):
    """An OpenEXR file."""

    format = "EXR"
    format_description = "OpenEXR"
    starts = MAGIC

    def _open(self) -> None:
        part, layer = _chosen(self._parts(header_only=True))
        self._part, self._layer = part.part_index, layer
        data, display = _box(part.header["dataWindow"]), _box(part.header["displayWindow"])
        self._size = display[2] - display[0], display[3] - display[1]
        covers = data[0] <= display[0] and data[1] <= display[1] and data[2] >= display[2] and data[3] >= display[3]
        self._mode = "RGBA" if "A" in layer or not covers else "RGB"

    def _parts(self, *, header_only: bool) -> Sequence[Any]:
        try:
            import OpenEXR
        except ImportError as error:
            raise UnreadableError("is an EXR image, and the worker's Python lacks the package OpenEXR") from error
        stream: Any = self.fp
        stream.seek(0)
        try:
            file = OpenEXR.File(stream, separate_channels=True, header_only=header_only)
        except (RuntimeError, ValueError, TypeError) as error:
            raise OSError(str(error)) from error
        parts: Sequence[Any] = file.parts
        return parts

    def read_light(self) -> Light:
        """Decode the chosen part and layer."""
        for part in self._parts(header_only=True):
            left, top, right, bottom = _box(part.header["dataWindow"])
            refuse_huge((right - left) * (bottom - top) * len(part.header["channels"]))
        part = self._parts(header_only=False)[self._part]
        header = part.header
        planes = {role: _full(part.channels[name]) for role, name in self._layer.items()}
        primaries, white = _primaries(header)
        samples = _laid(_rgb(planes, primaries, white), planes.get("A"), header)
        is_srgb = np.allclose(primaries, SRGB, atol=1e-3) and np.allclose(white, D65, atol=1e-3)
        return Light(samples, None if is_srgb else srgb_from(primaries, white))


def _chosen(parts: Sequence[Any]) -> tuple[Any, dict[str, str]]:
    """Choose the part and, by what they mean (R, G, B, A, Y, RY, BY), its channels.

    Raises:
        UnreadableError: No part has a colour image.
    """
    found: list[tuple[int, Any, dict[str, str]]] = []
    for part in parts:
        if "deep" in str(part.header.get("type", "")):
            continue
        for prefix, layer in _layers(channel.name for channel in part.header["channels"]).items():
            found.append((_rank(prefix or (str(part.header.get("name", "")) if len(parts) > 1 else "")), part, layer))
    if not found:
        names = ", ".join(channel.name for part in parts for channel in part.header["channels"][:8])
        raise UnreadableError(f"holds no flat colour image (its channels: {names})")
    _, part, layer = min(found, key=lambda each: each[0])
    return part, layer


def _rank(name: str) -> int:
    """Return how late a layer, or a part with plain channels, is chosen; nameless ones first."""
    last = name.lower().rpartition(".")[2]
    if not last:
        return -1
    return _WHOLE_IMAGE.index(last) if last in _WHOLE_IMAGE else len(_WHOLE_IMAGE)


def _layers(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Group channels by layer; return those layers that are an image, each a channel by what it means."""
    layers: dict[str, dict[str, str]] = {}
    for name in names:
        prefix, _, role = name.rpartition(".")
        layers.setdefault(prefix, {})[role.upper()] = name
    found = {}
    for prefix, layer in layers.items():
        roles = ("R", "G", "B", "A") if {"R", "G", "B"} <= layer.keys() else ("Y", "RY", "BY", "A")
        if roles[0] in layer:
            found[prefix] = {role: layer[role] for role in roles if role in layer}
    return found


def _full(channel: Any) -> FloatArray:
    """Return [H, W] of a channel, repeated where it is subsampled."""
    pixels: FloatArray = channel.pixels
    if pixels.dtype.kind != "f":
        pixels = pixels.astype(np.float32)
    for axis, step in enumerate((channel.ySampling, channel.xSampling)):
        pixels = pixels if step == 1 else pixels.repeat(step, axis=axis)
    return pixels


def _rgb(planes: Mapping[str, FloatArray], primaries: Chromaticities, white: tuple[float, float]) -> list[FloatArray]:
    """Return the planes of R, G and B."""
    if "R" in planes:
        return [planes["R"], planes["G"], planes["B"]]
    y = planes["Y"]
    if "RY" not in planes or "BY" not in planes:
        return [y, y, y]
    height, width = y.shape
    red, blue = ((planes[name][:height, :width].astype(np.float32) + 1.0) * y for name in ("RY", "BY"))
    # Luminance is the second row of the matrix to XYZ; in terms of sRGB's: Y = (0.2126, 0.7152, 0.0722) M.
    weights = np.array([0.2126390, 0.7151687, 0.0721923]) @ srgb_from(primaries, white)
    green = (y - weights[0] * red - weights[2] * blue) / weights[1]
    return [red, green, blue]


def _laid(colours: Sequence[FloatArray], alpha: FloatArray | None, header: Mapping[str, Any]) -> FloatArray:
    """Lay the data window into the display window."""
    data, display = _box(header["dataWindow"]), _box(header["displayWindow"])
    left, top, right, bottom = (
        max(data[0], display[0]),
        max(data[1], display[1]),
        min(data[2], display[2]),
        min(data[3], display[3]),
    )
    shape = display[3] - display[1], display[2] - display[0]
    is_covered = (right - left, bottom - top) == (shape[1], shape[0])
    planes = [*colours] if alpha is None else [*colours, alpha]
    if alpha is None and not is_covered:
        planes.append(np.ones_like(colours[0]))
    laid = np.zeros((*shape, len(planes)), np.result_type(*planes))
    if left < right and top < bottom:
        into = slice(top - display[1], bottom - display[1]), slice(left - display[0], right - display[0])
        out_of = slice(top - data[1], bottom - data[1]), slice(left - data[0], right - data[0])
        for index, plane in enumerate(planes):
            laid[(*into, index)] = plane[out_of]
    return laid


def _primaries(header: Mapping[str, Any]) -> tuple[Chromaticities, tuple[float, float]]:
    if header.get("acesImageContainerFlag") and "chromaticities" not in header:
        return _ACES, _ACES_WHITE
    told = header.get("chromaticities")
    points = np.asarray(told, np.float64).reshape(-1, 2) if told is not None else np.empty((0, 2))
    if len(points) != 4 or not _are_primaries(points):
        return SRGB, D65
    (red, green, blue, white) = (((float(x), float(y))) for x, y in points)
    return (red, green, blue), white


def _are_primaries(points: FloatArray) -> bool:
    """Return whether three primaries span a triangle and the white has a luminance."""
    if not np.isfinite(points).all() or abs(points[3, 1]) < 1e-3:
        return False
    return bool(abs(np.linalg.det(np.column_stack([points[:3], np.ones(3)]))) > 1e-3)


def _box(window: Any) -> _Box:
    (left, top), (right, bottom) = window
    return int(left), int(top), int(right) + 1, int(bottom) + 1
