"""Prepared views equal the official ones, and the way back to source pixels is exact."""

import tracemalloc

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from image_to_scene.core.imaging.preparation import model_sizes, prepare_views
from image_to_scene.core.imaging.threads import thread_count
from image_to_scene.core.types import View

# (width, height) of the source and of what the official package makes of it at 504
EXAMPLES = [
    ((1920, 1080), (504, 280)),
    ((4000, 3000), (504, 378)),
    ((6000, 4000), (504, 336)),
    ((640, 480), (504, 378)),
    ((1000, 1000), (504, 504)),
    ((2048, 858), (504, 210)),
    ((1080, 1920), (280, 504)),
]
MEAN, STD = (np.array(values, np.float32) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def intrinsics(width: int, height: int) -> np.ndarray:
    """An off-centre camera with fx ≠ fy."""
    return np.array([[1.1 * width, 0.0, 0.47 * width], [0.0, 1.3 * height, 0.56 * height], [0.0, 0.0, 1.0]])


@pytest.fixture
def saved(tmp_path, natural_picture):
    """Save pictures of the given sizes and give their views, with intrinsics."""

    def save(*sizes):
        views = []
        for index, size in enumerate(sizes):
            path = tmp_path / f"{index}.png"
            Image.fromarray(natural_picture(*size, seed=index)).save(path, compress_level=0)
            views.append(View(path, image_from_camera=intrinsics(*size)))
        return tuple(views)

    return save


def official(processor, views, resolution=504):
    """[V, H, W, 3] uint8 and [V, 3, 3] of the official pre-processing."""
    tensor, _, cameras = processor(
        image=[str(view.path) for view in views],
        intrinsics=np.stack([view.image_from_camera for view in views]),
        process_res=resolution,
        sequential=True,
    )
    pixels = tensor.permute(0, 2, 3, 1).numpy() * STD + MEAN
    return np.rint(pixels * 255).astype(np.uint8), cameras.numpy()


def assert_like_official(prepared, pixels, cameras):
    for ours, their_pixels, their_camera in zip(prepared, pixels, cameras, strict=True):
        assert ours.pixels.shape == their_pixels.shape
        assert np.abs(ours.pixels.astype(int) - their_pixels).mean() < 0.001
        np.testing.assert_allclose(ours.image_from_camera, their_camera, rtol=1e-6)  # theirs is float32


@pytest.mark.parametrize(("source", "model"), EXAMPLES)
def test_sizes_are_the_official_ones(source, model):
    assert model_sizes(source, 504)[1] == model


@pytest.mark.parametrize(("source", "model"), EXAMPLES)
def test_one_view_equals_official(saved, official_processor, source, model):
    views = saved(source)
    prepared = prepare_views(views, resolution=504)
    assert prepared[0].pixels.shape == (model[1], model[0], 3)
    assert_like_official(prepared, *official(official_processor, views))


@pytest.mark.parametrize("resolution", [126, 250, 518])
def test_other_resolutions_equal_official(saved, official_processor, resolution):
    views = saved((333, 250), (333, 250))
    assert_like_official(prepare_views(views, resolution=resolution), *official(official_processor, views, resolution))


def test_crop_of_mixed_sizes_equals_official(saved, official_processor):
    views = saved((640, 480), (480, 640), (1920, 1080), (700, 700))
    prepared = prepare_views(views, resolution=504, mixed_sizes="crop")
    assert {view.pixels.shape for view in prepared} == {(280, 378, 3)}
    assert_like_official(prepared, *official(official_processor, views))


def test_landscape_with_portrait_is_cropped_to_a_square(saved):
    prepared = prepare_views(saved((640, 480), (480, 640)), resolution=504, mixed_sizes="crop")
    assert [view.pixels.shape for view in prepared] == [(378, 378, 3)] * 2


@pytest.mark.parametrize("mixed_sizes", ["keep", "auto"])
def test_views_of_mixed_sizes_stay_whole(saved, mixed_sizes):
    views = saved((640, 480), (480, 640), (200, 200))
    together = prepare_views(views, resolution=140, mixed_sizes=mixed_sizes)
    assert [view.pixels.shape for view in together] == [(112, 140, 3), (140, 112, 3), (140, 140, 3)]
    for view, prepared in zip(views, together, strict=True):
        np.testing.assert_array_equal(prepared.pixels, prepare_views([view], resolution=140)[0].pixels)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 900), height=st.integers(1, 900), resolution=st.integers(56, 700))
def test_all_sizes_equal_official(official_processor, width, height, resolution):
    bounded = official_processor._resize_image(Image.new("RGB", (width, height)), resolution, "upper_bound_resize")
    whole = official_processor._make_divisible_by_resize(bounded, 14).size
    at_least_a_patch = tuple(14 if side == 1 else side for side in whole)  # theirs rounds sides below 7 to one pixel
    assert model_sizes((width, height), resolution) == (bounded.size, at_least_a_patch)


@given(
    width=st.integers(1, 20000),
    height=st.integers(1, 20000),
    resolution=st.integers(1, 2000),
    patch_size=st.integers(1, 32),
)
def test_model_sides_are_whole_patches(width, height, resolution, patch_size):
    _, whole = model_sizes((width, height), resolution, patch_size)
    assert all(side > 0 and side % patch_size == 0 for side in whole)
    assert abs(max(whole) - resolution) <= patch_size / 2 or max(whole) == patch_size


@settings(max_examples=25, deadline=None)
@given(width=st.integers(8, 120), height=st.integers(8, 120), crop=st.booleans())
def test_the_way_back_is_exact(tmp_path_factory, width, height, crop):
    folder = tmp_path_factory.mktemp("views")
    views = []
    for size in ((width, height), (height, width)):
        path = folder / f"{len(views)}.png"
        Image.new("RGB", size).save(path)
        views.append(View(path, image_from_camera=intrinsics(*size)))
    for view, prepared in zip(
        views, prepare_views(views, resolution=70, mixed_sizes="crop" if crop else "keep"), strict=True
    ):
        assert_way_back(view, prepared, whole=not crop)


def assert_way_back(view, prepared, whole):
    height, width = prepared.pixels.shape[:2]
    corners = prepared.source_from_model @ np.array([[0, 0, 1], [width, height, 1]]).T
    middle = prepared.source_from_model @ (width / 2, height / 2, 1)
    if whole:
        np.testing.assert_allclose(corners[:2].T, [(0, 0), prepared.source_size], atol=1e-9)
    assert (corners[:2] >= -1e-9).all()
    assert (corners[:2].max(axis=1) <= np.array(prepared.source_size) + 1e-9).all()
    scale = prepared.source_from_model.diagonal()[:2]
    assert (np.abs(middle[:2] - np.array(prepared.source_size) / 2) <= scale / 2 + 1e-9).all()  # an odd rest
    point = np.array([0.3, -0.2, 2.0])
    projected = prepared.source_from_model @ prepared.image_from_camera @ point
    np.testing.assert_allclose(projected, view.image_from_camera @ point, rtol=1e-12)


@pytest.mark.parametrize("mixed_sizes", ["keep", "crop"])
def test_a_spot_is_found_again_in_the_source(tmp_path, mixed_sizes):
    """Pixel centres are at +0.5 on both sides: a spot's centre of mass must land where it was painted."""
    y, x = np.indices((300, 400)) + 0.5
    spot = np.rint(200 * np.exp(-((x - 196) ** 2 + (y - 152) ** 2) / (2 * 12**2)))
    Image.fromarray(spot.astype(np.uint8)).save(tmp_path / "spot.png")
    Image.new("RGB", (300, 400)).save(tmp_path / "other.png")
    views = [View(tmp_path / "spot.png"), View(tmp_path / "other.png")]
    seen = prepare_views(views, resolution=126, mixed_sizes=mixed_sizes)[0]
    weights = seen.pixels[..., 0].astype(float)
    rows, columns = np.indices(weights.shape) + 0.5
    centre = np.array([(weights * columns).sum(), (weights * rows).sum(), weights.sum()]) / weights.sum()
    np.testing.assert_allclose((seen.source_from_model @ centre)[:2], (196.0, 152.0), atol=0.05)


def test_a_small_picture_grows(saved):
    assert prepare_views(saved((40, 30)), resolution=504)[0].pixels.shape == (378, 504, 3)


def test_views_without_a_camera_have_no_intrinsics(saved):
    prepared = prepare_views([View(view.path) for view in saved((40, 30))], resolution=28)[0]
    assert prepared.image_from_camera is None
    assert prepared.exif_image_from_camera is None


@pytest.mark.parametrize("mixed_sizes", ["keep", "crop"])
def test_exif_focal_length_arrives_in_model_pixels(tmp_path, mixed_sizes):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    Image.new("RGB", (400, 300)).save(tmp_path / "told.jpg", exif=exif)
    Image.new("RGB", (300, 400)).save(tmp_path / "untold.jpg")
    views = [View(tmp_path / "told.jpg"), View(tmp_path / "untold.jpg")]
    told, untold = prepare_views(views, resolution=140, mixed_sizes=mixed_sizes)
    focal = 50 * 500 / np.hypot(36, 24)
    np.testing.assert_allclose(
        told.source_from_model @ told.exif_image_from_camera, [[focal, 0, 200], [0, focal, 150], [0, 0, 1]], atol=1e-9
    )
    assert untold.exif_image_from_camera is None


def test_as_many_pictures_are_in_memory_as_threads_read(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (2000, 1500), (80, 120, 160)).save(path)
    tracemalloc.start()
    prepare_views([View(path)] * 6, resolution=140)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * 2000 * 1500 * 3 * thread_count(6, 2000 * 1500)


def test_progress_counts_the_pictures(saved):
    steps = []
    prepare_views(saved((40, 30), (40, 30)), resolution=28, on_progress=steps.append)
    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]
