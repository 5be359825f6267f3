"""Points of DTU's objects: gathered from depth maps, and compared where the scanner could see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import loadmat  # type: ignore[import-untyped, unused-ignore]
from scipy.spatial import cKDTree  # type: ignore[import-untyped, unused-ignore]
from torch import Tensor
from torch.nn.functional import grid_sample

from image_to_scene.core.geometry.cameras import unproject
from image_to_scene.core.types import FloatArray

from ..fusion import DepthMap
from ..scores import Scores

SEED = 42
LEAST = 1e-3  # depth that counts
APART = 0.2  # millimetres up to which views agree
AGREE = 4  # views that have to
MOST = 4_000_000  # points
SPACING = 0.2  # millimetres between points that count
MARGIN = 60.0  # millimetres around the observed box
FARTHEST = 20.0  # millimetres from which on a distance does not count
CHUNK = 100_000


def all_points(views: Sequence[DepthMap]) -> Iterator[FloatArray]:
    """Lift every known depth to a point [N, 3], view by view."""
    for view in views:
        known = np.nan_to_num(view.depth) > LEAST
        yield unproject(view.depth, view.image_from_camera, view.world_from_camera)[known]


def agreeing_points(views: Sequence[DepthMap]) -> Iterator[FloatArray]:
    """Lift depth to points [N, 3] where enough views see the same, at the mean of what they see.

    Each view's points are carried to every other view's picture; there they are compared with what that one sees.

    Source: Depth-Anything-3/src/depth_anything_3/bench/datasets/dtu.py@2c21ea8 `_fuse_consistent_points`.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    maps = []
    for view in views:
        lifted = unproject(np.nan_to_num(view.depth), view.image_from_camera, view.world_from_camera)
        maps.append(torch.from_numpy(lifted).to(device).float())
    for own in maps:
        total, count = torch.zeros_like(own), torch.zeros(own.shape[:2], device=device)
        for view, its in zip(views, maps, strict=True):
            seen = _seen(own, view, its)
            agrees = torch.linalg.vector_norm(own - seen, dim=-1) < APART
            total += torch.where(agrees[..., None], seen, 0.0)
            count += agrees
        chosen = count >= AGREE
        yield (total[chosen] / count[chosen][:, None]).cpu().numpy()


def _seen(points: Tensor, view: DepthMap, its: Tensor) -> Tensor:
    """Return what a view with points `its` [H, W, 3] sees in the direction of other points [H, W, 3]; 0 outside."""
    camera_from_world = np.linalg.inv(view.world_from_camera)
    lens = view.image_from_camera.copy()
    lens[:2, 2] -= 0.5
    rotation, shift = (
        torch.from_numpy(part).to(points)
        for part in (lens @ camera_from_world[:3, :3], lens @ camera_from_world[:3, 3])
    )
    pixels = points @ rotation.T + shift
    height, width = its.shape[:2]
    edge = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(points)
    where = pixels[..., :2] / pixels[..., 2:] / edge - 1.0
    return grid_sample(its.permute(2, 0, 1)[None], where[None], align_corners=True)[0].permute(1, 2, 0)


def capped(points: FloatArray) -> FloatArray:
    """Draw from points if there are too many."""
    if len(points) <= MOST:
        return points
    drawn: FloatArray = points[np.random.default_rng(SEED).choice(len(points), MOST, replace=False)]
    return drawn


def score_points(points: FloatArray, true: FloatArray, observed: Path, plane: Path) -> Scores:
    """Compare points [N, 3] with scanned ones [M, 3] where the scanner saw them, and above the table.

    Args:
        points: Millimetres.
        true: The same.
        observed: .mat with `ObsMask`, a grid of what was observed, its box `BB` and the length `Res` of a cell.
        plane: .mat with `P`, the table's plane.

    Source: Depth-Anything-3/src/depth_anything_3/bench/datasets/dtu.py@2c21ea8 `_evaluate_reconstruction`, the
    evaluation of MVSNet. Differs: upstream's table calls accuracy completeness, and the other way round.
    """
    facts = loadmat(str(observed))
    mask, (low, high), cell = facts["ObsMask"], facts["BB"].astype(np.float32), facts["Res"]
    points = _thinned(points)
    points = points[((points >= low - MARGIN) & (points < high + 2 * MARGIN)).all(axis=1)]
    cells = np.around((points - low) / cell).astype(np.int32)
    inside = ((cells >= 0) & (cells < mask.shape)).all(axis=1)
    seen = points[inside][mask[tuple(cells[inside].T)].astype(bool)]
    normal = loadmat(str(plane))["P"].reshape(4)
    above = true[true @ normal[:3] + normal[3] > 0.0]
    accuracy, completeness = _mean_distance(seen, true), _mean_distance(above, points)
    return {"accuracy": accuracy, "completeness": completeness, "chamfer": (accuracy + completeness) / 2}


def _thinned(points: FloatArray) -> FloatArray:
    """Leave out, in a fixed random order, what is too near to a point that stays."""
    points = points.copy()
    np.random.default_rng(SEED).shuffle(points, axis=0)
    tree, stays = cKDTree(points), np.ones(len(points), dtype=bool)
    for start in range(0, len(points), CHUNK):
        candidates: NDArray[np.intp] = start + np.flatnonzero(stays[start : start + CHUNK])
        for index, near in zip(candidates, tree.query_ball_point(points[candidates], SPACING), strict=True):
            if stays[index]:
                stays[near] = False
                stays[index] = True
    thinned: FloatArray = points[stays]
    return thinned


def _mean_distance(points: FloatArray, others: FloatArray) -> float:
    """Return the mean distance of points from the nearest others, those far away left out."""
    if not len(points) or not len(others):
        return float("inf")
    distances, _ = cKDTree(others).query(points)
    near = distances[distances < FARTHEST]
    return float(near.mean()) if len(near) else float("inf")
