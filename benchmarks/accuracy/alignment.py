"""The similarity that brings predicted cameras to the true ones, as the benchmark defines it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from image_to_scene.core.types import BoolArray, FloatArray

FEWEST = 3  # cameras that a similarity is fitted to
ROUNDS = 10  # samples of cameras that are tried
SEED = 42  # of the official evaluation: the same cameras are drawn


class DegenerateError(Exception):
    """Cameras that stand in one place or in a line tell no similarity."""


@dataclass(frozen=True)
class Similarity:
    """true ≈ scale · rotation · predicted + translation."""

    rotation: FloatArray
    """[3, 3]."""
    translation: FloatArray
    """[3]."""
    scale: float

    def points(self, points: FloatArray) -> FloatArray:
        """Bring points [..., 3] along."""
        moved: FloatArray = self.scale * points @ self.rotation.T + self.translation
        return moved

    def cameras(self, world_from_camera: FloatArray) -> FloatArray:
        """Bring cameras [V, 4, 4] along; they stay rigid, and depth goes with `scale`."""
        moved = world_from_camera.copy()
        moved[:, :3, :3] = self.rotation @ world_from_camera[:, :3, :3]
        moved[:, :3, 3] = self.points(world_from_camera[:, :3, 3])
        return moved


def fit_similarity(predicted: FloatArray, true: FloatArray) -> Similarity:
    """Fit points [N, 3] to others in the sense of least squares.

    Raises:
        DegenerateError: They lie in a line, so that a rotation about it is free.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991.
    """
    p, t = predicted - predicted.mean(axis=0), true - true.mean(axis=0)
    left, spread, right = np.linalg.svd(t.T @ p / len(p))
    if np.count_nonzero(spread > np.finfo(np.float64).eps) < 2:
        raise DegenerateError
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = left * mirror @ right
    scale = float(spread @ mirror / np.mean(np.sum(p * p, axis=1)))
    return Similarity(rotation, true.mean(axis=0) - scale * rotation @ predicted.mean(axis=0), scale)


def align_cameras(predicted: FloatArray, true: FloatArray) -> Similarity:
    """Bring the centres of predicted cameras to the true ones, whatever half of them are far off.

    Half of the cameras, ten times drawn, make a fit each; the one with most cameras within the threshold wins, and is
    made anew from those. The threshold is the median distance of predicted cameras, fitted all together, from
    whatever true camera is nearest.

    Args:
        predicted: [V, 4, 4] `world_from_camera`, V ≥ 3.
        true: [V, 4, 4] the same of the truth.

    Raises:
        DegenerateError: All stand in a line, or there are fewer than three.

    Source: Depth-Anything-3/src/depth_anything_3/utils/pose_align.py@2c21ea8 `_ransac_align_sim3`.
    """
    p, t = predicted[:, :3, 3].astype(np.float64), true[:, :3, 3].astype(np.float64)
    if len(p) < FEWEST:
        raise DegenerateError
    best = fit_similarity(p, t)
    apart = np.linalg.norm(best.points(p)[:, None] - t, axis=2).min(axis=1)
    agreeing, found = _most_agreeing(p, t, float(np.median(apart)))
    if found is None:
        return best
    return fit_similarity(p[agreeing], t[agreeing]) if agreeing.sum() >= FEWEST else found


def _most_agreeing(p: FloatArray, t: FloatArray, threshold: float) -> tuple[BoolArray, Similarity | None]:
    """Return the cameras [V] that agree with the best sample, and its fit."""
    chance, count = np.random.default_rng(SEED), max(FEWEST, (len(p) + 1) // 2)
    agreeing, best, score = np.zeros(len(p), dtype=bool), None, (-1, -np.inf)
    for _ in range(ROUNDS):
        sample = chance.choice(np.arange(len(p)), size=count, replace=False)
        try:
            found = fit_similarity(p[sample], t[sample])
        except DegenerateError:
            continue
        errors = np.linalg.norm(found.points(p) - t, axis=1)
        within = errors <= threshold
        its = (int(within.sum()), -float(errors[within].mean()) if within.any() else -np.inf)
        if its > score:
            agreeing, best, score = within, found, its
    return agreeing, best
