"""How right cameras are: errors of all pairs of views and the area under their curve, places, and lenses."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from image_to_scene.core.types import FloatArray

THRESHOLDS = (3, 5, 15, 30)
"""Degrees."""
STANDS_STILL = 1e-9  # a movement shorter than this has no direction


def pair_errors(predicted: FloatArray, true: FloatArray) -> FloatArray:
    """Compare the movement between the cameras of every pair as the official benchmark does.

    That movement is `camera_i ∘ camera_j⁻¹` in the axes of the first camera: where both cameras would go if the whole
    world went from the second to the first. It is not what camera i sees of camera j, see `relative_pair_errors`.

    Args:
        predicted: [V, 4, 4] `world_from_camera`, any world, any unit.
        true: [V, 4, 4] the same of the truth.

    Returns:
        [P, 2] degrees for all P = V (V − 1) / 2 pairs: of the rotation, and of the direction of translation up to its
        sign; 90 where a movement has no direction.

    Source: Depth-Anything-3/src/depth_anything_3/bench/utils.py@2c21ea8 `compute_pose`, which its evaluator gives
    camera-from-world matrices; with world-from-camera ones it would be `relative_pair_errors`.
    """
    return _compared(*(_movements(np.linalg.inv(cameras[0]) @ cameras) for cameras in (predicted, true)))


def relative_pair_errors(predicted: FloatArray, true: FloatArray) -> FloatArray:
    """Compare where each camera sees the other of its pair, `camera_i⁻¹ ∘ camera_j`; arguments as for `pair_errors`.

    Free of the first camera's share: a single wrong camera spoils only its own pairs.
    """
    return _compared(*(_movements(np.linalg.inv(cameras)) for cameras in (predicted, true)))


def area_under_curve(errors: FloatArray, threshold: int) -> float:
    """Return the area, in percent, under the part of pairs whose larger error is below 1, 2, … `threshold` degrees.

    Source: Depth-Anything-3/src/depth_anything_3/bench/utils.py@2c21ea8 `calculate_auc_np`.
    """
    histogram, _ = np.histogram(errors.max(axis=1), bins=np.arange(threshold + 1))
    return float(100.0 * np.mean(np.cumsum(histogram / len(errors))))


def place_error(aligned: FloatArray, true: FloatArray) -> float:
    """Return the mean distance of camera centres from the true ones, as a part of how far these are apart.

    Args:
        aligned: [V, 4, 4] `world_from_camera` in the true world.
        true: [V, 4, 4] the same of the truth.
    """
    centres = true[:, :3, 3]
    spread = np.sqrt(np.mean(np.sum((centres - centres.mean(axis=0)) ** 2, axis=1)))
    return float(np.mean(np.linalg.norm(aligned[:, :3, 3] - centres, axis=1)) / spread)


def ray_error(found: FloatArray, true: FloatArray, size: tuple[int, int]) -> float:
    """Return the mean angle, degrees, between what pixels look along through two lenses [3, 3] of one picture."""
    u, v = np.meshgrid(np.linspace(0.0, size[0], 16), np.linspace(0.0, size[1], 16))
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
    one, other = (pixels @ np.linalg.inv(lens).T for lens in (found, true))
    across, along = np.linalg.norm(np.cross(one, other), axis=-1), np.sum(one * other, axis=-1)
    return float(np.degrees(np.arctan2(across, along)).mean())


def _movements(cameras: FloatArray) -> FloatArray:
    """Return `a ∘ b⁻¹` [P, 4, 4] of every pair a, b of rigid transforms [V, 4, 4]."""
    first, second = np.array(list(combinations(range(len(cameras)), 2))).T
    moved: FloatArray = cameras[first] @ np.linalg.inv(cameras[second])
    return moved


def _compared(predicted: FloatArray, true: FloatArray) -> FloatArray:
    rotation = np.swapaxes(predicted[:, :3, :3], 1, 2) @ true[:, :3, :3]
    chord = np.linalg.norm(rotation - np.eye(3), axis=(1, 2)) / np.sqrt(8.0)  # exact for small angles, too
    turned = np.degrees(2.0 * np.arcsin(np.minimum(chord, 1.0)))
    p, t = predicted[:, :3, 3], true[:, :3, 3]
    along, across = np.abs(np.sum(p * t, axis=1)), np.linalg.norm(np.cross(p, t), axis=1)
    still = np.minimum(np.linalg.norm(p, axis=1), np.linalg.norm(t, axis=1)) < STANDS_STILL
    directed = np.where(still, 90.0, np.degrees(np.arctan2(across, along)))
    return np.stack([turned, directed], axis=1)
