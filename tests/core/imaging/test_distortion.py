"""A lens taken out: the formulas undo each other, and straight lines become straight."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.errors import CameraError
from image_to_scene.core.imaging.distortion import check_distortion, distort, scaled, straighten, undistort
from image_to_scene.core.types import Distortion

SIZE = (320, 240)
COUNTS = {"POLYNOMIAL": 3, "DIVISION": 2, "NUKE": 2, "BROWN": 6}
# Strong lenses, each with all its terms.
LENSES = {
    "POLYNOMIAL": (-0.15, 0.05, 0.02),
    "DIVISION": (-0.12, 0.04),
    "NUKE": (0.1, -0.03),
    "BROWN": (-0.15, 0.05, 0.02, 0.01, 0.02, -0.03),
}


def lens(model, coefficients=None, focal_length=(300.0, 300.0)):
    return Distortion(model, coefficients or LENSES[model], focal_length, (170.0, 110.0))


def grid(step=16):
    return np.stack(np.meshgrid(np.arange(0.0, SIZE[0], step), np.arange(0.0, SIZE[1], step)), axis=-1) + 0.5


@st.composite
def lenses(draw):
    model = draw(st.sampled_from(sorted(COUNTS)))
    coefficients = [draw(st.floats(-0.05, 0.05)) for _ in range(COUNTS[model])]
    coefficients[4:] = [0.2 * value for value in coefficients[4:]]
    focal = draw(st.floats(300.0, 1000.0))
    return lens(model, tuple(coefficients), (focal, focal * draw(st.floats(0.8, 1.25))))


@given(lens=lenses())
def test_distorting_undoes_undistorting_and_the_other_way_round(lens):
    for there, back in ((distort, undistort), (undistort, distort)):
        bent = there(grid(), lens, SIZE)
        seen = np.isfinite(bent)  # the strongest lenses see no corners
        assert seen.mean() > 0.7
        np.testing.assert_allclose(back(bent, lens, SIZE)[seen], grid()[seen], atol=1e-5)


@pytest.mark.parametrize("model", COUNTS)
def test_no_coefficients_bend_nothing(model):
    straight = lens(model, (0.0,) * COUNTS[model])
    np.testing.assert_allclose(distort(grid(), straight, SIZE), grid(), rtol=1e-12)
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    np.testing.assert_allclose(straighten(pixels, straight), pixels, atol=1e-6)


# Where Blender takes the straight picture's pixels (40.5, 30.5) and (280.5, 200.5) from, y up: 4.5.15, compositor, node
# Movie Distortion of a picture of its own coordinates, less the whole pixels by which the node moves its result; 5.2.3
# gives the same. DIVISION is 5.2.3's, whose half pixel makes it (40.5, 30.0) and (280.5, 200.0).
BLENDER = {
    "POLYNOMIAL": ([45.0138, 33.2710], [277.0525, 197.6765]),
    "DIVISION": ([36.7363, 27.6749], [283.3384, 202.3119]),
    "NUKE": ([31.2569, 24.8256], [287.7876, 206.4686]),
    "BROWN": ([46.7245, 31.0671], [278.0434, 195.3341]),
}


@pytest.mark.parametrize("model", BLENDER)
def test_blender_bends_the_same_way(model):
    """In its own pixels, whose y goes up: to us it arrives with p2 and the principal point turned over."""
    down = 0.0 if model == "DIVISION" else 0.5
    points = np.array([[40.5, 30.0 + down], [280.5, 200.0 + down]])
    np.testing.assert_allclose(distort(points, lens(model), SIZE), BLENDER[model], atol=5e-4)


@pytest.mark.parametrize("model", ["POLYNOMIAL", "BROWN"])
def test_turning_a_picture_over_turns_p2_over(model):
    coefficients = LENSES[model]
    turned = Distortion(
        model,
        (*coefficients[:-1], -coefficients[-1]) if model == "BROWN" else coefficients,
        (300.0, 300.0),
        (170.0, 130.0),
    )
    over = grid() * (1, -1) + (0, 240)
    np.testing.assert_allclose(
        distort(over, turned, SIZE) * (1, -1) + (0, 240), distort(grid(), lens(model), SIZE), atol=1e-9
    )


@given(lens=lenses(), x=st.floats(0.5, 3.0), y=st.floats(0.5, 3.0))
def test_a_picture_of_more_pixels_is_bent_alike(lens, x, y):
    larger = distort(grid() * (x, y), scaled(lens, x, y), (SIZE[0] * x, SIZE[1] * y))
    np.testing.assert_allclose(larger, distort(grid(), lens, SIZE) * (x, y), atol=1e-6)


def painted(bend):
    """A picture of bars and a grid of lines, as seen through `bend` (pixels of the picture to pixels of the scene)."""
    y, x = np.indices(SIZE[::-1]) + 0.5
    seen = bend(np.stack([x, y], axis=-1))
    value = 0.5 + 0.25 * np.sin(seen[..., 0] / 5.0) + 0.25 * np.sin(seen[..., 1] / 7.0)
    return np.rint(255.0 * np.nan_to_num(value)).astype(np.uint8)[..., None].repeat(3, axis=2)


@pytest.mark.parametrize("model", LENSES)
@pytest.mark.parametrize("focal_length", [(300.0, 300.0), (300.0, 375.0)])
def test_straight_lines_become_straight(model, focal_length):
    """A scene of straight lines, painted bent by the exact inverse, is after straightening what a pinhole sees."""
    bent = lens(model, focal_length=focal_length)
    taken = painted(lambda points: undistort(points, bent, SIZE))
    straight = straighten(taken, bent)
    y, x = np.indices(SIZE[::-1]) + 0.5
    source = distort(np.stack([x, y], axis=-1), bent, SIZE)
    inside = ((source > 3) & (source < np.array(SIZE) - 3)).all(axis=-1)  # where no interpolation meets the border
    expected = painted(lambda points: points).astype(int)
    assert inside.mean() > 0.8
    assert np.abs(straight - expected)[inside].max() <= 4
    assert np.abs(taken.astype(int) - expected)[inside].max() > 40


@pytest.mark.parametrize("model", LENSES)
def test_where_the_picture_does_not_reach_nothing_is_made_up(model):
    """Outside is 0 in colours and weights alike, inside the weight of one stays one."""
    bent = lens(model, tuple(-value for value in LENSES[model]))
    for wide in (lens(model), bent):
        weights = straighten(np.ones(SIZE[::-1]), wide)
        pixels = straighten(np.full((*SIZE[::-1], 3), 200, np.uint8), wide)
        np.testing.assert_allclose(pixels, np.where(weights > 0.5, 200.0, 0.0)[..., None].repeat(3, axis=2), atol=1e-3)
        np.testing.assert_allclose(weights, weights > 0.5, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        Distortion("BROWN", (0.1, 0.2), (300.0, 300.0), (160.0, 120.0)),
        Distortion("POLYNOMIAL", (0.1, float("nan"), 0.0), (300.0, 300.0), (160.0, 120.0)),
        Distortion("NUKE", (0.1, 0.2), (0.0, 300.0), (160.0, 120.0)),
        Distortion("DIVISION", (0.1, 0.2), (300.0, 300.0), (160.0,)),
    ],
)
def test_what_is_no_lens_is_told(wrong):
    with pytest.raises(CameraError, match=r"The lens distortion of a\.png"):
        check_distortion(wrong, "The lens distortion of a.png")
    for model, coefficients in LENSES.items():
        check_distortion(Distortion(model, coefficients, (300.0, 300.0), (0.0, -5.0)), "")


def test_a_lens_that_folds_the_picture_over_ends_at_the_fold():
    """1 − 0.6 r² stops growing at r = 0.745: beyond, the formula would show the picture a second time."""
    folding = Distortion("POLYNOMIAL", (-0.6, 0.0, 0.0), (100.0, 100.0), (160.0, 120.0))
    radii = np.array([0.0, 0.5, 0.74, 0.75, 1.0, 1.6])
    bent = distort(np.stack([160.0 + 100.0 * radii, np.full(6, 120.0)], axis=-1), folding, SIZE)
    assert np.isfinite(bent[:3]).all()
    assert np.isnan(bent[3:]).all()
    assert np.isnan(undistort(np.array([[160.0 + 60.0, 120.0]]), folding, SIZE)).all(), "no such point is seen"
    straight = straighten(np.full((240, 320, 3), 200, np.uint8), folding)
    np.testing.assert_allclose(straight[110:130, 100:220], 200.0, atol=1e-3)
    assert (straight[:, :70] == 0).all()
