"""How right a surface is: distances between its points and the true ones, both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open3d as o3d  # type: ignore[import-not-found, unused-ignore]

from image_to_scene.core.types import FloatArray

from .fusion import Protocol


@dataclass(frozen=True)
class SurfaceScore:
    """What two sets of points have in common."""

    precision: float
    """Part of predicted points within the threshold of a true one."""
    recall: float
    """Part of true points within the threshold of a predicted one."""
    f1: float
    """Harmonic mean of precision and recall."""
    accuracy: float
    """Mean distance of predicted points from the true ones."""
    completeness: float
    """Mean distance of true points from the predicted ones."""
    chamfer: float
    """Mean of accuracy and completeness."""


NOTHING = SurfaceScore(0.0, 0.0, 0.0, float("inf"), float("inf"), float("inf"))
"""The score where there is no surface to compare."""


def score_surface(predicted: FloatArray, true: FloatArray, protocol: Protocol) -> SurfaceScore:
    """Compare predicted points [N, 3] with true ones [M, 3] in the same world.

    Source: Depth-Anything-3/src/depth_anything_3/bench/utils.py@2c21ea8 `evaluate_3d_reconstruction`; `margin` is that
    of bench/datasets/scannetpp.py.
    """
    if protocol.margin is not None and len(true):
        inside = (predicted >= true.min(axis=0) - protocol.margin) & (predicted <= true.max(axis=0) + protocol.margin)
        predicted = predicted[inside.all(axis=1)]
    if not len(predicted) or not len(true):
        return NOTHING
    found, wanted = (_spaced(points, protocol.spacing) for points in (predicted, true))
    off = np.asarray(found.compute_point_cloud_distance(wanted))
    missed = np.asarray(wanted.compute_point_cloud_distance(found))
    precision, recall = float(np.mean(off < protocol.threshold)), float(np.mean(missed < protocol.threshold))
    f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0.0 else 0.0
    accuracy, completeness = float(off.mean()), float(missed.mean())
    return SurfaceScore(precision, recall, f1, accuracy, completeness, (accuracy + completeness) / 2)


def _spaced(points: FloatArray, spacing: float) -> o3d.geometry.PointCloud:
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.asarray(points, dtype=np.float64)))
    return cloud.voxel_down_sample(spacing)
