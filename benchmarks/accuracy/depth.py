"""How right depth is, once its scale is taken out: per view, or with one scale for all views of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from image_to_scene.core.types import FloatArray

WITHIN = 1.25
"""A ratio of depths up to which δ1 takes a pixel as right."""


@dataclass(frozen=True)
class DepthScore:
    """Means over the views of a scene."""

    delta1: float
    """Part of pixels right within 25 %, every view scaled to its own true median."""
    absolute_relative: float
    """Mean of |predicted − true| / true, every view scaled to its own true median."""
    delta1_scene: float
    """The same with one scale for all views, from the medians over all of them."""
    absolute_relative_scene: float


def score_depth(predicted: Sequence[FloatArray], true: Sequence[FloatArray]) -> DepthScore:
    """Compare depth maps [H, W] of the same views pixel by pixel, NaN where unknown.

    Only pixels whose true depth is known count. Where such a pixel has no prediction, it is wrong: outside δ1, and as
    far off as a depth of zero.

    Source: Ranftl et al., Towards robust monocular depth estimation, for AbsRel and δ1.
    """
    pairs = [_known(p, t) for p, t in zip(predicted, true, strict=True)]
    pairs = [pair for pair in pairs if pair[1].size]
    together = _scale(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    alone = np.array([_errors(_scale(p, t) * p, t) for p, t in pairs]).mean(axis=0)
    scene = np.array([_errors(together * p, t) for p, t in pairs]).mean(axis=0)
    return DepthScore(float(alone[0]), float(alone[1]), float(scene[0]), float(scene[1]))


def _known(predicted: FloatArray, true: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return predicted and true depth [N] where the truth is known; 0 where nothing is predicted."""
    known = np.isfinite(true) & (np.nan_to_num(true) > 0.0)
    p = np.nan_to_num(predicted[known].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.maximum(p, 0.0), true[known].astype(np.float64)


def _scale(predicted: FloatArray, true: FloatArray) -> float:
    there = predicted > 0.0
    return float(np.median(true[there]) / np.median(predicted[there])) if there.any() else 1.0


def _errors(predicted: FloatArray, true: FloatArray) -> tuple[float, float]:
    """Return δ1 and AbsRel."""
    with np.errstate(divide="ignore"):
        ratio = np.maximum(predicted / true, true / predicted)
    return float(np.mean(ratio < WITHIN)), float(np.mean(np.abs(predicted - true) / true))
