"""Units and skies: how a prediction's scale follows from a metric network, and where its sky stands.

Nothing here is random: where upstream draws samples for its quantiles, these are exact. Masked pixels are never asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import BoolArray, FloatArray

CANONICAL_FOCAL = 300.0  # pixels; a metric network's depth is metres at this focal length
SKY = 0.3  # a sky value from here on is sky
FEWEST = 10  # with no more pixels than these on one side, sky says nothing
FARTHEST_SKY = 200.0  # metres; no nested model's sky stands farther


@dataclass(frozen=True)
class ScaleFit:
    """How much larger one reconstruction is than another."""

    scale: float = 1.0
    """Multiply the prediction's depth and camera positions by this."""
    residual: float = 0.0
    """Typical relative disagreement that no scale removes; 0 is perfect."""
    known: bool = False
    """False: nothing fixes the scale, and `scale` is 1."""


def metric_depth_from_canonical(depth: FloatArray, focal: float) -> FloatArray:
    """Turn a metric network's depth into metres.

    Args:
        depth: [H, W] metres at a focal length of 300 pixels.
        focal: The picture's focal length in model pixels, (fx + fy) / 2.

    Source: Depth-Anything-3/README.md@2c21ea8, "focal × output / 300" at the processed size.
    """
    metres: FloatArray = depth * np.float32(focal / CANONICAL_FOCAL)
    return metres


def metric_scale_nested(
    depth: Sequence[FloatArray],
    confidence: Sequence[FloatArray],
    metric_depth: Sequence[FloatArray],
    sky: Sequence[FloatArray],
    mask: Sequence[BoolArray | None] | None = None,
) -> ScaleFit:
    """Find the one factor that brings all views of a nested model to metres.

    Least squares over the more confident half of what is not sky, all views together.

    Args:
        depth: V arrays [H, W] of the any-view network, of any sizes.
        confidence: The same of its confidence.
        metric_depth: The same of the metric network, in metres.
        sky: The same of the metric network's sky, ≥ 0.
        mask: The same, True where a pixel takes no part; None for a view without.

    Returns:
        metric_depth ≈ scale · depth; not known where sky leaves no more than `FEWEST` pixels.

    Source: Depth-Anything-3/src/depth_anything_3/model/da3.py@2c21ea8 `_apply_depth_alignment`. Differs: the median
    confidence is exact instead of one of 100 000 random pixels; too much sky is told instead of asserted.
    """
    depths, confidences, metres, skies = (
        np.concatenate([np.ravel(a) for a in v]).astype(np.float64) for v in (depth, confidence, metric_depth, sky)
    )
    ground = (skies < SKY) & np.concatenate([np.ravel(view) for view in _kept(sky, mask)])
    if ground.sum() <= FEWEST:
        return ScaleFit()
    chosen = ground & (confidences >= np.median(confidences[ground])) & (metres > 1e-2) & (depths > 1e-3)
    if not chosen.any():
        return ScaleFit()
    depths, metres = depths[chosen], metres[chosen]
    scale = float(metres @ depths / (depths @ depths))
    return ScaleFit(scale, float(np.median(np.abs(metres / (scale * depths) - 1.0))), known=True)


def fill_sky(depth: FloatArray, sky: FloatArray, mask: BoolArray | None = None) -> FloatArray:
    """Put one picture's sky [H, W] at the depth of the farthest 1 % of what is neither sky nor masked.

    Source: Depth-Anything-3/src/depth_anything_3/model/da3.py@2c21ea8 `_process_mono_sky_estimation`. Differs: exact
    quantile; every picture alone, where upstream lets all pictures of a call share one.
    """
    ground = sky < SKY
    (kept,) = _kept([sky], [mask])
    known = depth[ground & kept]
    if min(known.size, (~ground).sum()) <= FEWEST:
        return depth
    return _replaced(depth, ground, float(np.quantile(known, 0.99)))


def fill_sky_nested(
    depth: Sequence[FloatArray],
    confidence: Sequence[FloatArray],
    sky: Sequence[FloatArray],
    mask: Sequence[BoolArray | None] | None = None,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Put the sky of all views of a nested model at one depth, with the least confidence, 1.

    Args:
        depth: V arrays [H, W] in metres, of any sizes.
        confidence: The same of confidence in (1, ∞).
        sky: The same of the metric network's sky, ≥ 0.
        mask: The same, True where a pixel takes no part; None for a view without.

    Returns:
        Depth and confidence anew; unchanged where no more than `FEWEST` pixels of all are neither sky nor masked.

    Source: Depth-Anything-3/src/depth_anything_3/model/da3.py@2c21ea8 `_handle_sky_regions`. Differs: exact quantile.
    """
    grounds = [view < SKY for view in sky]
    counted = [ground & kept for ground, kept in zip(grounds, _kept(sky, mask), strict=True)]
    known = np.concatenate([view[chosen] for view, chosen in zip(depth, counted, strict=True)])
    if known.size <= FEWEST:
        return list(depth), list(confidence)
    far = min(np.quantile(known, 0.99), FARTHEST_SKY)

    def filled(views: Sequence[FloatArray], value: float) -> list[FloatArray]:
        return [_replaced(view, ground, value) for view, ground in zip(views, grounds, strict=True)]

    return filled(depth, far), filled(confidence, 1.0)


def _kept(like: Sequence[FloatArray], mask: Sequence[BoolArray | None] | None) -> list[BoolArray]:
    """Return per view which pixels take part."""
    masks = mask or [None] * len(like)
    return [
        np.ones(a.shape, dtype=bool) if left_out is None else ~left_out for a, left_out in zip(like, masks, strict=True)
    ]


def _replaced(pixels: FloatArray, keep: BoolArray, value: float) -> FloatArray:
    return np.where(keep, pixels, value).astype(pixels.dtype, copy=False)
