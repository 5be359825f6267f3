"""Masks of an entry: files that belong to pictures, the alpha channel, and splines as Blender itself fills them."""

import bpy
import numpy as np
import pytest

from image_to_scene.core.errors import ImageError
from image_to_scene.core.types import Mask
from image_to_scene.operators.inputs import Item, masks, views_from

SIZE = (80, 60)


@pytest.fixture
def frames(tmp_path, save_picture):
    """Write three numbered pictures."""
    grey = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    return [save_picture(tmp_path / f"shot_{number:04d}.png", grey) for number in (7, 8, 9)]


@pytest.fixture
def mask_files(tmp_path, save_picture):
    """Write a mask for each of them, under another name."""
    folder = tmp_path / "masks"
    folder.mkdir()
    black = np.zeros((6, 8, 3), np.uint8)
    return [save_picture(folder / f"roto.{number:03d}.png", black) for number in (7, 8, 9)]


def kept(path):
    """Return what a mask keeps [H, W], rows from the top."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    values = np.array(image.pixels[:]).reshape(height, width, 4)[::-1, :, 0]
    bpy.data.images.remove(image)
    return values


def add_mask(*rings, name="mask"):
    """Make a mask of closed polygons in the mask's own coordinates: the longer side is 1, +y up."""
    mask = bpy.data.masks.new(name)
    layer = mask.layers.new(name="layer")
    for ring in rings:
        spline = layer.splines.new()
        spline.points.add(len(ring) - len(spline.points))
        spline.use_cyclic = True
        for point, place in zip(spline.points, ring, strict=True):
            point.co = point.handle_left = point.handle_right = place
            point.handle_left_type = point.handle_right_type = "VECTOR"
    return mask


def ring(left, bottom, right, top):
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


def mask_of(picture, frame=None, number=None, **values):
    return masks.mask_of(Item("shot", **values), picture, bpy.context, frame=frame, number=number)


def test_no_mask_and_the_alpha_channel(frames):
    assert mask_of(frames[0]) is None
    found = mask_of(frames[0], mask_kind="ALPHA", mask_inverted=True)
    assert found == Mask(frames[0], "alpha", inverted=True)


def test_one_file_is_for_all(frames, mask_files, tmp_path, save_picture):
    single = save_picture(tmp_path / "single.png", np.zeros((6, 8, 3), np.uint8))
    for path in frames:
        assert mask_of(path, mask_kind="FILE", mask_path=str(single)) == Mask(single)


def test_numbered_files_and_folders_belong_to_numbered_pictures(frames, mask_files):
    for path, own in zip(frames, mask_files, strict=True):
        for place in (mask_files[0], own.parent):
            assert mask_of(path, kind="SEQUENCE", mask_kind="FILE", mask_path=str(place)).path == own


def test_the_file_named_for_one_picture_is_that_file(frames, mask_files):
    assert mask_of(frames[2], mask_kind="FILE", mask_path=str(mask_files[0])).path == mask_files[0]


def test_a_movies_frames_have_masks_by_their_number(movie, mask_files):
    item = Item("walk", "MOVIE", str(movie), clip_last=50, clip_rate=25.0, frame_start=7, frame_end=9, pick="STEP",
                seconds=0.01, mask_kind="FILE")  # fmt: skip
    for place in (mask_files[0].parent, mask_files[0]):
        item.mask_path = str(place)
        assert [view.mask.path for view in views_from([item], bpy.context).views] == mask_files
    item.mask_path = str(movie)
    assert {view.mask.path for view in views_from([item], bpy.context).views} == {movie}


def test_a_folder_is_searched_by_name_first(frames, mask_files, save_picture):
    named = save_picture(mask_files[0].with_name(f"{frames[0].stem}.png"), np.zeros((6, 8, 3), np.uint8))
    assert mask_of(frames[0], mask_kind="FILE", mask_path=str(named.parent)).path == named


def test_masks_that_are_missing_are_named(frames, mask_files):
    mask_files[1].unlink()
    for place in (mask_files[0], mask_files[0].parent):
        with pytest.raises(ImageError, match=r"not exactly one for shot_0008\.png"):
            mask_of(frames[1], kind="SEQUENCE", mask_kind="FILE", mask_path=str(place))
    for path, words in (("", "has no mask file"), (str(mask_files[1]), "missing")):
        with pytest.raises(ImageError, match=words):
            mask_of(frames[0], mask_kind="FILE", mask_path=path)
    with pytest.raises(ImageError, match="gone"):
        mask_of(frames[0], mask_kind="MASK")


@pytest.mark.parametrize("size", [(80, 60), (60, 80), (64, 64)])
def test_splines_are_filled_where_blender_draws_them(size, tmp_path, save_picture, data_blocks):
    picture = save_picture(tmp_path / "photo.png", np.zeros((size[1], size[0], 3), np.uint8))
    mask = add_mask(ring(0.3, 0.4, 0.6, 0.7))
    listed = data_blocks()
    found = mask_of(picture, mask_kind="MASK", mask=mask)
    assert data_blocks() == listed
    # The mask's square has the longer side and the picture's middle.
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    across, up = (x - size[0] / 2) / max(size) + 0.5, 0.5 - (y - size[1] / 2) / max(size)
    inside = (across > 0.3) & (across < 0.6) & (up > 0.4) & (up < 0.7)
    assert np.mean((kept(found.path) > 0.5) != inside) < 0.02


def test_inverted_layers_are_blenders_own(tmp_path, save_picture):
    picture = save_picture(tmp_path / "photo.png", np.zeros((64, 64, 3), np.uint8))
    mask = add_mask(ring(0.2, 0.2, 0.8, 0.8))
    filled = kept(mask_of(picture, mask_kind="MASK", mask=mask).path)
    assert (filled[32, 32], filled[2, 2]) == (1.0, 0.0)
    mask.layers[0].invert = True
    np.testing.assert_allclose(kept(mask_of(picture, mask_kind="MASK", mask=mask).path), 1.0 - filled, atol=0.01)


def test_large_pictures_get_a_mask_of_their_shape(tmp_path, save_picture):
    picture = save_picture(tmp_path / "photo.png", np.zeros((1000, 3000, 3), np.uint8))
    found = mask_of(picture, mask_kind="MASK", mask=add_mask(ring(0, 0, 1, 1)))
    assert kept(found.path).shape == (341, 1024)


def test_animated_masks_are_taken_at_the_views_frame(frames):
    scene = bpy.context.scene
    mask = add_mask(ring(0.0, 0.0, 0.5, 1.0))
    layer = mask.layers[0]
    for frame, alpha in ((1, 0.0), (3, 1.0)):
        layer.alpha = alpha
        layer.keyframe_insert("alpha", frame=frame)
    for curve in curves_of(mask):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    scene.frame_start, scene.render.fps = 1, 24
    item = Item("shot", "SEQUENCE", path=str(frames[0]), clip_first=7, clip_last=9, frame_start=7, frame_end=9,
                pick="STEP", mask_kind="MASK", mask=mask)  # fmt: skip
    found = views_from([item], bpy.context).views
    values = [kept(view.mask.path)[30, 10] for view in found]
    assert values == pytest.approx([0.0, 0.5, 1.0], abs=0.01)
    assert not any(view.passing for view in found)


def curves_of(mask):
    action = mask.animation_data.action
    if hasattr(action, "fcurves"):
        return action.fcurves
    return action.layers[0].strips[0].channelbag(mask.animation_data.action_slot).fcurves
