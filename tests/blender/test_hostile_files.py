"""Files that Blender's process reads itself: pipes never block it, and JSON of any kind ends in one sentence."""

import faulthandler
import json
import os
import struct

import bpy
import numpy as np
import pytest

from image_to_scene.core.errors import CameraError, ImageToSceneError
from image_to_scene.operators import models
from image_to_scene.operators.given_cameras import camera_items, views_with_cameras
from image_to_scene.operators.inputs import files
from image_to_scene.operators.inputs.lenses import FSPY_LONGEST, read_fspy
from image_to_scene.operators.scene.clips import read_movie

BAD_JSON = {
    "deep": b"[" * 100_000,
    "5000 digits": b'{"views": [{"world_from_camera": [[1' + b"0" * 5000 + b"]]}]}",
    "400 digits": b'{"views": [{"image_from_camera": [[1' + b"0" * 400 + b", 0, 0], [0, 1, 0], [0, 0, 1]]}]}",
    "NaN": b'{"views": [{"image_from_camera": [[NaN, 0, 0], [0, 1, 0], [0, 0, 1]]}]}',
    "twice": b'{"views": [], "views": []}',
    "UTF-16": '{"views": []}'.encode("utf-16"),
    "Latin-1": b'{"views": "caf\xe9"}',
    "empty": b"",
}
K, POSE = np.diag([50.0, 50.0, 1.0]), np.eye(4)


@pytest.fixture(autouse=True)
def no_hang():
    faulthandler.dump_traceback_later(60.0, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.json", lambda path: views_with_cameras([], path)),
        ("a.blend", lambda path: views_with_cameras([], path)),
        ("b.blend", camera_items),
        ("a.fspy", read_fspy),
        ("a.png", files.size_of),
        ("a.tif", files.size_of),
        ("a.mp4", files.size_of),
        ("b.mp4", read_movie),
        ("c.mp4", files.movie_item),
        ("folder", lambda path: bpy.ops.image_to_scene.open_reconstruction(directory=str(path.parent))),
    ],
)
def test_a_pipe_is_refused_before_it_is_opened(tmp_path, name, read):
    name = "reconstruction.json" if name == "folder" else name
    os.mkfifo(tmp_path / name)
    with pytest.raises((ImageToSceneError, RuntimeError), match=name):
        read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_only_looks_into_files_passes_pipes_over(tmp_path):
    for name in ("config.json", "model.safetensors", "a.png"):
        os.mkfifo(tmp_path / name)
    assert models._folder_config(tmp_path) is None


@pytest.mark.parametrize("kind", BAD_JSON)
def test_cameras_of_bad_json_are_refused_by_name(tmp_path, kind):
    (tmp_path / "cameras.json").write_bytes(BAD_JSON[kind])
    with pytest.raises(CameraError, match=r"cameras\.json") as caught:
        views_with_cameras([tmp_path / "a.png"], tmp_path / "cameras.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", BAD_JSON)
def test_fspy_of_bad_json_is_refused_by_name(tmp_path, kind):
    content = struct.pack("<4sIII", b"fspy", 1, len(BAD_JSON[kind]), 0) + BAD_JSON[kind]
    (tmp_path / "a.fspy").write_bytes(content)
    with pytest.raises(CameraError, match=r"a\.fspy"):
        read_fspy(tmp_path / "a.fspy")


def test_an_fspy_file_that_claims_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "a.fspy").open("wb") as file:
        file.write(struct.pack("<4sIII", b"fspy", 1, 2**32 - 1, 0))
        file.truncate(1 << 40)
    with pytest.raises(CameraError, match="whole fSpy project"):
        read_fspy(tmp_path / "a.fspy")
    assert FSPY_LONGEST < 1 << 30


@pytest.mark.parametrize("kind", BAD_JSON)
def test_a_checkpoints_bad_json_does_not_stop_the_drop_down(tmp_path, kind):
    (tmp_path / "config.json").write_bytes(BAD_JSON[kind])
    models._folder_config.cache_clear()
    assert models._folder_config(tmp_path) is None


def moved(x):
    pose = POSE.copy()
    pose[0, 3] = x
    return pose


@pytest.mark.parametrize(
    "entry",
    [
        {"world_from_camera": moved(1e39).tolist()},
        {"world_from_camera": (POSE * 1e200).tolist()},
        {"world_from_camera": [POSE.tolist()] * 2},
        {"image_from_camera": (K * np.array([1e-300, 1e-300, 1])).tolist()},
        {"image_from_camera": (K * np.array([1e300, 1e300, 1])).tolist()},
        {"image_from_camera": [K.tolist()]},
        {"image_from_camera": [[50, 0, 1e200], [0, 50, 0], [0, 0, 1]]},
    ],
)
def test_cameras_that_cannot_be_are_refused_by_name(tmp_path, entry, recwarn):
    (tmp_path / "cameras.json").write_text(json.dumps({"views": [entry]}))
    with pytest.raises(CameraError, match=r"a\.png"):
        views_with_cameras([tmp_path / "a.png"], tmp_path / "cameras.json")
    assert not recwarn.list


def test_a_byte_order_mark_is_no_fault(tmp_path):
    content = json.dumps({"views": [{"image_from_camera": K.tolist()}]})
    (tmp_path / "cameras.json").write_text(content, encoding="utf-8-sig")
    (view,) = views_with_cameras([tmp_path / "a.png"], tmp_path / "cameras.json")
    np.testing.assert_array_equal(view.image_from_camera, K)
