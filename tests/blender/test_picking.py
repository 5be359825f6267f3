"""Picking a place of a reconstruction: surfaces and points, near and far, in views of every kind."""

import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Vector

sys.path.insert(0, str(Path(__file__).resolve().parent))
from floor_scene import HEIGHT, place_in_scene, true_up

from image_to_scene.operators import picking
from image_to_scene.operators.picking import Ray
from image_to_scene.operators.scene import BuildOptions

PIXEL = 1.5e-3  # of a viewport of 50 mm, about 1000 pixels wide


def pick(origin, direction, pixel=PIXEL, **keywords):
    return picking.pick(bpy.context, Ray(Vector(origin), Vector(direction).normalized(), pixel, **keywords))


@pytest.mark.parametrize("parts", ["meshes", "point_cloud"])
def test_a_ray_meets_surface_or_points(floor_view, parts):
    options = BuildOptions(**({"cameras": False, "meshes": False, "point_cloud": False} | {parts: True}))
    root = place_in_scene(floor_view, options=options).root
    root.location = (5, 0, 0)
    bpy.context.view_layer.update()
    direction = np.array([0.0, 1.0, -0.3]) / np.hypot(1, 0.3)
    point, found = pick((5, 0, 0), direction)
    assert found == root
    assert true_up() @ (point - [5, 0, 0]) == pytest.approx(-HEIGHT, abs=0.02)  # on the floor
    assert np.linalg.norm(np.cross(point - [5, 0, 0], direction)) < 0.1
    assert pick((5, 0, 0), (0, -1, 0)) is None


def test_what_stands_before_it_is_not_picked(floor_view):
    place_in_scene(floor_view)
    bpy.ops.mesh.primitive_cube_add(size=0.1, location=(0.0, 0.5, 0.0))
    assert pick((0, 0, 0), (0, 1, 0)) is None


def test_what_is_not_shown_is_in_nobody_s_way(floor_view):
    root = place_in_scene(floor_view, options=BuildOptions(cameras=False, point_cloud=False)).root
    bpy.ops.mesh.primitive_cube_add(size=0.1, location=(0.0, 0.5, 0.0))
    bpy.context.object.hide_set(True)
    bpy.context.view_layer.update()
    assert pick((0, 0, 0), (0, 1, -0.3))[1] == root


def test_parallel_rays_from_far_away_meet_the_very_point(floor_view):
    """As in a view from above, whose rays begin at the far clip distance."""
    root = place_in_scene(floor_view, options=BuildOptions(cameras=False, meshes=False)).root
    root.rotation_euler = (-np.radians(20.0), 0.0, 0.0)  # upright
    bpy.context.view_layer.update()
    seen, _ = pick((0, 0, 0), (0, 1, -0.6))
    found, _ = pick((seen[0], seen[1], 1000.0), (0, 0, -1), pixel=0.01, is_parallel=True)
    np.testing.assert_allclose(found, seen, atol=0.05)
