"""One prediction against the truth of its scene: all numbers by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from image_to_scene.core.types import BoolArray, FloatArray

from .alignment import DegenerateError, Similarity, align_cameras
from .depth import score_depth
from .fusion import DepthMap
from .pose import THRESHOLDS, area_under_curve, pair_errors, place_error, ray_error, relative_pair_errors
from .prediction import Prediction, depth_at, intrinsics_at
from .scene import Scene
from .scores import Scores
from .surface import NOTHING

MOST_PIXELS = 400_000  # of a view whose depth is compared
NOWHERE = Similarity(np.eye(3), np.zeros(3), 1.0)


def score(scene: Scene, prediction: Prediction) -> Scores:
    """Compare a prediction with the truth; what was given as true is compared where it stands, without alignment.

    Of one view there are only its depth and its lens: nothing tells its scale.
    """
    scores = score_pose(scene, prediction) | {"ray": _score_lenses(scene, prediction)}
    scores |= _score_depth(scene, prediction)
    if len(prediction.views) < 2:
        return scores
    try:
        return scores | _score_placed(scene, prediction, alignment(scene, prediction))
    except DegenerateError:
        return scores | {"place": float("inf")} | asdict(NOTHING)


def score_pose(scene: Scene, prediction: Prediction) -> Scores:
    """Compare the cameras to each other, all pairs of them."""
    true = scene.pictures.world_from_camera
    if len(true) < 2:
        return {}
    errors, relative = pair_errors(prediction.cameras, true), relative_pair_errors(prediction.cameras, true)
    rotation, direction = np.median(relative, axis=0).tolist()
    areas = {f"auc{threshold}": area_under_curve(errors, threshold) for threshold in THRESHOLDS}
    return areas | {"relative_auc30": area_under_curve(relative, 30), "rotation": rotation, "direction": direction}


def alignment(scene: Scene, prediction: Prediction) -> Similarity:
    """Find how the prediction lies in the true world.

    Raises:
        DegenerateError: Its cameras do not tell.
    """
    if prediction.in_true_world:
        return NOWHERE
    return align_cameras(prediction.cameras, scene.pictures.world_from_camera)


def _score_depth(scene: Scene, prediction: Prediction) -> Scores:
    """Compare depth maps; of large ones every second, third, … row and column."""
    true, found = list[FloatArray](), list[FloatArray]()
    for index, view in enumerate(prediction.views):
        depth = scene.view(index).depth
        step = max(1, round((depth.size / MOST_PIXELS) ** 0.5))
        true.append(depth[::step, ::step].astype(np.float32))
        found.append(depth_at(view, _size(depth))[::step, ::step].astype(np.float32))
    if not any(np.isfinite(view).any() for view in true):
        return {}
    return asdict(score_depth(found, true))


def _score_lenses(scene: Scene, prediction: Prediction) -> float:
    lenses = zip(prediction.views, scene.pictures.image_from_camera, strict=True)
    return float(np.mean([ray_error(intrinsics_at(v, v.source_size), true, v.source_size) for v, true in lenses]))


def _score_placed(scene: Scene, prediction: Prediction, similarity: Similarity) -> Scores:
    """Compare places of cameras, and surfaces, in the true world."""
    place = place_error(similarity.cameras(prediction.cameras), scene.pictures.world_from_camera)
    views = _depth_maps(scene, prediction, similarity)
    return {"place": place, **scene.score_surface(views, given=prediction.in_true_world)}


def _depth_maps(scene: Scene, prediction: Prediction, similarity: Similarity) -> Iterator[DepthMap]:
    """Bring the views to the true world one after the other, masked as the data set wants it."""
    cameras = similarity.cameras(prediction.cameras)
    for index, (view, camera) in enumerate(zip(prediction.views, cameras, strict=True)):
        kept = scene.view(index).kept
        depth = np.where(kept, similarity.scale * depth_at(view, _size(kept)), np.nan)
        yield DepthMap(depth, intrinsics_at(view, _size(kept)), camera)


def _size(pixels: FloatArray | BoolArray) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]
