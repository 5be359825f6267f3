"""The filters equal OpenCV's, and keep the laws of an average and an interpolation."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.imaging.resizing import resize_area, resize_cubic

sides = st.integers(1, 60)


def difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, int]:
    levels = np.abs(ours.astype(int) - theirs)
    return float(levels.mean()), int(levels.max())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((1208, 680), (504, 284)),
        ((1920, 1080), (504, 284)),
        ((504, 376), (504, 364)),
        ((640, 480), (504, 378)),
        ((1008, 672), (504, 336)),  # halving: OpenCV's own rounding of ties
        ((1512, 1008), (504, 336)),
        ((1008, 336), (504, 336)),
        ((300, 200), (7, 1)),
    ],
)
def test_area_equals_opencv(natural_picture, old, new):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the reference")
    picture = natural_picture(*old)
    mean, worst = difference(resize_area(picture, new), cv2.resize(picture, new, interpolation=cv2.INTER_AREA))
    assert mean < 0.001
    assert worst <= 1


@pytest.mark.parametrize(
    ("old", "new"),
    [((504, 284), (504, 294)), ((300, 200), (504, 336)), ((126, 84), (504, 336)), ((504, 371), (490, 378))],
)
def test_cubic_equals_opencv(natural_picture, old, new):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the reference")
    picture = natural_picture(*old)
    mean, worst = difference(resize_cubic(picture, new), cv2.resize(picture, new, interpolation=cv2.INTER_CUBIC))
    assert mean < 0.001
    assert worst <= 1


@given(height=sides, width=sides, data=st.data())
def test_area_keeps_the_mean(height, width, data):
    new = (data.draw(st.integers(1, width)), data.draw(st.integers(1, height)))
    picture = np.random.default_rng(height * 61 + width).integers(0, 256, (height, width, 3), np.uint8)
    assert abs(resize_area(picture, new).mean() - picture.mean()) <= 0.5 + 1e-3  # half a level is lost to rounding


@given(height=sides, width=sides, new_height=sides, new_width=sides, level=st.integers(0, 255))
def test_flat_pictures_stay_flat(height, width, new_height, new_width, level):
    picture = np.full((height, width, 3), level, np.uint8)
    assert (resize_cubic(picture, (new_width, new_height)) == level).all()
    smaller = (min(width, new_width), min(height, new_height))
    assert (resize_area(picture, smaller) == level).all()


@given(height=sides, width=sides)
def test_the_same_size_changes_nothing(height, width):
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(resize_area(picture, (width, height)), picture)
    np.testing.assert_array_equal(resize_cubic(picture, (width, height)), picture)


@settings(max_examples=30)
@given(height=sides, width=sides, data=st.data())
def test_mirrored_in_is_mirrored_out(height, width, data):
    new = (data.draw(st.integers(1, width)), data.draw(st.integers(1, height)))
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    mirrored = picture[::-1, ::-1]
    assert difference(resize_area(mirrored, new), resize_area(picture, new)[::-1, ::-1])[1] <= 1


def test_area_refuses_to_grow():
    with pytest.raises(ValueError, match="4x3 cannot become 5x3"):
        resize_area(np.zeros((3, 4, 3), np.uint8), (5, 3))
