"""Every kind of picture arrives upright, in sRGB, as 8-bit RGB; what cannot is named."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from image_to_scene.core.errors import ImageError
from image_to_scene.core.imaging.copies import write_copy
from image_to_scene.core.imaging.reading import check_pictures, read_picture, upright_size

# Pillow's, of damaged files: they are silenced for all pictures of a run together, not by what reads a single one.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

R, G, B, W, K, Y = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (255, 255, 0)
UPRIGHT = np.array([[R, G, B], [W, K, Y]], np.uint8).repeat(16, axis=0).repeat(16, axis=1)  # no symmetry at all

# What a camera stores for each orientation, so that turning it as the tag says gives UPRIGHT.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(UPRIGHT, -1),
}


def exif_with(orientation: int = 1, focal_length=None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if focal_length is not None:
        exif.get_ifd(0x8769)[0xA405] = focal_length
    return exif


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, **options)
    return path


def copy_of(path: Path, folder: Path) -> Path:
    return write_copy(read_picture(path).pixels, path, folder)


# --- rotation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_arrives_upright(tmp_path, orientation, suffix):
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    path = save(tmp_path / f"p{suffix}", STORED[orientation], exif=exif_with(orientation), **options)
    picture = read_picture(path)
    assert picture.pixels.shape == UPRIGHT.shape
    assert np.abs(picture.pixels.astype(int) - UPRIGHT).max() <= (3 if suffix == ".jpg" else 0)
    np.testing.assert_array_equal(picture.pixels, np.asarray(ImageOps.exif_transpose(Image.open(path))))
    assert picture.needs_copy == (orientation != 1)


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_unknown_orientation_means_upright(tmp_path, orientation):
    picture = read_picture(save(tmp_path / "p.png", UPRIGHT, exif=exif_with(orientation)))
    np.testing.assert_array_equal(picture.pixels, UPRIGHT)
    assert not picture.needs_copy


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=80))
def test_damaged_exif_does_not_spoil_the_picture(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("exif") / "p.jpg"
    save(path, np.full((8, 8, 3), 90, np.uint8), exif=b"Exif\0\0II*\0\x08\0\0\0" + data)
    check_pictures([path])
    assert read_picture(path).pixels.shape == (8, 8, 3)


# --- focal length -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [1, 6])
def test_focal_length_compares_diagonals(tmp_path, orientation):
    """50 mm on 36 x 24 mm film, as pixels of a picture of the same shape."""
    path = save(tmp_path / "p.jpg", np.zeros((240, 360, 3), np.uint8), exif=exif_with(orientation, 50))
    assert read_picture(path).focal_length == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ((3600, 2400), True),  # merely resized
        ((2400, 3600), True),  # turned since, by a program that left the sides
        ((360, 240), True),
        ((3600, 2390), True),  # rounded
        ((3600, 2700), False),  # cut from 4:3
        ((3600, 3600), False),
        ((0, 2400), True),  # says nothing
    ],
)
def test_a_focal_length_holds_only_for_the_shape_it_was_taken_with(tmp_path, taken, told):
    exif = exif_with(1, 50)
    exif.get_ifd(0x8769)[0xA002], exif.get_ifd(0x8769)[0xA003] = taken
    path = save(tmp_path / "p.jpg", np.zeros((240, 360, 3), np.uint8), exif=exif)
    assert read_picture(path).focal_length == (pytest.approx(500.0) if told else None)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_is_known_from_the_header(tmp_path, orientation, suffix):
    path = save(tmp_path / f"p{suffix}", STORED[orientation], exif=exif_with(orientation))
    assert upright_size(path) == read_picture(path).size == UPRIGHT.shape[1::-1]


@pytest.mark.parametrize("focal_length", [None, 0, "long"])
def test_untold_focal_length_is_none(tmp_path, focal_length):
    path = save(tmp_path / "p.jpg", UPRIGHT, exif=exif_with(1, focal_length))
    assert read_picture(path).focal_length is None


# --- kinds of pixels --------------------------------------------------------------------------------------------------

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
GREY = RAMP[..., None].repeat(3, axis=2)
COLOUR = np.stack([RAMP, RAMP.T, 255 - RAMP], axis=2)
ALPHA = np.dstack([COLOUR, RAMP])
PALETTE = Image.fromarray(UPRIGHT).quantize(8)


def sixteen_bits(array: np.ndarray) -> np.ndarray:
    """16-bit samples whose high byte is `array` and whose low byte is not zero."""
    return array.astype(np.uint16) * 256 + 200


LIGHT = GREY / 255
LINEAR = np.rint(255 * np.where(LIGHT <= 0.0031308, 12.92 * LIGHT, 1.055 * LIGHT ** (1 / 2.4) - 0.055))
"""The ramp as light, by sRGB's curve."""
KINDS = {
    "grey.png": (Image.fromarray(RAMP), GREY, False),
    "grey_alpha.png": (Image.fromarray(np.dstack([RAMP, 255 - RAMP])), GREY, True),
    "grey16.png": (Image.fromarray(sixteen_bits(RAMP)), GREY, True),
    "grey16.tif": (Image.fromarray(sixteen_bits(RAMP)), GREY, True),
    "grey32.tif": (Image.fromarray(sixteen_bits(RAMP).astype(np.int32)), GREY, True),
    "grey16.pgm": (Image.fromarray(sixteen_bits(RAMP).astype(np.int32)), GREY, True),
    "float.tif": (Image.fromarray(RAMP.astype(np.float32) / 255), LINEAR, True),
    "bits.png": (Image.fromarray(RAMP > 99), np.where(GREY > 99, 255, 0), True),
    "rgb.png": (Image.fromarray(COLOUR), COLOUR, False),
    "rgb.bmp": (Image.fromarray(COLOUR), COLOUR, False),
    "rgb.tif": (Image.fromarray(COLOUR), COLOUR, False),
    "rgb.tga": (Image.fromarray(COLOUR), COLOUR, False),
    "rgb.jp2": (Image.fromarray(COLOUR), COLOUR, False),
    "rgb.ppm": (Image.fromarray(COLOUR), COLOUR, True),
    "alpha.png": (Image.fromarray(ALPHA), COLOUR, True),
    "alpha.tif": (Image.fromarray(ALPHA), COLOUR, True),
    "palette.png": (PALETTE, UPRIGHT, True),
    "palette.gif": (PALETTE, UPRIGHT, True),
    "cmyk.tif": (Image.fromarray(COLOUR).convert("CMYK"), COLOUR, True),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_arrives_as_rgb(tmp_path, name):
    image, expected, needs_copy = KINDS[name]
    image.save(tmp_path / name)
    check_pictures([tmp_path / name])
    picture = read_picture(tmp_path / name)
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.needs_copy == needs_copy


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_colour_is_scaled(tmp_path, suffix):
    cv2 = pytest.importorskip("cv2", reason="Pillow writes no 16-bit colour")
    cv2.imwrite(str(tmp_path / f"p{suffix}"), sixteen_bits(COLOUR[..., ::-1]))
    picture = read_picture(tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    assert not picture.needs_copy


def test_floats_outside_the_range_are_clipped(tmp_path):
    values = np.array([[-1.0, 0.5, 2.0, np.nan, np.inf]], np.float32)
    picture = read_picture(save(tmp_path / "p.tif", values))
    np.testing.assert_array_equal(picture.pixels[0, :, 0], [0, 188, 255, 0, 255])


def test_wide_integers_saturate(tmp_path):
    picture = read_picture(save(tmp_path / "p.tif", np.array([[-5, 70000]], np.int32)))
    np.testing.assert_array_equal(picture.pixels[0, :, 0], [0, 255])


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    white.save(tmp_path / "p.jpg", quality=100)
    picture = read_picture(tmp_path / "p.jpg")
    assert picture.pixels.min() >= 253
    assert picture.needs_copy


def test_the_first_of_several_frames_counts(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (R, B)]
    for name in ("p.gif", "p.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert (read_picture(tmp_path / name).pixels == R).all()


def test_opaque_colours_under_a_transparent_index_are_kept(tmp_path):
    path = tmp_path / "p.png"
    Image.new("RGB", (4, 4), R).save(path, transparency=R)
    picture = read_picture(path)
    assert (picture.pixels == R).all()
    assert picture.needs_copy


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_every_bad_file_is_named_with_its_reason(tmp_path):
    good = save(tmp_path / "good.png", UPRIGHT)
    data = good.read_bytes()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("this is not a picture")
    (tmp_path / "cut.png").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "folder.png").mkdir()
    reasons = {
        "missing.png": "does not exist",
        "empty.jpg": "is empty",
        "text.png": "is not a picture of a known kind",
        "cut.png": "is cut off or damaged",
        "folder.png": "is a folder",
    }
    with pytest.raises(ImageError) as caught:
        check_pictures([good, *(tmp_path / name for name in reasons)])
    for name, reason in reasons.items():
        assert f'"{tmp_path / name}" {reason}' in str(caught.value)
        with pytest.raises(ImageError, match=reason):
            read_picture(tmp_path / name)
    assert "good.png" not in str(caught.value)
    assert str(caught.value).startswith("5 pictures cannot be read")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "gif", "jp2", "tga", "ppm"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_files_are_noticed(tmp_path, natural_picture, suffix, part):
    path = save(tmp_path / f"p.{suffix}", natural_picture(120, 90))
    check_pictures([path])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ImageError, match="One picture cannot be read"):
        check_pictures([path])
    with pytest.raises(ImageError, match="One picture cannot be read"):
        read_picture(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_an_image_error_or_a_picture(tmp_path_factory, data):
    suffix = data.draw(st.sampled_from(["jpg", "png", "tif", "webp", "bmp", "gif", "psd"]))
    folder = tmp_path_factory.mktemp("damage")
    if suffix == "psd":
        content = bytearray(b"8BPS\0\1" + bytes(6) + struct.pack(">H2I2H", 3, 4, 4, 8, 3) + bytes(12 + 2 + 48))
    else:
        content = bytearray(save(folder / f"p.{suffix}", COLOUR, exif=exif_with(6)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / f"q.{suffix}"
    path.write_bytes(content)
    try:
        pixels = read_picture(path).pixels
    except ImageError:
        return
    assert pixels.ndim == 3
    assert pixels.dtype == np.uint8


def test_a_decompression_bomb_is_one_sentence(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", 40000, 40000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))))
    with pytest.raises(ImageError, match="has more than 500 million pixels"):
        check_pictures([path])


def test_what_the_system_refuses_is_named(tmp_path):
    with pytest.raises(ImageError, match="cannot be opened"):
        check_pictures([tmp_path / ("x" * 300 + ".png")])


def test_good_pictures_pass_and_are_counted(tmp_path):
    steps = []
    check_pictures([save(tmp_path / f"{i}.png", UPRIGHT) for i in range(3)], steps.append)
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]


def test_programs_are_never_started_for_a_picture(tmp_path):
    """PostScript would be handed to an interpreter."""
    Image.fromarray(UPRIGHT).save(tmp_path / "p.eps")
    with pytest.raises(ImageError, match="known kind"):
        check_pictures([tmp_path / "p.eps"])


# --- names and copies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["two words.png", "Ünïcödé ñ.png", "写真 1.png", "фото.JPG.png", "semi;colon 'quote'.png"]
)
def test_any_name_works(tmp_path, name):
    folder = tmp_path / "мои фото"
    folder.mkdir()
    path = save(folder / name, UPRIGHT)
    check_pictures([path])
    np.testing.assert_array_equal(read_picture(path).pixels, UPRIGHT)
    np.testing.assert_array_equal(read_picture(copy_of(path, folder)).pixels, UPRIGHT)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_copy_is_upright_plain_and_exact(tmp_path, orientation):
    path = save(tmp_path / "p.png", STORED[orientation], exif=exif_with(orientation))
    before = path.read_bytes()
    copy = copy_of(path, tmp_path)
    picture = read_picture(copy)
    assert not picture.needs_copy
    np.testing.assert_array_equal(picture.pixels, read_picture(path).pixels)
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted([path, copy])


def test_copies_of_one_name_do_not_collide_and_a_second_run_replaces(tmp_path):
    sources = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        sources.append(save(tmp_path / folder / "p.png", UPRIGHT))
    copies = [copy_of(source, tmp_path) for source in sources]
    assert len(set(copies)) == 2
    assert copy_of(sources[0], tmp_path) == copies[0]


def test_a_copy_that_cannot_be_written_says_where(tmp_path):
    path = save(tmp_path / "p.png", UPRIGHT)
    with pytest.raises(ImageError, match=r"could be written to .*nowhere"):
        copy_of(path, tmp_path / "nowhere")
