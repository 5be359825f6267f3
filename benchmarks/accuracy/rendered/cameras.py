"""Eight photographs of a scene: an arc, a walk or scattered places, none inside things and all seeing some of the same.

Camera axes are OpenCV's (+X right, +Y down, +Z forward); the world's Z is up.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

from image_to_scene.core.types import BoolArray, FloatArray

from .chance import Chance
from .rays import Rays
from .stage import Stage

Mode = Literal["arc", "walk", "scatter"]
MODES: tuple[Mode, ...] = get_args(Mode)
GRID = (15, 10)
"""Pixels by which a view is judged."""
SHARED = 0.4  # part of a view that another one sees, too
TRIES = 300
Shot = tuple[FloatArray, FloatArray]
"""Place and target of a camera."""


class CrowdedError(Exception):
    """No place for cameras was found."""


def take_cameras(stage: Stage, mode: Mode, field_of_view: float, count: int, chance: Chance) -> FloatArray:
    """Find world_from_camera [count, 4, 4] from which a scene is well seen.

    Args:
        stage: Where cameras may stand.
        mode: How they go from one to the next.
        field_of_view: Radians across the picture's width.
        count: Of cameras.
        chance: The scene's random numbers.

    Raises:
        CrowdedError: The scene leaves no room for that.
    """
    rays, lens = Rays(), intrinsics(field_of_view, GRID)
    for attempt in range(TRIES):
        shots = {"arc": _arc, "walk": _walk, "scatter": _scatter}[mode](stage, count, chance, 0.995**attempt)
        cameras = np.stack([_look(place, target, chance.near(0.0, 0.05)) for place, target in shots])
        if _well_seen(cameras, lens, stage, rays):
            return cameras
    raise CrowdedError


def intrinsics(field_of_view: float, size: tuple[int, int]) -> FloatArray:
    """Return [3, 3] image_from_camera of square pixels and a centred principal point."""
    focal = 0.5 * size[0] / math.tan(0.5 * field_of_view)
    return np.array([[focal, 0.0, 0.5 * size[0]], [0.0, focal, 0.5 * size[1]], [0.0, 0.0, 1.0]])


def _look(place: FloatArray, target: FloatArray, roll: float) -> FloatArray:
    """Return world_from_camera [4, 4] of a camera at a place, its right side turned down by `roll` radians."""
    forward = (target - place) / np.linalg.norm(target - place)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    camera = np.eye(4)
    camera[:3, 0] = math.cos(roll) * right + math.sin(roll) * down
    camera[:3, 1] = math.cos(roll) * down - math.sin(roll) * right
    camera[:3, 2], camera[:3, 3] = forward, place
    return camera


def _at(stage: Stage, azimuth: float, distance: float, eye: float) -> FloatArray:
    x = stage.focus[0] + distance * math.cos(azimuth)
    y = stage.focus[1] + distance * math.sin(azimuth)
    low_x, low_y, high_x, high_y = stage.bounds
    return np.array([min(max(x, low_x), high_x), min(max(y, low_y), high_y), eye])


def _aim(stage: Stage, chance: Chance, part: float) -> FloatArray:
    return np.array(
        [middle + part * chance.near(0.0, 1.0) * by for middle, by in zip(stage.focus, stage.spread, strict=True)]
    )


def _arc(stage: Stage, count: int, chance: Chance, part: float) -> list[Shot]:
    """Walk around the focus and look at it."""
    low, high = stage.azimuth
    sweep = part * min(high - low, chance.between(0.6, 1.6))
    start = chance.between(low, high - sweep)
    distance, eye = chance.between(*stage.distance), chance.between(*stage.eye)
    target = _aim(stage, chance, 0.5)
    shots = []
    for k in range(count):
        azimuth = start + sweep * (k + chance.near(0.0, 0.1)) / (count - 1)
        high_by = (stage.eye[1] - stage.eye[0]) * chance.near(0.0, 0.18)
        place = _at(stage, azimuth, distance * chance.between(0.92, 1.08), eye + high_by)
        shots.append((place, target + 0.2 * (_aim(stage, chance, 1.0) - np.array(stage.focus))))
    return shots


def _walk(stage: Stage, count: int, chance: Chance, part: float) -> list[Shot]:
    """Walk past the focus and turn a little on the way."""
    azimuth, distance = chance.between(*stage.azimuth), chance.between(*stage.distance)
    middle, target = _at(stage, azimuth, distance, chance.between(*stage.eye)), _aim(stage, chance, 0.7)
    heading = azimuth + chance.pick((0.5, -0.5)) * math.pi + chance.near(0.0, 0.5)
    length = part * chance.between(0.5, 1.1) * distance
    aside = np.array([-math.sin(heading), math.cos(heading), 0.0])
    shots = []
    for k in range(count):
        along = length * ((k + chance.near(0.0, 0.12)) / (count - 1) - 0.5)
        sway = 0.06 * distance * chance.near(0.0, 1.0)
        place = middle + along * np.array([math.cos(heading), math.sin(heading), 0.0]) + sway * aside
        place = _at(stage, *_polar(stage, place), middle[2] + 0.05 * distance * chance.near(0.0, 1.0))
        shots.append(
            (place, target + 0.35 * (place - middle) + 0.1 * (_aim(stage, chance, 1.0) - np.array(stage.focus)))
        )
    return shots


def _scatter(stage: Stage, count: int, chance: Chance, part: float) -> list[Shot]:
    """Stand here and there and look about the focus."""
    middle, half = chance.between(*stage.azimuth), 0.5 * part * (stage.azimuth[1] - stage.azimuth[0])
    low, high = stage.azimuth
    shots = []
    for _ in range(count):
        azimuth = min(max(middle + half * chance.between(-1.0, 1.0), low), high)
        place = _at(stage, azimuth, chance.between(*stage.distance), chance.between(*stage.eye))
        shots.append((place, _aim(stage, chance, part)))
    return shots


def _polar(stage: Stage, place: FloatArray) -> tuple[float, float]:
    x, y = place[0] - stage.focus[0], place[1] - stage.focus[1]
    return math.atan2(y, x), math.hypot(x, y)


def _well_seen(cameras: FloatArray, lens: FloatArray, stage: Stage, rays: Rays) -> bool:
    """Tell whether no camera has something before its nose, and each sees enough of what another one sees."""
    near = 0.3 * stage.distance[0]
    places = np.linalg.norm(cameras[:, None, :3, 3] - cameras[None, :, :3, 3], axis=2)
    if places[np.triu_indices(len(cameras), 1)].min() < 0.03 * stage.distance[0]:
        return False
    seen = []
    for camera in cameras:
        hits, depth = rays.seen(camera, lens, GRID)
        known = np.isfinite(depth)
        if known.mean() < 0.55 or depth[known].min() < near or np.median(depth[known]) < 2.0 * near:
            return False
        seen.append(hits[known])
    shared = np.array([[_part_seen(points, camera, lens, rays) for camera in cameras] for points in seen])
    np.fill_diagonal(shared, 0.0)
    return bool(shared.max(axis=1).min() >= SHARED and _connected(shared >= 0.6 * SHARED))


def _part_seen(points: FloatArray, camera: FloatArray, lens: FloatArray, rays: Rays) -> float:
    """Return which part of points [N, 3] a camera sees, too."""
    inside = (points - camera[:3, 3]) @ camera[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = (inside[:, axis] / inside[:, 2] * lens[axis, axis] + lens[axis, 2] for axis in (0, 1))
    framed = (inside[:, 2] > 0.0) & (u > 0.0) & (u < GRID[0]) & (v > 0.0) & (v < GRID[1])
    if framed.mean() < 0.5 * SHARED:
        return 0.0
    wanted = points[framed]
    hits = rays.hits(camera[:3, 3], wanted - camera[:3, 3])
    same = np.linalg.norm(hits - wanted, axis=1) < 0.02 * np.linalg.norm(wanted - camera[:3, 3], axis=1)
    return float(same.sum() / len(points))


def _connected(linked: BoolArray) -> bool:
    """Tell whether every view is reached from the first one over pairs that see the same."""
    linked = linked | linked.T
    reached, count = {0}, 0
    while len(reached) > count:
        count = len(reached)
        reached |= {int(other) for one in list(reached) for other in np.flatnonzero(linked[one])}
    return len(reached) == len(linked)
