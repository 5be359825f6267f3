"""Ranks: a percentage of all pixels of all views is what they say it is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.geometry.ranks import ConfidenceRanks


def ranks_of(*views):
    ranks = ConfidenceRanks()
    for view in views:
        ranks.add(view)
    return [ranks.of(view) for view in views]


@given(st.integers(0, 999), st.sampled_from([0.01, 1.0, 4.0]), st.floats(0.0, 1.0))
def test_a_share_is_left_out_over_all_views_at_the_numbers_of_a_real_network(seed, spread, share):
    rng = np.random.default_rng(seed)
    views = [(1.0 + np.exp(rng.normal(0.0, spread, (30, 40)))).astype(np.float32) for _ in range(3)]
    everything, found = np.concatenate(views), np.concatenate(ranks_of(*views))
    assert np.mean(found <= share) <= share + 1e-6
    order = np.argsort(everything, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0.0).all()
    surest = np.searchsorted(np.sort(everything, axis=None), everything, "right") / everything.size
    np.testing.assert_allclose(found, surest, atol=0.01)


def test_ties_stand_together_and_what_is_not_finite_is_the_surest():
    (found,) = ranks_of(np.array([[1.0, 1.0, 3.0], [3.0, np.nan, np.inf]]))
    np.testing.assert_allclose(found, [[1 / 3, 1 / 3, 2 / 3], [2 / 3, 1, 1]])


def test_equal_confidence_leaves_nothing_out():
    (found,) = ranks_of(np.full((4, 4), 1.5))
    assert (found == 1.0).all()


@given(st.lists(st.floats(1.0, 2.0**100, width=32), min_size=1, max_size=50))
def test_any_confidence_has_a_rank(values):
    (found,) = ranks_of(np.array(values, np.float32))
    assert ((found > 0.0) & (found <= 1.0)).all()
    assert found.max() == 1.0
