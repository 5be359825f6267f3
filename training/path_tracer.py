"""What a camera sees of a furnished scene: light that comes from lamps, sun and sky, straight or over one surface.

Two functions make one pixel, and are compiled for the processor and, unchanged, for a graphics card (`furnished.py`). A
scene is a few tables of numbers, see `Tables`. Light is in the units of Cycles, whose pictures it imitates: watts of a
lamp, watts a square metre of the sun, radiance of the sky.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .solids import NEVER, Triple, along, dot, hit, into, normal
from .textures import lattice

Array = NDArray[np.floating[Any]]
Numbers = tuple[Array, Array, Array, NDArray[np.uint8], Array, Array]
"""`Tables` without names, which compiled code does not know."""
SAMPLES = (2, 2)
"""Rays across and down a pixel."""
GROUP = 4
"""Solids that share a bounding ball; those that follow one another in a scene lie close together."""
BRIGHTEST = 3.0
"""What a surface may send another one at most, so that small bright things make no lone bright pixels."""
REACH = 3
"""Pixels on every side over which light is smoothed, where they lie as deep."""
SAME_DEPTH = 0.05
"""Relative difference of depths at which a pixel counts little."""
LAMP = 0.0
"""Kind of a light; any other is the sun."""
LIFT = 1e-3
"""Metres that rays start above a surface."""


class Tables(NamedTuple):
    """A scene as numbers.

    Attributes:
        solids: [N, 17] as in `solids.py`, and the index of the material.
        groups: [⌈N / 8⌉, 4] centre and radius of a ball around each eight solids.
        materials: [M, 9] index of the texture, tint rgb, emitted light rgb, shift of the texture in u and v.
        textures: [T, S, S, 3] uint8, 255 times the root of linear colour, two metres a side.
        lights: [L, 16] kind, place or direction towards the sun, normal, half axes of a square lamp, radiance (of
            the sun: what a surface facing it receives) rgb.
        sky: [2, 3] radiance at the horizon and overhead.
    """

    solids: Array
    groups: Array
    materials: Array
    textures: NDArray[np.uint8]
    lights: Array
    sky: Array


@compiled
def passes_by(ball: Array, origin: Triple, direction: Triple, limit: float) -> bool:
    """Whether a ray, its direction a unit vector, misses a ball or meets it only behind a limit."""
    x, y, z = ball[0] - origin[0], ball[1] - origin[1], ball[2] - origin[2]
    square, ahead, away = ball[3] * ball[3], dot((x, y, z), direction), x * x + y * y + z * z
    return away > square and (ahead < 0.0 or away - ahead * ahead > square or ahead - ball[3] > limit)


@compiled
def first_hit(origin: Triple, direction: Triple, solids: Array, groups: Array) -> tuple[int, float]:
    """Index of the nearest solid (−1: none) along a unit vector, and the distance to it."""
    nearest, best = -1, NEVER
    for group in range(len(groups)):
        if passes_by(groups[group], origin, direction, best):
            continue
        for index in range(GROUP * group, min(GROUP * group + GROUP, len(solids))):
            distance = hit(solids[index], origin, direction)
            if distance < best:
                nearest, best = index, distance
    return nearest, best


@compiled
def is_blocked(origin: Triple, direction: Triple, solids: Array, groups: Array, limit: float) -> bool:
    """Whether any solid stands before a limit."""
    for group in range(len(groups)):
        if passes_by(groups[group], origin, direction, limit):
            continue
        for index in range(GROUP * group, min(GROUP * group + GROUP, len(solids))):
            if hit(solids[index], origin, direction) < limit:
                return True
    return False


@compiled
def sky_light(direction: Triple, sky: Array) -> Triple:
    """Radiance of the sky in a direction."""
    up = min(1.0, 2.0 * max(0.0, direction[2]))
    return (
        sky[0, 0] + up * (sky[1, 0] - sky[0, 0]),
        sky[0, 1] + up * (sky[1, 1] - sky[0, 1]),
        sky[0, 2] + up * (sky[1, 2] - sky[0, 2]),
    )


@compiled
def albedo(
    point: Triple, n: Triple, solid: Array, materials: Array, textures: NDArray[np.uint8]
) -> tuple[float, float, float]:
    """Colour of a surface: its texture lies in the two axes of the object that the surface lies along most."""
    material = materials[int(solid[16])]
    x, y, z = into(solid, point, 0.0)
    a, b, c = into(solid, n, 0.0)
    a, b, c = abs(a), abs(b), abs(c)
    u, v = (y, z) if a >= b and a >= c else ((x, z) if b >= c else (x, y))
    texture, side = int(material[0]), textures.shape[1]
    column = math.floor((0.5 * u + material[7]) * side) % side
    row = math.floor((0.5 * v + material[8]) * side) % side
    return (
        material[1] * (textures[texture, row, column, 0] / 255.0) ** 2,
        material[2] * (textures[texture, row, column, 1] / 255.0) ** 2,
        material[3] * (textures[texture, row, column, 2] / 255.0) ** 2,
    )


@compiled
def from_light(
    point: Triple, n: Triple, light: Array, solids: Array, groups: Array, chance: tuple[float, float]
) -> float:
    """What part of a light's radiance a white surface sends on, by one ray to a random point of the light."""
    scale, limit = 1.0 / math.pi, NEVER
    x, y, z = light[1], light[2], light[3]
    if light[0] == LAMP:
        a, b = 2.0 * chance[0] - 1.0, 2.0 * chance[1] - 1.0
        x += a * light[7] + b * light[10] - point[0]
        y += a * light[8] + b * light[11] - point[1]
        z += a * light[9] + b * light[12] - point[2]
        square = x * x + y * y + z * z
        limit = math.sqrt(square)
        x, y, z = x / limit, y / limit, z / limit
        area = 4.0 * (light[7] ** 2 + light[8] ** 2 + light[9] ** 2)
        scale *= area * max(0.0, -(x * light[4] + y * light[5] + z * light[6])) / square
    cosine = dot(n, (x, y, z))
    if cosine <= 0.0 or scale <= 0.0:
        return 0.0
    return 0.0 if is_blocked(point, (x, y, z), solids, groups, limit) else scale * cosine


@compiled
def bounced(n: Triple, chance: tuple[float, float]) -> Triple:
    """A direction off a surface, the likelier the nearer to its normal."""
    angle, radius = 2.0 * math.pi * chance[0], math.sqrt(chance[1])
    x, y, z = radius * math.cos(angle), radius * math.sin(angle), math.sqrt(max(0.0, 1.0 - chance[1]))
    sign = math.copysign(1.0, n[2])  # an orthonormal frame without branches, Duff et al. 2017
    a = -1.0 / (sign + n[2])
    b = n[0] * n[1] * a
    return (
        x * (1.0 + sign * n[0] * n[0] * a) + y * b + z * n[0],
        x * sign * b + y * (sign + n[1] * n[1] * a) + z * n[1],
        -x * sign * n[0] - y * n[1] + z * n[2],
    )


@compiled
def evenly(sample: int, seed: int, place: int) -> tuple[float, float]:
    """Two random numbers; the samples of a pixel share out the unit square."""
    across, down = SAMPLES
    x, y = sample % across + lattice(seed, place, 1), sample // across + lattice(seed, place, 2)
    return x / across, y / down


@compiled
def from_lights(
    point: Triple, n: Triple, lights: Array, solids: Array, groups: Array, sample: int, seed: int
) -> Triple:
    """What a white surface sends on of the light that comes straight from lamps and the sun."""
    red, green, blue = 0.0, 0.0, 0.0
    for number in range(len(lights)):
        part = from_light(point, n, lights[number], solids, groups, evenly(sample, seed, number))
        red += part * lights[number, 13]
        green += part * lights[number, 14]
        blue += part * lights[number, 15]
    return red, green, blue


@compiled
def from_surroundings(point: Triple, n: Triple, tables: Numbers, sample: int, seed: int) -> Triple:
    """What a white surface sends on of the light that comes from the sky or over one other surface, by one ray."""
    solids, groups, materials, textures, lights, sky = tables
    direction = bounced(n, evenly(sample, seed, 9))
    index, distance = first_hit(point, direction, solids, groups)
    if index < 0:
        return sky_light(direction, sky)
    its_point, solid = along(point, direction, distance), solids[index]
    its_normal, glow = normal(solid, its_point, direction), materials[int(solid[16])]
    colour = albedo(its_point, its_normal, solid, materials, textures)
    light = from_lights(along(its_point, its_normal, LIFT), its_normal, lights, solids, groups, sample, seed + 1)
    return (
        min(BRIGHTEST, glow[4] + colour[0] * light[0]),
        min(BRIGHTEST, glow[5] + colour[1] * light[1]),
        min(BRIGHTEST, glow[6] + colour[2] * light[2]),
    )


@compiled
def towards(camera: Array, focal: float, size: tuple[int, int], x: float, y: float) -> tuple[Triple, float]:
    """Unit direction of the ray through an image point, and how much longer a ray is than its depth."""
    a, b = (x - 0.5 * size[0]) / focal, (y - 0.5 * size[1]) / focal
    long = math.sqrt(1.0 + a * a + b * b)
    return (
        (camera[0, 0] * a + camera[0, 1] * b + camera[0, 2]) / long,
        (camera[1, 0] * a + camera[1, 1] * b + camera[1, 2]) / long,
        (camera[2, 0] * a + camera[2, 1] * b + camera[2, 2]) / long,
    ), long


@compiled
def draw_sample(
    origin: Triple,
    direction: Triple,
    tables: Numbers,
    sample: int,
    seed: int,
    pixel: Array,
) -> None:
    """Add what is seen along a ray to a pixel [10]: its own and straight light, colour, light around it, and one."""
    solids, groups, materials, textures, lights, sky = tables
    index, distance = first_hit(origin, direction, solids, groups)
    if index < 0:
        above = sky_light(direction, sky)
        for channel in range(3):
            pixel[channel] += above[channel]
        return
    solid = solids[index]
    point = along(origin, direction, distance)
    n = normal(solid, point, direction)
    colour, glow = albedo(point, n, solid, materials, textures), materials[int(solid[16])]
    point = along(point, n, LIFT)
    straight = from_lights(point, n, lights, solids, groups, sample, seed)
    around = from_surroundings(point, n, tables, sample, seed)
    for channel in range(3):
        pixel[channel] += glow[4 + channel] + colour[channel] * straight[channel]
        pixel[3 + channel] += colour[channel]
        pixel[6 + channel] += around[channel]
    pixel[9] += 1.0


@compiled
def draw_pixel(
    place: int,
    tables: Numbers,
    cameras: Array,
    focal: Array,
    parts: Array,
    depth: Array,
) -> None:
    """Draw one pixel.

    Args:
        place: Which one, counted through all views row by row.
        tables: As in `Tables`.
        cameras: [V, 4, 4] world_from_camera.
        focal: [V] pixels.
        parts: [V, H, W, 10] zeros, written: sums over samples of straight light, colour and light around, each rgb, and
            the number of samples that met something.
        depth: [V, H, W] written: along Z at the pixel's centre, 0 in the sky.
    """
    height, width = depth.shape[1], depth.shape[2]
    view, row, column = place // (height * width), place // width % height, place % width
    camera, size = cameras[view], (width, height)
    origin = (camera[0, 3], camera[1, 3], camera[2, 3])
    direction, long = towards(camera, focal[view], size, column + 0.5, row + 0.5)
    index, distance = first_hit(origin, direction, tables[0], tables[1])
    depth[view, row, column] = distance / long if index >= 0 else 0.0
    across, down = SAMPLES
    for sample in range(across * down):
        seed = 2 * (place * across * down + sample)
        x = column + (sample % across + lattice(seed, 0, 5)) / across
        y = row + (sample // across + lattice(seed, 0, 6)) / down
        direction, long = towards(camera, focal[view], size, x, y)
        draw_sample(origin, direction, tables, sample, seed, parts[view, row, column])


@compiled
def blend_pixel(place: int, parts: Array, depth: Array, light: Array) -> None:
    """Write one pixel of `light` [V, H, W, 3]: the light around it is smoothed over pixels that lie as deep.

    That light changes slowly over a surface, and few samples of it are noisy; colours and shadows stay sharp.
    """
    height, width = depth.shape[1], depth.shape[2]
    view, row, column = place // (height * width), place // width % height, place % width
    here = depth[view, row, column]
    total, red, green, blue = 0.0, 0.0, 0.0, 0.0
    for v in range(max(0, row - REACH), min(height, row + REACH + 1)):
        for u in range(max(0, column - REACH), min(width, column + REACH + 1)):
            step = (depth[view, v, u] - here) / (SAME_DEPTH * max(1e-3, here))
            weight = math.exp(-step * step)
            total += weight * parts[view, v, u, 9]
            red += weight * parts[view, v, u, 6]
            green += weight * parts[view, v, u, 7]
            blue += weight * parts[view, v, u, 8]
    count, pixel = SAMPLES[0] * SAMPLES[1], parts[view, row, column]
    scale = 1.0 / max(1e-9, total)
    light[view, row, column, 0] = (pixel[0] + pixel[3] * red * scale) / count
    light[view, row, column, 1] = (pixel[1] + pixel[4] * green * scale) / count
    light[view, row, column, 2] = (pixel[2] + pixel[5] * blue * scale) / count
