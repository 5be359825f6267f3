"""Numbers for depth and cameras that are watched while training; what is published comes from `benchmarks/accuracy`.

Definitions: arXiv 2511.10647, its visual geometry benchmark; each pair of cameras as one sees the other (`rel30` in our
benchmark's table; its README says why the official evaluation's AUC is another number).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def aligned_depth(predicted: Array, true: Array) -> tuple[Array, Array]:
    """Known pixels of a view, the prediction scaled to the true median; both [N]."""
    known = true > 0
    p, t = predicted[known].astype(np.float64), true[known].astype(np.float64)
    return p * (np.median(t) / np.median(p)), t


def delta1(predicted: Array, true: Array) -> float:
    """Part of a view's pixels that are right within 25 %, after median alignment."""
    return inlier_share(*aligned_depth(predicted, true))


def inlier_share(predicted: Array, true: Array) -> float:
    """Part of the aligned depths [N] that are right within 25 %; one that is not positive is wrong."""
    p = np.maximum(predicted, 1e-9)
    return float(np.mean(np.maximum(p / true, true / p) < 1.25))


def absolute_relative(predicted: Array, true: Array) -> float:
    """Mean relative error of a view's depth, after median alignment."""
    p, t = aligned_depth(predicted, true)
    return float(np.mean(np.abs(p - t) / t))


def angle(cosine: float) -> float:
    """Degrees of a cosine, which rounding may have brought beyond ±1."""
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def pair_errors(predicted: Array, true: Array) -> list[tuple[float, float]]:
    """Rotation and translation-direction error, degrees, of all pairs of cameras [V, 4, 4] (world_from_camera).

    They are those of the movement from one camera to the other, in the axes of the one: the errors of
    `benchmarks.accuracy.pose.relative_pair_errors`. The direction's sign is free; without any movement it is 90° off.
    """
    errors = []
    for i, j in combinations(range(len(true)), 2):
        p, t = (np.linalg.inv(cameras[i]) @ cameras[j] for cameras in (predicted, true))
        rotation = angle((np.trace(p[:3, :3].T @ t[:3, :3]) - 1) / 2)
        lengths = np.linalg.norm(p[:3, 3]) * np.linalg.norm(t[:3, 3])
        direction = angle(abs(p[:3, 3] @ t[:3, 3]) / lengths) if lengths > 1e-9 else 90.0
        errors.append((rotation, direction))
    return errors


def area_under_curve(errors: list[tuple[float, float]], threshold: int) -> float:
    """AUC in percent of max(rotation, direction) error up to `threshold` degrees, by whole-degree histogram."""
    worst = np.array([max(pair) for pair in errors])
    histogram, _ = np.histogram(worst, bins=np.arange(threshold + 1))
    return float(100 * np.mean(np.cumsum(histogram / len(worst))))
