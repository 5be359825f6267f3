"""Scale and shift: closed forms, known parameters under gross errors, what must not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.alignment import best_in_l1, deviation, least_squares, ransac, weighted_median
from training.labels import label_picture

scales, shifts, seeds = st.floats(0.05, 20.0), st.floats(-5.0, 5.0), st.integers(0, 10_000)


def spoiled(scale, shift, seed, share=0.4, count=200):
    """Relative depth, true depth of which a share is anything, and which part is right."""
    random = np.random.default_rng(seed)
    relative = np.exp(random.normal(0.0, 0.6, count))
    true = scale * relative + shift
    wrong = random.permutation(count) < share * count
    spread = 3 * np.ptp(true)
    return relative, np.where(wrong, true.mean() + random.uniform(-spread, spread, count), true), ~wrong


@given(scales, shifts, seeds)
@settings(max_examples=60, deadline=None)
def test_known_parameters_come_back_with_40_percent_gross_errors(scale, shift, seed):
    relative, true, _ = spoiled(scale, shift, seed)
    fit = ransac(relative, true, np.random.default_rng(seed))
    assert fit.scale == pytest.approx(scale, rel=1e-5)
    assert fit.shift == pytest.approx(shift, abs=1e-5 * (1 + abs(shift) + scale))


@given(scales, shifts, seeds, st.floats(2.0, 50.0))
@settings(max_examples=40, deadline=None)
def test_errors_of_one_sign_and_size_are_no_worse(scale, shift, seed, error):
    """40 % on a line of their own: everything behind a pane of glass, say."""
    relative, _, right = spoiled(scale, shift, seed)
    true = scale * relative + shift + error * scale * ~right
    fit = ransac(relative, true, np.random.default_rng(seed))
    assert fit.scale == pytest.approx(scale, rel=1e-5)
    assert fit.shift == pytest.approx(shift, abs=1e-5 * (1 + abs(shift) + scale))


@given(scales, shifts, seeds)
@settings(max_examples=40, deadline=None)
def test_with_noise_it_is_as_good_as_least_squares_that_knows_what_is_right(scale, shift, seed):
    relative, true, right = spoiled(scale, shift, seed, count=400)
    true += 0.02 * scale * np.random.default_rng(seed + 1).standard_normal(400)
    fit, oracle = ransac(relative, true, np.random.default_rng(seed)), least_squares(relative[right], true[right])
    error = np.abs(fit(relative) - oracle(relative)).mean() / scale
    assert error < 0.01  # half of the noise


@given(scales, shifts, seeds)
@settings(max_examples=40, deadline=None)
def test_the_label_does_not_depend_on_the_teachers_own_scale_and_shift(scale, shift, seed):
    relative, true, _ = spoiled(1.3, 0.2, seed)
    fit = ransac(relative, true, np.random.default_rng(seed))
    moved = scale * relative + shift
    other = ransac(moved, true, np.random.default_rng(seed))
    np.testing.assert_allclose(other(moved), fit(relative), atol=1e-5 * np.ptp(true))


@given(st.floats(0.01, 100.0), seeds)
@settings(max_examples=40, deadline=None)
def test_the_label_has_the_unit_of_the_known_depth(unit, seed):
    relative, true, _ = spoiled(0.7, 0.4, seed)
    one, other = (ransac(relative, u * true, np.random.default_rng(seed)) for u in (1.0, unit))
    np.testing.assert_allclose(other, np.multiply(one, unit), rtol=1e-5)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_least_squares_is_what_numpy_says(seed):
    x, noise = np.random.default_rng(seed).normal(size=(2, 30))
    fit = least_squares(x, 2 * x + 1 + 0.1 * noise)
    np.testing.assert_allclose(fit, np.polyfit(x, 2 * x + 1 + 0.1 * noise, 1), rtol=1e-9)


def test_depth_that_falls_where_it_should_rise_has_no_fit():
    x = np.linspace(1, 2, 50)
    random = np.random.default_rng(0)
    assert least_squares(x, -x) is None
    assert ransac(x, 3 - x, random) is None
    assert ransac(np.ones(50), x, random) is None  # flat
    assert ransac(x[:1], x[:1], random) is None
    assert ransac(x[:0], x[:0], random) is None


def test_deviation_is_about_the_median():
    assert deviation(np.array([0.0, 0.0, 0.0, 4.0])) == 1.0


def test_labels_are_dense_where_truth_is_sparse_and_never_negative():
    random = np.random.default_rng(0)
    relative = random.uniform(0, 1, (20, 30))
    whole = 2.0 * relative - 0.5
    sparse = np.where(random.random(whole.shape) < 0.2, np.maximum(whole, 0), 0)
    label = label_picture(relative, sparse, 60, random)
    np.testing.assert_allclose(label, np.maximum(whole, 0), atol=1e-5)
    unfit = np.where(sparse > 0, 1.0 - 0.5 * relative, 0)
    assert label_picture(relative, unfit, 60, random) is unfit


def in_l1(x, y, weight, scale, shift):
    return (weight * np.abs(scale * x + shift - y)).sum()


@given(seeds, st.integers(3, 12))
@settings(max_examples=60, deadline=None)
def test_best_in_l1_is_the_best_of_all_lines_through_two_points(seed, count):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, count))
    y += x
    weight = random.uniform(0.0, 1.0, count) * (random.random(count) < 0.8)
    scale, shift = (float(v) for v in best_in_l1(*map(torch.from_numpy, (x, y, weight))))
    lines = [
        ((y[j] - y[i]) / (x[j] - x[i]), y[i] - (y[j] - y[i]) / (x[j] - x[i]) * x[i])
        for i in range(count)
        for j in range(i)
    ]
    flat = [(1e-6, y[i] - 1e-6 * x[i]) for i in range(count)]  # where nothing rises
    best = min(in_l1(x, y, weight, *line) for line in [*lines, *flat] if line[0] >= 1e-6)
    assert in_l1(x, y, weight, scale, shift) == pytest.approx(best, abs=1e-9)


@given(scales, shifts, seeds)
@settings(max_examples=40, deadline=None)
def test_best_in_l1_finds_known_parameters_with_40_percent_gross_errors(scale, shift, seed):
    relative, true, _ = spoiled(scale, shift, seed, count=100)
    x, y = torch.from_numpy(relative), torch.from_numpy(true)
    found = best_in_l1(x, y, torch.ones_like(x))
    assert float(found[0]) == pytest.approx(scale, rel=1e-6)
    assert float(found[1]) == pytest.approx(shift, abs=1e-6 * (1 + abs(shift) + scale))


def test_weighted_median_reaches_half_of_the_weight():
    values = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    weight = torch.tensor([[1.0, 1.0, 1.0], [5.0, 1.0, 1.0]])
    assert weighted_median(values, weight).tolist() == [2.0, 3.0]
