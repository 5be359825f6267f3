"""Losses against closed forms: zero at the truth, known values beside it."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.geometry.rays import rays_from_cameras
from core.model.camera_head import CameraEncoding, encode_cameras
from core.model.dense_head import DenseMaps
from training.auxiliary import Auxiliary, lookup_loss, match_loss, patch_centres, true_matches
from training.batches import collate, cut, mean_distance, mirror, near_one, pick, shrink
from training.config import StudentObjective
from training.data import make_shots
from training.losses import (
    at_rays,
    baseline_loss,
    camera_loss,
    camera_objective,
    confident,
    dense_objective,
    gradient_loss,
    masked_mean,
    true_rays,
)

SIZE = (84, 56)


@pytest.fixture(scope="module")
def batch():
    rows = []
    for seed in (0, 3):
        shots = make_shots(seed, chosen=(0, 2, 5), size=SIZE)
        images = shots.images.astype(np.float32) / 255
        rows.append((images, shots.depth, shots.world_from_camera, shots.image_from_camera))
    return collate(rows)


def test_batch_is_in_the_first_views_frame_and_unit(batch):
    torch.testing.assert_close(batch.world_from_camera[:, 0], torch.eye(4).expand(2, 4, 4), atol=1e-6, rtol=0)
    unit = mean_distance(
        batch.depth[0].numpy(), batch.world_from_camera[0].double().numpy(), batch.image_from_camera[0].double().numpy()
    )
    assert unit == pytest.approx(1.0, abs=1e-5)


def test_pictures_come_to_the_network_as_the_pipeline_brings_them(batch):
    """Checked against the published numbers of its backbone: mean and deviation of red, green and blue."""
    red, green, blue = make_shots(0, chosen=(0,), size=SIZE).images[0, 11, 23] / 255
    wanted = ((red - 0.485) / 0.229, (green - 0.456) / 0.224, (blue - 0.406) / 0.225)
    np.testing.assert_allclose(batch.images[0, 0, :, 11, 23], wanted, rtol=1e-5)


def test_the_unit_is_the_mean_norm_of_the_points():
    """Each view sees a ball around the first one's centre from a place of its own; half of the second is unknown."""
    K = np.repeat(np.array([[[40.0, 0, 21], [0, 40, 14], [0, 0, 1]]]), 2, 0)
    u, v = np.meshgrid(np.arange(42) + 0.5, np.arange(28) + 0.5)
    rays = np.stack(((u - 21) / 40, (v - 14) / 40, np.ones_like(u)), -1)
    cameras = np.repeat(np.eye(4)[None], 2, 0)
    cameras[1, :3, :3] = np.diag((-1.0, 1.0, -1.0))  # looks back
    cameras[1, :3, 3] = (0.0, 0.0, 3.0)
    depth = np.repeat((5.0 / np.linalg.norm(rays, axis=-1))[None], 2, 0)
    along = (3.0 * rays[..., 2] + np.sqrt(9.0 * rays[..., 2] ** 2 + 40.0 * (rays**2).sum(-1))) / (rays**2).sum(-1)
    depth[1] = along  # the ball of radius 7, from inside
    assert mean_distance(depth, cameras, K) == pytest.approx(6.0)
    depth[1, :, :21] = 0
    assert mean_distance(depth, cameras, K) == pytest.approx((2 * 5 + 7) / 3)
    assert mean_distance(0 * depth, cameras, K) == 1.0  # nothing to measure by


def test_given_cameras_do_not_depend_on_the_scenes_unit(batch):
    shots = make_shots(0, chosen=(0, 2, 5), size=SIZE)
    larger = shots.world_from_camera.copy()
    larger[:, :3, 3] *= 7
    images = shots.images.astype(np.float32) / 255
    scaled = collate([(images, 7 * shots.depth, larger, shots.image_from_camera)])
    torch.testing.assert_close(scaled.given.translation[0], batch.given.translation[0])
    torch.testing.assert_close(scaled.depth[0], batch.depth[0])


def test_true_rays_equal_the_packages(batch):
    ours = true_rays(batch, 32, 48)
    theirs = rays_from_cameras(
        batch.image_from_camera.double().numpy(), batch.world_from_camera.double().numpy(), (48, 32), SIZE
    )
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("near", [None, 0.3])
def test_every_term_is_least_at_the_truth(batch, near):
    objective = StudentObjective(near=near)
    rays = true_rays(batch, 32, 48)
    one = torch.ones_like(rays[..., 0])
    perfect = DenseMaps(batch.depth, torch.ones_like(batch.depth), None, rays, one)
    terms = dense_objective(perfect, batch, objective)
    assert all(float(value) == pytest.approx(0.0, abs=1e-5) for value in terms.values())
    worse = perfect._replace(depth=1.1 * batch.depth + 0.01 * torch.rand_like(batch.depth), rays=rays + 0.1)
    wrong = dense_objective(worse, batch, objective)
    assert all(float(wrong[name]) > float(terms[name]) + 1e-3 for name in terms)


def test_confidence_settles_at_weight_over_error():
    error, mask = torch.full((4,), 0.05), torch.ones(4, dtype=torch.bool)
    confidence = torch.full((4,), 2.0, requires_grad=True)
    optimiser = torch.optim.SGD([confidence], lr=20.0)
    for _ in range(300):
        optimiser.zero_grad()
        confident(error, confidence, mask, 0.2).backward()
        optimiser.step()
    torch.testing.assert_close(confidence.detach(), torch.full((4,), 0.2 / 0.05), rtol=1e-3, atol=0)


def test_the_papers_terms_are_the_closed_forms_of_its_section_3_3(batch):
    """Depth off by 0.2 with confidence 3, rays off by 0.1 in every component with confidence 2; all weights 1."""
    rays = true_rays(batch, 32, 48)
    moved = rays + 0.1
    output = DenseMaps(
        batch.depth + 0.2, torch.full_like(batch.depth, 3.0), None, moved, torch.full_like(rays[..., 0], 2.0)
    )
    terms = dense_objective(output, batch, StudentObjective())
    assert float(terms["depth"]) == pytest.approx(3 * 0.2 - 0.2 * math.log(3), rel=1e-5)
    assert float(terms["ray"]) == pytest.approx(2 * 0.1 - 0.2 * math.log(2), rel=1e-5)
    assert float(terms["gradient"]) == pytest.approx(0.0, abs=1e-6)
    depth = at_rays(batch.depth, 32, 48)[..., None]
    points = (depth + 0.2) * moved[..., :3] + moved[..., 3:] - depth * rays[..., :3] - rays[..., 3:]
    known = depth[..., 0] > 0
    assert float(terms["point"]) == pytest.approx(float(points.abs().mean(-1)[known].mean()), rel=1e-5)


def test_rays_are_taught_where_depth_is_unknown_and_nothing_else_is(batch):
    """Cameras look at the sky, too."""
    sky = type(batch)(batch.images, 0 * batch.depth, batch.world_from_camera, batch.image_from_camera, batch.given)
    rays = true_rays(batch, 32, 48)
    output = DenseMaps(batch.depth, torch.full_like(batch.depth, 2.0), None, rays + 0.1, torch.ones_like(rays[..., 0]))
    terms = dense_objective(output, sky, StudentObjective())
    assert float(terms.pop("ray")) == pytest.approx(0.1, rel=1e-5)
    assert all(float(value) == 0 for value in terms.values())


def test_weights_multiply_their_terms_and_nothing_else(batch):
    rays = true_rays(batch, 32, 48)
    output = DenseMaps(1.1 * batch.depth, torch.full_like(batch.depth, 1.5), None, rays + 0.1, 1 + rays[..., 0] ** 2)
    cameras = CameraEncoding(*(1.1 * part + 0.1 for part in batch.given))
    plain = StudentObjective()
    heavy = StudentObjective(depth=2, ray=3, point=4, gradient=5, camera=6, baseline=7)
    one = dense_objective(output, batch, plain) | camera_objective(cameras, batch, plain)
    other = dense_objective(output, batch, heavy) | camera_objective(cameras, batch, heavy)
    for name, value in one.items():
        assert float(other[name]) == pytest.approx(getattr(heavy, name) * float(value), rel=1e-6)
    assert "baseline" not in one  # not the paper's
    assert float(other["baseline"]) == pytest.approx(7 * float(baseline_loss(cameras, batch)), rel=1e-6)


def test_gradient_loss_of_a_ramp_is_its_slope_and_ignores_offsets():
    true = torch.ones(1, 5, 7)
    mask = torch.ones_like(true, dtype=torch.bool)
    ramp = true + 0.1 * torch.arange(7)
    assert float(gradient_loss(ramp, true, mask)) == pytest.approx(0.1)
    assert float(gradient_loss(ramp, true, mask, near=0.3)) == pytest.approx(0.1 / 1.3)
    assert float(gradient_loss(true + 3, true, mask)) == 0
    step = true + 3.0 * (torch.arange(7) > 3)  # counts as its nearer side does, whichever that is
    for true_step in (step, step.flip(-1)):
        flat = torch.ones_like(true_step)
        assert float(gradient_loss(flat, true_step, mask, near=1.0)) == pytest.approx(3 / 6 / (1 + 1))
    hole = mask.clone()
    hole[..., 3] = False
    jump = true + 5.0 * (torch.arange(7) == 3)
    assert float(gradient_loss(jump, true, hole)) == 0


def test_masked_mean_counts_only_the_mask():
    values = torch.tensor([1.0, 2.0, 300.0])
    assert float(masked_mean(values, torch.tensor([True, True, False]))) == 1.5
    assert float(masked_mean(values, torch.zeros(3, dtype=torch.bool))) == 0


def test_camera_loss_is_zero_at_the_truth_and_linear_in_translation(batch):
    sizes = torch.tensor((56.0, 84.0))
    perfect = encode_cameras(batch.world_from_camera, batch.image_from_camera, sizes)
    assert float(camera_loss(perfect, batch)) == pytest.approx(0.0, abs=1e-6)
    moved = CameraEncoding(perfect.translation + 0.3, perfect.quaternion, perfect.field_of_view)
    assert float(camera_loss(moved, batch)) == pytest.approx(0.3, abs=1e-6)


def test_field_of_view_counts_as_much_as_the_recipe_says(batch):
    perfect = encode_cameras(batch.world_from_camera, batch.image_from_camera, torch.tensor((56.0, 84.0)))
    wide = CameraEncoding(perfect.translation, perfect.quaternion, perfect.field_of_view + 0.2)
    assert float(camera_loss(wide, batch)) == pytest.approx(0.2, abs=1e-6)
    assert float(camera_loss(wide, batch, 0.5)) == pytest.approx(0.1, abs=1e-6)


def test_baseline_loss_is_relative_to_each_step_and_blind_to_a_common_shift(batch):
    sizes = torch.tensor((56.0, 84.0))
    perfect = encode_cameras(batch.world_from_camera, batch.image_from_camera, sizes)
    shifted = CameraEncoding(perfect.translation + 0.3, perfect.quaternion, perfect.field_of_view)
    assert float(baseline_loss(shifted, batch)) == pytest.approx(0.0, abs=1e-5)
    doubled = CameraEncoding(2 * perfect.translation, perfect.quaternion, perfect.field_of_view)
    assert float(baseline_loss(doubled, batch)) == pytest.approx(1.0, abs=1e-5)  # steps here are above the clamp


def test_pixels_at_rays_hold_the_cells_centres():
    columns = torch.arange(84.0).expand(56, 84)
    picked = at_rays(columns, 32, 48)[0]
    centres = (torch.arange(48) + 0.5) * 84 / 48
    assert bool(((picked <= centres) & (centres < picked + 1)).all())


def test_matches_of_a_view_with_itself_moved_nowhere_are_the_identity(batch):
    still = torch.eye(4).expand(2, 2, 4, 4)
    twice = type(batch)(
        batch.images[:, [0, 0]], batch.depth[:, [0, 0]], still, batch.image_from_camera[:, [0, 0]], batch.given
    )
    centres = patch_centres(twice)
    matches = true_matches(twice, centres)
    assert bool((matches[:, 0, 0] == -1).all())
    known = centres.known[:, 0]
    own = torch.arange(24).expand(2, 24)
    assert bool((matches[:, 0, 1][known] == own[known]).all())
    nearer = replace(twice, depth=twice.depth * torch.tensor((1.0, 0.5))[:, None, None])  # something in between
    assert bool((true_matches(nearer, patch_centres(nearer)) == -1).all())


def test_match_loss_of_no_knowledge_is_the_logarithm_of_the_patches():
    matches = torch.tensor([[[[-1, -1, -1, -1], [0, 1, 2, -1]], [[3, -1, 1, 0], [-1, -1, -1, -1]]]])
    blind = torch.zeros(1, 2, 4, 64)
    assert float(match_loss(blind, blind, matches)) == pytest.approx(math.log(4))
    assert float(match_loss(blind, blind, torch.full_like(matches, -1))) == 0


def test_lookup_loss_falls_when_attention_meets_the_match_in_the_reference():
    matches = torch.full((1, 2, 2, 4), -1)
    matches[0, 1, 0, 2] = 3
    query, key = torch.zeros(1, 2, 5, 64), torch.zeros(1, 2, 5, 64)
    assert float(lookup_loss(query, key, matches)) == pytest.approx(math.log(10))
    query[0, 1, 3, 0], key[0, 0, 4, 0] = 20.0, 20.0
    assert float(lookup_loss(query, key, matches)) == pytest.approx(0.0, abs=1e-6)


def heard(level, **parts):
    """Helpers whose linear layers hand on what they read, and features whose last level is `level`."""
    return SimpleNamespace(patch=14, **parts), SimpleNamespace(patches=[(None, level)])


def test_patch_depth_is_zero_at_the_truth_and_the_logarithm_of_a_factor(batch):
    at = torch.tensor([14 * patch + place for patch in range(4) for place in (1, 5, 8, 12)])  # rows of 4 × 4 cells
    cells = batch.depth[..., at, :][..., [14 * patch + place for patch in range(6) for place in (1, 5, 8, 12)]]
    guess = cells.unflatten(-2, (4, 4)).unflatten(-1, (6, 4)).movedim(-2, -3).flatten(-2).flatten(2, 3).clamp_min(1e-3)
    for factor, cost in ((1.0, 0.0), (1.2, math.log(1.2)), (0.5, math.log(2))):
        value = Auxiliary.patch_depth(*heard((factor * guess).log(), depth=torch.nn.Identity()), batch)
        assert float(value) == pytest.approx(cost, abs=1e-6)


def test_probes_are_asked_for_the_place_in_the_reference_picture(batch):
    """Worked out patch by patch from the cameras; nothing is asked of the reference itself."""
    place = torch.full((2, 3, 24, 2), 1e3)
    asked = 0
    for scene, view, patch in np.ndindex(2, 3, 24):
        row, column = 14 * (patch // 6) + 7, 14 * (patch % 6) + 7
        K = batch.image_from_camera[scene]
        local = torch.linalg.inv(K[view]) @ torch.tensor((column + 0.5, row + 0.5, 1.0))
        depth = batch.depth[scene, view, row, column]
        camera = batch.world_from_camera[scene, view]
        point = camera[:3, :3] @ (depth * local) + camera[:3, 3]
        image = K[0] @ point
        place[scene, view, patch] = 2 * image[:2] / image[2] / torch.tensor(SIZE) - 1
        asked += bool(view and depth > 0 and point[2] > 0.05 and place[scene, view, patch].abs().max() < 1.2)
    assert asked > 20
    centres = patch_centres(batch)
    for off in (0.0, 0.3):
        guess = place + off
        guess[:, 0] = 77.0
        value = Auxiliary.probing(*heard(guess, probes=[torch.nn.Identity()]), batch, centres)
        assert float(value) == pytest.approx(off, abs=1e-4)


def test_mirrored_scene_projects_to_mirrored_pixels():
    shots = make_shots(1, chosen=(0, 3), size=SIZE)
    images, depth, cameras = mirror(shots.images, shots.depth, shots.world_from_camera)
    np.testing.assert_array_equal(images, shots.images[:, :, ::-1])
    np.testing.assert_allclose(np.linalg.det(cameras[:, :3, :3]), 1.0)
    row, column = 30, 20
    assert depth[0, row, SIZE[0] - 1 - column] == shots.depth[0, row, column]
    K = shots.image_from_camera[0]
    ray = np.linalg.inv(K) @ (column + 0.5, row + 0.5, 1.0) * shots.depth[0, row, column]
    point = shots.world_from_camera[0] @ (*ray, 1.0)
    flipped = np.linalg.inv(cameras[0]) @ (point * (-1, 1, 1, 1))
    pixel = K @ flipped[:3] / flipped[2]
    np.testing.assert_allclose(pixel[:2], (SIZE[0] - column - 0.5, row + 0.5), atol=1e-6)


def test_odds_are_kept():
    random = np.random.default_rng(0)
    drawn = [pick((("a", 3.0), ("b", 1.0), ("c", 0.0)), random) for _ in range(2000)]
    assert drawn.count("a") / 2000 == pytest.approx(0.75, abs=0.04)
    assert "c" not in drawn


def test_cameras_near_one_are_no_farther_from_it_than_the_others():
    cameras = np.repeat(np.eye(4)[None], 8, 0)
    cameras[:, :3, 3] = np.random.default_rng(0).normal(size=(8, 3))
    for seed in range(8):
        chosen = near_one(cameras, 3, np.random.default_rng(seed))
        centre = cameras[chosen[0], :3, 3]
        distance = np.linalg.norm(cameras[:, :3, 3] - centre, axis=-1)
        assert distance[chosen[0]] == 0
        assert distance[chosen].max() <= np.delete(distance, chosen).min()
    assert sorted(near_one(cameras, 8, np.random.default_rng(0))) == list(range(8))


def test_a_smaller_picture_shows_the_same():
    """Depth and intrinsics of a drawn half agree with the same view drawn at half the size."""
    large, small = (make_shots(4, chosen=(0, 5), size=(side, side)) for side in (84, 42))
    images, depth, K = shrink(large.images, large.depth, large.image_from_camera, 42)
    np.testing.assert_allclose(K, small.image_from_camera)
    known = (depth > 0) & (small.depth > 0)
    assert np.mean(np.abs(depth - small.depth)[known] < 0.05 * small.depth[known]) > 0.9  # but for edges
    assert np.mean(np.abs(images.astype(float) - small.images)) < 6
    assert shrink(small.images, small.depth, K, 42)[0] is small.images
    third = make_shots(4, chosen=(0, 5), size=(28, 28))  # of three pixels the middle one has the same centre
    _, depth, K = shrink(large.images, large.depth, large.image_from_camera, 28)
    np.testing.assert_allclose(K, third.image_from_camera)
    np.testing.assert_allclose(depth, third.depth, rtol=1e-4)


def test_cut_takes_the_middle():
    array = np.arange(6 * 8).reshape(1, 6, 8)
    np.testing.assert_array_equal(cut(array, (4, 2), 1), array[:, 2:4, 2:6])
