"""Units and skies: how a prediction's scale follows from given cameras or from a metric network.

Nothing here is random: where upstream draws samples for its quantiles, these are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .cameras import COINCIDENT

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


def scale_to_given(predicted: FloatArray, given: FloatArray) -> ScaleFit:
    """Find the unit of a prediction from cameras that are known.

    The scale is the median, weighted by the given distance, of the ratios of distances between camera centres. It
    needs two centres that lie apart, in any arrangement, and up to half of the distances may be wrong.

    Args:
        predicted: [V, 4, 4] `world_from_camera` of the network.
        given: [V, 4, 4] `world_from_camera` of the same views.

    Returns:
        given ≈ scale · predicted; not known for one view or where all centres of either coincide.

    Source: Depth-Anything-3/src/depth_anything_3/utils/pose_align.py@2c21ea8 aligns centres by Umeyama's method.
    Differs: only the scale is asked for, so two views or cameras in a line do not degenerate, and it is robust.
    """
    first, second = _pairs(len(given))
    wanted, found = _distance(given, first, second), _distance(predicted, first, second)
    apart = (wanted > _coincidence(given)) & (found > _coincidence(predicted))
    if not apart.any():
        return ScaleFit()
    ratio, weight = wanted[apart] / found[apart], wanted[apart]
    scale = _weighted_median(ratio, weight)
    return ScaleFit(scale, _weighted_median(np.abs(ratio / scale - 1.0), weight), known=True)


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
) -> ScaleFit:
    """Find the one factor that brings all views of a nested model to metres.

    Least squares over the more confident half of what is not sky, all views together.

    Args:
        depth: V arrays [H, W] of the any-view network, of any sizes.
        confidence: The same of its confidence.
        metric_depth: The same of the metric network, in metres.
        sky: The same of the metric network's sky, ≥ 0.

    Returns:
        metric_depth ≈ scale · depth; not known where sky leaves no more than `FEWEST` pixels.

    Source: Depth-Anything-3/src/depth_anything_3/model/da3.py@2c21ea8 `_apply_depth_alignment`. Differs: the median
    confidence is exact instead of one of 100 000 random pixels; too much sky is told instead of asserted.
    """
    depths, confidences, metres, skies = (
        np.concatenate([np.ravel(a) for a in v]).astype(np.float64) for v in (depth, confidence, metric_depth, sky)
    )
    ground = skies < SKY
    if ground.sum() <= FEWEST:
        return ScaleFit()
    chosen = ground & (confidences >= np.median(confidences[ground])) & (metres > 1e-2) & (depths > 1e-3)
    if not chosen.any():
        return ScaleFit()
    depths, metres = depths[chosen], metres[chosen]
    scale = float(metres @ depths / (depths @ depths))
    return ScaleFit(scale, float(np.median(np.abs(metres / (scale * depths) - 1.0))), known=True)


def fill_sky(depth: FloatArray, sky: FloatArray) -> FloatArray:
    """Put one picture's sky [H, W] at the depth of the farthest 1 % of what is not sky.

    Source: Depth-Anything-3/src/depth_anything_3/model/da3.py@2c21ea8 `_process_mono_sky_estimation`. Differs: exact
    quantile; every picture alone, where upstream lets all pictures of a call share one.
    """
    ground = sky < SKY
    if min(ground.sum(), (~ground).sum()) <= FEWEST:
        return depth
    return np.where(ground, depth, np.quantile(depth[ground], 0.99)).astype(depth.dtype, copy=False)


def fill_sky_nested(
    depth: Sequence[FloatArray], confidence: Sequence[FloatArray], sky: Sequence[FloatArray]
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Put the sky of all views of a nested model at one depth, with the least confidence, 1.

    Args:
        depth: V arrays [H, W] in metres, of any sizes.
        confidence: The same of confidence in (1, ∞).
        sky: The same of the metric network's sky, ≥ 0.

    Returns:
        Depth and confidence anew; unchanged where no more than `FEWEST` pixels of all are not sky.

    Source: Depth-Anything-3/src/depth_anything_3/model/da3.py@2c21ea8 `_handle_sky_regions`. Differs: exact quantile.
    """
    grounds = [view < SKY for view in sky]
    known = np.concatenate([view[ground] for view, ground in zip(depth, grounds, strict=True)])
    if known.size <= FEWEST:
        return list(depth), list(confidence)
    far = min(np.quantile(known, 0.99), FARTHEST_SKY)

    def filled(views: Sequence[FloatArray], value: float) -> list[FloatArray]:
        return [_masked(view, ground, value) for view, ground in zip(views, grounds, strict=True)]

    return filled(depth, far), filled(confidence, 1.0)


def _masked(pixels: FloatArray, keep: NDArray[np.bool_], value: float) -> FloatArray:
    return np.where(keep, pixels, value).astype(pixels.dtype, copy=False)


def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair every view with those 1, 2, 4, 8, … places further round: V·log V pairs, all of them for few views."""
    view = np.arange(count)
    steps = [2**power for power in range(count.bit_length()) if 2**power < count]
    first = np.tile(view, len(steps))
    return first, (first + np.repeat(np.array(steps, dtype=np.intp), count)) % max(count, 1)


def _distance(cameras: FloatArray, first: NDArray[np.intp], second: NDArray[np.intp]) -> FloatArray:
    centres = np.asarray(cameras, dtype=np.float64)[:, :3, 3]
    return np.asarray(np.linalg.norm(centres[first] - centres[second], axis=1))


def _coincidence(cameras: FloatArray) -> float:
    """Return the distance up to which camera centres are one place."""
    return COINCIDENT * float(np.linalg.norm(cameras[:, :3, 3], axis=1).max())


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    """Return the smallest value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(passed, 0.5 * passed[-1])]])
