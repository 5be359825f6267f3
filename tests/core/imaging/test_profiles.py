"""Embedded colour profiles are converted to sRGB, whatever the picture's mode; what is sRGB already stays as it is."""

import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from PIL import Image, ImageCms

from image_to_scene.core.imaging.copies import write_copy
from image_to_scene.core.imaging.reading import read_picture

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
GREY = RAMP[..., None].repeat(3, axis=2)
COLOUR = np.stack([RAMP, RAMP.T, 255 - RAMP], axis=2)
BLOCKS = np.array([[(255, 0, 0), (0, 0, 255), (255, 255, 0)]], np.uint8).repeat(16, axis=0).repeat(16, axis=1)


def save(path: Path, pixels: np.ndarray, profile: bytes) -> Path:
    Image.fromarray(pixels).save(path, icc_profile=profile)
    return path


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """The sRGB profile with its red and blue primaries exchanged."""
    profile = srgb_profile()
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def profile_of(space: bytes, connection: bytes, device: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 ICC profile: header, table of tags, tags."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">2I", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", 132 + 12 * len(tags) + len(body), b"lcms", 0x02400000, device, space, connection
    )
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def linear_grey_profile() -> bytes:
    return profile_of(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": b"curv" + bytes(8)})


def black_ink_profile() -> bytes:
    """A CMYK profile in which every single ink at full strength is black."""
    grid = np.indices((2, 2, 2, 2)).reshape(4, -1).T
    lightness = np.where(grid.any(axis=1), 0, 255)
    clut = np.stack([lightness, *[np.full(16, 128)] * 2], axis=1).astype(np.uint8).tobytes()
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + bytes(range(256)) * 4 + clut + bytes(range(256)) * 3
    return profile_of(b"CMYK", b"Lab ", b"prtr", {b"A2B0": lut})


def test_a_foreign_profile_is_converted(tmp_path):
    picture = read_picture(save(tmp_path / "p.png", COLOUR, swapped_profile()))
    assert np.abs(picture.pixels.astype(int) - COLOUR[..., ::-1]).max() <= 1
    assert picture.needs_copy


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_profile_applies_to_modes_that_become_rgb(tmp_path, mode):
    image = Image.fromarray(BLOCKS).convert(mode)
    image.save(tmp_path / "p.png", icc_profile=swapped_profile())
    expected = np.asarray(image.convert("RGB"))[..., ::-1]
    assert np.abs(read_picture(tmp_path / "p.png").pixels.astype(int) - expected).max() <= 1


def test_a_grey_profile_is_converted(tmp_path):
    picture = read_picture(save(tmp_path / "p.png", RAMP, linear_grey_profile()))
    linear = GREY / 255
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(picture.pixels - 255 * encoded).max() <= 1.5
    assert picture.needs_copy


def test_a_cmyk_profile_is_converted(tmp_path):
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))  # cyan, if nobody asked the profile
    image.save(tmp_path / "p.tif", icc_profile=black_ink_profile())
    assert read_picture(tmp_path / "p.tif").pixels.max() <= 1


def test_lab_is_converted(tmp_path):
    """L* = 50 (stored as 127.5, rounded to 128) is sRGB's grey 119 (118.9, rounded likewise)."""
    Image.new("LAB", (16, 16), (128, 128, 128)).save(tmp_path / "p.tif")
    picture = read_picture(tmp_path / "p.tif")
    assert np.abs(picture.pixels.astype(int) - 119).max() <= 1
    assert picture.needs_copy


def test_srgb_by_any_name_changes_nothing(tmp_path):
    picture = read_picture(save(tmp_path / "p.png", COLOUR, srgb_profile()))
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    assert not picture.needs_copy


@pytest.mark.parametrize("profile", [b"not a profile", swapped_profile()[:200], linear_grey_profile()])
def test_a_profile_that_cannot_be_meant_is_ignored(tmp_path, profile):
    picture = read_picture(save(tmp_path / "p.png", COLOUR, profile))
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    assert not picture.needs_copy


def test_the_copy_is_converted_and_needs_no_profile(tmp_path):
    path = save(tmp_path / "p.png", COLOUR, swapped_profile())
    copy = write_copy(read_picture(path).pixels, path, tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(copy)), read_picture(path).pixels)
    assert not read_picture(copy).needs_copy
