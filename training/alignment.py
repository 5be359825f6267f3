"""Scale and shift between relative and true depth: robustly to sparse depth (RANSAC), and best in L1 (for a loss).

A fit is y ≈ scale · x + shift with scale > 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.floating[Any]]


class Affine(NamedTuple):
    """scale · x + shift."""

    scale: float
    shift: float

    def __call__(self, x: Array) -> Array:
        """Apply it."""
        return self.scale * x + self.shift


def least_squares(x: Array, y: Array) -> Affine | None:
    """The line of least squares through points [N]; None where x does not vary or the line falls."""
    mean_x, mean_y = x.mean(), y.mean()
    spread = ((x - mean_x) ** 2).sum()
    scale = ((x - mean_x) * (y - mean_y)).sum() / spread if spread > 0 else 0.0
    return Affine(float(scale), float(mean_y - scale * mean_x)) if scale > 0 else None


def deviation(residuals: Array) -> float:
    """Mean absolute deviation from the median: the paper's inlier threshold."""
    return float(np.abs(residuals - np.median(residuals)).mean())


def ransac(relative: Array, true: Array, random: np.random.Generator, hypotheses: int = 64) -> Affine | None:
    """Fit relative depth [N] to true depth [N] of which some is wrong.

    Lines through two points compete for the smallest truncated squared error; the winner is fitted to its inliers by
    least squares until they no longer change.

    Returns:
        None where there are fewer than two points or no line rises.

    Source: arXiv 2511.10647 eq. 8, with its threshold: the mean absolute deviation of the residuals from their median.
    Differs: the paper does not say of which fit; here of the one by least squares to all points. As gross errors widen
    it, hypotheses are compared by how well they fit and not by counting, and the fit is repeated with three times the
    deviation of the inliers alone.
    """
    x, y = relative.astype(np.float64), true.astype(np.float64)
    if len(x) < 2:
        return None
    slope, offset = np.polyfit(x, y, 1) if np.ptp(x) > 0 else (0.0, float(np.median(y)))
    threshold = max(deviation(slope * x + offset - y), 1e-9 * float(np.abs(y).max()))
    best = _best_line(x, y, threshold, random.integers(len(x), size=(hypotheses, 2)))
    return best and _refined(best, x, y, threshold)


def _best_line(x: Array, y: Array, threshold: float, pairs: NDArray[np.integer[Any]]) -> Affine | None:
    """Of the rising lines through pairs [K, 2] of points, the one with the smallest truncated error."""
    run, rise = np.diff(x[pairs])[:, 0], np.diff(y[pairs])[:, 0]
    rising = run * rise > 0
    if not rising.any():
        return None
    scale = rise[rising] / run[rising]
    shift = y[pairs[rising, 0]] - scale * x[pairs[rising, 0]]
    residuals = scale[:, None] * x + shift[:, None] - y
    best = int(np.minimum(residuals**2, threshold**2).sum(1).argmin())
    return Affine(float(scale[best]), float(shift[best]))


def _refined(line: Affine, x: Array, y: Array, threshold: float, rounds: int = 20) -> Affine | None:
    """Least squares to a line's inliers, again and again, the threshold following their own spread."""
    inliers = np.abs(line(x) - y) <= threshold
    least = 1e-9 * float(np.abs(y).max())
    for _ in range(rounds):
        fit = least_squares(x[inliers], y[inliers]) if inliers.sum() > 1 else line
        if fit is None:
            return None
        line = fit
        threshold = min(threshold, max(3 * deviation((line(x) - y)[inliers]), least))
        kept = np.abs(line(x) - y) <= threshold
        if kept.sum() < 2 or np.array_equal(kept, inliers):
            return line
        inliers = kept
    return line


@torch.no_grad()
def best_in_l1(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Scale > 0 and shift of the least Σ weight · |scale · x + shift − y|, exactly.

    A best line passes through one of the points. With it as the origin, the best slope is a weighted median, so all
    points are tried in turn.

    Args:
        x: [..., N].
        y: [..., N].
        weight: [..., N] ≥ 0; 0 leaves a point out.

    Returns:
        [...] scale and shift. Where no line rises, the scale is tiny.

    Source: the idea of anchoring, MoGe (arXiv 2410.19115) §3.2.
    """
    dx, dy = (t[..., None, :] - t[..., :, None] for t in (x, y))  # anchor, point
    slopes = torch.where(dx == 0, torch.zeros_like(dx), dy / torch.where(dx == 0, torch.ones_like(dx), dx))
    scale = weighted_median(slopes, weight[..., None, :] * dx.abs()).clamp_min(1e-6)
    residual = (scale[..., None] * dx - dy).abs()
    cost = (weight[..., None, :] * residual).sum(-1).masked_fill(weight == 0, torch.inf)
    anchor = cost.argmin(-1, keepdim=True)
    scale = scale.gather(-1, anchor)
    shift = y.gather(-1, anchor) - scale * x.gather(-1, anchor)
    return scale[..., 0], shift[..., 0]


def weighted_median(values: Tensor, weight: Tensor) -> Tensor:
    """The value [...] of [..., N] at which half of the weight is reached."""
    ordered, order = values.sort(dim=-1)
    total = weight.gather(-1, order).cumsum(-1)
    place = torch.searchsorted(total, 0.5 * total[..., -1:]).clamp_max(values.shape[-1] - 1)
    return ordered.gather(-1, place)[..., 0]
