"""Images of the file as pictures, exactly, and the sizes of files without decoding them."""

import struct

import bpy
import numpy as np
import pytest

from image_to_scene.core.errors import ImageError
from image_to_scene.operators import inputs
from image_to_scene.operators.inputs import files, images
from image_to_scene.operators.session import session


def pixels_of(path):
    image = bpy.data.images.load(str(path))
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    shape = (image.size[1], image.size[0], image.channels)
    bpy.data.images.remove(image)
    return pixels.reshape(shape)


def make_image(name, rgba, **options):
    image = bpy.data.images.new(name, rgba.shape[1], rgba.shape[0], **options)
    image.pixels.foreach_set(rgba.astype(np.float32).ravel())
    return image


def test_an_unsaved_image_is_written_exactly_and_goes_with_the_session():
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.float32) / 255
    make_image("my/painting: 1?", rgba, alpha=True)
    assert bpy.ops.image_to_scene.add_image(image="my/painting: 1?") == {"FINISHED"}
    chosen, blocks = bpy.context.scene.image_to_scene, len(bpy.data.images)
    (view,) = inputs.views(chosen, bpy.context).views
    assert view.path.name == "my_painting_ 1_.png"
    assert len(bpy.data.images) == blocks
    np.testing.assert_allclose(pixels_of(view.path), rgba, atol=1e-6)
    assert inputs.views(chosen, bpy.context).views == (view,), "the same file again"
    session.close()
    assert not view.path.exists()


def test_packed_images_are_written_and_saved_ones_are_their_file(pictures):
    image = bpy.data.images.load(str(pictures[0]))
    assert images.picture_of(image) == pictures[0]
    image.pack()
    packed = images.picture_of(image)
    assert packed != pictures[0]
    np.testing.assert_array_equal(pixels_of(packed), pixels_of(pictures[0]))
    session.close()


@pytest.mark.parametrize("alpha_mode", ["STRAIGHT", "PREMUL"])
def test_a_float_image_is_written_as_it_is(alpha_mode):
    """As an EXR, whose alpha is associated: the worker converts it as every other."""
    linear = np.random.default_rng(1).uniform(-0.5, 9.0, (2, 3, 4))
    linear[..., 3] = [[1.0, 0.5, 0.25], [1.0, 1.0, 0.0]]
    image = make_image("hdr", linear, alpha=True, float_buffer=True)
    image.alpha_mode = alpha_mode
    path = images.picture_of(image)
    assert path.name == "hdr.exr"
    expected = linear.copy()
    if alpha_mode == "STRAIGHT":
        expected[..., :3] *= linear[..., 3:]
    np.testing.assert_allclose(pixels_of(path), expected, rtol=1e-6, atol=1e-6)
    session.close()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_of_a_photo_is_that_of_the_file_as_blender_shows_it(tmp_path, orientation):
    image = make_image("photo", np.ones((6, 8, 4)))
    image.filepath_raw, image.file_format = str(tmp_path / "photo.jpg"), "JPEG"
    image.save()
    content = (tmp_path / "photo.jpg").read_bytes()
    for order, mark in (("<", b"II*\0"), (">", b"MM\0*")):
        tiff = mark + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
        exif = b"Exif\0\0" + tiff
        path = tmp_path / f"turned{mark[0]}.jpg"
        path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:])
        assert files.size_of(path) == (8, 6) == tuple(bpy.data.images.load(str(path)).size)


def test_the_size_of_what_is_no_picture_is_one_sentence(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    blocks = len(bpy.data.images)
    for name in ("missing.png", "broken.png"):
        with pytest.raises(ImageError, match=name):
            files.size_of(tmp_path / name)
    assert len(bpy.data.images) == blocks


def test_a_picture_with_an_enormous_size_in_its_header_is_not_decoded_for_it(tmp_path):
    size = (60000, 50000)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", *size) + b"\x08\2\0\0\0")
    segment = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, size[1], size[0], 1) + b"\1\x11\0"
    (tmp_path / "bomb.jpg").write_bytes(b"\xff\xd8\xff\xe0" + struct.pack(">H", 40) + bytes(38) + segment)
    for name in ("bomb.png", "bomb.jpg"):
        assert files.size_of(tmp_path / name) == size
