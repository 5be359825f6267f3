"""What is read back from a .blend scores as what went in, and whatever is wrong in between shows as a number."""

from pathlib import Path

import numpy as np
import pytest
from official_evaluation import turn

pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")
pytest.importorskip("open3d", reason="Open3D is not installed: `make bench-accuracy` installs it")

import bpy
from mathutils import Matrix
from test_surfaces import COARSE, seen

from benchmarks.accuracy.blender import read_blend, write_blend
from benchmarks.accuracy.prediction import prediction_of
from benchmarks.accuracy.scene import FusedScene, Pictures, TrueView
from benchmarks.accuracy.scoring import score
from image_to_scene.core.types import ReconstructedView, Reconstruction

SIZE = (64, 48)
LENS = np.array([[50.0, 0.0, 26.0], [0.0, 50.0, 29.0], [0.0, 0.0, 1.0]])  # off centre, so that its sign counts


class Room(FusedScene):
    """A ball before a wall, in a world whose Z is up, seen by cameras that are off to one side."""

    protocol = COARSE

    def __init__(self, folder):
        upright = np.eye(4)
        upright[:3, :3] = turn(np.array([-0.5 * np.pi, 0.0, 0.0]))
        cameras = np.repeat(np.eye(4)[None], 6, axis=0)
        for index, camera in enumerate(cameras):
            camera[:3, 3] = (0.9 + 0.2 * index, -0.4 + 0.3 * (index % 3), 0.25 * (-1) ** index)
            camera[:3, :3] = turn(np.array([0.1, -0.25 - 0.03 * index, 0.08 * (index - 2)]))
        self.depths = [seen(camera, SIZE, LENS, radius=1.3).astype(np.float32) for camera in cameras]
        files = tuple(folder / f"{index}.png" for index in range(len(cameras)))
        self.pictures = Pictures("room", "room", files, upright @ cameras, np.repeat(LENS[None], len(cameras), axis=0))

    def view(self, index):
        return TrueView(self.depths[index], np.ones(self.depths[index].shape, dtype=bool))

    def surface(self):
        fine, upright = np.diag([2.0, 2.0, 1.0]) @ LENS, turn(np.array([-0.5 * np.pi, 0.0, 0.0]))
        pixels = np.stack([*np.meshgrid(np.arange(128) + 0.5, np.arange(96) + 0.5), np.ones((96, 128))], axis=-1)
        rays = pixels @ np.linalg.inv(fine).T
        points = []
        for camera in self.pictures.world_from_camera:
            local = camera.copy()
            local[:3] = upright.T @ camera[:3]
            in_camera = seen(local, (128, 96), fine, radius=1.3)[..., None] * rays
            points.append((in_camera @ camera[:3, :3].T + camera[:3, 3]).reshape(-1, 3))
        return np.concatenate(points)


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path)
    for file in room.pictures.files:
        image = bpy.data.images.new("picture", *SIZE)
        image.filepath_raw, image.file_format = str(file), "PNG"
        image.save()
    return room


def perfect(room, world):
    """A reconstruction that is right, in the true world or in that of its first view and twice as large."""
    cameras, scale = room.pictures.world_from_camera, 1.0
    if world == "first_view":
        scale = 2.0
        cameras = np.linalg.inv(cameras[0]) @ cameras
        cameras[:, :3, 3] *= scale
    views = [
        ReconstructedView(
            Path(file), Path(file), SIZE, np.eye(3), np.zeros((*SIZE[::-1], 3), np.uint8), scale * depth, LENS, camera
        )
        for file, depth, camera in zip(room.pictures.files, room.depths, cameras, strict=True)
    ]
    return Reconstruction(tuple(views), world=world)


@pytest.mark.parametrize("world", ["given", "first_view"])
def test_what_is_right_stays_right(room, tmp_path, world):
    reconstruction = perfect(room, world)
    file = tmp_path / "right.blend"
    write_blend(reconstruction, file)
    before, after = prediction_of(reconstruction), read_blend(reconstruction, file)
    for one, other in zip(before.views, after.views, strict=True):
        np.testing.assert_allclose(other.depth, one.depth, rtol=1e-5)
        np.testing.assert_allclose(other.image_from_camera, one.image_from_camera, atol=1e-3)
    ours, theirs = score(room, before), score(room, after)
    assert theirs["auc3"] == 100.0
    assert theirs["delta1_scene"] == 1.0
    assert theirs["place"] < 1e-4
    assert theirs["ray"] < 1e-3
    assert theirs["f1"] > 0.97
    for name in ("f1", "precision", "recall", "chamfer"):
        assert theirs[name] == pytest.approx(ours[name], abs=5e-3)


def mirror_cameras(cameras, meshes):
    for camera in cameras:
        camera.matrix_world = camera.matrix_world @ Matrix.Diagonal((-1.0, 1.0, 1.0, 1.0))


def look_backwards(cameras, meshes):
    for camera in cameras:
        camera.matrix_world = camera.matrix_world @ Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))


def negate_places(cameras, meshes):
    for camera in cameras:
        camera.location.x *= -1.0


def shift_one_camera(cameras, meshes):
    cameras[2].location.z += 0.8


def flip_lens_shift(cameras, meshes):
    for camera in cameras:
        camera.data.shift_x *= -1.0


def mirror_meshes(cameras, meshes):
    for mesh in meshes:
        mesh.scale.x = -1.0


def wrong_scale(cameras, meshes):
    for camera in cameras:
        camera.location *= 1.5


@pytest.mark.parametrize("world", ["given", "first_view"])
@pytest.mark.parametrize(
    ("mistake", "shows"),
    [
        (mirror_cameras, lambda s: s["auc30"] < 20.0 and s["delta1"] < 0.6),
        (look_backwards, lambda s: s["auc30"] < 20.0 and s["delta1"] == 0.0 and s["f1"] == 0.0),
        (negate_places, lambda s: s["auc30"] < 20.0 and s["delta1"] < 0.75 and s["place"] > 0.4 and s["f1"] < 0.7),
        (shift_one_camera, lambda s: s["auc30"] < 75.0 and s["place"] > 0.1),
        (flip_lens_shift, lambda s: s["ray"] > 10.0 and s["delta1"] < 0.7),
        (mirror_meshes, lambda s: s["f1"] < 0.8 and s["delta1"] < 0.6),
        (wrong_scale, lambda s: s["delta1_scene"] < 0.9 and (s["place"] > 1.0 or s["f1"] < 0.1)),
    ],
)
def test_a_mistake_shows(room, tmp_path, world, mistake, shows):
    reconstruction = perfect(room, world)
    file = tmp_path / "wrong.blend"
    write_blend(reconstruction, file)
    cameras = [item for item in bpy.data.objects if item.type == "CAMERA"]
    meshes = [item for item in bpy.data.objects if item.type == "MESH"]
    mistake(sorted(cameras, key=lambda item: item.name), meshes)
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    scores = score(room, read_blend(reconstruction, file))
    assert shows(scores), scores
