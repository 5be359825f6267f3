"""Alignment, fusion and the scores of surfaces: closed forms, and the official evaluation on the same arrays."""

from dataclasses import replace

import numpy as np
import pytest
from official_evaluation import official, turn

pytest.importorskip(
    "open3d", reason="Open3D is not installed: `make bench-accuracy` installs requirements/accuracy.txt"
)

from benchmarks.accuracy.alignment import DegenerateError, Similarity, align_cameras, fit_similarity
from benchmarks.accuracy.fusion import DepthMap, Protocol, fuse
from benchmarks.accuracy.surface import NOTHING, score_surface

COARSE = Protocol(voxel=0.05, truncation=0.2, farthest=20.0, threshold=0.1, spacing=0.05, samples=20_000)
K = np.array([[60.0, 0.0, 32.0], [0.0, 60.0, 24.0], [0.0, 0.0, 1.0]])


def seen(world_from_camera, size=(64, 48), lens=K, radius=2.0):
    """Depth [H, W] of the room's far wall Z = 5 with a sphere before it, in the world's axes; looked at along +Z."""
    width, height = size
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(lens).T @ world_from_camera[:3, :3].T
    origin = world_from_camera[:3, 3]
    wall = (5.0 - origin[2]) / rays[..., 2]
    a, b = (rays**2).sum(-1), rays @ (origin - (0.0, 0.0, 4.0))
    inside = b**2 - a * (((origin - (0.0, 0.0, 4.0)) ** 2).sum() - radius**2)
    ball = (-b - np.sqrt(np.maximum(inside, 0.0))) / a
    return np.where((inside > 0.0) & (ball > 0.0), np.minimum(ball, wall), wall)


def ring(count=6):
    cameras = np.repeat(np.eye(4)[None], count, axis=0)
    for index, camera in enumerate(cameras):
        angle = 2 * np.pi * index / count
        camera[:3, 3] = (0.7 * np.cos(angle), 0.5 * np.sin(angle), 0.2 * (-1) ** index)
        camera[:3, :3] = turn(np.array([0.02 * index, -0.03 * index, 0.1]))
    return cameras


def test_a_similarity_is_found_again(chance):
    true = Similarity(turn(np.array([0.4, -1.0, 0.3])), np.array([1.0, -2.0, 0.5]), 2.5)
    points = chance.normal(size=(5, 3))
    found = fit_similarity(points, true.points(points))
    np.testing.assert_allclose(found.rotation, true.rotation, atol=1e-12)
    np.testing.assert_allclose(found.translation, true.translation, atol=1e-12)
    assert found.scale == pytest.approx(2.5)


def test_a_mirrored_world_stays_mirrored(chance):
    points = chance.normal(size=(8, 3))
    found = fit_similarity(points, points * (-1.0, 1.0, 1.0))
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_cameras_in_a_line_tell_no_similarity(some_cameras):
    cameras = some_cameras(5)
    cameras[:, :3, 3] = np.outer(np.arange(5), (1.0, 2.0, 3.0))
    with pytest.raises(DegenerateError):
        align_cameras(cameras, some_cameras(5))
    with pytest.raises(DegenerateError):
        align_cameras(some_cameras(2), some_cameras(2))


@pytest.mark.parametrize("count", [3, 4, 8, 15])
def test_the_official_alignment_is_the_same(count, some_cameras, shaken):
    theirs = official("utils.pose_align")
    true = some_cameras(count)
    found = shaken(true, 0.1, 0.3)
    found[0, :3, 3] += 8.0  # one that is far off
    found[:, :3, 3] *= 0.2
    extrinsics = [np.linalg.inv(cameras) for cameras in (true, found)]
    rotation, translation, scale, aligned = theirs.align_poses_umeyama(
        *extrinsics, return_aligned=True, ransac=True, random_state=42
    )
    ours = align_cameras(found, true)
    np.testing.assert_allclose(ours.rotation, rotation, atol=1e-9)
    np.testing.assert_allclose(ours.translation, translation, atol=1e-9)
    assert ours.scale == pytest.approx(scale)
    np.testing.assert_allclose(np.linalg.inv(ours.cameras(found)), aligned, atol=1e-9)


def test_fused_true_depth_is_the_true_surface():
    cameras = ring()
    points = fuse((DepthMap(seen(camera), K, camera) for camera in cameras), COARSE)
    assert points.shape == (20_000, 3)
    to_wall, to_ball = np.abs(points[:, 2] - 5.0), np.abs(np.linalg.norm(points - (0.0, 0.0, 4.0), axis=1) - 2.0)
    assert np.mean(np.minimum(to_wall, to_ball) < 0.05) > 0.9
    score = score_surface(points, points + np.array([0.0, 0.0, 0.02]), COARSE)
    assert (score.precision, score.recall, score.f1) == (1.0, 1.0, 1.0)
    assert 0.0 < score.chamfer <= 0.021


def test_nothing_is_fused_beyond_the_farthest_depth():
    cameras = ring()
    near = replace(COARSE, farthest=4.5)  # between the ball and the wall
    points = fuse((DepthMap(seen(camera), K, camera) for camera in cameras), near)
    assert points[:, 2].max() < 4.8
    assert len(fuse([DepthMap(np.full((48, 64), 9.0), K, np.eye(4))], near)) == 0


def test_a_half_pixel_shift_is_no_part_of_fusion():
    """A wall seen at an angle comes out where it is, so that Open3D's whole pixel centres are taken into account."""
    lens = np.array([[16.0, 0.0, 8.0], [0.0, 16.0, 6.0], [0.0, 0.0, 1.0]])
    camera = np.eye(4)
    camera[:3, :3] = turn(np.array([0.0, 0.6, 0.0]))
    depth = seen(camera, (16, 12), lens, radius=0.0)
    points = fuse([DepthMap(depth, lens, camera)], COARSE)
    inner = points[np.abs(points[:, 1]) < 1.0]
    assert abs(np.median(inner[:, 2]) - 5.0) < 0.02


def test_scores_in_closed_form():
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0), [0.0]), axis=-1).reshape(-1, 3)
    protocol = Protocol(0.1, 0.2, 10.0, threshold=0.5, spacing=0.01)
    half = grid[grid[:, 0] < 5] + (0.0, 0.0, 0.3)
    score = score_surface(half, grid, protocol)
    assert (score.precision, score.recall) == (1.0, 0.5)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.accuracy == pytest.approx(0.3)
    farther = np.mean([np.hypot(max(0.0, x - 4.0), 0.3) for x in range(10)])
    assert score.completeness == pytest.approx(farther)
    assert score.chamfer == pytest.approx((0.3 + farther) / 2)
    assert score_surface(np.empty((0, 3)), grid, protocol) == NOTHING


def test_points_outside_the_box_of_the_truth_are_left_out_where_the_protocol_says_so():
    grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0), [0.0]), axis=-1).reshape(-1, 3)
    stray = np.concatenate([grid, grid + np.array([0.0, 0.0, 9.0])])
    assert score_surface(stray, grid, Protocol(0.1, 0.2, 10.0, 0.5, 0.01)).precision == 0.5
    assert score_surface(stray, grid, Protocol(0.1, 0.2, 10.0, 0.5, 0.01, margin=0.1)).precision == 1.0


def test_the_official_scores_are_the_same(chance):
    utils = official("bench.utils")
    true = chance.uniform(0.0, 2.0, (4000, 3)) * (1.0, 1.0, 0.01)
    found = true[:2500] + chance.normal(0.0, 0.06, (2500, 3))
    ours = score_surface(found, true, COARSE)
    theirs = utils.evaluate_3d_reconstruction(found, true, threshold=COARSE.threshold, down_sample=COARSE.spacing)
    names = {"accuracy": "acc", "completeness": "comp", "chamfer": "overall", "f1": "fscore"}
    for name in ("precision", "recall", *names):
        assert getattr(ours, name) == pytest.approx(theirs[names.get(name, name)], rel=1e-9)


def test_the_official_fusion_is_the_same():
    utils = official("bench.utils")
    import open3d as o3d

    cameras = ring()
    depth = np.stack([seen(camera) for camera in cameras]).astype(np.float32)
    volume = utils.create_tsdf_volume(voxel_length=COARSE.voxel, sdf_trunc=COARSE.truncation)
    theirs = K - np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])  # their pixel centres are whole numbers
    mesh = utils.fuse_depth_to_tsdf(
        volume,
        depth,
        np.zeros((*depth.shape, 3), np.uint8),
        np.stack([theirs] * len(depth)),
        np.linalg.inv(cameras),
        max_depth=COARSE.farthest,
    )
    o3d.utility.random.seed(42)
    expected = np.asarray(utils.sample_points_from_mesh(mesh, COARSE.samples).points)
    points = fuse((DepthMap(*view) for view in zip(depth, [K] * len(depth), cameras, strict=True)), COARSE)
    np.testing.assert_allclose(points, expected, atol=1e-9)
