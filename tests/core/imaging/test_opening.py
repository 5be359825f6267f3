"""HEIC, camera raw and very large images are read; what of a file is not used is said."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="images are read by the worker; this environment is Blender's")
from PIL import Image

from image_to_scene.core.errors import ImageError
from image_to_scene.core.imaging import opening, raw
from image_to_scene.core.imaging.colours import srgb_from_wide
from image_to_scene.core.imaging.flaws import remarks
from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.imaging.reading import check_pictures, read_kept, read_picture, upright_size
from image_to_scene.core.types import Distortion, Mask, View

sys.path.append(str(Path(__file__).parents[2]))
from write_dng import write_dng

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TURNS = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, -1),
}


def corners(width=96, height=64):
    """[H, W, 3] with a colour of its own in every quarter."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = (200, 40, 40), (40, 200, 40)
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = (40, 40, 200), (220, 220, 220)
    return pixels


def exif_with(orientation, film=None):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if film is not None:
        exif.get_ifd(0x8769)[0xA405] = film
    return exif


def difference(picture, expected):
    assert picture.pixels.shape == expected.shape
    return np.abs(picture.pixels.astype(int) - expected).max()


# --- HEIC -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def heif():
    package = pytest.importorskip("pillow_heif", reason="HEIC files are written with pillow-heif")
    package.register_heif_opener()
    return package


@pytest.mark.parametrize("name", ["p.HEIC", "p.jpg", "p"])
@pytest.mark.parametrize("orientation", TURNS)
def test_heic_arrives_upright_and_is_turned_once(tmp_path, heif, orientation, name):
    stored = np.ascontiguousarray(TURNS[orientation](corners()))
    path = tmp_path / name
    Image.fromarray(stored).save(path, format="HEIF", quality=-1, chroma=444, exif=exif_with(orientation, 50).tobytes())
    picture = read_picture(path)
    assert difference(picture, corners()) <= 4
    assert upright_size(path) == picture.size == (96, 64)
    assert picture.focal_length == pytest.approx(50 * np.hypot(96, 64) / np.hypot(36, 24))
    assert picture.needs_copy, "Blender does not read HEIC"
    assert picture.unused is None
    check_pictures([path])


def test_the_primary_image_of_a_heic_is_used_and_the_others_named(tmp_path, heif):
    first, primary = (Image.new("RGB", (64, 64), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    path = tmp_path / "p.heic"
    first.save(path, format="HEIF", save_all=True, append_images=[primary], primary_index=1, quality=-1)
    picture = read_picture(path)
    assert np.abs(picture.pixels.astype(int) - (0, 0, 255)).max() <= 3
    assert "primary image" in picture.unused


def test_ten_bit_and_wide_heic_become_srgb(tmp_path, heif):
    samples = (corners().astype(np.uint16) * 257) & 0xFFC0
    wide = {"color_primaries": 12, "transfer_characteristics": 13, "matrix_coefficients": 6, "full_range_flag": 1}
    for name, options in {"plain": {}, "wide": wide}.items():
        file = heif.from_bytes(mode="RGB;16", size=(96, 64), data=samples.tobytes())
        file.save(tmp_path / f"{name}.heic", quality=-1, chroma=444, **options)
    assert difference(read_picture(tmp_path / "plain.heic"), corners()) <= 4
    expected = srgb_from_wide(corners().astype(np.uint16) * np.uint16(257), 12, 13)
    assert np.abs(expected.astype(int) - corners()).max() > 20
    assert difference(read_picture(tmp_path / "wide.heic"), expected) <= 6


def test_a_thumbnail_does_not_pass_for_a_damaged_heic(tmp_path, heif, natural_picture):
    path = tmp_path / "p.heic"
    Image.fromarray(natural_picture(400, 300)).save(path, format="HEIF", thumbnails=[64])
    check_pictures([path])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match="damaged"):
        check_pictures([path])


@pytest.mark.parametrize(("kind", "package"), [("HEIF", "pillow-heif"), ("RAW", "rawpy")])
def test_a_python_without_the_package_is_told_which_to_install(tmp_path, monkeypatch, kind, package):
    path = tmp_path / "p"
    brand = b"heic" if kind == "HEIF" else b"crx "
    path.write_bytes(struct.pack(">I", 24) + b"ftyp" + brand + bytes(12))
    monkeypatch.setattr(opening, "_register_heif", lambda: False)
    monkeypatch.setattr(raw, "register", lambda: False)
    with pytest.raises(ImageError, match=f'lacks the package {package} .*"pip install {package}"'):
        read_picture(path)


# --- camera raw -------------------------------------------------------------------------------------------------------


def light(width=180, height=120):
    """[H, W, 3] linear light that rises to the right in red and to the bottom in green."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x / width, y / height, np.full((height, width), 0.5)], axis=-1)


def curved(linear):
    return 255.0 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.fixture(scope="session")
def developer():
    pytest.importorskip("rawpy", reason="raw files are developed by rawpy")


@pytest.mark.parametrize("name", ["p.dng", "p.tif", "p.jpg"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_file_is_developed_in_srgb_and_upright(tmp_path, developer, orientation, name):
    stored = np.ascontiguousarray(TURNS[orientation](light()))
    path = write_dng(tmp_path / name, stored, orientation, (500, 10))
    picture = read_picture(path)
    expected = curved(light())
    assert picture.pixels.shape == expected.shape
    inner = np.s_[4:-4, 4:-4]  # the mosaic has fewer neighbours at the edges
    assert np.abs(picture.pixels[inner] - expected[inner]).max() < 4
    assert upright_size(path) == picture.size == (180, 120)
    assert picture.focal_length == pytest.approx(50 * np.hypot(180, 120) / np.hypot(36, 24))
    assert picture.needs_copy
    assert picture.unused is None


def test_exposure_is_not_evened_out_between_raw_files(tmp_path, developer):
    pictures = [read_picture(write_dng(tmp_path / f"{part}.dng", part * light())).pixels for part in (0.2, 0.4)]
    np.testing.assert_allclose(pictures[0][60, 90], curved(0.2 * light())[60, 90], atol=3)
    np.testing.assert_allclose(pictures[1][60, 90], curved(0.4 * light())[60, 90], atol=3)


def test_a_cut_off_raw_file_is_named(tmp_path, developer):
    path = write_dng(tmp_path / "p.dng", light())
    data = path.read_bytes()
    for part in (0.02, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(ImageError, match=r"p\.dng.*damaged"):
            check_pictures([path])
        with pytest.raises(ImageError, match=r"p\.dng.*damaged"):
            read_picture(path)


def test_a_tiff_in_a_raw_files_name_is_read_and_said_to_be_one(tmp_path, developer):
    path = tmp_path / "p.dng"
    Image.fromarray(corners()).save(path, format="TIFF")
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, corners())
    assert "96 × 64" in picture.unused
    assert "no raw data" in picture.unused


@pytest.mark.parametrize("container", ["ORF", "RW2", "RAF", "CR3"])
def test_the_lens_is_found_where_each_maker_stores_it(container):
    tiff = exif_with(6, 35).tobytes().removeprefix(b"Exif\0\0")
    exif = Image.Exif()
    exif[0xA405] = 35
    alone = exif.tobytes().removeprefix(b"Exif\0\0")
    order = tiff[:2]
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    jpeg += b"\xff\xc0\0\x0b\x08\0\x08\0\x08\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9"
    data = {
        "ORF": (b"IIRO" if order == b"II" else b"MMOR") + tiff[4:],
        "RW2": (b"IIU\0" if order == b"II" else b"MM\0U") + tiff[4:],
        "RAF": b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, len(jpeg)) + jpeg,
        "CR3": struct.pack(">I", 24) + b"ftypcrx " + bytes(12) + b"CMT1" + tiff + b"CMT2" + alone,
    }[container]
    found = Image.Exif()
    found.load(raw._exif_of(data))
    assert found.get_ifd(0x8769)[0xA405] == 35
    assert 0x0112 not in found, "LibRaw has turned it already"


@pytest.mark.parametrize("data", [b"", b"II*\0", b"FUJIFILMCCD-RAW", bytes(4) + b"ftypcrx ", b"MM\0*" + bytes(99)])
def test_damaged_facts_do_not_spoil_a_raw_file(data):
    raw._exif_of(data)


# --- large images -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_limit(monkeypatch):
    """Let images count as very large that are drawn in no time."""
    monkeypatch.setattr(opening, "MOST_WHOLE", 5000)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(160, 120), (163, 117), (301, 211), (1001, 33)])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_very_large_image_is_read_smaller_and_covers_the_same(tmp_path, small_limit, suffix, size, orientation):
    expected = smooth(*size)
    path = tmp_path / f"p{suffix}"
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    stored = Image.fromarray(np.ascontiguousarray(TURNS[orientation](expected)))
    stored.save(path, exif=exif_with(orientation, 24), **options)
    picture = read_picture(path)
    assert picture.size == upright_size(path) == size
    height, width = picture.pixels.shape[:2]
    assert width * height <= 5000 * 1.1
    assert picture.needs_copy
    # A plane of colours says to a fraction of a source pixel where every pixel lies.
    x, y = (np.arange(width) + 0.5) * size[0] / width - 0.5, (np.arange(height) + 0.5) * size[1] / height - 0.5
    levels = 5.0 if suffix == ".jpg" else 1.5
    across, down = 255 * x / size[0], 255 * y / size[1]
    assert np.abs(picture.pixels[height // 2, 2:-2, 0] - across[2:-2]).max() < levels
    assert np.abs(picture.pixels[2:-2, width // 2, 1] - down[2:-2]).max() < levels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_kind_of_pixel_can_be_read_smaller(tmp_path, small_limit, mode):
    grey = np.tile(np.linspace(40, 200, 200).astype(np.uint8), (100, 1))
    light = ((grey / np.float32(255) + 0.055) / 1.055) ** 2.4  # floats are scene-linear
    wide = {"I;16": grey.astype(np.uint16) * 256, "I": grey.astype(np.int32) * 256, "F": light}
    image = Image.fromarray(wide[mode]) if mode in wide else Image.fromarray(grey).convert(mode, dither=0)
    image.save(tmp_path / "p.tif")
    picture = read_picture(tmp_path / "p.tif")
    assert picture.size == (200, 100)
    assert picture.pixels.shape == (50, 100, 3)
    expected = np.where(grey[0, ::2] > 127, 255, 0) if mode == "1" else grey[0, ::2]
    assert np.median(np.abs(picture.pixels[20, :, 0].astype(int) - expected)) <= 3


def test_a_raw_file_is_developed_at_half_where_it_is_very_large(tmp_path, developer, small_limit):
    picture = read_picture(write_dng(tmp_path / "p.dng", light(180, 100), 6))
    assert picture.size == (100, 180)
    assert picture.pixels.shape == (90, 50, 3)
    np.testing.assert_allclose(picture.pixels[45, 25], curved(np.rot90(light(180, 100), -1))[90, 50], atol=6)


def test_the_view_of_a_very_large_image_keeps_its_true_size(tmp_path, small_limit):
    path = tmp_path / "p.png"
    Image.fromarray(smooth(301, 211)).save(path, exif=exif_with(6, 24))
    (view,) = prepare_views([View(path)], resolution=70, copies=tmp_path)
    assert view.source_size == (211, 301)
    height, width = view.pixels.shape[:2]
    np.testing.assert_allclose(view.source_from_model, np.diag((211 / width, 301 / height, 1)))
    focal = 24 * np.hypot(301, 211) / np.hypot(36, 24)
    np.testing.assert_allclose((view.source_from_model @ view.exif_image_from_camera)[0, 0], focal)
    with Image.open(view.texture) as texture:
        assert texture.size == (53, 76)


def test_masks_and_lenses_of_a_very_large_image_fit_it(tmp_path, monkeypatch):
    path, mask = tmp_path / "p.png", tmp_path / "mask.png"
    Image.fromarray(smooth(400, 300)).save(path)
    kept = np.zeros((300, 400), np.uint8)
    kept[:, :200] = 255
    Image.fromarray(kept).save(mask)
    lens = Distortion("POLYNOMIAL", (-0.05, 0.0, 0.0), (400.0, 400.0), (200.0, 150.0))
    view = View(path, mask=Mask(mask), distortion=lens)
    (whole,) = prepare_views([view], resolution=140)
    monkeypatch.setattr(opening, "MOST_WHOLE", 40_000)
    (smaller,) = prepare_views([view], resolution=140)
    assert np.abs(whole.pixels.astype(int) - smaller.pixels).max() <= 8
    assert (whole.mask != smaller.mask).mean() < 0.02
    assert read_kept(view).shape == (150, 200)


def test_a_photo_of_two_hundred_megapixels_is_read(tmp_path):
    path = tmp_path / "p.jpg"
    Image.new("L", (16320, 12240), 90).save(path)
    check_pictures([path])
    picture = read_picture(path)
    assert picture.size == (16320, 12240)
    assert picture.pixels.shape == (6120, 8160, 3)
    assert picture.unused == "used at a lower resolution, having more than 180 million pixels"
    assert picture.pixels[3000, 4000].tolist() == [90, 90, 90]


# --- what is not used -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "mpo"])
def test_further_frames_and_images_are_said_not_to_be_used(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    path = tmp_path / f"p.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    picture = read_picture(path)
    assert np.abs(picture.pixels.astype(int) - (255, 0, 0)).max() < 3
    assert picture.unused.startswith("only the first ")
    frames[0].save(path)
    assert read_picture(path).unused is None


def test_a_preview_beside_the_image_is_not_missed(tmp_path):
    image, preview = Image.new("RGB", (64, 64)), Image.new("RGB", (16, 16))
    image.save(tmp_path / "p.tif", save_all=True, append_images=[preview])
    image.save(tmp_path / "p.mpo", save_all=True, append_images=[preview])
    assert read_picture(tmp_path / "p.tif").unused is None
    assert read_picture(tmp_path / "p.mpo").unused is None


def test_remarks_name_the_files_they_are_true_of():
    notes = [(Path(f"{number}.gif"), "only one") for number in range(10)] + [(Path("a.tif"), "only two")]
    assert remarks([*notes, notes[0]]) == [
        "0.gif, 1.gif, 2.gif, 3.gif, 4.gif, 5.gif, 6.gif, 7.gif and 2 more: only one.",
        "a.tif: only two.",
    ]


def test_a_png_whose_pixels_do_not_fit_their_checksum_is_named(tmp_path):
    """Every single byte of the pixel data: some changes leave a stream that can be decoded to other pixels."""
    Image.fromarray(smooth(16, 12)).save(tmp_path / "p.png", compress_level=0)
    content = (tmp_path / "p.png").read_bytes()
    start = content.index(b"IDAT") + 4
    for place in range(start, content.index(b"IEND") - 8, 7):
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "p.png").write_bytes(changed)
        with pytest.raises(ImageError, match=r"p\.png"):
            read_picture(tmp_path / "p.png")
        with pytest.raises(ImageError, match=r"p\.png"):
            check_pictures([tmp_path / "p.png"])
