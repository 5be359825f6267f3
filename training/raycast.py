"""An analytic ray-caster: exact depth and anti-aliased colour of scenes made of simple solids.

World axes are Z up; camera axes OpenCV; pixel centres at +0.5; depth along the camera's Z axis, 0 where nothing is hit.
A scene is two tables of numbers, so that one compiled loop serves every scene (`Scene` names the columns).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .textures import pattern_mix, surface_tone

Array = NDArray[np.floating[Any]]


class Shape(IntEnum):
    """The solids; SHELL is a box seen from inside (a room)."""

    GROUND = 0
    BOX = 1
    SHELL = 2
    CYLINDER = 3
    SPHERE = 4


@dataclass(frozen=True)
class Light:
    """A lamp at a place, or the sun when `sun` (then `position` is the direction towards it)."""

    position: tuple[float, float, float]
    sun: bool
    ambient: float


@dataclass(frozen=True)
class Scene:
    """What the ray-caster draws.

    Attributes:
        solids: [N, 12] shape, centre xyz, half sizes xyz (a cylinder's: radius, radius, half height; a sphere's:
            radius), cos and sin of the turn about Z, material of the sides, of the top, of the bottom.
        materials: [M, 9] pattern, period, colour A rgb, colour B rgb, seed.
        light: one light with shadows.
        sky: [2, 3] colours at the horizon and overhead.
        unit: a typical size, the period of the slow surface noise.
        far: depth beyond which everything is sky.
    """

    solids: Array
    materials: Array
    light: Light
    sky: Array
    unit: float
    far: float = 1e6


@compiled
def hit_box(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, s: Array, inside: bool) -> float:
    """Distance along a ray, in the box's own frame, to its front (or, from inside, its back); 0 for a miss."""
    near, far = -1e30, 1e30
    for o, d, h in ((ox, dx, s[4]), (oy, dy, s[5]), (oz, dz, s[6])):
        inverse = 1.0 / d if abs(d) > 1e-12 else 1e12
        a, b = (-h - o) * inverse, (h - o) * inverse
        near, far = max(near, min(a, b)), min(far, max(a, b))
    if far <= near:
        return 0.0
    return far if inside else near


@compiled
def hit_cylinder(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, s: Array) -> float:
    """Distance to an upright cylinder around the origin, caps included; 0 for a miss."""
    a, b = dx * dx + dy * dy, ox * dx + oy * dy
    root = b * b - a * (ox * ox + oy * oy - s[4] * s[4])
    if root <= 0.0:
        return 0.0
    root, a = math.sqrt(root), max(a, 1e-12)
    inverse = 1.0 / dz if abs(dz) > 1e-12 else 1e12
    low, high = (-s[6] - oz) * inverse, (s[6] - oz) * inverse
    near = max((-b - root) / a, min(low, high))
    return near if near < min((-b + root) / a, max(low, high)) else 0.0


@compiled
def hit_sphere(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, radius: float) -> float:
    """Distance to a sphere around the origin; 0 for a miss."""
    a, b = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz
    root = b * b - a * (ox * ox + oy * oy + oz * oz - radius * radius)
    return (-b - math.sqrt(root)) / a if root > 0.0 else 0.0


@compiled
def hit_solid(origin: Array, direction: Array, s: Array) -> float:
    """Distance (in lengths of `direction`) to one solid; not positive for a miss."""
    px, py, oz = origin[0] - s[1], origin[1] - s[2], origin[2] - s[3]
    dz = direction[2]
    if s[0] == 0.0:
        return -oz / dz if dz < -1e-9 else 0.0
    ox, oy = s[7] * px + s[8] * py, s[7] * py - s[8] * px
    dx, dy = s[7] * direction[0] + s[8] * direction[1], s[7] * direction[1] - s[8] * direction[0]
    if s[0] == 4.0:
        return hit_sphere(ox, oy, oz, dx, dy, dz, s[4])
    if s[0] == 3.0:
        return hit_cylinder(ox, oy, oz, dx, dy, dz, s)
    return hit_box(ox, oy, oz, dx, dy, dz, s, s[0] == 2.0)


@compiled
def first_hit(origin: Array, direction: Array, solids: Array, active: NDArray[np.int64]) -> tuple[int, float]:
    """Index of the nearest of the active solids (−1: none) and the distance to it."""
    nearest, best = -1, 1e30
    for index in active:
        distance = hit_solid(origin, direction, solids[index])
        if 1e-6 < distance < best:
            nearest, best = index, distance
    return nearest, best


@compiled
def tile_solids(origin: Array, axis: Array, half_angle: float, solids: Array, active: NDArray[np.int64]) -> int:
    """List the solids whose bounding sphere touches a cone of rays; return how many."""
    cosine, sine = math.cos(half_angle), math.sin(half_angle)
    count = 0
    for index in range(len(solids)):
        s = solids[index]
        x, y, z = s[1] - origin[0], s[2] - origin[1], s[3] - origin[2]
        radius = s[4] if s[0] == 4.0 else math.sqrt(s[4] ** 2 + s[5] ** 2 + s[6] ** 2)
        along = x * axis[0] + y * axis[1] + z * axis[2]
        across = math.sqrt(max(0.0, x * x + y * y + z * z - along * along))
        if s[0] in (0.0, 2.0) or across * cosine - along * sine <= radius:
            active[count] = index
            count += 1
    return count


@compiled
def is_shadowed(point: Array, towards: Array, limit: float, solids: Array) -> bool:
    """Whether a solid stands between a point and the light; the room itself and the ground cast none."""
    for index in range(len(solids)):
        shape = solids[index, 0]
        if shape in (0.0, 2.0):
            continue
        if 1e-4 < hit_solid(point, towards, solids[index]) < limit:
            return True
    return False


@compiled
def surface(point: Array, s: Array, normal: Array) -> tuple[int, float, float]:
    """Write the outward normal at a hit point; return the face (0 side, 1 top, 2 bottom) and its (u, v)."""
    px, py, z = point[0] - s[1], point[1] - s[2], point[2] - s[3]
    x, y = s[7] * px + s[8] * py, s[7] * py - s[8] * px
    nx, ny, nz, u, v = 0.0, 0.0, 1.0, x, y
    if s[0] == 4.0:
        nx, ny, nz = x / s[4], y / s[4], z / s[4]
        u, v = math.atan2(y, x) * s[4], z
    elif s[0] == 3.0 and abs(z) < s[6] * 0.99999:
        nx, ny, nz = x / s[4], y / s[4], 0.0
        u, v = math.atan2(y, x) * s[4], z
    elif s[0] == 3.0:
        nz = math.copysign(1.0, z)
    elif s[0] != 0.0:
        ax, ay, az = abs(x) / s[4], abs(y) / s[5], abs(z) / s[6]
        flip = -1.0 if s[0] == 2.0 else 1.0
        if az >= ax and az >= ay:
            nz = flip * math.copysign(1.0, z)
        elif ax >= ay:
            nx, nz, u, v = flip * math.copysign(1.0, x), 0.0, y + 3.1 * math.copysign(1.0, x), z
        else:
            ny, nz, u, v = flip * math.copysign(1.0, y), 0.0, x + 7.7 * math.copysign(1.0, y), z
    normal[0], normal[1], normal[2] = s[7] * nx - s[8] * ny, s[8] * nx + s[7] * ny, nz
    face = 0 if abs(nz) < 0.99 or s[0] == 4.0 else (1 if nz > 0.0 else 2)
    return face, u, v


@compiled
def light_at(point: Array, normal: Array, light: Array, solids: Array, towards: Array, unit: float) -> float:
    """Brightness of a surface point: ambient and Lambert's cosine, with a hard shadow."""
    limit = 1e30
    for axis in range(3):
        towards[axis] = light[axis] if light[3] > 0.0 else light[axis] - point[axis]
    length = math.sqrt(towards[0] ** 2 + towards[1] ** 2 + towards[2] ** 2)
    if light[3] <= 0.0:
        limit = 1.0
    cosine = (normal[0] * towards[0] + normal[1] * towards[1] + normal[2] * towards[2]) / length
    side = 0.5 + 0.3 * normal[0] + 0.2 * normal[1]
    ambient = float(light[4] * (0.8 + 0.25 * side + 0.15 * normal[2]))
    if cosine <= 0.0:
        return ambient
    for axis in range(3):
        point[axis] += 1e-4 * unit * normal[axis]
    if is_shadowed(point, towards, limit, solids):
        return ambient
    return ambient + float((1.0 - light[4]) * cosine)


@compiled
def ray(camera: Array, inverse: Array, x: float, y: float, direction: Array) -> float:
    """Write the world direction, with camera Z component 1, of the ray through an image point; return its length."""
    a, b = inverse[0, 0] * x + inverse[0, 2], inverse[1, 1] * y + inverse[1, 2]
    for axis in range(3):
        direction[axis] = camera[axis, 0] * a + camera[axis, 1] * b + camera[axis, 2]
    return math.sqrt(1.0 + a * a + b * b)


@compiled
def add_surface(
    point: Array, index: int, tables: tuple[Array, Array, Array], unit: float, work: Array, known: tuple[int, float]
) -> tuple[int, float]:
    """Add a hit point's colour to work[0].

    Args:
        point: [3] the hit, moved off the surface on return.
        index: The solid that was hit.
        tables: Solids, materials, light.
        unit: Period of the slow noise.
        work: [4, 3] scratch: colour, normal, direction to the light.
        known: Place (solid and face) and brightness of the pixel's last shaded sample.

    Returns:
        Place and brightness: samples of one pixel on one face share the brightness, since shadows are costly.
    """
    solids, materials, light = tables
    face, u, v = surface(point, solids[index], work[1])
    material = materials[int(solids[index, 9 + face])]
    seed = int(material[8])
    mix = pattern_mix(int(material[0]), u / material[1], v / material[1], seed)
    place = index * 16 + face * 4 + (2 if work[1, 0] > 0.0 else 0) + (1 if work[1, 1] > 0.0 else 0)
    bright = known[1]
    if place != known[0]:
        bright = surface_tone(u, v, unit, seed) * light_at(point, work[1], light, solids, work[2], unit)
    for channel in range(3):
        work[0, channel] += bright * (material[2 + channel] * (1.0 - mix) + material[5 + channel] * mix)
    return place, bright


@compiled
def cast_pixel(
    column: int,
    row: int,
    tables: tuple[Array, Array, Array],
    sky: Array,
    ranges: tuple[float, float],
    cameras: tuple[Array, Array],
    active: NDArray[np.int64],
    work: Array,
) -> float:
    """Write a pixel's mean colour to work[0] and return the depth at its centre (0: nothing there)."""
    offsets = ((0.5, 0.5), (0.2, 0.25), (0.8, 0.35), (0.4, 0.85))
    camera, inverse = cameras
    origin, direction, point = camera[:3, 3], work[3], work[4]
    depth, known = 0.0, (-1, 0.0)
    work[0] = 0.0
    for sample in range(4):
        length = ray(camera, inverse, column + offsets[sample][0], row + offsets[sample][1], direction)
        index, distance = first_hit(origin, direction, tables[0], active)
        if index < 0 or distance >= ranges[1]:
            up = max(0.0, direction[2]) / length
            for channel in range(3):
                work[0, channel] += sky[0, channel] * (1.0 - up) + sky[1, channel] * up
            continue
        if sample == 0:
            depth = distance
        for axis in range(3):
            point[axis] = origin[axis] + distance * direction[axis]
        known = add_surface(point, index, tables, ranges[0], work, known)
    return depth


@compiled
def cast(
    tables: tuple[Array, Array, Array],
    sky: Array,
    ranges: tuple[float, float],
    cameras: tuple[Array, Array],
    image: NDArray[np.uint8],
    depth: Array,
) -> None:
    """Fill `image` [H, W, 3] and `depth` [H, W], tile by tile with only the solids that a tile can see.

    Args:
        tables: Solids, materials, light.
        sky: [2, 3] colours at the horizon and overhead.
        ranges: Period of the slow noise and the far limit.
        cameras: world_from_camera [4, 4] and camera_from_image [3, 3].
        image: Written.
        depth: Written.
    """
    height, width = depth.shape
    tile = 14
    camera, inverse = cameras
    origin, work, active = camera[:3, 3].copy(), np.empty((5, 3)), np.empty(len(tables[0]), np.int64)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            axis = work[3] / ray(camera, inverse, left + 0.5 * tile, top + 0.5 * tile, work[3])
            cosine = 1.0
            for corner in range(4):
                x, y = left + tile * (corner & 1), top + tile * (corner >> 1)
                length = ray(camera, inverse, x, y, work[3])
                cosine = min(cosine, np.sum(axis * work[3]) / length)
            count = tile_solids(origin, axis, math.acos(cosine) + 1e-6, tables[0], active)
            for row in range(top, min(top + tile, height)):
                for column in range(left, min(left + tile, width)):
                    depth[row, column] = cast_pixel(column, row, tables, sky, ranges, cameras, active[:count], work)
                    for channel in range(3):
                        value = 63.75 * work[0, channel] + 0.5
                        image[row, column, channel] = np.uint8(min(255.0, max(0.0, value)))


def render(
    scene: Scene, world_from_camera: Array, image_from_camera: Array, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a scene.

    Args:
        scene: What to draw.
        world_from_camera: [4, 4] rigid, OpenCV camera axes.
        image_from_camera: [3, 3] pinhole intrinsics in pixels, without skew.
        size: (width, height) in pixels.

    Returns:
        [H, W, 3] colours and [H, W] depth along Z at the pixel centres, 0 where nothing is hit before the far limit.
    """
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    depth = np.empty((height, width), np.float32)
    light = np.array([*scene.light.position, float(scene.light.sun), scene.light.ambient])
    inverse = np.linalg.inv(np.asarray(image_from_camera, np.float64))
    camera = np.ascontiguousarray(world_from_camera, np.float64)
    tables = (scene.solids, scene.materials, light)
    cast(tables, scene.sky, (scene.unit, scene.far), (camera, inverse), image, depth)
    return image, depth
