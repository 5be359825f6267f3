"""A known world is found again from cameras in any arrangement, though up to half of them lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.geometry import registration as r


def turns(rng, count):
    """Random rotations [count, 3, 3]."""
    q, upper = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    q = q * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None]
    q[np.linalg.det(q) < 0, :, 0] *= -1
    return q


def cameras_at(centres, rotations=None):
    cameras = np.tile(np.eye(4), (len(centres), 1, 1))
    cameras[:, :3, 3] = centres
    if rotations is not None:
        cameras[:, :3, :3] = rotations
    return cameras


def moved(cameras, scale, rotation, translation):
    """The same cameras in another world and unit."""
    return cameras_at(scale * cameras[:, :3, 3] @ rotation.T + translation, rotation @ cameras[:, :3, :3])


def scene(seed, count, line=False):
    """Cameras of a network's world, and the world they stand in: scale, rotation, translation."""
    rng = np.random.default_rng(seed)
    centres = np.outer(rng.uniform(1, 2, count).cumsum(), (1.0, 2.0, 3.0)) if line else rng.normal(size=(count, 3))
    world = float(np.exp(rng.uniform(-5, 5))), turns(rng, 1)[0], 10 * rng.normal(size=3)
    return cameras_at(centres, turns(rng, count)), world


@pytest.mark.parametrize("line", [False, True])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 12))
def test_a_moved_and_scaled_world_is_found(line, seed, count):
    seen, world = scene(seed, count, line)
    truth = moved(seen, *world)
    known = max(2, count // 2)
    fit = r.register(seen[:known], truth[:known])
    assert fit.scale.known
    assert fit.scale.scale == pytest.approx(world[0], rel=1e-8)
    assert fit.agrees.all()
    found = r.registered(seen, fit, fit.scale.scale)
    np.testing.assert_allclose(found, truth, atol=1e-7 * max(1.0, np.abs(truth).max()))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(4, 12), kind=st.sampled_from(["turned", "moved", "both"]))
def test_half_of_the_cameras_may_be_wrong(seed, count, kind):
    seen, world = scene(seed, count)
    truth, rng = moved(seen, *world), np.random.default_rng(seed + 1)
    wrong = rng.permutation(count)[: (count - 1) // 2]
    told = truth.copy()
    if kind != "moved":
        told[wrong, :3, :3] = turns(rng, len(wrong))
    if kind != "turned":
        told[wrong, :3, 3] += world[0] * rng.choice([3.0, 100.0]) * rng.normal(size=(len(wrong), 3))
    fit = r.register(seen, told)
    np.testing.assert_allclose(
        r.registered(seen, fit, fit.scale.scale), truth, atol=1e-5 * max(1.0, np.abs(truth).max())
    )
    assert set(np.flatnonzero(~fit.agrees)) <= set(wrong)


def test_exactly_half_wrong_is_still_found():
    seen, world = scene(3, 8)
    truth = moved(seen, *world)
    told = truth.copy()
    told[::2, :3, 3] += 40.0 * world[0] * np.random.default_rng(0).normal(size=(4, 3))
    fit = r.register(seen, told)
    assert fit.scale.scale == pytest.approx(world[0], rel=1e-8)
    assert fit.agrees.tolist() == [False, True] * 4


def test_shaken_cameras_all_count_and_the_answer_is_better_than_each():
    seen, world = scene(5, 30)
    truth, rng = moved(seen, *world), np.random.default_rng(6)
    told = truth.copy()
    told[:, :3, 3] += 0.02 * world[0] * rng.normal(size=(30, 3))
    fit = r.register(seen, told)
    assert fit.agrees.sum() >= 27
    assert fit.scale.scale == pytest.approx(world[0], rel=0.02)
    assert 0.001 < fit.scale.residual < 0.05
    apart = np.linalg.norm((r.registered(seen, fit, fit.scale.scale) - truth)[:, :3, 3], axis=1)
    assert np.median(apart) < 0.02 * world[0]


def test_one_camera_gives_place_and_turn_but_no_scale():
    seen, world = scene(7, 3)
    truth = moved(seen, 1.0, *world[1:])
    fit = r.register(seen[1:2], truth[1:2])
    assert (fit.scale.known, fit.scale.scale) == (False, 1.0)
    np.testing.assert_allclose(r.registered(seen, fit, 1.0), truth, atol=1e-9)
    larger = r.registered(seen, fit, 5.0)
    np.testing.assert_allclose(larger[1], truth[1], atol=1e-9)  # the known one stays whatever the scale
    np.testing.assert_allclose(larger[0, :3, 3] - larger[1, :3, 3], 5.0 * (truth[0] - truth[1])[:3, 3], atol=1e-8)


@pytest.mark.parametrize("centres", [[(1.0, 2.0, 3.0)], [(1.0, 2.0, 3.0)] * 4])
def test_one_place_fixes_no_scale(centres):
    spread = np.random.default_rng(2).normal(size=(len(centres), 3))
    for pair in [(centres, spread), (spread, centres)]:
        fit = r.register(*map(cameras_at, pair))
        assert (fit.scale.scale, fit.scale.known) == (1.0, False)


@pytest.mark.parametrize("views", [2, 3, 9, 60])
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-4, 1e4))
def test_the_scale_needs_no_rotations(views, seed, scale):
    rng = np.random.default_rng(seed)
    centres, rotation = rng.normal(size=(views, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    fit = r.scale_to_given(cameras_at(centres), cameras_at(scale * centres @ rotation.T + rng.normal(size=3) * scale))
    assert fit.known
    assert fit.scale == pytest.approx(scale, rel=1e-9)
    assert fit.residual < 1e-9


K = np.array([[100.0, 0.0, 80.0], [0.0, 100.0, 60.0], [0.0, 0.0, 1.0]])
SIZE = (160, 120)


def wall(depth):
    """Points of a wall [N, 3] in front of a camera at the origin."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.5, 0.5, 9))
    return depth * np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)


@settings(deadline=None)
@given(step=st.floats(0.0, 1.0), depth=st.floats(0.5, 50.0))
def test_residual_of_a_step_aside_is_the_parallax(step, depth):
    aside = cameras_at([(step, 0.0, 0.0)])[0]
    told = r.residual(wall(depth), np.eye(4), aside, K, SIZE)
    assert told.distance == pytest.approx(step)
    assert told.degrees == pytest.approx(0.0, abs=1e-6)
    assert told.pixels == pytest.approx(min(100.0 * step / depth, 200.0), abs=1e-6)


@pytest.mark.parametrize("degrees", [1e-4, 1.0, 30.0, 179.0])
def test_residual_of_a_turn_is_its_angle(degrees):
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = np.eye(4)
    turned[:2, :2] = [[cosine, -sine], [sine, cosine]]  # about the axis of view
    told = r.residual(np.array([[0.5, 0.0, 1.0]]), np.eye(4), turned, K, SIZE)
    assert told.degrees == pytest.approx(degrees, rel=1e-6)
    assert told.pixels == pytest.approx(100.0 * np.sin(np.radians(degrees) / 2), rel=1e-6)


def test_residual_never_exceeds_the_diagonal():
    behind = np.diag([1.0, -1.0, -1.0, 1.0])
    assert r.residual(wall(2.0), np.eye(4), behind, K, SIZE).pixels == 200.0
    assert r.residual(np.empty((0, 3)), np.eye(4), np.eye(4), K, SIZE).pixels == 200.0
