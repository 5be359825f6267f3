"""Pose errors: closed forms, laws, and the official evaluation on the same cameras."""

import numpy as np
import pytest
from official_evaluation import official, turn

from benchmarks.accuracy.pose import (
    THRESHOLDS,
    area_under_curve,
    pair_errors,
    place_error,
    ray_error,
    relative_pair_errors,
)
from training import metrics


def moved(cameras, seed=0):
    """The same cameras in another world, of another size."""
    chance = np.random.default_rng(seed)
    out = cameras.copy()
    rotation = turn(chance.normal(size=3))
    out[:, :3, :3] = rotation @ cameras[:, :3, :3]
    out[:, :3, 3] = 3.7 * cameras[:, :3, 3] @ rotation.T + chance.normal(size=3)
    return out


@pytest.mark.parametrize("errors", [pair_errors, relative_pair_errors])
def test_the_world_and_its_unit_do_not_matter(errors, some_cameras, shaken):
    true = some_cameras()
    found = shaken(true)
    np.testing.assert_allclose(errors(moved(found), true), errors(found, true), atol=1e-6)
    assert errors(moved(true), true).max() < 1e-5
    assert errors(found, true).shape == (28, 2)


@pytest.mark.parametrize("errors", [pair_errors, relative_pair_errors])
def test_one_turned_camera_of_two_is_off_by_its_angle(errors, some_cameras):
    true = some_cameras(2)
    found = true.copy()
    found[1, :3, :3] = found[1, :3, :3] @ turn(np.radians(12.0) * np.array([0.0, 0.6, 0.8]))
    assert errors(found, true)[0, 0] == pytest.approx(12.0)


def test_the_direction_counts_up_to_its_sign():
    true = np.repeat(np.eye(4)[None], 2, axis=0)
    true[1, :3, 3] = (1.0, 0.0, 0.0)
    for step, expected in (((-2.0, 0.0, 0.0), 0.0), ((1.0, 1.0, 0.0), 45.0), ((0.0, 0.0, 3.0), 90.0), ((0,) * 3, 90.0)):
        found = true.copy()
        found[1, :3, 3] = step
        assert relative_pair_errors(found, true)[0, 1] == pytest.approx(expected)
        assert pair_errors(found, true)[0, 1] == pytest.approx(expected)


def test_one_wrong_camera_spoils_its_own_relative_pairs_only(some_cameras):
    true = some_cameras(4)
    found = true.copy()
    found[3, :3, :3] = found[3, :3, :3] @ turn(np.array([0.3, 0.0, 0.0]))
    wrong = relative_pair_errors(found, true)[:, 0] > 1e-5
    assert wrong.tolist() == [False, False, True, False, True, True]


def test_area_under_curve_in_closed_form():
    errors = np.array([[0.5, 0.2], [1.5, 0.1], [0.1, 2.5], [40.0, 1.0]])
    assert area_under_curve(errors, 3) == pytest.approx(100 * (1 + 2 + 3) / (3 * 4))
    assert area_under_curve(errors, 30) == pytest.approx(100 * (1 + 2 + 28 * 3) / (30 * 4))
    assert area_under_curve(np.zeros((6, 2)), 5) == 100.0


def test_the_official_evaluation_says_the_same(some_cameras, shaken):
    torch = pytest.importorskip("torch")
    utils = official("bench.utils")
    for radians in (0.01, 0.05, 0.2):
        true = some_cameras(9)
        found = moved(shaken(true, radians, 3 * radians))
        extrinsics = [torch.from_numpy(np.linalg.inv(cameras)) for cameras in (found, true)]
        theirs = utils.compute_pose(*extrinsics)
        aligned = [utils.align_to_first_camera(cameras) for cameras in extrinsics]
        errors = np.stack([side.numpy() for side in utils.se3_to_relative_pose_error(*aligned, 9)], axis=1)
        ours = pair_errors(found, true)
        np.testing.assert_allclose(ours, errors, atol=1e-4)
        for threshold in THRESHOLDS:
            assert area_under_curve(ours, threshold) == pytest.approx(100 * theirs[f"auc{threshold:02}"], abs=1e-6)


def test_what_training_watches_is_the_relative_error(some_cameras, shaken):
    true = some_cameras(5)
    found = shaken(true, 0.2, 0.5)
    watched = metrics.pair_errors(found, true)
    np.testing.assert_allclose(watched, relative_pair_errors(found, true), atol=1e-5)
    assert metrics.area_under_curve(watched, 30) == pytest.approx(area_under_curve(np.array(watched), 30))


def test_places_and_rays_in_closed_form(some_cameras):
    true = some_cameras(6)
    moved_on = true.copy()
    moved_on[:, :3, 3] += (3.0, 0.0, 4.0)
    centres = true[:, :3, 3]
    spread = np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert place_error(moved_on, true) == pytest.approx(5.0 / spread)
    K = np.array([[100.0, 0.0, 1e4], [0.0, 100.0, 5.0], [0.0, 0.0, 1.0]])
    turned = K.copy()
    turned[0, 2] = -1e4  # all pixels far to the left become pixels far to the right
    assert ray_error(K, K, (10, 10)) == pytest.approx(0.0, abs=1e-6)
    assert ray_error(turned, K, (10, 10)) == pytest.approx(180.0, abs=2.0)


def test_upstream_would_compare_relative_cameras_if_it_got_world_from_camera(some_cameras, shaken):
    torch = pytest.importorskip("torch")
    utils = official("bench.utils")
    true = some_cameras(7)
    found = shaken(true, 0.2, 0.5)
    sides = [torch.from_numpy(cameras) for cameras in (found, true)]
    errors = np.stack([side.numpy() for side in utils.se3_to_relative_pose_error(*sides, 7)], axis=1)
    np.testing.assert_allclose(relative_pair_errors(found, true), errors, atol=1e-4)
    assert not np.allclose(pair_errors(found, true), errors, atol=1.0)
