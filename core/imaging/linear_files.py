"""Files of scene-linear light as Pillow opens images: by content, and converted to sRGB when their pixels are loaded.

What reads images needs to know no more of them than that they may be exposed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from ..types import ByteArray, FloatArray
from .linear import srgb_from_linear


@dataclass(frozen=True)
class Light:
    """The pixels of a file."""

    samples: FloatArray
    """[H, W, 3] or, with associated alpha, [H, W, 4] scene-linear light, 1.0 being diffuse white."""
    matrix: FloatArray | None = None
    """[3, 3] from its primaries to those of sRGB. None: they are sRGB's."""
    is_encoded: bool = False
    """The samples are no light but levels in 0..1 for a display, by sRGB's curve or the image's profile."""


class LinearImage(ImageFile.ImageFile):
    """An image whose file holds scene-linear light."""

    starts: bytes | tuple[bytes, ...]
    """First bytes of a file of this format."""
    exposure: float | None = 0.0
    """In stops, applied when the pixels are loaded. None: samples are taken as they are."""

    @abstractmethod
    def read_light(self) -> Light:
        """Decode the file.

        Raises:
            OSError: It is cut off or damaged.
        """

    def load(self) -> Any:
        """Decode the file and convert it to 8-bit sRGB, once."""
        if self._im is None:
            light = self.read_light()
            converted = Image.fromarray(_levels(light, self.exposure))
            self._mode, self.im = converted.mode, converted.im
            self.tile = []
        return super().load()


def _levels(light: Light, exposure: float | None) -> ByteArray:
    if exposure is not None and not light.is_encoded:
        return srgb_from_linear(light.samples, exposure, light.matrix)
    unit = np.clip(np.nan_to_num(light.samples, posinf=1.0), 0.0, 1.0)
    levels: ByteArray = np.rint(255.0 * unit).astype(np.uint8)
    return levels


def register(*kinds: type[LinearImage]) -> None:
    """Let Pillow open formats by these classes, and by no others of an earlier call.

    Pillow keeps one class a format for the whole process, which may hold several copies of this package: a test's and
    the worker's. Each registers its own before it opens a file.
    """
    for kind in kinds:
        Image.register_open(str(kind.format), kind, _accepts(kind.starts))  # type: ignore[no-untyped-call]


def _accepts(starts: bytes | tuple[bytes, ...]) -> Callable[[bytes], bool]:
    return lambda prefix: prefix.startswith(starts)


def expose(image: Image.Image, exposure: float | None) -> None:
    """Set the exposure of an image that holds scene-linear light; others stay as they are.

    Args:
        image: Not yet loaded.
        exposure: In stops. None: its samples are taken as they are.
    """
    if isinstance(image, LinearImage):
        image.exposure = exposure


def refuse_huge(samples: int) -> None:
    """Refuse to decode more than any sensible file holds.

    Args:
        samples: Of all channels together.

    Raises:
        DecompressionBombError: Pillow's limit for pixels would be passed.
    """
    limit = 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else None
    if limit is not None and samples > 4 * limit:
        raise Image.DecompressionBombError(f"{samples} samples are more than {4 * limit}")
