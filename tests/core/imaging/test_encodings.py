"""Stills whose files name an encoding without a profile arrive as sRGB: by the standards' own formulas."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from PIL import ExifTags, Image, ImageCms

from image_to_scene.core.errors import ImageError
from image_to_scene.core.imaging.reading import read_picture

RANDOM = np.random.default_rng(3)
LIGHT = RANDOM.uniform(0.0, 0.75, (24, 32, 3))
"""Of sRGB's primaries, in parts of diffuse white, below where highlights are rolled off."""
XYZ_FROM_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
XYZ_FROM_2020 = np.array(
    [[0.6369580, 0.1446169, 0.1688810], [0.2627002, 0.6779981, 0.0593017], [0.0000000, 0.0280727, 1.0609851]]
)
XYZ_FROM_P3 = np.array(
    [[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0.0000000, 0.0451134, 1.0439444]]
)
XYZ_FROM_ADOBE = np.array(
    [[0.5767309, 0.1855540, 0.1881852], [0.2973769, 0.6273491, 0.0752741], [0.0270343, 0.0706872, 0.9911085]]
)
"""All as published by ITU-R, SMPTE and Adobe, with white D65."""


def encoded_srgb(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def srgb(light):
    return 255.0 * encoded_srgb(np.clip(light, 0.0, 1.0))


def through(xyz_from, light=LIGHT):
    return np.clip(light @ (np.linalg.inv(xyz_from) @ XYZ_FROM_SRGB).T, 0.0, None)


def pq(light):
    """SMPTE ST 2084, white at 203 cd/m²."""
    root = (light * 203.0 / 10000.0) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)


def hlg(light):
    """ARIB STD-B67; the display of 1000 cd/m² has gamma 1.2, here by channel."""
    scene = (light * 203.0 / 1000.0) ** (1 / 1.2)
    curved = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), curved)


def png(path: Path, samples, *chunks, depth=16, interlaced=False) -> Path:
    """A PNG by hand."""
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = samples.astype(">u2" if depth == 16 else "u1")
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b"".join(b"\0" + row.tobytes() for y, x, down, across in passes for row in rows[y::down, x::across])
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def cicp(primaries, transfer, full=1, matrix=0):
    return b"cICP", bytes([primaries, transfer, matrix, full])


def sixteen(signal):
    return np.rint(np.clip(signal, 0, 1) * 65535)


CASES = {
    "BT.2020 PQ": ((9, 16), XYZ_FROM_2020, pq),
    "BT.2020 HLG": ((9, 18), XYZ_FROM_2020, hlg),
    "P3 PQ": ((12, 16), XYZ_FROM_P3, pq),
    "P3 sRGB": ((12, 13), XYZ_FROM_P3, encoded_srgb),
    "BT.2020 linear": ((9, 8), XYZ_FROM_2020, lambda light: light),
    "BT.709 PQ": ((1, 16), XYZ_FROM_SRGB, pq),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_of_16_bits(tmp_path, name, interlaced):
    codes, xyz_from, curve = CASES[name]
    path = png(tmp_path / "p.png", sixteen(curve(through(xyz_from))), cicp(*codes), interlaced=interlaced)
    picture = read_picture(path)
    clipped = (through(xyz_from) <= 0).any(axis=2)
    assert np.abs(picture.pixels - srgb(LIGHT))[~clipped].max() <= 0.6
    assert picture.needs_copy


def test_sixteen_bits_are_finer_than_eight(tmp_path):
    ramp = np.linspace(0.1, 0.7, 2000)[None, :, None].repeat(3, axis=2)
    fine = read_picture(png(tmp_path / "a.png", sixteen(pq(ramp)), cicp(1, 16))).pixels
    assert np.abs(fine - srgb(ramp)).max() <= 0.6
    coarse = read_picture(png(tmp_path / "b.png", np.rint(255 * pq(ramp)), cicp(1, 16), depth=8)).pixels
    assert np.abs(coarse - srgb(ramp)).max() <= 3.0
    assert len(np.unique(coarse)) < len(np.unique(fine))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_greys_and_alpha(tmp_path, channels, depth):
    grey = np.linspace(0.0, 0.7, 64)[None, :, None].repeat(4, axis=2)
    samples = np.rint(pq(grey) * (2**depth - 1))[..., :channels]
    if channels in (2, 4):
        samples[..., -1] = 2 ** (depth - 1)
    path = png(tmp_path / "p.png", samples, cicp(1, 16), depth=depth)
    assert np.abs(read_picture(path).pixels - srgb(grey[..., :3])).max() <= (
        1.0 if depth == 16 and channels != 2 else 3.0
    )


def test_highlights_are_rolled_off_as_those_of_movies(tmp_path):
    ramp = np.linspace(0.0, 40.0, 500)[None, :, None].repeat(3, axis=2)
    levels = read_picture(png(tmp_path / "p.png", sixteen(pq(ramp)), cicp(9, 16))).pixels[0, :, 0].astype(int)
    assert (np.diff(levels) >= 0).all()
    assert levels[-1] == 255
    knee = np.where(ramp <= 0.8, ramp, 1.0 - 0.2 * np.exp(-(ramp - 0.8) / 0.2))[0, :, 0]
    assert np.abs(levels - srgb(knee)).max() <= 1.0


def test_narrow_range(tmp_path):
    signal = (16 + 219 * pq(LIGHT)) / 255
    path = png(tmp_path / "p.png", sixteen(signal), cicp(1, 16, full=0))
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 0.6


def test_cicp_outranks_a_profile(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    iccp = b"iCCP", b"other\0\0" + zlib.compress(swapped)
    levels = RANDOM.integers(0, 256, (9, 8, 3))
    for depth in (8, 16):
        samples = levels if depth == 8 else levels * 257
        both = png(tmp_path / "a.png", samples, iccp, cicp(1, 13), depth=depth)
        np.testing.assert_array_equal(read_picture(both).pixels, levels)
        alone = png(tmp_path / "b.png", samples, iccp, depth=depth)
        assert np.abs(read_picture(alone).pixels - levels[..., ::-1]).max() <= 2
    path = png(tmp_path / "c.png", sixteen(pq(LIGHT)), iccp, cicp(1, 16))
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 0.6


def test_a_chunk_that_cannot_be_meant_is_ignored(tmp_path):
    levels = RANDOM.integers(0, 256, (9, 8, 3))
    for chunk in (cicp(9, 16, matrix=9), (b"cICP", b"\x09"), cicp(2, 2), cicp(1, 1), cicp(200, 200)):
        picture = read_picture(png(tmp_path / "p.png", levels, chunk, depth=8))
        np.testing.assert_array_equal(picture.pixels, levels)
        assert not picture.needs_copy


def test_a_turned_png(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    chunk = b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")
    path = png(tmp_path / "p.png", sixteen(pq(LIGHT)), cicp(1, 16), chunk)
    assert np.abs(read_picture(path).pixels - srgb(np.rot90(LIGHT, -1))).max() <= 0.6


def avif(path: Path, signal, primaries, transfer, **options) -> Path:
    """An AVIF of Pillow's with other code points."""
    Image.fromarray(np.rint(255 * np.clip(signal, 0, 1)).astype(np.uint8)).save(
        path, quality=100, subsampling="4:4:4", **options
    )
    content = path.read_bytes()
    assert content.count(b"colrnclx") == 1
    start = content.index(b"colrnclx") + 8
    path.write_bytes(content[:start] + struct.pack(">HH", primaries, transfer) + content[start + 4 :])
    return path


@pytest.mark.parametrize("name", ["BT.2020 PQ", "BT.2020 HLG", "P3 sRGB"])
def test_avif_by_its_box(tmp_path, name):
    codes, xyz_from, curve = CASES[name]
    light = np.full((32, 32, 3), 0.0)
    light[:16], light[16:] = [0.2, 0.4, 0.3], [0.5, 0.3, 0.2]
    path = avif(tmp_path / "p.avif", curve(through(xyz_from, light)), *codes)
    picture = read_picture(path)
    assert np.abs(picture.pixels - srgb(light)).mean() <= (2.0 if name == "P3 sRGB" else 4.0), "as far as 8 bits go"
    assert picture.needs_copy


def test_avif_of_10_bits(tmp_path):
    """FFmpeg's writer; the matrix of BT.2020 is undone by its decoder, the rest here."""
    av = pytest.importorskip("av", reason="writing AVIF of 10 bits needs PyAV")
    y, x = np.mgrid[0:64, 0:96]
    light = np.stack([x / 96, y / 64, (x + y) / 160], axis=-1) * 0.5 + 0.1
    frame = av.VideoFrame.from_ndarray(sixteen(pq(through(XYZ_FROM_2020, light))).astype(np.uint16), format="rgb48le")
    frame = frame.reformat(format="yuv420p10le", dst_colorspace=9)
    with av.open(str(tmp_path / "p.avif"), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        for name, code in (("color_primaries", 9), ("color_trc", 16), ("colorspace", 9), ("color_range", 1)):
            setattr(stream.codec_context, name, code)
        container.mux([*stream.encode(frame), *stream.encode()])
    pixels = read_picture(tmp_path / "p.avif").pixels
    assert pixels.shape == light.shape
    assert np.abs(pixels - srgb(light)).mean() <= 1.2


def test_a_turned_avif(tmp_path):
    """Pillow writes EXIF's orientation as the box irot."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    light = np.full((32, 48, 3), 0.1)
    light[:, :24] = 0.5
    path = avif(tmp_path / "p.avif", pq(light), 1, 16, exif=exif.tobytes())
    assert np.abs(read_picture(path).pixels - srgb(np.rot90(light, -1))).mean() <= 3.0


def test_avif_as_it_comes_stays_as_it_was(tmp_path):
    levels = np.full((16, 16, 3), [180, 90, 40], np.uint8)
    Image.fromarray(levels).save(tmp_path / "p.avif", quality=100, subsampling="4:4:4")
    assert np.abs(read_picture(tmp_path / "p.avif").pixels.astype(int) - levels).max() <= 2


def test_a_damaged_avif_is_named(tmp_path):
    """Pillow lets a RuntimeError of its decoder through."""
    path = avif(tmp_path / "p.avif", pq(LIGHT), 1, 16)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"p\.avif"):
        read_picture(path)


def adobe_jpeg(path: Path, space, index=None, **options) -> Path:
    exif = Image.Exif()
    inside = exif.get_ifd(ExifTags.IFD.Exif)
    inside[ExifTags.Base.ColorSpace] = space
    if index:
        inside[ExifTags.IFD.Interop] = {1: index}
    signal = through(XYZ_FROM_ADOBE, ADOBE_LIGHT) ** (256 / 563)
    Image.fromarray(np.rint(255 * signal).astype(np.uint8)).save(path, quality=100, subsampling=0, exif=exif, **options)
    return path


ADOBE_LIGHT = np.full((16, 16, 3), [0.2, 0.5, 0.3])


@pytest.mark.parametrize(
    ("name", "space", "index", "is_adobe"),
    [
        ("a.jpg", 65535, "R03", True),
        ("a.jpg", 2, None, True),
        ("_DSC0001.jpg", 65535, None, True),
        ("_MG_0001.jpg", 65535, None, True),
        ("a.jpg", 65535, None, False),
        ("a.jpg", 65535, "R98", False),
        ("_DSC0001.jpg", 1, None, False),
        ("_DSC0001.jpg", 1, "R98", False),
        ("_DSC0001.jpg", 65535, "R98", False),
    ],
)
def test_adobe_rgb_of_a_camera(tmp_path, name, space, index, is_adobe):
    picture = read_picture(adobe_jpeg(tmp_path / name, space, index))
    assert picture.needs_copy == is_adobe
    assert (np.abs(picture.pixels - srgb(ADOBE_LIGHT)).max() <= 2.5) == is_adobe


def test_a_profile_outranks_adobe_rgb_of_exif(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = adobe_jpeg(tmp_path / "_DSC0001.jpg", 65535, "R03", icc_profile=profile)
    np.testing.assert_array_equal(read_picture(path).pixels, np.asarray(Image.open(path)))
    assert not read_picture(path).needs_copy
