"""Up and floor against scenes whose floor is known, in any frame and unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.geometry import ground as g

UP = np.array([0.0, 0.0, 1.0])


def looking(centre, at):
    """A camera that is held level: OpenCV axes in a world with Z up."""
    forward = np.asarray(at, float) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right)
    camera = np.eye(4)
    camera[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    camera[:3, 3] = centre
    return camera


def arc(degrees, count=6, height=2.0):
    """Cameras on part of a circle that look down at its middle."""
    turns = np.radians(np.linspace(-degrees / 2, degrees / 2, count))
    return np.stack([looking((3 * np.cos(a), 3 * np.sin(a), height), (0, 0, 0)) for a in turns])


def turn(seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def room(seed=0, outliers=0.0, floor=400, wall=1200, noise=0.003):
    """Points [N, 3] of a floor at Z = 0 and two larger walls, with some outliers, in random order."""
    rng = np.random.default_rng(seed)
    parts = [
        np.column_stack([rng.uniform(-4, 4, (floor, 2)), np.zeros(floor)]),
        np.column_stack([rng.uniform(-4, 4, wall), np.full(wall, 4.0), rng.uniform(0, 3, wall)]),
        np.column_stack([np.full(wall, -4.0), rng.uniform(-4, 4, wall), rng.uniform(0, 3, wall)]),
    ]
    points = np.concatenate(parts) + rng.normal(scale=noise, size=(floor + 2 * wall, 3))
    stray = rng.random(len(points)) < outliers
    points[stray] = rng.uniform((-4, -4, -0.5), (4, 4, 3), (stray.sum(), 3))
    return rng.permutation(points)


def found(points, cameras, weight=None, up=None):
    reach = np.linalg.norm(points - cameras[0, :3, 3], axis=1)
    weight = np.ones(len(points)) if weight is None else weight
    return g.find_ground(points, reach, weight, g.mean_up(cameras) if up is None else up, cameras[:, :3, 3])


def tilt(normal, truth=UP):
    return np.degrees(np.arccos(np.clip(normal @ truth, -1, 1)))


def test_one_camera_has_its_own_up_and_level_ones_share_theirs():
    camera = looking((3, 0, 2), (0, 0, 0))
    np.testing.assert_allclose(g.mean_up(camera[None]), -camera[:3, 1], atol=1e-12)
    np.testing.assert_allclose(g.mean_up(arc(300, height=0.0)), UP, atol=1e-12)
    np.testing.assert_allclose(g.mean_up(arc(360, 8)[:-1]), UP, atol=1e-12)


@pytest.mark.parametrize(("degrees", "limit"), [(40, 6.0), (90, 1.5), (180, 0.5)])
def test_an_arc_of_cameras_that_look_down_still_has_the_true_up(degrees, limit):
    cameras = arc(degrees)
    mean = -cameras[:, :3, 1].mean(axis=0)
    assert tilt(g.mean_up(cameras)) < limit < 0.5 * tilt(mean / np.linalg.norm(mean))


def test_cameras_held_slightly_askew_change_little():
    rng, cameras = np.random.default_rng(0), arc(120, 12)
    for camera in cameras:
        cosine, sine = np.cos(a := rng.normal(scale=0.05)), np.sin(a)
        camera[:3, :2] = camera[:3, :2] @ np.array([[cosine, -sine], [sine, cosine]])
    assert tilt(g.mean_up(cameras)) < 3.0


def test_ups_that_cancel_give_the_first():
    heads_over = np.stack([np.eye(4), np.diag([1.0, -1.0, -1.0, 1.0])])
    np.testing.assert_allclose(g.mean_up(heads_over), [0, -1, 0])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), unit=st.floats(1e-3, 1e3))
def test_the_floor_of_a_turned_and_scaled_room_is_found(seed, unit):
    rotation, offset = turn(seed), unit * np.random.default_rng(seed).normal(size=3)
    cameras = arc(60)
    cameras[:, :3, :3] = rotation @ cameras[:, :3, :3]
    cameras[:, :3, 3] = unit * cameras[:, :3, 3] @ rotation.T + offset
    floor = found(unit * room() @ rotation.T + offset, cameras)
    assert floor is not None
    assert tilt(floor.normal, rotation @ UP) < 0.3
    assert abs(floor.heights(offset)) < 0.02 * unit
    assert floor.heights(cameras[0, :3, 3]) == pytest.approx(2.0 * unit, rel=0.02)


@pytest.mark.parametrize("outliers", [0.0, 0.2, 0.4])
def test_walls_are_larger_and_two_fifths_are_stray(outliers):
    floor = found(room(1, outliers), arc(60))
    assert tilt(floor.normal) < 1.0
    assert abs(floor.offset) < 0.03
    assert 0.06 < floor.share < 0.3


def test_a_clean_floor_is_exact_and_the_same_every_time():
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.uniform(-1, 1, (500, 2)), np.zeros(500)])
    points[:, 2] = 0.1 * points[:, 0] - 0.5
    one, two = (found(points, arc(90)) for _ in range(2))
    np.testing.assert_allclose(one.normal, np.array([-0.1, 0, 1]) / np.hypot(0.1, 1), atol=1e-9)
    assert one.share == 1.0
    assert np.array_equal(one.normal, two.normal) and one.offset == two.offset


def test_a_camera_pitched_down_finds_the_level_floor():
    camera = looking((0, -2, 2), (0, 0, 0))[None]  # 45° down: its own up is as far off
    assert tilt(found(room(3), camera).normal) < 0.5


def test_a_table_does_not_take_the_place_of_the_floor():
    rng = np.random.default_rng(4)
    table = np.column_stack([rng.uniform(-1, 1, (900, 2)), np.full(900, 0.8)])
    floor = found(np.concatenate([room(4, wall=400), table]), arc(60))
    assert abs(floor.offset) < 0.02


def test_weight_decides_between_two_floors():
    rng = np.random.default_rng(5)
    sure, unsure = (np.column_stack([rng.uniform(-1, 1, (n, 2)), np.full(n, z)]) for n, z in ((300, 0.0), (600, -1.0)))
    points, weight = np.concatenate([sure, unsure]), np.repeat([1.0, 0.05], [300, 600])
    assert abs(found(points, arc(60), weight).offset) < 1e-6
    assert found(points, arc(60)).offset == pytest.approx(1.0)


def test_there_is_none_without_floor():
    rng, cameras = np.random.default_rng(6), arc(60)
    assert found(rng.uniform(-1, 1, (5000, 3)), cameras) is None  # a cloud
    assert found(room(7, floor=0, noise=0.0), cameras) is None  # walls alone
    ceiling = np.column_stack([rng.uniform(-1, 1, (500, 2)), np.full(500, 3.0)])
    assert found(ceiling, cameras) is None
    assert found(np.zeros((2, 3)), cameras) is None
    assert found(np.zeros((50, 3)), cameras) is None
    assert found(ceiling, cameras, np.zeros(500)) is None


def test_without_cameras_the_given_up_is_enough():
    points = room(8)
    floor = g.find_ground(points, np.full(len(points), 4.0), np.ones(len(points)), 7.0 * UP, np.empty((0, 3)))
    assert tilt(floor.normal) < 0.5


@settings(deadline=None)
@given(st.tuples(*[st.floats(-10, 10)] * 3).filter(lambda v: np.linalg.norm(v) > 1e-3))
def test_levelling_is_the_smallest_rotation_that_puts_up_on_top(up):
    up = np.array(up)
    rotation = g.levelling(up)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(rotation @ up / np.linalg.norm(up), UP, atol=1e-6)
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
    assert angle == pytest.approx(np.radians(tilt(up / np.linalg.norm(up))), abs=1e-5)


def test_what_is_up_already_does_not_turn_and_what_hangs_is_turned_over():
    assert np.array_equal(g.levelling(UP), np.eye(3))
    np.testing.assert_allclose(g.levelling(-UP) @ -UP, UP)
