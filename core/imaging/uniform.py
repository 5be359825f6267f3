"""Images of a single colour: fades from and to black, slates, white flashes, a lens cap. Nothing can be seen in them.

They are told where pixels are at model size, where noise and compression have been averaged away. Over the images that
this project draws and two photos of a room, at 504 pixels:

* uniform images with noise of 3, 10 and 25 levels (of 255, each pixel) have a contrast of 0.2, 0.7 and 1.7 levels;
* the images at 1 % of their brightness have 2.0 to 2.6: their depth correlates with that of the bright image no
  better (0.66 to 0.80) than that of pure noise does (0.73 to 0.84);
* at 2 % they have 3.5 to 3.9 and at 5 % 9.3 to 10.3, where more and more of the structure is found: they stay, and so
  does a photo of a dark night with one lamp.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..types import BoolArray, ByteArray

VISIBLE: Final = 3.0
"""Levels of 255 between the darkest and the brightest cell, from which something can be seen in an image."""
_CELL: Final = 14  # model pixels, a patch of the network; smaller in small images
_CELLS_ACROSS: Final = 6


def contrast(pixels: ByteArray, mask: BoolArray | None = None) -> float:
    """Measure how much the mean colours of an image's cells differ.

    Args:
        pixels: [H, W, 3], 8 bits.
        mask: [H, W] True where the image takes no part. Cells that it touches do not count.

    Returns:
        The difference between the darkest and the brightest cell in the channel where it is largest, levels; infinite
        where the mask leaves no cell to tell by.
    """
    height, width = pixels.shape[:2]
    side = max(1, min(_CELL, min(height, width) // _CELLS_ACROSS))
    rows, columns = height // side, width // side
    cells = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    means = cells.mean(axis=(1, 3), dtype=np.float32).reshape(-1, 3)
    if mask is not None:
        masked = mask[: rows * side, : columns * side].reshape(rows, side, columns, side)
        means = means[~masked.any(axis=(1, 3)).reshape(-1)]
    return float(np.ptp(means, axis=0).max()) if len(means) else float("inf")


def is_uniform(pixels: ByteArray, mask: BoolArray | None = None) -> bool:
    """Return whether an image shows nothing but one colour; see `contrast` for its arguments."""
    return contrast(pixels, mask) < VISIBLE
