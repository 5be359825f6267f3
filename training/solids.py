"""Where a ray meets the solids that furnished scenes are made of, by formulas, and how the surface lies there.

A solid is a row of 16 numbers: its kind (`benchmarks.accuracy.rendered.solids.Kind`), the three rows of
solid_from_world (3 × 4, a turn and a shift), and its three sizes. Distances are in lengths of the ray's direction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled

Array = NDArray[np.floating[Any]]
Triple = tuple[float, float, float]
BOX, CONE, BALL, GABLE = range(4)
NEAR = 1e-4
"""Metres before which nothing is met, so that a ray leaves the surface that it starts on."""
NEVER = 1e30


@compiled
def dot(a: Triple, b: Triple) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def along(origin: Triple, direction: Triple, distance: float) -> Triple:
    """A point of a ray."""
    return (
        origin[0] + distance * direction[0],
        origin[1] + distance * direction[1],
        origin[2] + distance * direction[2],
    )


@compiled
def into(solid: Array, vector: Triple, shift: float) -> Triple:
    """Bring a point (`shift` 1) or a direction (0) from the world to a solid's axes."""
    x, y, z = vector
    return (
        solid[1] * x + solid[2] * y + solid[3] * z + shift * solid[4],
        solid[5] * x + solid[6] * y + solid[7] * z + shift * solid[8],
        solid[9] * x + solid[10] * y + solid[11] * z + shift * solid[12],
    )


@compiled
def out_of(solid: Array, vector: Triple) -> Triple:
    """Bring a direction from a solid's axes to the world."""
    x, y, z = vector
    return (
        solid[1] * x + solid[5] * y + solid[9] * z,
        solid[2] * x + solid[6] * y + solid[10] * z,
        solid[3] * x + solid[7] * y + solid[11] * z,
    )


@compiled
def slab(near: float, far: float, origin: float, direction: float, low: float, high: float) -> tuple[float, float]:
    """Cut the part of a ray between two distances down to where one coordinate is between two numbers."""
    inverse = 1.0 / direction if abs(direction) > 1e-12 else 1e12
    one, other = (low - origin) * inverse, (high - origin) * inverse
    return max(near, min(one, other)), min(far, max(one, other))


@compiled
def hit_box(o: Triple, d: Triple, size: Triple) -> float:
    """Distance to the front of a box around the origin; NEVER for a miss and from inside."""
    near, far = slab(-NEVER, NEVER, o[0], d[0], -size[0], size[0])
    near, far = slab(near, far, o[1], d[1], -size[1], size[1])
    near, far = slab(near, far, o[2], d[2], -size[2], size[2])
    return near if NEAR < near < far else NEVER


@compiled
def hit_gable(o: Triple, d: Triple, size: Triple) -> float:
    """Distance to a roof on the origin: between two gables, above the ground, below two slopes."""
    near, far = slab(-NEVER, NEVER, o[0], d[0], -size[0], size[0])
    near, far = slab(near, far, o[2], d[2], 0.0, 2.0 * size[2])
    for sign in (-1.0, 1.0):
        height, rise = sign * o[1] / size[1] + o[2] / size[2], sign * d[1] / size[1] + d[2] / size[2]
        near, far = slab(near, far, height, rise, -NEVER, 1.0)
    return near if NEAR < near < far else NEVER


@compiled
def hit_ball(o: Triple, d: Triple, size: Triple) -> float:
    """Distance to an ellipsoid around the origin."""
    p = (o[0] / size[0], o[1] / size[1], o[2] / size[2])
    q = (d[0] / size[0], d[1] / size[1], d[2] / size[2])
    a, b = dot(q, q), dot(p, q)
    root = b * b - a * (dot(p, p) - 1.0)
    if root <= 0.0:
        return NEVER
    near = (-b - math.sqrt(root)) / a
    return near if near > NEAR else NEVER


@compiled
def hit_cone(o: Triple, d: Triple, size: Triple) -> float:
    """Distance to the mantle of a part of a cone about the vertical, from outside or inside."""
    middle, slope = 0.5 * (size[0] + size[1]), 0.5 * (size[1] - size[0]) / size[2]
    r, k, high = middle + slope * o[2], slope * d[2], abs(size[2])
    a, b = d[0] * d[0] + d[1] * d[1] - k * k, o[0] * d[0] + o[1] * d[1] - r * k
    root = b * b - a * (o[0] * o[0] + o[1] * o[1] - r * r)
    if root <= 0.0 or abs(a) < 1e-12:
        return NEVER
    root = math.sqrt(root)
    one, other = (-b - root) / a, (-b + root) / a
    if min(one, other) > NEAR and abs(o[2] + min(one, other) * d[2]) <= high:
        return min(one, other)
    if max(one, other) > NEAR and abs(o[2] + max(one, other) * d[2]) <= high:
        return max(one, other)
    return NEVER


@compiled
def hit(solid: Array, origin: Triple, direction: Triple) -> float:
    """Distance to a solid; NEVER for a miss."""
    o, d, size = into(solid, origin, 1.0), into(solid, direction, 0.0), (solid[13], solid[14], solid[15])
    if solid[0] == BOX:
        return hit_box(o, d, size)
    if solid[0] == CONE:
        return hit_cone(o, d, size)
    if solid[0] == BALL:
        return hit_ball(o, d, size)
    return hit_gable(o, d, size)


@compiled
def normal_of_box(x: float, y: float, z: float) -> Triple:
    """Outward normal of a cube at a point of it."""
    if abs(z) >= abs(x) and abs(z) >= abs(y):
        return 0.0, 0.0, z
    return (x, 0.0, 0.0) if abs(x) >= abs(y) else (0.0, y, 0.0)


@compiled
def normal_of_gable(x: float, y: float, z: float, size: Triple) -> Triple:
    """Outward normal of a roof at a point in parts of its sizes."""
    if z < 1e-6:
        return 0.0, 0.0, -1.0
    if abs(x) > abs(y) + z:
        return x, 0.0, 0.0
    return 0.0, math.copysign(1.0 / size[1], y), 1.0 / size[2]


@compiled
def normal_inside(kind: float, p: Triple, size: Triple) -> Triple:
    """Outward normal, of any length, at a point of a solid in its own axes."""
    x, y, z = p[0] / size[0], p[1] / size[1], p[2] / size[2]
    if kind == CONE:
        slope = 0.5 * (size[1] - size[0]) / size[2]
        return p[0], p[1], -slope * (0.5 * (size[0] + size[1]) + slope * p[2])
    if kind == BALL:
        return x / size[0], y / size[1], z / size[2]
    return normal_of_gable(x, y, z, size) if kind == GABLE else normal_of_box(x, y, z)


@compiled
def normal(solid: Array, point: Triple, direction: Triple) -> Triple:
    """Unit normal of a solid's surface at a point of the world, on the side that a ray comes from."""
    n = out_of(solid, normal_inside(solid[0], into(solid, point, 1.0), (solid[13], solid[14], solid[15])))
    scale = 1.0 / max(1e-12, math.sqrt(dot(n, n)))
    if dot(n, direction) > 0.0:
        scale = -scale
    return scale * n[0], scale * n[1], scale * n[2]
