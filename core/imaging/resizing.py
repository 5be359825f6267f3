"""The two filters of the official pre-processing, in numpy: area for shrinking, bicubic for growing.

Both are separable. A filter is written as two small tables per axis, `taps` [n_out, T] (which input samples) and
`weights` [n_out, T]; one function applies such tables to rows, and columns are rows of the transposed picture. Rows are
taken one output row at a time, so that bytes become floats inside the processor's cache and never as a whole.

Source: OpenCV's conventions for `INTER_AREA` and `INTER_CUBIC` (documentation of `cv::resize`; pixel centres at +0.5,
a = −0.75, borders repeated). Differs: OpenCV rounds the bicubic weights to 1/2048; results differ by at most one level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import ByteArray, FloatArray

Table = tuple[NDArray[np.int64], FloatArray]


def resize_area(pixels: ByteArray, size: tuple[int, int]) -> ByteArray:
    """Shrink by averaging over the area that each new pixel covers.

    Args:
        pixels: [H, W, C].
        size: New (width, height), neither larger than the old.

    Returns:
        [height, width, C], rounded to nearest.

    Raises:
        ValueError: The new size is larger than the old or empty.
    """
    height, width = pixels.shape[:2]
    if not (0 < size[0] <= width and 0 < size[1] <= height):
        raise ValueError(f"Area resizing shrinks; {width}x{height} cannot become {size[0]}x{size[1]}.")
    resized = _resample(pixels, _area_table(height, size[1]), _area_table(width, size[0]))
    if (width, height) == (2 * size[0], 2 * size[1]):
        resized += 0.125  # OpenCV rounds ties up in this one case (all values are quarters), elsewhere to even
    return _to_bytes(resized)


def average(weights: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Average over the area that each new pixel covers, whether pixels shrink or grow.

    Args:
        weights: [H, W].
        size: New (width, height).

    Returns:
        [height, width] float32.
    """
    height, width = weights.shape
    averages = _resample(weights[..., None], _area_table(height, size[1]), _area_table(width, size[0]))
    return np.asarray(averages[..., 0])


def resize_cubic(pixels: ByteArray, size: tuple[int, int]) -> ByteArray:
    """Resize by bicubic interpolation (a = −0.75) between pixel centres, without smoothing where it shrinks.

    Args:
        pixels: [H, W, C].
        size: New (width, height).

    Returns:
        [height, width, C], rounded to nearest and clipped to 0..255.
    """
    height, width = pixels.shape[:2]
    return _to_bytes(_resample(pixels, _cubic_table(height, size[1]), _cubic_table(width, size[0])))


def _area_table(old: int, new: int) -> Table:
    """How much of each new cell every old cell fills. In units of 1/new of an old cell all borders are integers."""
    starts = np.arange(new)[:, None] * old
    taps = starts // new + np.arange(-(-old // new) + 1)
    overlaps = np.minimum((taps + 1) * new, starts + old) - np.maximum(taps * new, starts)
    return np.minimum(taps, old - 1), (np.maximum(overlaps, 0) / old).astype(np.float32)


def _cubic_table(old: int, new: int) -> Table:
    """Keys' cubic convolution (1981) at the new centres, four old centres each, the border repeated."""
    centres = (np.arange(new)[:, None] + 0.5) * (old / new) - 0.5
    taps = np.floor(centres).astype(np.int64) + np.arange(-1, 3)
    weights = _cubic(np.abs(centres - taps)).astype(np.float32)
    return np.clip(taps, 0, old - 1), weights


def _cubic(distance: FloatArray, a: float = -0.75) -> FloatArray:
    """The kernel at distances of 0 to 2 samples."""
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = a * (((distance - 5.0) * distance + 8.0) * distance - 4.0)
    return np.where(distance <= 1.0, near, far)


def _resample(pixels: ByteArray | FloatArray, rows: Table, columns: Table) -> FloatArray:
    """[height, width, C] float32 of [H, W, C], by tables for its rows and its columns."""
    height, width, channels = pixels.shape
    lines = _resample_rows(pixels.reshape(height, width * channels), rows)
    # By single floats: numpy takes four times as long to turn triples of them.
    upright = _resample_rows(lines.T.reshape(width, channels * len(lines)), columns)
    return upright.reshape(-1, channels, len(lines)).transpose(2, 0, 1)


def _resample_rows(samples: ByteArray | FloatArray, table: Table) -> FloatArray:
    """[n_out, M] float32 of [n_in, M]."""
    resampled = np.empty((len(table[0]), samples.shape[1]), np.float32)
    for taps, weights, row in zip(*table, resampled, strict=True):
        np.matmul(weights, samples[taps].astype(np.float32, copy=False), out=row)
    return resampled


def _to_bytes(values: FloatArray) -> ByteArray:
    return np.clip(np.rint(values), 0.0, 255.0).astype(np.uint8, order="C")
