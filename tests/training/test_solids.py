"""Rays meet solids where their surfaces are, first where they come in, and normals are what the surfaces say."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from training.solids import BALL, BOX, CONE, GABLE, NEAR, NEVER, hit, normal

SIZES = {BOX: (0.7, 0.4, 0.5), CONE: (0.9, 0.3, 0.6), BALL: (0.8, 0.5, 0.3), GABLE: (0.8, 0.6, 0.7)}
KINDS = list(SIZES)


def outside(kind, points):
    """Negative inside a solid in its own axes, zero on its surface; of a cone, at its mantle's height."""
    x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
    a, b, c = SIZES[kind]
    if kind == BOX:
        return np.maximum.reduce([abs(x) - a, abs(y) - b, abs(z) - c])
    if kind == BALL:
        return np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) - 1
    if kind == GABLE:
        return np.maximum.reduce([abs(x) - a, -z, (abs(y) / b + z / c - 1) * b])
    return np.hypot(x, y) - (0.5 * (a + b) + 0.5 * (b - a) / c * z)


def placed(kind, turn, shift):
    """A row of the table: turned about the vertical, then moved."""
    c, s = np.cos(turn), np.sin(turn)
    solid_from_world = np.array(((c, s, 0), (-s, c, 0), (0, 0, 1)))
    rows = np.column_stack((solid_from_world, -solid_from_world @ shift))
    return np.array((kind, *rows.reshape(-1), *SIZES[kind])), rows


numbers = st.floats(-2, 2)
triples = st.tuples(numbers, numbers, numbers)
middles = st.tuples(*(3 * [st.floats(-0.3, 0.3)]))


@pytest.mark.parametrize("kind", KINDS)
@given(origin=triples, aim=triples, turn=st.floats(-3, 3), shift=triples)
@settings(max_examples=60)
def test_the_nearest_point_of_the_surface_is_met(kind, origin, aim, turn, shift):
    solid, rows = placed(kind, turn, np.array(shift))
    start = 3 * np.array(origin) + shift
    way = np.array(aim) + shift - start
    assume(np.linalg.norm(way) > 0.5)
    way /= np.linalg.norm(way)
    own = lambda t: (start + np.multiply.outer(t, way)) @ rows[:, :3].T + rows[:, 3]  # noqa: E731
    assume(outside(kind, own(0.0)) > 0.05 and (kind != CONE or abs(own(0.0)[2]) > SIZES[CONE][2] + 0.05))
    distance = hit(solid, tuple(start), tuple(way))
    before = own(np.linspace(0, min(distance, 20.0), 400)[:-1])
    signs = outside(kind, before)
    if kind == CONE:
        high = abs(before[:, 2]) < SIZES[CONE][2] - 1e-3
        stays = signs[1:] * signs[:-1] > -1e-3
        assert stays[high[1:] & high[:-1]].all()
    else:
        assert (signs > -1e-6).all()
    if distance < NEVER:
        assert distance > NEAR
        assert abs(outside(kind, own(distance))) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@given(origin=triples, aim=middles, turn=st.floats(-3, 3))
@settings(max_examples=60)
def test_the_normal_is_the_way_out(kind, origin, aim, turn):
    solid, rows = placed(kind, turn, np.zeros(3))
    start = np.array(origin) + 2 * np.copysign(1, origin)  # outside
    way = (np.array(aim) - start) / np.linalg.norm(np.array(aim) - start)
    distance = hit(solid, tuple(start), tuple(way))
    assume(distance < NEVER)
    point = start + distance * way
    n = np.array(normal(solid, tuple(point), tuple(way)))
    assert np.isclose(np.linalg.norm(n), 1)
    assert n @ way < 1e-9
    own, step = rows[:, :3] @ point, 1e-5
    slope = np.array([outside(kind, own + step * e) - outside(kind, own - step * e) for e in np.eye(3)]) / (2 * step)
    pairs = [(outside(kind, own + 2 * step * e), outside(kind, own - 2 * step * e)) for e in np.eye(3)]
    assume(max(abs(a + b - 2 * outside(kind, own)) for a, b in pairs) < 1e-6)  # not at an edge
    slope = rows[:, :3].T @ slope / np.linalg.norm(slope)
    assert abs(abs(slope @ n) - 1) < 1e-4
    if kind != CONE:  # whose mantle has no inside
        assert slope @ n > 0


def test_from_inside_a_box_and_behind_the_origin_nothing_is_met():
    solid, _ = placed(BOX, 0.3, np.zeros(3))
    assert hit(solid, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)) == NEVER
    assert hit(solid, (3.0, 0.0, 0.0), (1.0, 0.0, 0.0)) == NEVER
