"""Ray maps against the cameras they were made from, and against the official estimation."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry import cameras as c
from image_to_scene.core.geometry import rays as r

SIZE, RAY_SIZE = (504, 336), (48, 32)
OFF_CENTRE = np.array([[400.0, 0.0, 230.0], [0.0, 430.0, 190.0], [0.0, 0.0, 1.0]])


def turned(axis_angle, centre=(0.3, -0.2, 0.1)):
    """A camera turned about an axis by its length in radians."""
    angle = np.linalg.norm(axis_angle)
    x, y, z = np.asarray(axis_angle) / angle if angle else (0.0, 0.0, 1.0)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    camera = np.eye(4)
    camera[:3, :3] += np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    camera[:3, 3] = centre
    return camera


def degrees_between(first, second):
    cosine = 0.5 * (np.trace(first[:3, :3].T @ second[:3, :3]) - 1.0)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    st.floats(0.5, 2.5),
    st.floats(0.5, 2.5),
    st.floats(0.3, 0.7),
    st.floats(0.3, 0.7),
    st.integers(0, 9),
)
def test_noise_free_rays_give_their_camera_back(axis_angle, fx, fy, cx, cy, seed):
    """Any rotation, also by 90° and more from the network's world, and any principal point."""
    K = np.array([[fx * 504, 0.0, cx * 504], [0.0, fy * 336, cy * 336], [0.0, 0.0, 1.0]])
    camera = turned(axis_angle)
    rays = r.rays_from_cameras(K, camera, RAY_SIZE, SIZE)
    confidence = np.random.default_rng(seed).uniform(1.0, 5.0, rays.shape[:2])
    found, world_from_camera = r.cameras_from_rays(rays, confidence, SIZE)
    np.testing.assert_allclose(found, K, atol=1e-6 * 504)
    np.testing.assert_allclose(world_from_camera, camera, atol=1e-7)


def test_the_length_of_directions_does_not_matter():
    rng = np.random.default_rng(0)
    rays = r.rays_from_cameras(OFF_CENTRE, turned((0.1, 0.4, -0.2)), RAY_SIZE, SIZE)
    rays[..., :3] *= rng.uniform(0.2, 5.0, rays.shape[:2])[..., None]
    found, camera = r.cameras_from_rays(rays, np.ones(rays.shape[:2]), SIZE)
    np.testing.assert_allclose(found, OFF_CENTRE, atol=1e-6)
    np.testing.assert_allclose(camera, turned((0.1, 0.4, -0.2)), atol=1e-8)


def test_a_third_of_wrong_rays_hardly_moves_the_camera():
    rng = np.random.default_rng(1)
    truth = turned((0.2, 1.2, 0.1))
    rays = r.rays_from_cameras(OFF_CENTRE, truth, (96, 64), SIZE)
    rays[..., :3] += rng.normal(scale=0.005, size=(64, 96, 3))
    wrong = rng.random((64, 96)) < 0.33
    rays[wrong, :3] = rng.normal(size=(wrong.sum(), 3))
    rays[wrong, 3:] += rng.normal(scale=5.0, size=(wrong.sum(), 3))
    found, camera = r.cameras_from_rays(rays, rng.uniform(1.0, 3.0, (64, 96)), SIZE)
    assert degrees_between(camera, truth) < 0.3
    np.testing.assert_allclose(found, OFF_CENTRE, atol=4.0)
    assert np.linalg.norm(camera[:3, 3] - truth[:3, 3]) < 0.2


def test_the_same_rays_always_give_the_same_camera():
    rays = r.rays_from_cameras(OFF_CENTRE, turned((0.0, 0.3, 0.0)), RAY_SIZE, SIZE)
    rays[..., :3] += np.random.default_rng(2).normal(scale=0.02, size=(32, 48, 3))
    first, second = (r.cameras_from_rays(rays, np.ones((32, 48)), SIZE) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("rays", [np.zeros((8, 8, 6)), np.full((8, 8, 6), np.nan)])
def test_rays_that_describe_no_camera_are_refused(rays):
    with pytest.raises(CameraError, match="no camera"):
        r.cameras_from_rays(rays, np.ones((8, 8)), SIZE)


@pytest.mark.parametrize("ray_size", [(288, 192), (48, 32), (7, 5), (504, 336), (600, 1)])
def test_points_from_rays_are_the_unprojection_when_rays_come_from_the_camera(ray_size):
    rng = np.random.default_rng(3)
    K, camera, size = OFF_CENTRE, turned((0.5, -0.9, 0.3)), (504, 336 if ray_size[1] > 1 else 1)
    rays = r.rays_from_cameras(K, camera, ray_size, size)
    rays[..., :3] *= rng.uniform(0.5, 2.0, rays.shape[:2])[..., None]
    depth = rng.uniform(0.5, 9.0, size[::-1])
    depth[0, 3] = np.nan
    points = r.points_from_rays(depth, rays, camera)
    np.testing.assert_allclose(points, c.unproject(depth, K, camera), atol=1e-9)


def test_rays_that_point_backward_make_no_points():
    rays = r.rays_from_cameras(OFF_CENTRE, np.eye(4), (4, 4), (4, 4))
    rays[1, 1, :3] *= -1.0
    assert np.isnan(r.points_from_rays(np.ones((4, 4)), rays, np.eye(4))[1, 1]).all()


def test_rays_of_a_batch_equal_a_loop():
    K = np.stack([OFF_CENTRE, np.diag([300.0, 310.0, 1.0])])
    cameras = np.stack([turned((0.1, 0.2, 0.3)), turned((1.0, 0.0, 0.0))])
    batch = r.rays_from_cameras(K, cameras, RAY_SIZE, SIZE)
    loop = [r.rays_from_cameras(*view, RAY_SIZE, SIZE) for view in zip(K, cameras, strict=True)]
    np.testing.assert_array_equal(batch, np.stack(loop))


@pytest.fixture
def official():
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the official package is only installed for Python 3.11")
    from depth_anything_3.utils import ray_utils

    return ray_utils


def official_camera(ray_utils, rays, confidence):
    """K in pixels of SIZE and world_from_camera as the official network derives them."""
    import torch

    tensor = torch.from_numpy(rays).float()[None, None]
    pose, focal, centre = ray_utils.get_extrinsic_from_camray(
        tensor, torch.from_numpy(confidence).float()[None, None, ..., None], *rays.shape[:2]
    )
    (fx, fy), (cx, cy) = focal[0, 0].numpy() / 2, centre[0, 0].numpy() / 2
    width, height = SIZE
    K = np.array([[fx * width, 0.0, cx * width], [0.0, fy * height, cy * height], [0.0, 0.0, 1.0]])
    return K, pose[0, 0].numpy()


def test_off_the_centre_the_official_camera_is_wrong_and_ours_exact(official):
    """The official QL factorisation moves the principal point (230, 190) by tens of pixels and turns the camera."""
    truth = turned((0.1, 0.25, -0.05))
    rays = r.rays_from_cameras(OFF_CENTRE, truth, RAY_SIZE, SIZE)
    confidence = np.random.default_rng(4).uniform(1.0, 5.0, (32, 48))
    K_official, camera_official = official_camera(official, rays, confidence)
    assert np.abs(K_official - OFF_CENTRE)[:2, 2].max() > 20.0
    assert degrees_between(camera_official, truth) > 3.0
    K, camera = r.cameras_from_rays(rays, confidence, SIZE)
    np.testing.assert_allclose(K, OFF_CENTRE, atol=1e-6)
    assert degrees_between(camera, truth) < 1e-4


def test_centred_both_find_the_truth(official):
    truth, K = turned((0.1, 0.25, -0.05)), c.intrinsics_from_field_of_view(1.0, SIZE)
    rays = r.rays_from_cameras(K, truth, RAY_SIZE, SIZE)
    confidence = np.random.default_rng(5).uniform(1.0, 5.0, (32, 48))
    K_official, camera_official = official_camera(official, rays, confidence)
    K_ours, camera = r.cameras_from_rays(rays, confidence, SIZE)
    for found, pose in ((K_official, camera_official), (K_ours, camera)):
        np.testing.assert_allclose(found, K, atol=0.05)
        np.testing.assert_allclose(pose, truth, atol=1e-4)


def test_given_the_same_samples_the_homography_is_the_official_one(official):
    """Noisy rays with outliers, in float32 there and float64 here."""
    import torch

    rng = np.random.default_rng(6)
    source = r._canonical_grid(*RAY_SIZE)
    rays = r.rays_from_cameras(OFF_CENTRE, turned((0.1, 0.25, -0.05)), RAY_SIZE, SIZE)
    rays[..., :3] += rng.normal(scale=0.03, size=(32, 48, 3))
    wrong = rng.random((32, 48)) < 0.2
    rays[wrong, :3] = rng.normal(size=(wrong.sum(), 3))
    target = (rays[..., :2] / rays[..., 2:3]).reshape(-1, 2)
    confidence = rng.permutation(np.linspace(1.0, 4.0, source.shape[0]))
    samples = np.stack([rng.choice(int(source.shape[0] * 0.3), 8, replace=False) for _ in range(100)])
    theirs = official.ransac_find_homography_weighted_fast_batch(
        *(torch.from_numpy(a).float()[None] for a in (source, target, confidence)),
        n_sample=int(source.shape[0] * 0.3),
        reproj_threshold=0.2,
        max_inlier_num=8000,
        rand_sample_iters_idx=torch.from_numpy(samples),
    )[0].numpy()
    ours, inliers = r._ransac_homography(source, target, confidence, samples)
    assert 0.7 < inliers.mean() < 0.9
    np.testing.assert_allclose(ours / ours[2, 2], theirs, atol=1e-4)
