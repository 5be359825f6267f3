"""The teacher's objective: zero at the truth in any scale and shift, and known values beside it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.dense_head import DenseMaps
from training.batches import collate
from training.config import TeacherObjective
from training.data import make_shots
from training.teacher_losses import (
    aligned,
    angle,
    four_normals,
    mean_normal,
    normal_loss,
    points,
    region_error,
    relative_error,
    some_known,
    teacher_objective,
)

SIZE = (42, 28)
OBJECTIVE = TeacherObjective(region_sizes=(1 / 2, 1 / 4), region_count=4, region_points=24)
positive = st.floats(0.1, 10.0)


@pytest.fixture(scope="module")
def batch():
    shots = make_shots(2, chosen=(0, 5), size=SIZE)  # a yard: it has sky
    images = shots.images.astype(np.float32) / 255
    return collate([(images, shots.depth, shots.world_from_camera, shots.image_from_camera)])


def generator():
    return torch.Generator().manual_seed(3)


def terms(batch, depth, sky=None):
    sky = (batch.depth == 0).float() if sky is None else sky
    return teacher_objective(DenseMaps(depth, sky=sky), batch, OBJECTIVE, generator())


def wrong_depth(batch):
    noise = torch.randn(batch.depth.shape, generator=torch.Generator().manual_seed(0))
    return (batch.depth + 0.3) * (1 + 0.1 * noise)


@given(positive, st.floats(-3.0, 3.0))
@settings(max_examples=20, deadline=None)
def test_truth_in_any_scale_and_shift_costs_nothing(batch, scale, shift):
    assert (batch.depth == 0).any()
    for name, value in terms(batch, scale * batch.depth + shift).items():
        assert float(value) == pytest.approx(0.0, abs=5e-3), name


@given(positive, st.floats(-3.0, 3.0))
@settings(max_examples=20, deadline=None)
def test_scale_and_shift_of_a_wrong_depth_do_not_matter(batch, scale, shift):
    wrong = wrong_depth(batch)
    for name, value in terms(batch, scale * wrong + shift).items():
        assert float(value) == pytest.approx(float(terms(batch, wrong)[name]), rel=2e-3, abs=1e-5), name


@given(positive)
@settings(max_examples=20, deadline=None)
def test_unit_of_the_truth_does_not_matter_to_regions_and_normals(batch, unit):
    wrong, K = wrong_depth(batch)[0], batch.image_from_camera[0]
    true = batch.depth[0]
    for value in (
        lambda true: relative_error(aligned(wrong, true, 48, generator()), true),
        lambda true: region_error(wrong, true, K, 0.5, OBJECTIVE, generator()),
        lambda true: normal_loss(aligned(wrong, true, 48, generator()), true, K),
    ):
        assert float(value(unit * true)) == pytest.approx(float(value(true)), rel=2e-3)


def test_every_term_rises_with_its_own_error(batch):
    right, wrong = terms(batch, batch.depth), terms(batch, wrong_depth(batch), torch.full_like(batch.depth, 0.5))
    assert all(float(wrong[name]) > float(right[name]) + 0.01 for name in right)
    assert float(wrong["sky"]) == pytest.approx(0.25)


def test_what_is_unknown_does_not_count(batch):
    hidden = torch.where(batch.depth == 0, 77.0, batch.depth)
    for name, value in terms(batch, hidden).items():
        assert float(value) == pytest.approx(float(terms(batch, batch.depth)[name]), abs=1e-6), name


def test_regions_have_scales_of_their_own():
    """Two planes, each with another scale: wrong as a whole, right in every region that sees one of them."""
    true = torch.full((1, 28, 42), 2.0)
    true += 0.01 * torch.arange(28.0)[:, None]
    wrong = true.clone()
    wrong[..., 21:] *= 1.5
    K = torch.tensor([[[30.0, 0, 21], [0, 30, 14], [0, 0, 1]]])
    objective = TeacherObjective(region_count=64, region_points=32)
    small = region_error(wrong, true, K, 1 / 16, objective, generator())
    whole = relative_error(aligned(wrong, true, 96, generator()), true)
    assert float(small) < 0.2 * float(whole)


def test_gradients_are_finite_and_lower_the_loss(batch):
    logits = wrong_depth(batch).clamp_min(0.05).log().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.01)
    values = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = sum(terms(batch, logits.exp()).values())
        loss.backward()
        assert torch.isfinite(logits.grad).all()
        optimiser.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.6 * values[0]


def plane(normal, offset, K, size=(12, 10)):
    """Depth [1, H, W] of the plane normal · p = offset."""
    u, v = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="xy")
    rays = torch.stack((u, v, torch.ones_like(u)), -1).double() @ torch.linalg.inv(K).double().mT
    return (offset / (rays @ torch.tensor(normal).double()))[None]


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(max_examples=30, deadline=None)
def test_normals_of_a_plane_are_its_own(x, y):
    K = torch.tensor([[20.0, 0, 6], [0, 20, 5], [0, 0, 1]]).double()
    depth = plane((x, y, 1.0), 3.0, K)
    wanted = torch.tensor((x, y, 1.0)).double()
    normals = four_normals(points(depth, K[None]))
    for found in (normals, mean_normal(normals)):
        assert float(angle(found, wanted.expand_as(found)).max()) < 1e-6


def test_normal_loss_of_two_planes_is_five_times_their_angle():
    K = torch.tensor([[20.0, 0, 6], [0, 20, 5], [0, 0, 1]]).double()
    frontal, tilted = plane((0.0, 0.0, 1.0), 3.0, K), plane((0.0, math.sin(0.3), math.cos(0.3)), 3.0, K)
    assert float(normal_loss(tilted, frontal, K[None])) == pytest.approx(5 * 0.3, rel=1e-6)


def test_far_neighbours_count_less_in_the_mean_normal():
    small, large = torch.tensor((0.0, 0.0, 1.0)), 10 * torch.tensor((0.0, 1.0, 0.0))
    mean = mean_normal(torch.stack((small, small, small, large)))
    # weights: all lengths (13) less one's own
    torch.testing.assert_close(mean, torch.tensor((0.0, 3.0, 36.0)))


def test_angle_is_exact_from_none_to_nearly_a_half_turn():
    a = torch.tensor((1.0, 0.0, 0.0)).double()
    for wanted in (0.0, 1e-6, 0.3, math.pi / 2, 3.0):
        b = 7 * torch.tensor((math.cos(wanted), math.sin(wanted), 0.0), dtype=torch.float64)
        assert float(angle(a, b)) == pytest.approx(wanted, abs=1e-9)


def test_only_known_pixels_are_drawn():
    known = torch.zeros(2, 5, 7, dtype=torch.bool)
    known[0, 2, 3] = known[1, 4, 6] = True
    rows, columns = some_known(known, 10, generator())
    assert rows[0].eq(2).all() and columns[0].eq(3).all()
    assert rows[1].eq(4).all() and columns[1].eq(6).all()
