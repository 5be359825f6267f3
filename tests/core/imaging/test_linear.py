"""Scene-linear images arrive as display sRGB: by the standards' own formulas, and alike from every kind of file."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
pytest.importorskip("OpenEXR", reason="EXR is read by the worker; this environment is Blender's")
import OpenEXR
from PIL import Image, ImageCms, TiffImagePlugin

from image_to_scene.core.errors import ImageError
from image_to_scene.core.imaging.exr_header import read_windows
from image_to_scene.core.imaging.headers import stored_size
from image_to_scene.core.imaging.linear import srgb_from_linear
from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.imaging.reading import check_pictures, read_kept, read_picture, upright_size
from image_to_scene.core.types import Mask, View

sys.path.append(str(Path(__file__).parents[2]))
from draw_exr import draw_exr

SCANLINES = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
RANDOM = np.random.default_rng(7)
LIGHT = RANDOM.uniform(0.0, 1.0, (37, 53, 3)).astype(np.float32)
LIGHT[0, 0] = 1.0


def srgb(light):
    """IEC 61966-2-1."""
    light = np.clip(np.asarray(light, np.float64), 0.0, 1.0)
    return 255.0 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def exr(path: Path, channels, **header) -> Path:
    OpenEXR.File({**SCANLINES, **header}, channels).write(str(path))
    return path


def layers(names: str, light=LIGHT):
    return {name: np.ascontiguousarray(light[..., index]) for index, name in enumerate(names.split())}


def box(left, top, right, bottom):
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


# --- the conversion ---


def test_light_up_to_white_gets_srgb_s_curve_and_nothing_else():
    assert np.abs(srgb_from_linear(LIGHT) - srgb(LIGHT)).max() <= 0.51


def test_exposure_is_in_stops():
    dark = LIGHT / 8.0
    np.testing.assert_array_equal(srgb_from_linear(dark, 3.0), srgb_from_linear(LIGHT))


@pytest.mark.parametrize("peak", [1.001, 1.5, 20.0, 1e4])
def test_highlights_are_rolled_off_up_to_the_brightest(peak):
    ramp = np.geomspace(0.001, peak, 4096, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    levels = srgb_from_linear(ramp)[0, :, 0].astype(int)
    assert (np.diff(levels) >= 0).all()
    assert levels[-1] == 255
    below = ramp[0, :, 0] <= 0.8
    assert np.abs(levels[below] - srgb(ramp[0, below, 0])).max() <= 0.51
    white = levels[np.searchsorted(ramp[0, :, 0], 1.0)]
    assert 246 <= white <= 255
    assert (white == 255) == (peak < 1.01)


def test_a_little_over_white_changes_next_to_nothing():
    """Frames of a sequence of which some just exceed white look alike."""
    over = LIGHT.copy()
    over[0, 0] = 1.01
    assert np.abs(srgb_from_linear(over).astype(int) - srgb_from_linear(LIGHT)).max() <= 1


def test_what_is_no_light_is_black_and_infinite_light_is_white():
    light = np.full((2, 4, 3), 0.5, np.float32)
    light[0, :, 0] = [np.nan, -3.0, -np.inf, np.inf]
    levels = srgb_from_linear(light)
    assert levels[0, :, 0].tolist() == [0, 0, 0, 255]
    assert (levels[..., 1:] == 188).all()


def test_alpha_is_divided_out():
    light = np.empty((1, 4, 4), np.float32)
    light[..., :3], light[0, :, 3] = 0.25, [1.0, 0.5, 0.25, 0.0]
    levels = srgb_from_linear(light)
    assert np.abs(levels[0, :, 0] - srgb([0.25, 0.5, 1.0, 0.25])).max() <= 0.51
    assert levels[0, :, 3].tolist() == [255, 128, 64, 0]


# --- EXR ---


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "DWAA", "DWAB"])
def test_every_compression_of_exr(tmp_path, kind, compression):
    y, x = np.mgrid[0:40, 0:64]
    light = np.stack([x / 64, y / 40, (x + y) / 120], axis=-1).astype(kind)
    path = exr(tmp_path / "p.exr", {"RGB": light}, compression=getattr(OpenEXR, f"{compression}_COMPRESSION"))
    picture = read_picture(path)
    lossy = 6.0 if compression.startswith("DWA") else 0.51
    assert np.abs(picture.pixels - srgb(light)).max() <= lossy
    assert picture.needs_copy
    assert upright_size(path) == stored_size(path) == (64, 40)
    check_pictures([path])


def test_tiles(tmp_path):
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    path = exr(tmp_path / "p.exr", {"RGB": LIGHT}, type=OpenEXR.tiledimage, tiles=tiles)
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 0.51


@pytest.mark.parametrize(
    "names",
    [
        "ViewLayer.Combined.R ViewLayer.Combined.G ViewLayer.Combined.B",
        "beauty.red.R beauty.red.G beauty.red.B",
        "r g b",
    ],
)
def test_layers_by_name(tmp_path, names):
    path = exr(tmp_path / "p.exr", layers(names))
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 0.51


def test_the_whole_image_is_chosen_among_layers(tmp_path):
    other = np.zeros_like(LIGHT)
    names = "ViewLayer.{0}.R ViewLayer.{0}.G ViewLayer.{0}.B"
    channels = layers(names.format("AO"), other) | layers(names.format("Combined")) | {"Z": LIGHT[..., 0].copy()}
    assert np.abs(read_picture(exr(tmp_path / "a.exr", channels)).pixels - srgb(LIGHT)).max() <= 0.51
    channels = layers(names.format("Combined"), other) | layers("R G B")
    assert np.abs(read_picture(exr(tmp_path / "b.exr", channels)).pixels - srgb(LIGHT)).max() <= 0.51


def test_parts(tmp_path):
    parts = [
        OpenEXR.Part(dict(SCANLINES), {"Z": LIGHT[..., 0].copy()}, "depth"),
        OpenEXR.Part(dict(SCANLINES), {"RGB": np.zeros_like(LIGHT)}, "shadow"),
        OpenEXR.Part(dict(SCANLINES), {"RGB": LIGHT}, "beauty"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "p.exr"))
    assert np.abs(read_picture(tmp_path / "p.exr").pixels - srgb(LIGHT)).max() <= 0.51


def test_luminance_alone_is_grey(tmp_path):
    path = exr(tmp_path / "p.exr", {"Y": LIGHT[..., 0].copy()})
    assert np.abs(read_picture(path).pixels - srgb(LIGHT[..., :1])).max() <= 0.51


def test_luminance_and_chroma(tmp_path):
    """RY = (R - Y) / Y, BY = (B - Y) / Y, a quarter as many."""
    light = LIGHT[:18, :26].repeat(2, axis=0).repeat(2, axis=1) + 0.05
    light = light / light.max()
    luminance = light @ [0.2126, 0.7152, 0.0722]
    planes = {"Y": luminance}
    for name, index in (("RY", 0), ("BY", 2)):
        planes[name] = ((light[..., index] - luminance) / luminance)[::2, ::2]
    path = draw_exr(tmp_path / "p.exr", planes, step={"RY": 2, "BY": 2})
    assert np.abs(read_picture(path).pixels - srgb(light)).max() <= 1.0


def test_only_other_channels_are_named(tmp_path):
    path = exr(tmp_path / "depth.exr", {"Z": LIGHT[..., 0].copy()})
    with pytest.raises(ImageError, match=r'depth\.exr" holds no flat colour image \(its channels: Z\)'):
        read_picture(path)


def test_alpha_of_exr_is_a_mask_and_darkens_nothing(tmp_path):
    alpha = np.full((*LIGHT.shape[:2], 1), 0.5, np.float32)
    path = exr(tmp_path / "p.exr", {"RGBA": np.concatenate([LIGHT * alpha, alpha], axis=2)})
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 0.51
    assert np.abs(read_kept(View(path, mask=Mask(path, "alpha"))) - 0.5).max() < 0.003


def test_the_levels_of_a_mask_are_no_light(tmp_path):
    path = exr(tmp_path / "p.exr", {"RGB": LIGHT[..., :1].repeat(3, axis=2)})
    assert np.abs(read_kept(View(path, mask=Mask(path))) - LIGHT[..., 0]).max() < 0.003


def test_aces_chromaticities(tmp_path):
    """The matrix from ACES2065-1 to linear Rec. 709, as published with OpenColorIO's ACES configuration (Bradford)."""
    rec709_from_aces = np.array(
        [
            [2.52168619, -1.13413099, -0.38755520],
            [-0.27647991, 1.37271909, -0.09623917],
            [-0.01537806, -0.15297534, 1.16835340],
        ]
    )
    aces = LIGHT @ np.linalg.inv(rec709_from_aces).T
    told = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    path = exr(tmp_path / "p.exr", {"RGB": aces.astype(np.float32)}, chromaticities=told)
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 1.0


def test_the_display_window_is_the_image(tmp_path):
    small = exr(tmp_path / "a.exr", {"RGB": LIGHT}, dataWindow=box(5, 3, 57, 39), displayWindow=box(0, 0, 79, 59))
    pixels = read_picture(small).pixels
    assert pixels.shape == (60, 80, 3)
    assert np.abs(pixels[3:40, 5:58] - srgb(LIGHT)).max() <= 0.51
    assert pixels.astype(int).sum() == pixels[3:40, 5:58].astype(int).sum(), "black around it"
    kept = read_kept(View(small, mask=Mask(small, "alpha")))
    assert kept[3:40, 5:58].min() == 1.0
    assert kept.sum() == 37 * 53
    overscan = exr(tmp_path / "b.exr", {"RGB": LIGHT}, dataWindow=box(-4, -2, 48, 34), displayWindow=box(0, 0, 39, 29))
    assert np.abs(read_picture(overscan).pixels - srgb(LIGHT[2:32, 4:44])).max() <= 0.51
    windows = read_windows(overscan)
    assert windows is not None
    assert (windows.size, windows.data_size, windows.data_corner) == ((40, 30), (53, 37), (-4, -2))
    assert stored_size(overscan) == upright_size(overscan) == (40, 30)


def test_damaged_exr_is_named(tmp_path):
    whole = exr(tmp_path / "p.exr", {"RGB": LIGHT}).read_bytes()
    for name, content in {"half": whole[: len(whole) // 2], "head": whole[:40], "magic": whole[:4] + bytes(99)}.items():
        (tmp_path / f"{name}.exr").write_bytes(content)
        with pytest.raises(ImageError, match=f"{name}.exr"):
            read_picture(tmp_path / f"{name}.exr")
        read_windows(tmp_path / f"{name}.exr")


def test_an_exr_of_an_enormous_size_is_refused_before_it_is_decoded(tmp_path):
    content = exr(tmp_path / "p.exr", {"RGB": LIGHT}).read_bytes()
    window = struct.pack("<4i", 0, 0, 52, 36)
    assert content.count(window) == 2
    (tmp_path / "bomb.exr").write_bytes(content.replace(window, struct.pack("<4i", 0, 0, 99999, 99999)))
    with pytest.raises(ImageError, match=r"bomb\.exr"):
        read_picture(tmp_path / "bomb.exr")


def test_the_request_s_exposure_reaches_the_pixels_and_the_texture(tmp_path):
    path = exr(tmp_path / "p.exr", {"RGB": LIGHT / 4})
    (view,) = prepare_views([View(path)], resolution=53, exposure=2.0, copies=tmp_path)
    assert view.texture != path
    assert np.abs(np.asarray(Image.open(view.texture)) - srgb(LIGHT)).max() <= 0.51


# --- Radiance ---


def radiance(path: Path, light, *, runs, header=b"FORMAT=32-bit_rle_rgbe\n") -> Path:
    height, width, _ = light.shape
    exponent = np.ceil(np.log2(light.max(axis=2, keepdims=True)) + 1e-6).astype(int)
    mantissas = np.clip(light / 2.0 ** (exponent - 8.0), 0, 255)
    pixels = np.concatenate([np.rint(mantissas), exponent + 128], axis=2).astype(np.uint8)
    data = b""
    for row in pixels:
        if not runs:
            data += row.tobytes()
            continue
        data += bytes((2, 2, width >> 8, width & 255))
        for plane in row.T:
            data += bytes((128 + 5, plane[0])) + bytes((width - 5,)) + plane[5:].tobytes()
    path.write_bytes(b"#?RADIANCE\n" + header + b"\n" + f"-Y {height} +X {width}\n".encode() + data)
    return path


@pytest.mark.parametrize("runs", [False, True])
def test_radiance(tmp_path, runs):
    light = LIGHT * 0.9 + 0.05
    light[:, :5] = light[:, :1]
    path = radiance(tmp_path / "p.hdr", light, runs=runs)
    picture = read_picture(path)
    assert np.abs(picture.pixels - srgb(light)).mean() <= 1.0
    assert np.abs(srgb_from_linear(light / 4, 2.0).astype(int) - picture.pixels).mean() <= 1.0
    assert picture.needs_copy
    assert upright_size(path) == (53, 37)
    check_pictures([path])
    (tmp_path / "cut.hdr").write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ImageError, match=r"cut\.hdr"):
        read_picture(tmp_path / "cut.hdr")


def test_radiance_of_other_colours(tmp_path):
    light = LIGHT * 0.6 + 0.3
    xyz = light @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    path = radiance(tmp_path / "a.hdr", xyz, runs=False, header=b"FORMAT=32-bit_rle_xyze\n")
    assert np.abs(read_picture(path).pixels - srgb(light)).mean() <= 1.5
    told = b"FORMAT=32-bit_rle_rgbe\nPRIMARIES= .15 .06 .30 .60 .64 .33 .3127 .3290\n"
    path = radiance(tmp_path / "b.hdr", light[..., ::-1], runs=False, header=told)
    assert np.abs(read_picture(path).pixels - srgb(light)).mean() <= 1.0


# --- TIFF ---


def tiff(path: Path, samples, *, order="<", compression=1, predictor=1, rows=8, tile=None, planar=1, **tags) -> Path:
    """A TIFF of floats by hand."""
    samples = samples if samples.ndim == 3 else samples[..., None]
    height, width, count = samples.shape
    planes = [samples] if planar == 1 else [samples[..., index : index + 1] for index in range(count)]
    chunks = []
    for plane in planes:
        for top in range(0, height, tile or rows):
            for left in range(0, width, tile or width):
                chunk = plane[top : top + (tile or rows), left : left + (tile or width)]
                if tile:
                    empty = ((0, tile - chunk.shape[0]), (0, tile - chunk.shape[1]), (0, 0))
                    chunk = np.pad(chunk, empty)
                data = predicted(chunk, predictor, order)
                chunks.append(zlib.compress(data) if compression == 8 else data)
    size = samples.dtype.itemsize
    table = {256: [width], 257: [height], 258: [8 * size] * count, 259: [compression], 262: [2 if count > 2 else 1]}
    starts = np.cumsum([8, *map(len, chunks)]).tolist()
    table |= {277: [count], 284: [planar], 317: [predictor], 339: [3] * count}
    table |= {322: [tile], 323: [tile], 324: starts[:-1], 325: list(map(len, chunks))} if tile else {}
    table |= {} if tile else {273: starts[:-1], 278: [rows], 279: list(map(len, chunks))}
    table |= {int(tag[1:]): list(value) for tag, value in tags.items()}
    body, extra = b"".join(chunks), b""
    beyond = 8 + len(body) + 2 + 12 * len(table) + 4
    entries = struct.pack(f"{order}H", len(table))
    for tag, values in sorted(table.items()):
        kind = 7 if tag == 34675 else 4
        data = bytes(values) if kind == 7 else struct.pack(f"{order}{len(values)}I", *values)
        place = data if len(data) == 4 else struct.pack(f"{order}I", beyond + len(extra))
        extra += data if len(data) != 4 else b""
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(mark + struct.pack(f"{order}I", 8 + len(body)) + body + entries + bytes(4) + extra)
    return path


def predicted(chunk, predictor, order):
    """Adobe's technical note 3, sample by sample."""
    size, count = chunk.dtype.itemsize, chunk.shape[2]
    if predictor == 1:
        return chunk.astype(f"{order}f{size}").tobytes()
    rows = []
    for row in chunk:
        if predictor == 2:
            whole = row.view(f"u{size}").astype(f"u{size}")
            whole[1:] = whole[1:] - row.view(f"u{size}")[:-1]
            rows.append(whole.astype(f"{order}u{size}").tobytes())
        else:
            planes = np.frombuffer(row.astype(f">f{size}").tobytes(), np.uint8).reshape(-1, size).T.ravel()
            differences = planes.copy()
            differences[count:] = planes[count:] - planes[:-count]
            rows.append(differences.tobytes())
    return b"".join(rows)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": 8}, {"tile": 16}, {"planar": 2}, {"planar": 2, "tile": 16}])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_float_tiff(tmp_path, kind, order, options, predictor):
    light = LIGHT.astype(kind)
    path = tiff(tmp_path / "p.tif", light, order=order, **{"compression": 8, "predictor": predictor, **options})
    picture = read_picture(path)
    assert np.abs(picture.pixels - srgb(light)).max() <= 0.51
    assert picture.needs_copy
    assert upright_size(path) == (53, 37)


def test_float_tiff_of_grey_with_alpha_and_turned(tmp_path):
    grey = tiff(tmp_path / "a.tif", LIGHT[..., 0])
    assert np.abs(read_picture(grey).pixels - srgb(LIGHT[..., :1])).max() <= 0.51
    alpha = np.full((*LIGHT.shape[:2], 1), 0.5, np.float32)
    for kind, scale in ((1, 0.5), (2, 1.0)):  # associated and not
        path = tiff(tmp_path / "b.tif", np.concatenate([LIGHT * np.float32(scale), alpha], axis=2), t338=[kind])
        assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 0.51
    turned = tiff(tmp_path / "c.tif", LIGHT, t274=[6])
    assert upright_size(turned) == (37, 53)
    assert np.abs(read_picture(turned).pixels - srgb(np.rot90(LIGHT, -1))).max() <= 0.51


def test_float_tiff_of_another_library(tmp_path):
    """Pillow's own writer, with libtiff's compression and predictor."""
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "raw"):
        Image.fromarray(LIGHT[..., 0]).save(tmp_path / "p.tif", compression=compression)
        assert np.abs(read_picture(tmp_path / "p.tif").pixels - srgb(LIGHT[..., :1])).max() <= 0.51


def test_levels_that_were_stored_as_floats_are_no_light(tmp_path):
    levels = RANDOM.integers(0, 256, LIGHT.shape).astype(np.float32)
    np.testing.assert_array_equal(read_picture(tiff(tmp_path / "a.tif", levels)).pixels, levels)
    path = tiff(tmp_path / "b.tif", levels * 257)
    np.testing.assert_array_equal(read_picture(path).pixels, levels)
    flat = np.full((8, 8, 3), 4.0, np.float32)
    assert (read_picture(tiff(tmp_path / "c.tif", flat)).pixels == 255).all(), "light of one brightness"


def test_a_profile_of_a_float_tiff_says_whether_it_is_light(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tiff(tmp_path / "a.tif", LIGHT, t34675=profile)
    assert np.abs(read_picture(path).pixels - 255.0 * LIGHT).max() <= 0.51
    curves = profile.index(b"para"), b"curv\0\0\0\0\0\0\0\0"
    linear = profile[: curves[0]] + curves[1] + profile[curves[0] + len(curves[1]) :]
    path = tiff(tmp_path / "b.tif", LIGHT, t34675=linear)
    assert np.abs(read_picture(path).pixels - srgb(LIGHT)).max() <= 1.0


def test_damaged_float_tiff_is_named(tmp_path):
    whole = tiff(tmp_path / "p.tif", LIGHT, compression=8).read_bytes()
    place = whole.rindex(struct.pack("<HHII", 277, 4, 1, 3))
    for name, content in {
        "strip": whole[:8] + bytes(400) + whole[408:],
        "many": whole[:place] + struct.pack("<HHII", 277, 4, 1, 3 << 20) + whole[place + 12 :],
    }.items():
        (tmp_path / f"{name}.tif").write_bytes(content)
        with pytest.raises(ImageError, match=f"{name}.tif"):
            read_picture(tmp_path / f"{name}.tif")


def test_log_luv(tmp_path):
    """Words by Ward's formulas, runs by his rules."""
    light = LIGHT[:20, :30] * 0.9 + 0.05
    xyz = light @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    x, y, z = np.moveaxis(xyz, -1, 0)
    log = np.floor(256.0 * (np.log2(y) + 64.0)).astype(np.uint32)
    u, v = (np.floor(410.0 * n * part / (x + 15 * y + 3 * z)).astype(np.uint32) for n, part in ((4, x), (9, y)))
    words = (log << 16) | (u << 8) | v
    words[:, :8] = words[:, :1]
    rows = b""
    for row in words:
        for shift in (24, 16, 8, 0):
            plane = ((row >> shift) & 0xFF).astype(np.uint8).tobytes()
            rows += bytes([126 + 8, plane[0], 22]) + plane[8:]
    table = {256: 30, 257: 20, 258: 16, 259: 34676, 262: 32845, 273: 8, 277: 3, 278: 20, 279: len(rows), 339: 2}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in table.items())
    directory = struct.pack("<H", len(table)) + entries + bytes(4)
    (tmp_path / "p.tif").write_bytes(b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + directory)
    pixels = read_picture(tmp_path / "p.tif").pixels
    assert np.abs(pixels[:, 8:] - srgb(light[:, 8:])).mean() <= 1.0
    np.testing.assert_array_equal(pixels[:, 0], pixels[:, 7])


def test_sixteen_bits_of_tiff_stay_as_they_were(tmp_path):
    levels = RANDOM.integers(0, 65536, (9, 7)).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "p.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "p.tif").pixels[..., 0], levels >> 8)
    assert TiffImagePlugin.TiffImageFile.format == "TIFF"
