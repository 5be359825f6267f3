"""What files state beside their pixels is read whatever type, place and maker; what is impossible is named."""

import math

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, TiffImagePlugin

from image_to_scene.core.errors import ImageError
from image_to_scene.core.imaging import metadata, xmp
from image_to_scene.core.imaging.inputs import gather
from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.imaging.reading import check_pictures, read_picture, upright_size
from image_to_scene.core.types import Lens, Mask, View

SIZE = (480, 320)
TAG = ExifTags.Base
PACKET = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
NAMESPACES = (
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    'xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
    'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" xmlns:Camera="http://pix4d.com/camera/1.0/" '
    'xmlns:drone="http://www.autelrobotics.com/drone/1.0/" '
    'xmlns:drone-parrot="http://www.parrot.com/drone-parrot/1.0/" '
    'xmlns:drone-skydio="https://www.skydio.com/drone-skydio/1.0/"'
)


def packet(attributes="", inside=""):
    return PACKET.format(f'<rdf:Description rdf:about="" {NAMESPACES} {attributes}>{inside}</rdf:Description>').encode()


def exif_of(make="ACME", orientation=None, **tags):
    exif = Image.Exif()
    exif[TAG.Make] = make
    if orientation:
        exif[TAG.Orientation] = orientation
    directory = exif.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        directory[TAG[name]] = value
    return exif.tobytes()  # of the object itself, Pillow drops the directory when it writes TIFF


def save(path, size=SIZE, **options):
    Image.new("RGB", size, (90, 120, 150)).save(path, **options)
    return path


def read(path):
    with Image.open(path) as image:
        return metadata.read(image)


RATIONAL = TiffImagePlugin.IFDRational
TAKEN = {"ExifImageWidth": 480, "ExifImageHeight": 320}


def plane(millimetres_per_unit=25.4, **tags):
    """50 mm before a sensor of 36 × 24 mm."""
    resolution = {"FocalPlaneXResolution": 480 / 36, "FocalPlaneYResolution": 320 / 24}
    return {"FocalLength": 50.0} | {name: value * millimetres_per_unit for name, value in resolution.items()} | tags


LENSES = [  # what is written, what is understood, notes
    ({"FocalLengthIn35mmFilm": 50}, 50.0, 0),
    ({"FocalLengthIn35mmFilm": 70000}, None, 1),  # as LONG
    ({"FocalLengthIn35mmFilm": RATIONAL(500, 10)}, 50.0, 0),
    ({"FocalLengthIn35mmFilm": "50"}, 50.0, 0),
    ({"FocalLengthIn35mmFilm": "50 mm"}, 50.0, 0),
    ({"FocalLengthIn35mmFilm": RATIONAL(0, 0)}, None, 0),
    ({"FocalLengthIn35mmFilm": 0}, None, 0),
    ({"FocalLengthIn35mmFilm": "unknown"}, None, 0),
    ({"FocalLengthIn35mmFilm": 1}, None, 1),
    ({"FocalLengthIn35mmFilm": 4}, None, 1),
    ({"FocalLengthIn35mmFilm": 60000}, None, 1),
    ({"FocalLengthIn35mmFilm": 13}, 13.0, 0),
    ({"FocalLengthIn35mmFilm": 1200}, 1200.0, 0),
    (plane() | TAKEN, 50.0, 0),  # in inches, the standard's default
    (plane() | TAKEN | {"FocalPlaneResolutionUnit": 2}, 50.0, 0),
    (plane(10.0, FocalPlaneResolutionUnit=3), 50.0, 0),
    (plane(1.0, FocalPlaneResolutionUnit=4), 50.0, 0),
    (plane(0.001, FocalPlaneResolutionUnit=5), 50.0, 0),
    (plane(FocalPlaneResolutionUnit=1), None, 0),
    (plane(0.075), None, 0),  # a sensor of 12 metres
    (plane(FocalPlaneYResolution=100.0), None, 0),  # pixels far from square
    # Taken with ten times the pixels and resized since: the resolution is that of the original.
    ({"FocalLength": 50.0, "FocalPlaneXResolution": 3386.67, "FocalPlaneYResolution": 3386.67,
      "ExifImageWidth": 4800, "ExifImageHeight": 3200}, 50.0, 0),
    (plane() | TAKEN | {"DigitalZoomRatio": 2.0}, 100.0, 0),
    ({"FocalLengthIn35mmFilm": 60000} | plane() | TAKEN, 50.0, 1),
    ({"FocalLengthIn35mmFilm": 28} | plane(), 28.0, 0),
    ({"FocalLengthIn35mmFilm": 26, "DigitalZoomRatio": 2.0}, 52.0, 0),
    ({"FocalLengthIn35mmFilm": 26, "DigitalZoomRatio": 0.0}, 26.0, 0),
    ({"FocalLengthIn35mmFilm": 55, "DigitalZoomRatio": 1.95, "make": "Apple"}, 55.0, 0),
    ({"FocalLengthIn35mmFilm": 50, "ExifImageWidth": 4000, "ExifImageHeight": 3000}, None, 1),  # cropped
    ({"FocalLengthIn35mmFilm": 50, "ExifImageWidth": 3000, "ExifImageHeight": 4500}, 50.0, 0),  # turned and resized
]  # fmt: skip


@pytest.mark.parametrize(("tags", "millimetres", "notes"), LENSES)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_lens_is_read_from_whatever_states_it(tmp_path, suffix, tags, millimetres, notes):
    found = read(save(tmp_path / f"p{suffix}", exif=exif_of(**tags)))
    expected = None if millimetres is None else pytest.approx(millimetres, rel=1e-3)
    length = found.focal_length
    assert (None if length is None else length * metadata.FILM_DIAGONAL) == expected
    assert len(found.lens_notes) == notes
    assert all("{}" in note and note.format("a.jpg") for note in found.lens_notes)


@pytest.mark.parametrize(
    ("attributes", "inside", "millimetres"),
    [
        ('exif:FocalLengthIn35mmFilm="50"', "", 50.0),
        ("", "<exif:FocalLengthIn35mmFilm>50</exif:FocalLengthIn35mmFilm>", 50.0),
        ('exif:FocalLengthIn35mmFilm="26" exif:DigitalZoomRatio="20/10"', "", 52.0),
        ('exif:FocalLengthIn35mmFilm="26" exif:DigitalZoomRatio="2" tiff:Make="Apple"', "", 26.0),
        ('exif:FocalLength="50/1" exif:FocalPlaneXResolution="480/36" exif:FocalPlaneResolutionUnit="4"', "", 50.0),
        # A calibrated focal length in pixels of the image as it was taken, here of twice the size.
        ('drone-dji:CalibratedFocalLength="960.0" exif:PixelXDimension="960" exif:PixelYDimension="640"', "", 36.0),
        ('drone-dji:CalibratedFocalLength="480.0" exif:FocalLengthIn35mmFilm="35"', "", 36.0),
        ('drone-dji:CalibratedFocalLength="3666.0" exif:FocalLengthIn35mmFilm="35"', "", 35.0),  # of another image
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_xmp_states_what_exif_does_not(tmp_path, suffix, attributes, inside, millimetres):
    options = (
        {"tiffinfo": {700: packet(attributes, inside)}} if suffix == ".tif" else {"xmp": packet(attributes, inside)}
    )
    found = read(save(tmp_path / f"p{suffix}", **options))
    assert found.focal_length * metadata.FILM_DIAGONAL == pytest.approx(millimetres, rel=1e-2)


# --- which way up ---


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_orientation_are_decided_alike(tmp_path, suffix, orientation):
    if suffix == ".avif" and not any("avif" in name for name in Image.registered_extensions()):
        pytest.skip("this Pillow cannot write AVIF")
    path = save(tmp_path / f"p{suffix}", exif=exif_of(orientation=orientation))
    for as_stored in (False, True):
        pixels = read_picture(path, as_stored=as_stored).pixels
        assert upright_size(path, as_stored=as_stored) == pixels.shape[1::-1]
    assert upright_size(path) == (SIZE[::-1] if orientation > 4 else SIZE)
    assert upright_size(path, as_stored=True) == (upright_size(path) if suffix == ".avif" else SIZE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_image_as_stored_is_the_file_and_needs_no_copy(tmp_path, orientation, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"p{suffix}", exif=exif_of(orientation=orientation))
    picture = read_picture(tmp_path / f"p{suffix}", as_stored=True)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert not picture.needs_copy
    assert read_picture(tmp_path / f"p{suffix}").needs_copy == (orientation != 1)


def late_exif(path, orientation):
    """A WebP whose EXIF comes after more than 256 KiB of pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    Image.fromarray(noise).save(path, lossless=True, exif=exif_of(orientation=orientation))
    assert path.read_bytes().index(b"EXIF", 100) > 256 * 1024
    return path


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_known_lens_is_centred_wherever_the_orientation_is_stated(tmp_path, orientation):
    """With `--lens 50` the shift came out 0.167: two processes had decided which way up the image is."""
    stated = packet(f'tiff:Orientation="{orientation}"')
    for path in (
        late_exif(tmp_path / "late.webp", orientation),
        save(tmp_path / "xmp.jpg", (600, 400), xmp=stated),
        save(tmp_path / "end.tif", (600, 400), exif=exif_of(orientation=orientation)),
    ):
        size = (400, 600) if orientation == 6 else (600, 400)
        (view,) = gather([View(path, lens=Lens((50 / 36, 50 / 36)))], tmp_path).pictures
        focal = 50 / 36 * 600
        np.testing.assert_allclose(
            view.image_from_camera, [[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]]
        )
        (prepared,) = prepare_views([view], resolution=126)
        assert prepared.source_size == size


def test_a_mask_that_lies_as_stored_is_turned_with_its_image(tmp_path):
    image = save(tmp_path / "p.jpg", (60, 40), exif=exif_of(orientation=6))
    mask = np.full((40, 60), 255, np.uint8)
    mask[:10, :20] = 0  # the top left of what Blender shows
    Image.fromarray(mask).save(tmp_path / "mask.png")
    views = [View(image, mask=Mask(tmp_path / "mask.png", as_stored=True))]
    (prepared,) = prepare_views(gather(views, tmp_path).pictures, resolution=60, patch_size=1)
    expected = np.zeros((60, 40), bool)
    expected[:20, 30:] = True  # turned clockwise, it is the top right
    np.testing.assert_array_equal(prepared.mask, expected)
    as_stored = [View(image, mask=Mask(tmp_path / "mask.png", as_stored=True), as_stored=True)]
    (prepared,) = prepare_views(gather(as_stored, tmp_path).pictures, resolution=60, patch_size=1)
    np.testing.assert_array_equal(prepared.mask, mask == 0)


# --- gravity ---

LEVEL, NADIR = (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
SLANTED = (0.0, -math.sqrt(0.75), -0.5)  # 30° below the horizon
GIMBALS = [
    ('drone-dji:GimbalPitchDegree="-90.00" drone-dji:GimbalYawDegree="30"', "", NADIR),
    ('drone-dji:GimbalPitchDegree="-90.00" drone-dji:GimbalRollDegree="+180.00"', "", NADIR),
    ('drone-dji:GimbalPitchDegree="+0.00"', "", LEVEL),
    ('drone-dji:GimbalPitchDegree="-30" drone-dji:GimbalYawDegree="-170"', "", SLANTED),
    ('drone-dji:GimbalPitchDegree="0" drone-dji:GimbalRollDegree="30"', "", (-0.5, -math.sqrt(0.75), 0.0)),
    ("", "<drone-dji:GimbalPitchDegree>-30.0</drone-dji:GimbalPitchDegree>", SLANTED),
    ('drone:GimbalPitchDegree="-30"', "", SLANTED),
    ("", "<drone-parrot:CameraPitchDegree>-30.0</drone-parrot:CameraPitchDegree>", SLANTED),
    ('drone-parrot:CameraPitchDegree="-30" Camera:Pitch="-30"', "", SLANTED),
    ('Camera:Pitch="0" Camera:Roll="0"', "", NADIR),
    ('Camera:Pitch="60"', "", SLANTED),
    ("", '<drone-skydio:CameraOrientationNED drone-skydio:Pitch="-30" drone-skydio:Yaw="12"/>', SLANTED),
    ("", '<drone-skydio:CameraOrientationNED rdf:parseType="Resource"><drone-skydio:Pitch>-30</drone-skydio:Pitch>'
     "</drone-skydio:CameraOrientationNED>", SLANTED),
    ('xmlns:d="http://www.dji.com/drone-dji/1.0/" d:GimbalPitchDegree="-30"', "", SLANTED),  # another prefix
    ('drone-dji:GimbalPitchDegree="nowhere"', "", None),
    ("", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "inside", "up"), GIMBALS)
def test_gravity_is_what_the_gimbal_measured(tmp_path, attributes, inside, up):
    found = read(save(tmp_path / "p.jpg", xmp=packet(attributes, inside))).up
    assert (found is None) == (up is None)
    if up is not None:
        np.testing.assert_allclose(found, up, atol=1e-12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_gravity_turns_with_the_image(tmp_path, orientation):
    """The side of the image that is up is the same as `up` says."""
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:, 40:] = 255  # bright on the right, where up is: the camera is rolled by -90°
    xmp_packet = packet('drone-dji:GimbalPitchDegree="0" drone-dji:GimbalRollDegree="-90"')
    Image.fromarray(stored).save(
        tmp_path / "p.webp", lossless=True, xmp=xmp_packet, exif=exif_of(orientation=orientation)
    )
    path = tmp_path / "p.webp"
    for as_stored in (False, True):
        picture = read_picture(path, as_stored=as_stored)
        light = picture.pixels[..., 0].astype(float)
        down = light[20:].mean() - light[:20].mean() if light.shape[0] == 60 else 0.0
        right = light[:, 20:].mean() - light[:, :20].mean() if light.shape[1] == 60 else 0.0
        towards = np.array([right, down, 0.0])
        np.testing.assert_allclose(picture.up, towards / np.linalg.norm(towards), atol=1e-9)


# --- projection ---


@pytest.mark.parametrize(
    ("attributes", "tags", "kind"),
    [
        ('GPano:ProjectionType="equirectangular" GPano:UsePanoramaViewer="True"', {}, "equirectangular"),
        ('GPano:UsePanoramaViewer="True"', {}, "equirectangular"),
        ('GPano:FullPanoWidthPixels="4000" GPano:CroppedAreaImageWidthPixels="900"', {}, "equirectangular"),
        ('GPano:ProjectionType="cylindrical"', {}, "cylindrical"),
        ("", {"make": "Apple", "CustomRendered": 6}, "cylindrical"),
        ("", {"make": "Apple", "CustomRendered": 3}, None),
        ("", {"make": "ACME", "CustomRendered": 6}, None),
        ('GPano:UsePanoramaViewer="False"', {}, None),
    ],
)
def test_panoramas_are_refused_by_name(tmp_path, attributes, tags, kind):
    path = save(tmp_path / "around.jpg", xmp=packet(attributes), exif=exif_of(**tags))
    assert read(path).panorama == kind
    if kind is None:
        check_pictures([path])
        read_picture(path)
        return
    for refused in (lambda: read_picture(path), lambda: check_pictures([path])):
        with pytest.raises(ImageError, match=rf"around\.jpg.* panorama \({kind}\).* instead; leave it out\."):
            refused()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exif": exif_of(LensModel="EF8-15mm f/4L Fisheye USM")}, "fisheye"),
        ({"exif": exif_of(LensModel="AF Fish-Eye 16mm")}, "fisheye"),
        ({"xmp": packet('GPano:ProjectionType="fisheye"')}, "fisheye"),
        ({"xmp": packet('aux:Lens="7.5mm Fish eye"')}, "fisheye"),
        ({"size": (800, 66)}, "panorama"),
        ({"size": (60, 480)}, "panorama"),
        ({"dpi": (72, 144)}, "2 times as wide"),
        ({"exif": exif_of(LensModel="EF50mm f/1.8"), "dpi": (300, 300)}, None),
        ({"size": (480, 200)}, None),
    ],
)
def test_what_a_flat_camera_fits_badly_is_noted(tmp_path, options, words):
    notes = read(save(tmp_path / "p.jpg", **options)).notes
    assert len(notes) == (words is not None)
    assert all(words in note and "{}" in note for note in notes)


# --- hostile and damaged ---

BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]><x:xmpmeta xmlns:x="adobe:ns:meta/"
xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:FocalLengthIn35mmFilm="50">&b9;</x:xmpmeta>""" % b"".join(
    b'<!ENTITY b%d "%s">' % (i, (b"&b%d;" % (i - 1) if i else b"&a;") * 10) for i in range(10)
)


@pytest.mark.parametrize(
    "hostile",
    [
        BOMB,
        BOMB.decode().encode("utf-16"),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<a b='1'>" * 100_000,
        b"x" * (xmp.LARGEST + 1),
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_hostile_xmp_is_not_read(hostile):
    assert xmp.properties(hostile).keys() <= {"/".join(["a"] * depth + ["b"]) for depth in range(40)}


def test_what_precedes_damage_counts():
    found = xmp.properties(packet('drone-dji:GimbalPitchDegree="-90"')[:-40])
    assert found == {"drone-dji:GimbalPitchDegree": "-90"}


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: packet(inside=text)))
def test_any_packet_gives_texts(data):
    assert all(isinstance(value, str) for value in xmp.properties(data).values())
