"""A mask arrives at model pixels by the picture's own way: turned, resized, cut and straightened with it."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.imaging.reading import read_kept, read_picture
from image_to_scene.core.imaging.resizing import average
from image_to_scene.core.types import Distortion, Mask, View


def picture_and_mask(folder, size=(400, 300), mask_size=None, exif=None):
    """A picture, bright where it is masked, and the mask that says so: a band across the left and the top."""

    def painted(width, height):
        x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
        return (x[None] < 0.25) | (y[:, None] < 0.2)

    Image.fromarray(painted(*size)[..., None].repeat(3, axis=2).astype(np.uint8) * 255).save(
        folder / "picture.png", exif=exif or Image.Exif()
    )
    kept = ~painted(*(mask_size or size))
    Image.fromarray(kept.astype(np.uint8) * 255).save(folder / "mask.png", exif=exif or Image.Exif())
    return View(folder / "picture.png", mask=Mask(folder / "mask.png"))


def assert_agrees(prepared, soft=0.0):
    """Left out is what the picture, which went through all of it too, shows bright: but for grey edges.

    A mask of fewer pixels has softer edges: `soft` is the part of all pixels that may differ for it.
    """
    brightness = prepared.pixels[..., 0]
    assert prepared.mask.shape == brightness.shape
    assert prepared.mask.dtype == bool
    assert np.mean(~prepared.mask & (brightness > 230)) <= soft
    assert np.mean(prepared.mask & (brightness < 25)) <= soft
    assert 0.3 < prepared.mask.mean() < 0.6


@pytest.mark.parametrize("mask_size", [None, (800, 600), (200, 150), (40, 30), (397, 300)])
@pytest.mark.parametrize("resolution", [126, 504])
def test_a_mask_of_any_size_goes_the_pictures_way(tmp_path, mask_size, resolution):
    assert_agrees(prepare_views([picture_and_mask(tmp_path, mask_size=mask_size)], resolution=resolution)[0])


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_a_mask_is_turned_with_the_picture(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_agrees(prepare_views([picture_and_mask(tmp_path, exif=exif)], resolution=126)[0])


def test_a_mask_is_cut_with_the_picture(tmp_path):
    Image.new("RGB", (300, 300)).save(tmp_path / "square.png")
    views = [picture_and_mask(tmp_path), View(tmp_path / "square.png")]
    masked, other = prepare_views(views, resolution=126, mixed_sizes="crop")
    assert masked.mask.shape == other.pixels.shape[:2]
    assert_agrees(masked)
    assert other.mask is None


@pytest.mark.parametrize("model", ["POLYNOMIAL", "NUKE"])
@pytest.mark.parametrize("mask_size", [None, (200, 150)])
def test_a_mask_is_straightened_with_the_picture(tmp_path, model, mask_size):
    coefficients = {"POLYNOMIAL": (-0.3, 0.1, 0.0), "NUKE": (-0.1, 0.0)}[model]
    view = picture_and_mask(tmp_path, mask_size=mask_size)
    lens = Distortion(model, coefficients, (400.0, 400.0), (190.0, 160.0))
    (prepared,) = prepare_views([View(view.path, mask=view.mask, distortion=lens)], resolution=252)
    assert_agrees(prepared, soft=0.005 if mask_size else 0.0)


def test_what_a_straightened_picture_does_not_show_is_left_out(tmp_path):
    """A pincushion lens has seen less than the corners of the straight picture: they are black, and no geometry."""
    Image.new("RGB", (400, 300), (255, 255, 255)).save(tmp_path / "white.png")
    lens = Distortion("POLYNOMIAL", (0.4, 0.0, 0.0), (400.0, 400.0), (200.0, 150.0))
    (prepared,) = prepare_views([View(tmp_path / "white.png", distortion=lens)], resolution=252, copies=tmp_path)
    assert np.mean(prepared.mask != (prepared.pixels[..., 0] < 128)) < 0.002, "but for pixels that are half of each"
    assert prepared.mask[0, 0]
    assert not prepared.mask[90, 120]
    texture = read_picture(prepared.texture).pixels
    assert texture.shape == (300, 400, 3)
    assert (texture[0, 0] == 0).all()
    assert (texture[150, 200] == 255).all()


def test_a_lens_that_leaves_nothing_out_makes_no_mask(tmp_path):
    Image.new("RGB", (400, 300), (255, 255, 255)).save(tmp_path / "white.png")
    lens = Distortion("POLYNOMIAL", (-0.2, 0.0, 0.0), (400.0, 400.0), (200.0, 150.0))
    (prepared,) = prepare_views([View(tmp_path / "white.png", distortion=lens)], resolution=252)
    assert prepared.mask is None
    assert prepared.texture == tmp_path / "white.png", "no copies without a folder for them"


@settings(max_examples=40, deadline=None)
@given(
    old=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    new=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    seed=st.integers(0, 99),
)
def test_averages_are_those_of_the_area_each_pixel_covers(old, new, seed):
    """Larger or smaller: cut into pieces that fit both, they are plain means."""
    weights = np.random.default_rng(seed).random((old[1], old[0])).astype(np.float32)
    pieces = weights.repeat(new[1], axis=0).repeat(new[0], axis=1)
    means = pieces.reshape(new[1], old[1], new[0], old[0]).mean(axis=(1, 3))
    np.testing.assert_allclose(average(weights, new), means, atol=1e-5)


@pytest.mark.parametrize(("columns", "left_out"), [(4, False), (5, True), (6, True)])
def test_half_a_pixel_is_enough_to_leave_it_out(tmp_path, columns, left_out):
    Image.new("RGB", (140, 140)).save(tmp_path / "p.png")
    kept = np.full((140, 140), 255, np.uint8)
    kept[:, 70 : 70 + columns] = 0  # of a model pixel that is ten columns wide
    Image.fromarray(kept).resize((1400, 1400), Image.Resampling.NEAREST).save(tmp_path / "m.png")
    mask = Mask(tmp_path / "m.png")
    (prepared,) = prepare_views([View(tmp_path / "p.png", mask=mask)], resolution=14, patch_size=1)
    expected = np.zeros((14, 14), bool)
    expected[:, 7] = left_out
    np.testing.assert_array_equal(prepared.mask, expected)


# --- what a mask's file says ------------------------------------------------------------------------------------------


def test_white_and_opaque_are_kept_unless_inverted(tmp_path):
    grey = np.array([[0, 51, 255]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    Image.fromarray(np.dstack([255 - grey, grey])).save(tmp_path / "alpha.png")
    Image.fromarray(np.dstack([grey * 0] * 3 + [grey])).save(tmp_path / "rgba.tif")
    for name, channel in (
        ("grey.png", "luminance"),
        ("grey16.png", "luminance"),
        ("alpha.png", "alpha"),
        ("rgba.tif", "alpha"),
    ):
        np.testing.assert_allclose(
            read_kept(View(tmp_path / name, mask=Mask(tmp_path / name, channel))), [[0.0, 0.2, 1.0]], atol=1e-6
        )
        np.testing.assert_allclose(
            read_kept(View(tmp_path / name, mask=Mask(tmp_path / name, channel, True))), [[1.0, 0.8, 0.0]], atol=1e-6
        )


def test_a_transparent_palette_entry_is_left_out(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.gif", transparency=1)
    np.testing.assert_array_equal(
        read_kept(View(tmp_path / "p.gif", mask=Mask(tmp_path / "p.gif", "alpha"))), [[1.0, 0.0]]
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F", "CMYK", "1"])
def test_a_picture_without_alpha_is_opaque(tmp_path, mode):
    Image.new(mode, (3, 2)).save(tmp_path / "p.tif")
    np.testing.assert_array_equal(
        read_kept(View(tmp_path / "p.tif", mask=Mask(tmp_path / "p.tif", "alpha"))), np.ones((2, 3))
    )


def test_alpha_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.dstack([np.zeros((2, 3, 3), np.uint8), np.array([[0, 255, 255], [255] * 3], np.uint8)])).save(
        tmp_path / "p.png", exif=exif
    )
    np.testing.assert_array_equal(
        read_kept(View(tmp_path / "p.png", mask=Mask(tmp_path / "p.png", "alpha"))),
        [[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]],
    )
