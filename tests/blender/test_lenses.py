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
from image_to_scene.core.geometry.cameras import CameraLens, intrinsics_from_lens
from image_to_scene.core.imaging import headers
from image_to_scene.operators.inputs import Item, files, lenses, views_from


def intrinsics(size=(80, 60), **values):
    return lenses.intrinsics_of(Item("photo", **values), size)


def test_nothing_is_said():
    assert intrinsics() is None


@pytest.mark.parametrize("size", [(80, 60), (60, 80)])
def test_a_focal_length_counts_for_the_longer_side(size):
    K = intrinsics(size, lens_kind="FOCAL", lens_focal=50.0, lens_sensor=25.0)
    np.testing.assert_allclose(K, [[160, 0, size[0] / 2], [0, 160, size[1] / 2], [0, 0, 1]])


def test_the_lens_of_a_camera_is_taken_for_the_picture():
    data = bpy.data.cameras.new("lens")
    camera = bpy.data.objects.new("lens", data)  # in no scene: its place does not matter
    data.lens, data.sensor_width, data.sensor_fit, data.shift_x = 40.0, 20.0, "HORIZONTAL", 0.1
    bpy.context.scene.render.pixel_aspect_x = 2.0
    expected = intrinsics_from_lens(CameraLens(40.0, 80, 60, sensor_width=20.0, shift_x=0.1))
    np.testing.assert_allclose(intrinsics(lens_kind="CAMERA", lens_camera=camera), expected, rtol=1e-6)
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
    K = lenses.read_fspy(path, (size[0] * scale, size[1] * scale))
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
    "200×60": fspy_bytes({"cameraParameters": GOOD["cameraParameters"] | {"imageWidth": 200}}),
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


def test_a_movies_lens_is_that_of_the_picture_as_it_is_shown(worker_python, tmp_path):
    """Movies of 64 × 48 stored pixels; the worker stretches them to square ones, the longer way."""
    subprocess.run([worker_python, "-c", WRITE_MOVIES, Path(__file__).parents[1], tmp_path], check=True)
    for name, stored, shown in (
        ("plain.mp4", (64, 48), (64, 48)),
        ("wide.mp4", (64, 48), (128, 48)),
        ("tall.mov", (48, 64), (48, 128)),
        ("turned.mp4", (48, 64), (48, 64)),
        ("over.mp4", (64, 48), (64, 48)),
        ("other.mkv", (64, 48), (64, 48)),
    ):
        assert (files.size_of(tmp_path / name), files.shown_size(tmp_path / name)) == (stored, shown), name
        item = files.movie_item(tmp_path / name)
        item.lens_kind, item.lens_focal, item.lens_sensor, item.count = "FOCAL", 18.0, 36.0, 1
        (view,) = views_from([item], bpy.context).views
        square = np.diag((shown[0] / stored[0], shown[1] / stored[1], 1.0)) @ view.image_from_camera
        focal = 0.5 * max(shown)
        np.testing.assert_allclose(square, [[focal, 0, shown[0] / 2], [0, focal, shown[1] / 2], [0, 0, 1]])


@given(st.binary(max_size=200), st.sampled_from([b"", b"moov", b"tkhd", struct.pack(">I4s", 0, b"moov")]))
def test_any_header_of_a_movie_is_a_shape_or_nothing(tmp_path_factory, noise, mark):
    path = tmp_path_factory.getbasetemp() / "noise.mp4"
    path.write_bytes(struct.pack(">I4s", 16, b"ftyp") + bytes(8) + mark + noise)
    found = headers.movie_shape(path)
    assert found is None or found.pixel_aspect > 0.0
