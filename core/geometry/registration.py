"""Where a prediction stands in the world of cameras that are known, and how far each of them is from what it says.

Nothing here is random, and up to half of the known cameras may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import BoolArray, FloatArray
from .alignment import ScaleFit
from .cameras import COINCIDENT, nearest_rigid, project

ALL_PAIRS = 48  # with more cameras than these, every camera is paired with some others only
HYPOTHESES = 1000  # placements that are judged
WITHIN = 2.5 * 1.4826  # standard deviations from a median distance, within which a camera agrees
SAME_ANGLE = 1e-4  # radians below which rotations agree however well the others do
SAME_PLACE = 1e-4  # likewise for centres, as a part of their spread


@dataclass(frozen=True)
class Registration:
    """A similarity: given ≈ `given_anchor` + scale · rotation · (predicted − `predicted_anchor`)."""

    rotation: FloatArray
    """[3, 3] from the network's world to the given one."""
    scale: ScaleFit
    given_anchor: FloatArray
    """[3] mean centre of the cameras that agree; it stays where it is whatever the scale."""
    predicted_anchor: FloatArray
    """[3] the same centre in the network's world and unit."""
    agrees: BoolArray
    """[N] which known cameras the fit rests on."""


@dataclass(frozen=True)
class Residual:
    """How far a camera is from where the prediction says that it is."""

    distance: float
    """Between the centres, units of the given world."""
    degrees: float
    """Between the orientations."""
    pixels: float
    """See `residual`."""


def register(predicted: FloatArray, given: FloatArray) -> Registration:
    """Find the similarity that brings predicted cameras to known ones.

    The rotation is the mean of those that every camera tells by itself, of the cameras that agree. For the rest a
    placement is tried for every pair of centres, and judged by its median distance; the cameras that agree with the
    best one give the anchors and, by `scale_to_given`, the scale. One camera gives rotation and place; cameras in a
    line, or two, are enough for all.

    Args:
        predicted: [N, 4, 4] `world_from_camera` of the network, N ≥ 1.
        given: [N, 4, 4] `world_from_camera` of the same views, known.

    Source: least median of squares, Rousseeuw & Leroy, Robust Regression and Outlier Detection, chapter 5, with their
    factor for few samples. Depth-Anything-3/src/depth_anything_3/utils/pose_align.py@2c21ea8 fits by Umeyama's method
    in RANSAC. Differs: rotations are used, so one or two views and cameras in a line do not degenerate; not random.
    """
    rotation, turned_alike = _rotation(predicted, given)
    placed_alike = _agreeing_centres(predicted[:, :3, 3] @ rotation.T, given[:, :3, 3])
    return Registration(
        rotation=rotation,
        scale=scale_to_given(predicted[placed_alike], given[placed_alike]),
        given_anchor=given[placed_alike, :3, 3].mean(axis=0),
        predicted_anchor=predicted[placed_alike, :3, 3].mean(axis=0),
        agrees=turned_alike & placed_alike,
    )


def registered(predicted: FloatArray, registration: Registration, scale: float) -> FloatArray:
    """Bring predicted cameras [..., 4, 4] to the given world, in a unit that is `scale` of theirs."""
    cameras = np.array(predicted, dtype=np.float64)
    from_anchor = cameras[..., :3, 3] - registration.predicted_anchor
    cameras[..., :3, 3] = registration.given_anchor + scale * from_anchor @ registration.rotation.T
    cameras[..., :3, :3] = registration.rotation @ cameras[..., :3, :3]
    return nearest_rigid(cameras)


def residual(
    points: FloatArray, given: FloatArray, found: FloatArray, image_from_camera: FloatArray, size: tuple[float, float]
) -> Residual:
    """Measure how far a known camera is from where the prediction puts it.

    In pixels it is the median over the view's points of how far apart both cameras see them through the same lens, so
    it tells what the difference of the cameras alone does to the picture. A point behind the found camera counts as
    the picture's diagonal, which is also the most that is returned, and what is returned where there is no point.

    Args:
        points: [N, 3] world positions of pixels of the view; leave out sky and what is masked.
        given: [4, 4] `world_from_camera` as known.
        found: [4, 4] the same of the prediction, in the same world.
        image_from_camera: [3, 3] in source pixels.
        size: (width, height) of the source, pixels.
    """
    wanted, _ = project(points, image_from_camera, given)
    seen, depth = project(points, image_from_camera, found)
    diagonal = float(np.hypot(*size))
    apart = np.where(depth > 0.0, np.linalg.norm(seen - wanted, axis=-1), diagonal)
    return Residual(
        distance=float(np.linalg.norm(given[:3, 3] - found[:3, 3])),
        degrees=float(np.degrees(_angle(found[:3, :3].T @ given[:3, :3]))),
        pixels=min(diagonal, float(np.median(apart))) if len(points) else diagonal,
    )


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
    *_, found, wanted = _baselines(predicted[:, :3, 3], given[:, :3, 3])
    if not len(wanted):
        return ScaleFit()
    ratio = wanted / found
    scale = _weighted_median(ratio, wanted)
    return ScaleFit(scale, _weighted_median(np.abs(ratio / scale - 1.0), wanted), known=True)


def _rotation(predicted: FloatArray, given: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the rotation [3, 3] of the network's world, and which cameras [N] tell it."""
    each = given[:, :3, :3] @ np.swapaxes(predicted[:, :3, :3], -1, -2)
    angles = _angle(np.swapaxes(each, -1, -2)[:, None] @ each)
    best = int(np.argmin(_median(angles)))
    agrees = _within(angles[best], SAME_ANGLE)
    left, _, right = np.linalg.svd(each[agrees].sum(axis=0))
    mirror = np.diag((1.0, 1.0, np.linalg.det(left @ right)))
    return left @ mirror @ right, agrees


def _agreeing_centres(predicted: FloatArray, given: FloatArray) -> BoolArray:
    """Return which centres [N, 3], already turned alike, lie to each other as the given ones do."""
    first, second, found, wanted = _baselines(predicted, given)
    if not len(first):
        return np.ones(len(given), dtype=bool)
    some = slice(None, None, -(-len(first) // HYPOTHESES))
    first, second, scale = first[some], second[some], (wanted / found)[some, None]
    offset = 0.5 * (given[first] + given[second] - scale * (predicted[first] + predicted[second]))
    apart = np.linalg.norm(scale[..., None] * predicted + offset[:, None] - given, axis=-1)  # [hypotheses, N]
    best = int(np.argmin(_median(apart)))
    return _within(apart[best], SAME_PLACE * float(np.median(wanted)))


def _median(distances: FloatArray) -> FloatArray:
    """Return the lower median over the last axis, so that half of an even number may be wrong."""
    return np.asarray(np.sort(distances, axis=-1)[..., (distances.shape[-1] - 1) // 2])


def _within(distances: FloatArray, least: float) -> BoolArray:
    """Return which distances [N] are those of cameras that agree; nobody can tell of two who is wrong."""
    count = len(distances)
    if count <= 2:
        return np.ones(count, dtype=bool)
    limit = WITHIN * (1.0 + 5.0 / (count - 1)) * float(_median(distances))
    return np.asarray(distances <= max(limit, least))


def _angle(rotation: FloatArray) -> FloatArray:
    """Return the angle of rotations [..., 3, 3], radians, exact for small ones too."""
    chord = np.linalg.norm(rotation - np.eye(3), axis=(-2, -1)) / np.sqrt(8.0)
    return np.asarray(2.0 * np.arcsin(np.minimum(chord, 1.0)))


def _baselines(
    predicted: FloatArray, given: FloatArray
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray, FloatArray]:
    """Return pairs of cameras whose centres [N, 3] lie apart in both worlds: indices, and distance in either."""
    first, second = _pairs(len(given))
    found = np.linalg.norm(predicted[first] - predicted[second], axis=1)
    wanted = np.linalg.norm(given[first] - given[second], axis=1)
    apart = (wanted > _coincidence(given)) & (found > _coincidence(predicted))
    return first[apart], second[apart], found[apart], wanted[apart]


def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair all cameras; where they are many, each with those 1, 2, 4, 8, … places further round: V·log V pairs."""
    if count <= ALL_PAIRS:
        first, second = np.triu_indices(count, 1)
        return first, second
    view = np.arange(count)
    steps = [2**power for power in range(count.bit_length()) if 2**power < count]
    first = np.tile(view, len(steps))
    return first, (first + np.repeat(np.array(steps, dtype=np.intp), count)) % count


def _coincidence(centres: FloatArray) -> float:
    """Return the distance up to which centres [N, 3] are one place."""
    return COINCIDENT * float(np.linalg.norm(centres, axis=1).max())


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    """Return the smallest value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(passed, 0.5 * passed[-1])]])
