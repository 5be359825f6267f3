"""Values that cannot be are refused, or made unknown and told, when a saved folder is read; saved ones are private."""

import json
import os
import shutil
import socket
import stat
import sys

import numpy as np
import pytest

from image_to_scene.core.errors import CameraError, StorageError
from image_to_scene.core.geometry.cameras import check_intrinsics, check_lens, check_rigid
from image_to_scene.core.outside import Chosen
from image_to_scene.core.storage import load, save
from image_to_scene.core.stored_values import MOST_PIXELS, check_amount
from image_to_scene.core.types import ReconstructedView, Reconstruction

K = np.array([[5.0, 0, 3], [0, 5.0, 2], [0, 0, 1]])
ABSURD = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e-40]
FACTS = {
    "seconds": 1.5,
    "device": "cpu",
    "warnings": ["One."],
    "dropped_views": [1],
    "pivot": [0.0, 0.0, 1.0],
    "cameras": [{"view": 0, "name": "a", "distance": 0.1, "degrees": 0.2, "pixels": 3.0, "agrees": True}],
}


def make_view(folder, **changes):
    ones = np.ones((4, 6), np.float32)
    values = {
        "source": folder / "a.png",
        "texture": folder / "a.png",
        "source_size": (60, 40),
        "source_from_model": np.diag([10.0, 10.0, 1.0]),
        "image": np.zeros((4, 6, 3), np.uint8),
        "depth": ones.copy(),
        "image_from_camera": K,
        "world_from_camera": np.eye(4),
        "confidence": 2 * ones,
        "sky": 0 * ones,
        "points": np.ones((4, 6, 3), np.float32),
        "mask": ones > 1,
        "time": 0.5,
    }
    return ReconstructedView(**(values | changes))


@pytest.fixture
def saved(tmp_path):
    save(Reconstruction((make_view(tmp_path),) * 2, facts=FACTS), tmp_path / "saved")
    return tmp_path / "saved"


def edit(folder, change):
    file = folder / "reconstruction.json"
    description = json.loads(file.read_text())
    change(description)
    file.write_text(json.dumps(description))


def put(folder, name, place, value):
    array = np.load(folder / f"{name}.npy")
    array[place] = value
    (folder / f"{name}.npy").unlink()
    np.save(folder / f"{name}.npy", array)


def test_a_good_folder_is_mapped_and_not_copied(saved):
    loaded = load(saved)
    assert loaded.facts == FACTS
    for name in ("depth", "confidence", "sky", "points", "mask", "image"):
        array = getattr(loaded.views[0], name)
        assert not array.flags.owndata and not array.flags.writeable, name


@pytest.mark.parametrize("value", ABSURD)
def test_depth_that_cannot_be_is_unknown_and_told(saved, value):
    put(saved, "depth", (1, 2, 3), value)
    loaded = load(saved)
    assert np.isnan(loaded.views[1].depth[2, 3])
    assert np.isfinite(loaded.views[1].depth).sum() == 23
    assert (loaded.views[0].depth == 1).all()
    told = loaded.facts["warnings"][1:]
    assert told == [] if np.isnan(value) else told[0].startswith("1 stored values of a are not possible")


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30])
def test_points_that_cannot_be_are_unknown(saved, value):
    put(saved, "points", (0, 1, 1, 2), value)
    loaded = load(saved)
    assert np.isnan(loaded.views[0].points[1, 1, 2])
    assert len(loaded.facts["warnings"]) == 2


@pytest.mark.parametrize("name", ["confidence", "sky"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_confidence_and_sky_that_are_not_finite_mean_least(saved, name, value):
    put(saved, name, (0, 1, 1), value)
    assert getattr(load(saved).views[0], name)[1, 1] == 0.0


def test_a_mask_of_other_bytes_is_one_of_booleans(saved):
    content = (saved / "mask.npy").read_bytes()
    (saved / "mask.npy").unlink()
    (saved / "mask.npy").write_bytes(content[:-48] + bytes(range(24)) + content[-24:])
    mask = load(saved).views[0].mask
    assert set(np.unique(mask.view(np.uint8))) == {0, 1} and mask.sum() == 23


def lens(fx, fy=None, cx=3.0, cy=2.0):
    return np.array([[fx, 0, cx], [0, fx if fy is None else fy, cy], [0, 0, 1.0]])


def moved(x):
    camera = np.eye(4)
    camera[0, 3] = x
    return camera


CAMERAS = {
    "image_from_camera": [
        *(lens(f) for f in (1e-300, 1e300, 0.0, -5.0, 1e-3, 1e8)),
        *(lens(5.0, fy) for fy in (1e-7, 1e300)),
        lens(5.0, cx=1e9),
        lens(5.0, cy=-1e300),
        K + np.nan,
    ],
    "world_from_camera": [
        *(moved(far) for far in (1e39, -1e300, 1e13, np.inf)),
        np.diag([2.0, 2, 2, 1]),
        np.diag([-1.0, 1, 1, 1]),
        np.ones((4, 4)),
    ],
}


@pytest.mark.parametrize("name", CAMERAS)
def test_cameras_that_cannot_be_are_refused(saved, name):
    for camera in CAMERAS[name]:
        put(saved, name, 1, camera)
        with pytest.raises(StorageError, match=r"npy|reconstruction\.json"):
            load(saved)


def test_cameras_are_checked_the_same_wherever_they_come_from():
    for camera in CAMERAS["world_from_camera"]:
        with pytest.raises(CameraError):
            check_rigid(camera)
    for camera in CAMERAS["image_from_camera"]:
        with pytest.raises(CameraError):
            check_lens(camera, (6, 4))
    for size in (1e-300, 1e300):
        with pytest.raises(CameraError, match="focal length"):
            check_intrinsics(lens(size))
    with pytest.raises(CameraError, match="matrix of numbers"):
        check_intrinsics([[10**400, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("focal", [6 / 36, 5.0, 6e6])
def test_every_lens_that_blender_has_is_kept(focal):
    check_lens(lens(focal), (6, 4))


VALUES = {
    "size of 10^30": lambda v: v.update(size=[10**30, 4]),
    "source size of 10^30": lambda v: v.update(source_size=[10**30, 10**30]),
    "size of 0": lambda v: v.update(source_size=[0, 40]),
    "size of true": lambda v: v.update(source_size=[True, 40]),
    "three sides": lambda v: v.update(source_size=[60, 40, 3]),
    "no inverse": lambda v: v.update(source_from_model=[[0, 0, 0], [0, 10, 0], [0, 0, 1]]),
    "mirrored": lambda v: v.update(source_from_model=[[-10, 0, 60], [0, 10, 0], [0, 0, 1]]),
    "turned": lambda v: v.update(source_from_model=[[0, 10, 0], [10, 0, 0], [0, 0, 1]]),
    "projective": lambda v: v.update(source_from_model=[[10, 0, 0], [0, 10, 0], [1, 0, 1]]),
    "tiny": lambda v: v.update(source_from_model=[[1e-300, 0, 0], [0, 1e-300, 0], [0, 0, 1]]),
    "huge": lambda v: v.update(source_from_model=[[1e300, 0, 0], [0, 1e300, 0], [0, 0, 1]]),
    "far": lambda v: v.update(source_from_model=[[10, 0, 1e9], [0, 10, 0], [0, 0, 1]]),
    "affine of text": lambda v: v.update(source_from_model="eye"),
    "time beyond all": lambda v: v.update(time=1e300),
    "whole time beyond all": lambda v: v.update(time=10**250),
    "true time": lambda v: v.update(time=True),
    "source of number": lambda v: v.update(source={"absolute": 7}),
    "source list": lambda v: v.update(source=["/a.png"]),
    "view is text": lambda v: v.clear(),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_a_view_that_cannot_be_are_refused(saved, kind):
    edit(saved, lambda description: VALUES[kind](description["views"][1]))
    with pytest.raises(StorageError, match=r"reconstruction\.json") as caught:
        load(saved)
    assert len(str(caught.value)) < 400


FACTS_REFUSED = [
    {"seconds": "1"},
    {"seconds": [1]},
    {"device": 7},
    {"licence": {}},
    {"warnings": "text"},
    {"warnings": [1]},
    {"dropped_views": 3},
    {"dropped_views": [[0]]},
    {"dropped_views": [-1]},
    {"dropped_views": [10**30]},
    {"pivot": [0, 0]},
    {"pivot": [0, 0, 1e300]},
    {"cameras": {}},
    {"cameras": [{"name": "a"}]},
    {"cameras": [{"name": 1, "agrees": True, "distance": 0, "degrees": 0, "pixels": 0}]},
]


@pytest.mark.parametrize("facts", FACTS_REFUSED, ids=str)
def test_facts_that_the_window_cannot_show_are_refused(saved, facts):
    edit(saved, lambda description: description["facts"].update(facts))
    with pytest.raises(StorageError, match="facts"):
        load(saved)


def test_text_that_cannot_be_shown_is_replaced(saved):
    text = (saved / "reconstruction.json").read_text()
    text = text.replace('"One."', '"\\ud800\\u001b[31m"').replace('"cpu"', '"a\\u0000"')
    (saved / "reconstruction.json").write_text(text)
    facts = load(saved).facts
    assert facts["warnings"] == ["??[31m"] and facts["device"] == "a?"


def test_names_have_no_control_characters(saved):
    edit(saved, lambda d: [v.update(source={"absolute": "/p/a\x1b[31m\nb\r.png"}) for v in d["views"]])
    view = load(saved).views[0]
    assert view.name == "a?[31m b "
    assert "\x1b" not in str(StorageError(f"{view.source} is\nlost"))


def test_a_name_with_a_null_byte_is_no_file(saved):
    edit(saved, lambda d: d["views"][0].update(source={"relative": "a\0.png"}, texture={"absolute": "/a\0.png"}))
    for chosen in (Chosen(), Chosen(outside=True)):
        load(saved, chosen)


def test_the_amount_of_pixels_has_a_ceiling():
    check_amount([(504, 336)] * 20_000)
    for sizes in ([], [(6, 4)] * 100_001, [(100_000, 100_000)], [(1, MOST_PIXELS // 2), (2, 2)]):
        with pytest.raises(ValueError, match="views"):
            check_amount(sizes)


def test_a_sparse_giant_is_refused_at_once(saved):
    edit(saved, lambda d: [view.update(size=[900_000, 900_000]) for view in d["views"]])
    with (saved / "depth.npy").open("r+b") as file:
        file.truncate(1 << 42)
    with pytest.raises(StorageError, match="more than can be opened"):
        load(saved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", ["reconstruction.json", "depth.npy", "world_from_camera.npy"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_what_is_no_file_is_refused_before_it_is_opened(saved, name, kind, monkeypatch):
    (saved / name).unlink()
    monkeypatch.chdir(saved)  # a socket's whole path may be too long
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "folder":
        (saved / name).mkdir()
    else:
        (saved / name).symlink_to("/dev/zero")
    with pytest.raises(StorageError, match=name):
        load(saved)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_saved_folder_is_private_whatever_the_umask(tmp_path, umask):
    copy = tmp_path / "frame.png"
    copy.write_bytes(b"\x89PNG\r\n\x1a\n")
    views = (make_view(tmp_path), make_view(tmp_path, texture=copy))
    (tmp_path / "deep").mkdir()
    before = os.umask(umask)
    try:
        for _ in range(2):  # new, and in place of the earlier one
            save(Reconstruction(views), tmp_path / "deep" / "saved")
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").rglob("*")}
    assert modes.pop(tmp_path / "deep" / "saved") == modes.pop(tmp_path / "deep" / "saved" / "textures") == 0o700
    assert set(modes.values()) == {0o600} and len(modes) == 10
    shutil.rmtree(tmp_path / "deep")
