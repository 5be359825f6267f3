"""What shows a single colour is told from what is dark, at the size that the network sees."""

import io

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from PIL import Image

from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.imaging.uniform import VISIBLE, contrast, is_uniform
from image_to_scene.core.types import View

SIZES = [(640, 360), (160, 90), (800, 100)]


def levels(colour, size, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), colour, float) + rng.normal(0.0, noise, (size[1], size[0], 3))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def jpeg(pixels, quality=50):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture
def seen(tmp_path):
    """Bring pixels to the size of a network."""

    def see(pixels, resolution=504):
        Image.fromarray(pixels).save(tmp_path / "image.png")
        return prepare_views([View(tmp_path / "image.png")], resolution=resolution)[0].pixels

    return see


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resolution", [126, 504])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (30, 90, 200)])
def test_one_colour_is_uniform_with_noise_and_compression(seen, size, resolution, colour):
    assert is_uniform(seen(jpeg(levels(colour, size, noise=3.0)), resolution))


def test_a_lens_cap_at_high_sensitivity_is_uniform(seen):
    assert is_uniform(seen(levels(6, (640, 360), noise=12.0)))


@pytest.mark.parametrize("size", SIZES)
def test_pictures_are_not_uniform_until_nearly_all_light_is_gone(seen, natural_picture, size):
    pixels = natural_picture(*size)
    assert not is_uniform(seen(pixels))
    assert not is_uniform(seen(np.rint(pixels * 0.1).astype(np.uint8)))
    assert is_uniform(seen(np.rint(pixels * 0.004).astype(np.uint8)))


def test_a_night_with_one_lamp_stays(seen):
    night = levels(2, (640, 360), noise=2.0)
    night[150:165, 300:320] = (255, 220, 160)
    assert not is_uniform(seen(night))


def test_a_wall_in_soft_light_stays(seen):
    """From one side to the other it grows brighter by as little as 4 %."""
    wall = levels(0, (640, 360)) + np.linspace(180, 190, 640)[None, :, None]
    assert not is_uniform(seen(wall.astype(np.uint8)))


def test_colour_alone_is_contrast():
    pixels = levels((120, 120, 120), (140, 140))
    pixels[:, 70:] = (140, 110, 120)
    assert contrast(pixels) == pytest.approx(10.0), "in red, of which half counts"


def test_what_is_masked_does_not_count():
    """A white flash between the black edges of a straightened lens."""
    pixels, mask = levels(255, (140, 140)), np.zeros((140, 140), bool)
    pixels[:20], mask[:20] = 0, True
    assert contrast(pixels) > VISIBLE
    assert is_uniform(pixels, mask)
    assert not is_uniform(pixels, np.ones((140, 140), bool)), "nothing tells"


def test_images_smaller_than_a_patch_are_judged_by_their_pixels():
    pixels = levels(0, (14, 14))
    assert is_uniform(pixels)
    pixels[7:] = 200
    assert not is_uniform(pixels)
