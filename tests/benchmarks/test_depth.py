"""Depth scores: closed forms and laws."""

import numpy as np
import pytest

from benchmarks.accuracy.depth import score_depth


def test_a_scale_is_free_per_view_and_one_for_the_scene(chance):
    true = [chance.uniform(1.0, 5.0, (6, 8)) for _ in range(3)]
    same = score_depth([0.3 * view for view in true], true)
    assert (same.delta1, same.delta1_scene) == (1.0, 1.0)
    assert same.absolute_relative_scene < 1e-12
    each = score_depth([scale * view for scale, view in zip((0.3, 1.0, 3.0), true, strict=True)], true)
    assert each.delta1 == 1.0
    assert each.absolute_relative < 1e-12
    assert each.delta1_scene < 0.7


def test_closed_form():
    true = [np.array([[1.0, 2.0, 4.0]]), np.array([[2.0, 2.0, 2.0]])]
    found = [np.array([[1.0, 2.0, 5.0]]), np.array([[2.0, 2.0, 1.0]])]
    score = score_depth(found, true)
    assert score.delta1 == pytest.approx((2 / 3 + 2 / 3) / 2)  # a ratio of 1.25 itself is outside
    assert score.absolute_relative == pytest.approx((0.25 / 3 + 0.5 / 3) / 2)
    assert score == score_depth([7.0 * view for view in found], true)


def test_what_is_not_true_does_not_count_and_what_is_not_predicted_is_wrong():
    true = [np.array([[1.0, 1.0, 1.0, np.nan, 0.0, np.inf]])]
    score = score_depth([np.array([[1.0, 1.0, np.nan, 9.0, 9.0, 9.0]])], true)
    assert score.delta1 == pytest.approx(2 / 3)
    assert score.absolute_relative == pytest.approx(1 / 3)
    partly = score_depth([np.array([[1.0, 2.0, 3.0, np.nan, -4.0]])], [np.array([[1.0, 2.0, 3.0, 9.0, 9.0]])])
    assert partly.delta1 == partly.delta1_scene == pytest.approx(3 / 5)  # medians are of what both know
    assert partly.absolute_relative == pytest.approx(2 / 5)  # behind the camera is no farther off than nothing
    nothing = score_depth([np.full((1, 6), np.nan)], true)
    assert (nothing.delta1, nothing.absolute_relative) == (0.0, 1.0)
