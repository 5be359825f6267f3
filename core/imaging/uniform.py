"""Images of a single colour: fades from and to black, slates, white flashes, a lens cap. Nothing can be seen in them.

They are told at model size, where noise and compression have been averaged away. Measured at 504 pixels on a rendered
image and two photos of a room; the bundled model then found their depth:

* images of one colour with noise of 3 and of 10 levels (of 255, each pixel) have a contrast of up to 0.7 and 2.7, with
  noise of 3 levels in small JPEGs of quality 30 to 50 up to 3.3;
* the images at 1 % and 2 % of their brightness have 1.9 to 2.5 and 3.8 to 4.0: their depth correlates with that of the
  bright images (0.66 to 0.80, 0.67 to 0.88) no better than that of pure noise does (0.73 to 0.84);
* at 3 % they have 5.7 to 6.6 and at 5 % 9.2 to 10.5, where more and more of the structure is found (0.72 to 0.90, 0.80
  to 0.90): they stay, and so does a photo of a dark night with one lamp.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..types import BoolArray, ByteArray

VISIBLE: Final = 4.0
"""Levels of 255 between the darkest and the brightest cell, from which something can be seen in an image."""
_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of sRGB's primaries, ITU-R BT.709
_CELL: Final = 14  # model pixels, a patch of the network; smaller in small images
_CELLS_ACROSS: Final = 6


def contrast(pixels: ByteArray, mask: BoolArray | None = None) -> float:
    """Measure how much the mean colours of an image's cells differ.

    Args:
        pixels: [H, W, 3], 8 bits.
        mask: [H, W] True where the image takes no part. Cells that it touches do not count.

    Returns:
        The difference between the darkest and the brightest cell, levels: in luminance, or half of it in the channel
        where it is largest, as compression is coarser with colours. Infinite where the mask leaves no cell.
    """
    height, width = pixels.shape[:2]
    side = max(1, min(_CELL, min(height, width) // _CELLS_ACROSS))
    rows, columns = height // side, width // side
    cells = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    means = cells.mean(axis=(1, 3), dtype=np.float32).reshape(-1, 3)
    if mask is not None:
        masked = mask[: rows * side, : columns * side].reshape(rows, side, columns, side)
        means = means[~masked.any(axis=(1, 3)).reshape(-1)]
    if not len(means):
        return float("inf")
    return max(float(np.ptp(means @ _LUMINANCE)), 0.5 * float(np.ptp(means, axis=0).max()))


def is_uniform(pixels: ByteArray, mask: BoolArray | None = None) -> bool:
    """Return whether an image shows nothing but one colour; see `contrast` for its arguments."""
    return contrast(pixels, mask) < VISIBLE
