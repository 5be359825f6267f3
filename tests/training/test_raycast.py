"""The ray-caster's depth against closed forms, and views of one scene against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.cameras import intrinsics, look_at
from training.data import make_plan, make_shots
from training.raycast import Light, Scene, Shape, render

SIZE = (28, 21)
K = intrinsics(60.0, SIZE)
LIGHT = Light((0.0, 0.0, 5.0), sun=False, ambient=0.5)
GREY = np.array([[0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0]])
SKY = np.ones((2, 3))
SIDEWAYS = look_at(np.array((0.0, -5.0, 1.5)), np.array((0.0, 0.0, 1.5)))


def scene_of(*solids):
    return Scene(np.array(solids, np.float64), GREY, LIGHT, SKY, 1.0)


def solid(shape, centre, half, turn=0.0):
    return [float(shape), *centre, *half, np.cos(turn), np.sin(turn), 0.0, 0.0, 0.0]


def pixel_rays():
    """[H, W, 3] directions in camera axes with Z component 1, through the pixel centres."""
    u, v = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    return np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(K).T


def test_ground_depth_is_height_over_downward_slope():
    _, depth = render(scene_of(solid(Shape.GROUND, (0, 0, 0), (1, 1, 1))), SIDEWAYS, K, SIZE)
    down = pixel_rays()[..., 1]
    expected = np.where(down > 0, 1.5 / np.where(down > 0, down, 1), 0)
    np.testing.assert_allclose(depth, expected, rtol=1e-5)


@given(radius=st.floats(0.2, 1.5), distance=st.floats(2.0, 8.0))
@settings(max_examples=20, deadline=None)
def test_sphere_depth_solves_the_quadratic(radius, distance):
    centre = (0.0, -5.0 + distance, 1.5)
    _, depth = render(scene_of(solid(Shape.SPHERE, centre, (radius,) * 3)), SIDEWAYS, K, SIZE)
    rays = pixel_rays()
    a, b, c = (rays**2).sum(-1), -2 * distance * rays[..., 2], distance**2 - radius**2
    root = b * b - 4 * a * c
    expected = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), 0)
    clear = np.abs(root) > 1e-6
    np.testing.assert_allclose(depth[clear], expected[clear], rtol=1e-4, atol=1e-5)


def test_face_of_a_box_is_a_plane_at_one_depth_and_its_silhouette_a_rectangle():
    _, depth = render(scene_of(solid(Shape.BOX, (0.0, 0.0, 1.5), (0.8, 0.5, 0.6))), SIDEWAYS, K, SIZE)
    x, y = np.moveaxis(pixel_rays()[..., :2], -1, 0) * 4.5
    front = (np.abs(x) < 0.8) & (np.abs(y) < 0.6)
    np.testing.assert_allclose(depth[front], 4.5, rtol=1e-6)
    assert (depth[~front] == 0).all()


def test_quarter_turn_of_a_box_swaps_its_sides():
    box = scene_of(solid(Shape.BOX, (0.3, 0.2, 1.0), (0.8, 0.5, 0.6)))
    turned = scene_of(solid(Shape.BOX, (0.3, 0.2, 1.0), (0.5, 0.8, 0.6), np.pi / 2))
    np.testing.assert_allclose(render(box, SIDEWAYS, K, SIZE)[1], render(turned, SIDEWAYS, K, SIZE)[1], rtol=1e-6)


def test_room_is_seen_from_inside():
    _, depth = render(scene_of(solid(Shape.SHELL, (0, 0, 1.5), (9, 6, 9))), SIDEWAYS, K, SIZE)
    np.testing.assert_allclose(depth, 11.0, rtol=1e-6)


def test_cylinder_in_the_middle_row_is_a_circle():
    _, depth = render(scene_of(solid(Shape.CYLINDER, (0, 0, 1.5), (1.0, 1.0, 1.0))), SIDEWAYS, K, SIZE)
    row = SIZE[1] // 2
    x = pixel_rays()[row, :, 0]
    root = 25 - (1 + x**2) * 24
    expected = np.where(root > 0, (5 - np.sqrt(np.maximum(root, 0))) / (1 + x**2), 0)
    np.testing.assert_allclose(depth[row], expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(9))
def test_views_of_a_scene_agree_where_they_see_the_same(seed):
    """Points lifted from view A, seen by B, lie on B's surface or behind it: never in front of what B sees."""
    shots = make_shots(seed, chosen=(0, 1), size=(84, 56))
    A, B = shots.world_from_camera
    K = shots.image_from_camera[0]
    v, u = np.nonzero(shots.depth[0])
    rays = np.stack((u + 0.5, v + 0.5, np.ones_like(u)), -1) @ np.linalg.inv(K).T
    points = (rays * shots.depth[0][v, u, None]) @ A[:3, :3].T + A[:3, 3]
    local = (points - B[:3, 3]) @ B[:3, :3]
    ahead = local[:, 2] > 0.05
    image = local[ahead] @ K.T
    x, y = (image[:, :2] / image[:, 2:]).T
    inside = (x > 1) & (x < 83) & (y > 1) & (y < 55)
    seen, z = shots.depth[1][y[inside].astype(int), x[inside].astype(int)], local[ahead][inside, 2]
    known = seen > 0
    same = np.abs(seen - z)[known] < 0.03 * z[known]
    in_front = z[known] < 0.9 * seen[known]
    assert same.mean() > 0.5
    assert in_front.mean() < 0.02  # rounding at edges only


def test_same_seed_same_scene_and_choosing_views_changes_nothing():
    one, two = make_shots(4, chosen=(0, 3), size=(28, 28)), make_shots(4, chosen=(3,), size=(28, 28))
    np.testing.assert_array_equal(one.images[1], two.images[0])
    np.testing.assert_array_equal(one.depth[1], two.depth[0])
    assert not np.array_equal(make_shots(13, chosen=(0,), size=(28, 28)).depth, two.depth)


def test_families_and_modes_come_in_thirds():
    plans = [make_plan(seed) for seed in range(9)]
    assert len({(plan.family, plan.mode) for plan in plans}) == 9
    assert all(40 <= plan.field_of_view <= 80 for plan in plans)


def test_looking_cameras_are_upright_rotations():
    camera = look_at(np.array((1.0, 2.0, 3.0)), np.array((0.0, 5.0, 1.0)))
    np.testing.assert_allclose(camera[:3, :3].T @ camera[:3, :3], np.eye(3), atol=1e-12)
    assert np.linalg.det(camera[:3, :3]) == pytest.approx(1.0)
    assert camera[2, 0] == pytest.approx(0.0)  # the camera's right is level
    assert camera[2, 1] < 0  # its down points down
