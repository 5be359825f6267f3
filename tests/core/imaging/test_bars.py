"""Burnt-in bars are found where images agree on them, and are no part of what the network sees."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from PIL import Image

from image_to_scene.core.imaging.bars import Bars, agree_on_bars, find_borders
from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.types import Distortion, Mask, View

SIZE = (320, 200)


@pytest.fixture
def framed(natural_picture):
    """Make pictures of one size with bars of one colour."""
    contents = [natural_picture(*SIZE, seed=seed) for seed in range(5)]

    def frame(bars, count=3, colour=(0, 0, 0)):
        made = []
        for seed in range(count):
            pixels = np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)
            inside = bars.without(pixels)
            inside[:] = contents[seed][: inside.shape[0], : inside.shape[1]]
            made.append(pixels)
        return made

    return frame


def found(pictures):
    return agree_on_bars([find_borders(pixels) for pixels in pictures])


def jpeg(pixels, path, quality=60):
    Image.fromarray(pixels).save(path, quality=quality)
    return np.asarray(Image.open(path))


BARS = [
    Bars(above=25, below=25),
    Bars(left=40, right=40),
    Bars(above=24, below=10),
    Bars(below=30),
    Bars(above=20, below=20, left=30, right=30),
    Bars(left=110, right=110),
]


@pytest.mark.parametrize("bars", BARS, ids=str)
def test_black_bars_are_found_to_the_pixel(framed, bars):
    assert found(framed(bars)) == [bars] * 3


@pytest.mark.parametrize("bars", BARS, ids=str)
def test_compression_moves_them_by_two_pixels_at_most(framed, bars, tmp_path):
    for each in found([jpeg(pixels, tmp_path / "a.jpg") for pixels in framed(bars)]):
        for name in ("above", "below", "left", "right"):
            assert abs(getattr(each, name) - getattr(bars, name)) <= 2


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 160, 40), (60, 60, 60)])
def test_bars_of_any_colour_are_found_on_both_sides_only(framed, colour):
    both, one = Bars(left=40, right=44), Bars(above=40)
    assert found(framed(both, colour=colour)) == [both] * 3
    assert found(framed(one, colour=colour)) == [Bars()] * 3, "a clipped sky over a level horizon"


def test_one_image_alone_needs_them_on_both_sides(framed):
    bars = Bars(above=25, below=25)
    assert found(framed(bars, count=1)) == [bars]
    assert found(framed(Bars(below=60), count=1)) == [Bars()], "a black floor"


def test_a_dark_floor_in_one_of_several_images_is_no_bar(framed):
    pictures = framed(Bars())
    pictures[1][150:] = 0
    assert found(pictures) == [Bars()] * 3


def test_a_thing_on_black_is_no_bar(natural_picture):
    """A turntable: the thing's top is at the same height in all images, but not all along the side."""
    pictures = []
    for seed in range(4):
        pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        pixels[50:150, 100:220] = natural_picture(120, 100, seed=seed)
        pictures.append(pixels)
    assert found(pictures) == [Bars()] * 4
    assert found(pictures[:1]) == [Bars()]


def test_dark_and_uniform_images_follow_the_others(framed):
    """One fades at its top, one is black, and one shows a subtitle in the bar below."""
    bars = Bars(above=25, below=40)
    pictures = framed(bars, count=5)
    pictures[1][:60] = 0
    pictures[2][:] = 0
    pictures[3][170:180, 130:190] = 230
    assert [each.above for each in found(pictures)][:2] == [25, 25]
    assert found(pictures)[3] == bars


def test_pictures_without_bars_beside_a_clip_with_them_stay_whole(framed):
    bars = Bars(above=25, below=25)
    assert found([*framed(bars), *framed(Bars())]) == [bars] * 3 + [Bars()] * 3


def test_uniform_images_have_none(framed):
    assert found([np.zeros((50, 80, 3), np.uint8)]) == [Bars()]
    assert found([np.full((50, 80, 3), 255, np.uint8)] * 3) == [Bars()] * 3


def test_they_are_said_in_words():
    assert str(Bars(above=132, below=132)) == "132 px above and below"
    assert str(Bars(above=34, below=35)) == "34 px above and 35 px below"
    assert str(Bars(left=12)) == "12 px left"


@pytest.fixture
def views(framed, tmp_path):
    bars, intrinsics = Bars(above=30, below=20, left=8, right=0), np.array([[300.0, 0, 150], [0, 310.0, 90], [0, 0, 1]])
    made = []
    for index, pixels in enumerate(framed(bars)):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        made.append(View(tmp_path / f"{index}.png", image_from_camera=intrinsics))
    return bars, made


def test_the_network_sees_what_is_between_them_and_cameras_keep_the_whole_frame(views):
    bars, made = views
    for view, prepared in zip(made, prepare_views(made, resolution=126), strict=True):
        assert (prepared.bars, prepared.source_size) == (bars, SIZE)
        height, width = prepared.pixels.shape[:2]
        corners = prepared.source_from_model @ np.array([[0, 0, 1], [width, height, 1]]).T
        np.testing.assert_allclose(corners[:2].T, [(8, 30), (320, 180)], atol=1e-9)
        back = prepared.source_from_model @ prepared.image_from_camera
        np.testing.assert_allclose(back, view.image_from_camera, atol=1e-9)
        assert prepared.pixels.reshape(-1, 3).max(axis=1).min() > 0, "no black line is left"


def test_masks_are_cut_with_their_images(views, tmp_path):
    _, made = views
    mask = np.full((100, 160), 255, np.uint8)
    mask[:, :82] = 0  # half of what is between the bars, at half the size
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (prepared, *_) = prepare_views([View(view.path, mask=Mask(tmp_path / "mask.png")) for view in made], resolution=126)
    share = prepared.mask.mean(axis=0)
    assert share[: len(share) // 2].all()
    assert not share[len(share) // 2 + 1 :].any()


def test_bars_that_a_lens_bends_are_masked(views):
    bars, made = views
    lens = Distortion("POLYNOMIAL", (-0.1, 0.0, 0.0), (300.0, 300.0), (160.0, 100.0))
    for prepared in prepare_views([View(view.path, distortion=lens) for view in made], resolution=320):
        assert prepared.bars == bars
        assert prepared.mask.shape == prepared.pixels.shape[:2]
        assert prepared.mask[:20].all()
        assert not prepared.mask[60:140, 40:280].any()


def test_cropping_to_one_size_goes_by_what_is_left(views, tmp_path, natural_picture):
    _, made = views
    Image.fromarray(natural_picture(200, 200)).save(tmp_path / "square.png")
    prepared = prepare_views([*made, View(tmp_path / "square.png")], resolution=126, mixed_sizes="crop")
    assert len({view.pixels.shape for view in prepared}) == 1
    assert prepared[-1].bars == Bars()
