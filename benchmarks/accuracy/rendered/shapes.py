"""Solids with texture coordinates in metres: boxes, turned and rough bodies, curtains, ground, walls with openings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import bmesh
import bpy
import numpy as np
from mathutils import Vector, noise

from .chance import Chance
from .solids import FLAT, SOLIDS, Kind, Solid

Place = tuple[float, float, float]
UV = "metres"
SEGMENTS = 40


def box(
    size: Place, at: Place, material: bpy.types.Material, *, turn: float = 0.0, bevel: float = 0.0
) -> bpy.types.Object:
    """Stand a box on a point: `at` is the middle of its lower face, `turn` radians about the vertical."""
    body = bmesh.new()
    bmesh.ops.create_cube(body, size=1.0)
    for vertex in body.verts:
        vertex.co = Vector((vertex.co.x * size[0], vertex.co.y * size[1], (vertex.co.z + 0.5) * size[2]))
    if bevel:
        bmesh.ops.bevel(body, geom=body.edges[:], offset=bevel, segments=3, profile=0.7, affect="EDGES")
    solid = Solid(Kind.BOX, (0.0, 0.0, 0.5 * size[2]), (0.5 * size[0], 0.5 * size[1], 0.5 * size[2]))
    return _added(body, at, material, turn, [solid])


def turned(
    profile: Sequence[tuple[float, float]], at: Place, material: bpy.types.Material, *, turn: float = 0.0
) -> bpy.types.Object:
    """Turn a profile of (radius, height) about the vertical; closed where a radius is 0."""
    body = bmesh.new()
    rows = [
        [body.verts.new((r * math.cos(a), r * math.sin(a), z)) for a in _angles()]
        if r > 0.0
        else [body.verts.new((0, 0, z))]
        for r, z in profile
    ]
    for low, high in pairwise(rows):
        for index in range(SEGMENTS):
            after = (index + 1) % SEGMENTS
            corners = [low[index % len(low)], low[after % len(low)], high[after % len(high)], high[index % len(high)]]
            face = list(dict.fromkeys(corners))
            if len(face) > 2:
                body.faces.new(face).smooth = True
    cones = [
        Solid(Kind.CONE, (0.0, 0.0, 0.5 * (low[1] + high[1])), (low[0], high[0], 0.5 * (high[1] - low[1]) or FLAT))
        for low, high in pairwise(profile)
    ]
    return _added(body, at, material, turn, cones)


def rough(
    radii: Place, at: Place, material: bpy.types.Material, chance: Chance, *, depth: float = 0.1, period: float = 1.0
) -> bpy.types.Object:
    """Place a ball that is not quite one, its middle at `at`: a fruit, a stone, the crown of a tree.

    Args:
        radii: Along x, y and z, metres.
        at: Where its middle is.
        material: Its surface.
        chance: Tells how it differs from a ball.
        depth: Of its dents, as a part of the radius.
        period: Of its dents, in radii.
    """
    body = bmesh.new()
    bmesh.ops.create_icosphere(body, subdivisions=3, radius=1.0)
    shift = Vector([chance.between(-50.0, 50.0) for _ in range(3)])
    for vertex in body.verts:
        vertex.co *= 1.0 + depth * noise.fractal(vertex.co / period + shift, 1.0, 2.0, 3)
        vertex.co = Vector([vertex.co[axis] * radii[axis] for axis in range(3)])
    for face in body.faces:
        face.smooth = True
    return _added(body, at, material, chance.between(0.0, 2 * math.pi), [Solid(Kind.BALL, (0.0, 0.0, 0.0), radii)])


def curtain(
    size: tuple[float, float], at: Place, material: bpy.types.Material, chance: Chance, *, turn: float = 0.0
) -> bpy.types.Object:
    """Hang cloth of some width and height in folds, its lower middle at `at`."""
    body = bmesh.new()
    count, folds, deep = 48, size[0] / chance.between(0.1, 0.2), chance.between(0.02, 0.05)
    rows = []
    for level in np.linspace(0.0, 1.0, 6).tolist():
        ways = [i / count for i in range(count + 1)]
        waves = [(size[0] * (w - 0.5), deep * math.sin(2 * math.pi * folds * w) * (1.2 - 0.4 * level)) for w in ways]
        rows.append([body.verts.new((x, y, size[1] * level)) for x, y in waves])
    for low, high in pairwise(rows):
        for index in range(count):
            body.faces.new((low[index], low[index + 1], high[index + 1], high[index])).smooth = True
    cloth = Solid(Kind.BOX, (0.0, 0.0, 0.5 * size[1]), (0.5 * size[0], deep, 0.5 * size[1]))
    return _added(body, at, material, turn, [cloth])


def ground(
    size: tuple[float, float], at: Place, material: bpy.types.Material, chance: Chance, *, height: float = 0.0
) -> bpy.types.Object:
    """Spread ground around a point, with hills of some height."""
    body = bmesh.new()
    steps = 60 if height else 1
    bmesh.ops.create_grid(body, x_segments=steps, y_segments=steps, size=0.5)
    shift = Vector([chance.between(-50.0, 50.0) for _ in range(3)])
    for vertex in body.verts:
        x, y = vertex.co.x * size[0], vertex.co.y * size[1]
        vertex.co = Vector(
            (x, y, height * noise.fractal(Vector((x, y, 0.0)) / 6.0 + shift, 1.0, 2.0, 3) if height else 0.0)
        )
    for face in body.faces:
        face.smooth = True
    plain = Solid(Kind.BOX, (0.0, 0.0, -FLAT), (0.5 * size[0], 0.5 * size[1], FLAT))
    return _added(body, at, material, 0.0, [plain])


def roof(size: Place, at: Place, material: bpy.types.Material) -> bpy.types.Object:
    """Put a roof with its ridge along x on a rectangle."""
    x, y, z = 0.5 * size[0], 0.5 * size[1], size[2]
    body = bmesh.new()
    corners = [body.verts.new(c) for c in ((-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0), (-x, 0, z), (x, 0, z))]
    for face in ((0, 1, 5, 4), (2, 3, 4, 5), (1, 2, 5), (3, 0, 4), (3, 2, 1, 0)):
        body.faces.new([corners[index] for index in face])
    return _added(body, at, material, 0.0, [Solid(Kind.GABLE, (0.0, 0.0, 0.0), (x, y, z))])


def wall(
    width: float,
    height: float,
    thickness: float,
    openings: Sequence[tuple[float, float, float, float]],
    at: Place,
    material: bpy.types.Material,
    *,
    turn: float = 0.0,
) -> None:
    """Build a wall along x with rectangular openings; its lower middle is at `at`, its front looks along −Y.

    Args:
        width: Metres.
        height: Metres.
        thickness: Metres, towards +Y.
        openings: (left, lower, right, upper) each, metres from `at`.
        at: Where its lower middle is.
        material: Its surface.
        turn: Radians about the vertical through `at`.
    """
    xs = sorted({-0.5 * width, 0.5 * width, *(x for hole in openings for x in (hole[0], hole[2]))})
    zs = sorted({0.0, height, *(z for hole in openings for z in (hole[1], hole[3]))})
    for x0, x1 in pairwise(xs):
        x, start = 0.5 * (x0 + x1), None
        for z0, z1 in [*pairwise(zs), (height, height)]:
            z = 0.5 * (z0 + z1)
            is_open = z0 == z1 or any(a < x < c and b < z < d for a, b, c, d in openings)
            if is_open and start is not None:
                box((x1 - x0, thickness, z0 - start), beside(at, turn, x, 0.5 * thickness, start), material, turn=turn)
            start = None if is_open else z0 if start is None else start


def beside(at: Place, turn: float, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Place:
    """Return a point given in the axes of something that stands at `at` and is turned about the vertical."""
    c, s = math.cos(turn), math.sin(turn)
    return at[0] + c * x - s * y, at[1] + s * x + c * y, at[2] + z


def link(item: bpy.types.Object) -> None:
    """Put an object into the scene."""
    scene: Any = bpy.context.scene
    scene.collection.objects.link(item)


def _angles() -> list[float]:
    return [2.0 * math.pi * index / SEGMENTS for index in range(SEGMENTS)]


def _added(
    body: bmesh.types.BMesh, at: Place, material: bpy.types.Material, turn: float, solids: Sequence[Solid]
) -> bpy.types.Object:
    mesh = bpy.data.meshes.new("shape")
    body.normal_update()
    body.to_mesh(mesh)
    body.free()
    _project(mesh, beside((0.0, 0.0, 0.0), -turn, *at))
    mesh.materials.append(material)
    item = bpy.data.objects.new("shape", mesh)
    item.location, item.rotation_euler = at, (0.0, 0.0, turn)
    item[SOLIDS] = [number for solid in solids for number in (solid.kind, *solid.centre, *solid.size)]
    link(item)
    return item


def _project(mesh: bpy.types.Mesh, offset: Place) -> None:
    """Give every face the coordinates, in metres, of the two axes that it lies along most.

    With the place of the thing, in its own axes, as offset, parts of one wall go together and no two things are alike.
    """
    points, normals = np.empty(3 * len(mesh.vertices), np.float32), np.empty(3 * len(mesh.polygons), np.float32)
    mesh.vertices.foreach_get("co", points)
    mesh.polygons.foreach_get("normal", normals)
    corners, sides = np.empty(len(mesh.loops), np.int32), np.empty(len(mesh.polygons), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    mesh.polygons.foreach_get("loop_total", sides)
    along = np.abs(normals.reshape(-1, 3)).argmax(axis=1)
    across = np.repeat(np.array(((1, 2), (0, 2), (0, 1)))[along], sides, axis=0)
    placed = points.reshape(-1, 3)[corners] + np.array(offset, np.float32)
    layer: Any = mesh.uv_layers.new(name=UV)
    layer.data.foreach_set("uv", np.take_along_axis(placed, across, axis=1).reshape(-1))
