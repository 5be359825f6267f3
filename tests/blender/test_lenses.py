"""Lenses that are known without a place: a camera's, fSpy's, a focal length."""

import json
import math
import struct
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry.cameras import intrinsics_from_lens
from image_to_scene.core.imaging import headers
from image_to_scene.core.types import Lens
from image_to_scene.operators.inputs import Item, cameras, files, lenses, views_from


def intrinsics(size=(80, 60), **values):
    lens = lenses.lens_of(Item("photo", **values))
    return lens and lens.image_from_camera(size)


def test_nothing_is_said():
    assert intrinsics() is None


@pytest.mark.parametrize("size", [(80, 60), (60, 80)])
def test_a_focal_length_counts_for_the_longer_side(size):
    K = intrinsics(size, lens_kind="FOCAL", lens_focal=50.0, lens_sensor=25.0)
    np.testing.assert_allclose(K, [[160, 0, size[0] / 2], [0, 160, size[1] / 2], [0, 0, 1]])


@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
@pytest.mark.parametrize("size", [(80, 60), (60, 80), (70, 70)])
def test_the_lens_of_a_camera_is_that_of_a_render_with_the_images_shape(fit, size):
    data = bpy.data.cameras.new("lens")
    camera = bpy.data.objects.new("lens", data)  # in no scene: its place does not matter
    data.lens, data.sensor_width, data.sensor_height, data.sensor_fit = 40.0, 20.0, 12.0, fit
    data.shift_x, data.shift_y = 0.1, -0.05
    bpy.context.scene.render.pixel_aspect_x = 2.0
    expected = intrinsics_from_lens(cameras.lens_of(camera, size, (1.0, 1.0)))
    np.testing.assert_allclose(intrinsics(size, lens_kind="CAMERA", lens_camera=camera), expected, rtol=1e-6)
    data.type = "ORTHO"
    with pytest.raises(CameraError, match="not a perspective"):
        intrinsics(lens_kind="CAMERA", lens_camera=camera)
    with pytest.raises(CameraError, match="gone"):
        intrinsics(lens_kind="CAMERA")


def fspy_bytes(state, version=1, mark=b"fspy"):
    text = json.dumps(state).encode()
    return struct.pack("<4sIII", mark, version, len(text), 4) + text + b"jpeg"


def parameters(width, height, focal, principal):
    """Say a pinhole in fSpy's words; `focal` and `principal` in halves of the longer side, +y up."""
    half_width = width / max(width, height)
    return {
        "cameraParameters": {
            "principalPoint": {"x": principal[0], "y": principal[1]},
            "horizontalFieldOfView": 2.0 * math.atan(half_width / focal),
            "imageWidth": width,
            "imageHeight": height,
        }
    }


@given(
    size=st.sampled_from([(1600, 900), (900, 1600), (1000, 1000)]),
    focal=st.floats(0.5, 5.0),
    principal=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    scale=st.sampled_from([1, 2]),
)
def test_fspy_files_give_the_lens_in_pixels(tmp_path_factory, size, focal, principal, scale):
    path = tmp_path_factory.mktemp("fspy") / "photo.fspy"
    path.write_bytes(fspy_bytes(parameters(*size, focal, principal)))
    lens = lenses.read_fspy(path)
    assert lens.size == size
    K = lens.image_from_camera((size[0] * scale, size[1] * scale))
    half = 0.5 * max(size) * scale
    centre = (0.5 * size[0] * scale + principal[0] * half, 0.5 * size[1] * scale - principal[1] * half)
    np.testing.assert_allclose(K, [[focal * half, 0, centre[0]], [0, focal * half, centre[1]], [0, 0, 1]], rtol=1e-9)


GOOD = parameters(80, 60, 1.5, (0.0, 0.0))
BAD = {
    "not a whole": b"fspy",
    "not a whole fSpy": fspy_bytes(GOOD)[:40],
    "not a project of fSpy 1": fspy_bytes(GOOD, mark=b"blnd"),
    "not a project of fSpy": fspy_bytes(GOOD, version=2),
    "no solved lens": fspy_bytes({"cameraParameters": None}),
    "holds no solved": fspy_bytes({}),
    "no solved": fspy_bytes({"cameraParameters": GOOD["cameraParameters"] | {"principalPoint": {"x": "left"}}}),
    "cannot be": fspy_bytes({"cameraParameters": GOOD["cameraParameters"] | {"horizontalFieldOfView": 0.0}}),
    "that cannot": fspy_bytes({"cameraParameters": GOOD["cameraParameters"] | {"imageWidth": 0.0}}),
    "whole fSpy": fspy_bytes({"cameraParameters": GOOD["cameraParameters"] | {"imageWidth": math.nan}}),
}


@pytest.mark.parametrize(("words", "content"), BAD.items())
def test_fspy_files_that_do_not_fit_are_named(tmp_path, words, content):
    path = tmp_path / "photo.fspy"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=words) as caught:
        intrinsics(lens_kind="FSPY", lens_path=str(path))
    assert path.name in str(caught.value)


def test_an_fspy_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(CameraError, match=r"gone\.fspy cannot be read"):
        intrinsics(lens_kind="FSPY", lens_path=str(tmp_path / "gone.fspy"))


WRITE_MOVIES = """
import sys
from fractions import Fraction
from pathlib import Path
sys.path.append(sys.argv[1])
from write_movie import numbered_frame, turn, write
folder, frames = Path(sys.argv[2]), [numbered_frame(number) for number in range(5)]
for name, aspect, matrix in (
    ("plain.mp4", 1, None), ("wide.mp4", 2, None), ("tall.mov", 2, (0, 1, -1, 0)), ("turned.mp4", 1, (0, -1, 1, 0)),
    ("over.mp4", 1, (-1, 0, 0, -1)), ("other.mkv", 1, None),
):
    write(folder / name, frames, sample_aspect_ratio=Fraction(aspect))
    if matrix:
        turn(folder / name, *matrix)
"""


def test_the_size_of_a_movie_is_that_of_its_upright_frames(worker_python, tmp_path):
    """Movies of 64 × 48 stored pixels."""
    subprocess.run([worker_python, "-c", WRITE_MOVIES, Path(__file__).parents[1], tmp_path], check=True)
    for name, stored in (
        ("plain.mp4", (64, 48)),
        ("wide.mp4", (64, 48)),
        ("tall.mov", (48, 64)),
        ("turned.mp4", (48, 64)),
        ("over.mp4", (64, 48)),
        ("other.mkv", (64, 48)),
    ):
        assert files.size_of(tmp_path / name) == stored, name


def test_a_lens_needs_no_file(tmp_path):
    """Blender's process says what is known of the lens, and no more: the worker reads the image."""
    item = Item("photo", path=str(tmp_path / "missing.webp"), lens_kind="FOCAL", lens_focal=50.0, lens_sensor=36.0)
    (view,) = views_from([item], bpy.context).views
    assert view.image_from_camera is None
    assert view.lens == Lens((50.0 / 36.0, 50.0 / 36.0))


@given(st.binary(max_size=200), st.sampled_from([b"", b"moov", b"tkhd", struct.pack(">I4s", 0, b"moov")]))
def test_any_header_of_a_movie_is_a_shape_or_nothing(tmp_path_factory, noise, mark):
    path = tmp_path_factory.getbasetemp() / "noise.mp4"
    path.write_bytes(struct.pack(">I4s", 16, b"ftyp") + bytes(8) + mark + noise)
    found = headers.movie_shape(path)
    assert found is None or isinstance(found.is_turned, bool)
