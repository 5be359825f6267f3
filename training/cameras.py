"""Random cameras in three modes: orbit, walk, random look. Same seed, same cameras."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .raycast import Scene, Shape
from .scenes import Stage

Array = NDArray[np.floating[Any]]
Mode = Literal["orbit", "walk", "look"]
MODES: tuple[Mode, ...] = get_args(Mode)
FIELD_OF_VIEW = (40.0, 80.0)
"""Degrees across the longer side."""


def look_at(position: Array, target: Array, roll: float = 0.0) -> Array:
    """[4, 4] world_from_camera of a camera looking at a target: world Z up, OpenCV axes, turned by `roll` radians."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    world_from_camera = np.eye(4)
    world_from_camera[:3, 0] = c * right + s * down
    world_from_camera[:3, 1] = c * down - s * right
    world_from_camera[:3, 2] = forward
    world_from_camera[:3, 3] = position
    return world_from_camera


def intrinsics(field_of_view: float, size: tuple[int, int]) -> Array:
    """[3, 3] image_from_camera with `field_of_view` degrees across the longer side and a centred principal point."""
    focal = 0.5 * max(size) / math.tan(math.radians(field_of_view) / 2)
    return np.array([[focal, 0.0, size[0] / 2], [0.0, focal, size[1] / 2], [0.0, 0.0, 1.0]])


def is_free(point: Array, scene: Scene, margin: float) -> bool:
    """Whether a point keeps `margin` from every solid (each taken as the box around it) and stands above ground."""
    for solid in scene.solids:
        if solid[0] in (Shape.GROUND, Shape.SHELL):
            continue
        x, y, z = point - solid[1:4]
        local = np.abs((solid[7] * x + solid[8] * y, solid[7] * y - solid[8] * x, z))
        if np.all(local < solid[4:7] + margin):
            return False
    return bool(point[2] > margin)


def inside(stage: Stage, point: Array) -> Array:
    """Clamp a camera's place to where the stage lets cameras stand."""
    ex, ey = stage.extent
    return np.clip(point, (-ex, -ey, 0.6 * stage.eye[0]), (ex, ey, 1.1 * stage.eye[1]))


def around(focus: Array, azimuth: float, distance: float, height: float) -> Array:
    """The point at a compass direction and distance from the focus, at a height above ground."""
    return np.array([focus[0] + distance * math.cos(azimuth), focus[1] + distance * math.sin(azimuth), height])


def orbit(stage: Stage, count: int, random: np.random.Generator) -> list[tuple[Array, Array]]:
    """Places on an arc of 40–120° around the focus, all looking at it."""
    focus = np.array(stage.focus)
    start, arc = random.uniform(0, 2 * math.pi), math.radians(random.uniform(40, 120))
    distance, eye = random.uniform(*stage.distance), random.uniform(*stage.eye)
    jitter = 0.05 * distance
    shots = []
    for k in range(count):
        height = eye + random.normal(0.0, jitter)
        place = around(focus, start + arc * k / (count - 1), distance + random.normal(0.0, jitter), height)
        shots.append((place, focus + random.normal(0.0, jitter, 3)))
    return shots


def walk(stage: Stage, count: int, random: np.random.Generator) -> list[tuple[Array, Array]]:
    """A path of even steps in one direction, the gaze turning slowly."""
    focus = np.array(stage.focus)
    azimuth, eye = random.uniform(0, 2 * math.pi), random.uniform(*stage.eye)
    place = around(focus, azimuth, random.uniform(1.0, 1.3) * stage.distance[1], eye)
    gaze = azimuth + math.pi + math.radians(random.uniform(-20, 20))
    heading = gaze + math.radians(random.choice((0.0, 25.0, -25.0, 60.0, -60.0, 90.0, -90.0)) + random.normal(0, 8))
    drift, pitch = math.radians(random.uniform(-5, 5)), (focus[2] - eye) / stage.distance[1]
    if abs(heading - gaze) > 0.7:
        place = place - 0.5 * count * stage.step * np.array([math.cos(heading), math.sin(heading), 0.0])
    shots = []
    for _ in range(count):
        direction = np.array([math.cos(gaze), math.sin(gaze), pitch + random.normal(0.0, 0.03)])
        shots.append((place.copy(), direction))
        heading += random.normal(0.0, 0.08)
        gaze += drift + random.normal(0.0, 0.02)
        stride = stage.step * random.uniform(0.7, 1.3)
        place += stride * np.array([math.cos(heading), math.sin(heading), random.normal(0.0, 0.05)])
    return [(place, inside(stage, place) + direction) for place, direction in shots]


def look(stage: Stage, count: int, random: np.random.Generator) -> list[tuple[Array, Array]]:
    """Scattered places on one side of the focus, each looking somewhere near it."""
    focus = np.array(stage.focus)
    azimuth, spread = random.uniform(0, 2 * math.pi), math.radians(random.uniform(20, 45))
    shots = []
    for _ in range(count):
        distance = random.uniform(*stage.distance)
        place = around(focus, azimuth + random.uniform(-spread, spread), distance, random.uniform(*stage.eye))
        shots.append((place, focus + random.normal(0.0, 0.13 * stage.distance[1], 3) * (1.0, 1.0, 0.5)))
    return shots


def make_cameras(stage: Stage, mode: Mode, count: int, random: np.random.Generator) -> Array | None:
    """[count, 4, 4] world_from_camera of one path, or None when the path runs into things or stands still."""
    shots = {"orbit": orbit, "walk": walk, "look": look}[mode](stage, count, random)
    places = [inside(stage, place) for place, _ in shots]
    if not all(is_free(place, stage.scene, 0.2 * stage.scene.unit) for place in places):
        return None
    steps = [float(np.linalg.norm(a - b)) for i, a in enumerate(places) for b in places[:i]]
    if min(steps) < 0.05 * stage.distance[0] or float(np.median(steps)) < 0.12 * stage.distance[0]:
        return None
    rolls = random.normal(0.0, math.radians(3.0), count)
    return np.stack([look_at(p, target, r) for p, (_, target), r in zip(places, shots, rolls, strict=True)])
