"""Furnished scenes for training: their solids are the scene's meshes, and catalogues and folders are gone on with."""

import sys

import numpy as np
import pytest

pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")

from benchmarks.accuracy.rendered.rays import Rays
from benchmarks.accuracy.rendered.rendering import VIEWS
from training import catalogue, compose, furnished
from training.cameras import intrinsics
from training.config import TrainingError
from training.data import DataFolder

TABLETOP, FACADE, ROOM = 100_000, 100_001, 100_002
SIDE = 42


@pytest.fixture
def few_textures(monkeypatch):
    monkeypatch.setattr(compose, "VARIANTS", 1)
    monkeypatch.setattr(compose, "PIXELS", 16)


@pytest.fixture
def small_catalogue(tmp_path, few_textures, monkeypatch):
    """Two scenes, a file each."""
    monkeypatch.setattr(compose, "FILE_SCENES", 1)
    compose.fill(tmp_path / "scenes", 2, FACADE)
    return tmp_path / "scenes"


def grey_textures():
    return np.full((len(compose.KINDS), 1, 4, 4, 3), 128, np.uint8)


@pytest.mark.parametrize("index", [ROOM, TABLETOP, FACADE])
def test_depth_is_that_of_the_scenes_meshes(index):
    """Rounded edges, dents and folds are left out; all else is where Blender's own rays find it."""
    scene = compose.compose(index)
    shots = furnished.draw(scene, 0, grey_textures(), 0, SIDE, furnished.draw_on_processor)
    rays = Rays()
    true = np.stack([
        np.nan_to_num(rays.seen(camera, lens, (SIDE, SIDE))[1])
        for camera, lens in zip(shots.world_from_camera, shots.image_from_camera, strict=True)
    ])  # fmt: skip
    same = np.isclose(shots.depth, true, rtol=0.01)
    assert same.mean() > 0.9
    assert not np.isclose(shots.depth[:, :, ::-1], true, rtol=0.01).mean() > 0.5
    assert ((shots.depth == 0) == (true == 0)).mean() > 0.98


def test_a_scene_is_noted_whole():
    scene = compose.compose(ROOM)
    assert scene.cameras.shape == (2 * VIEWS, 4, 4)
    np.testing.assert_array_equal(scene.angles[:VIEWS], scene.angles[0])
    assert (scene.cameras[:VIEWS] != scene.cameras[VIEWS:]).any()
    assert set(scene.solids[:, 0].astype(int)) == set(range(len(scene.objects)))
    assert (scene.objects[:, 12] < len(scene.materials)).all()
    assert (scene.materials[:, 1:] > 0).any()  # a room's lamps and windows glow
    assert (scene.lights[:, 0] == 0).all()
    assert len(scene.lights) == 1
    outside = compose.compose(FACADE)
    assert outside.lights[:, 0].tolist() == [1]
    assert outside.lights[0, 3] > 0  # the sun stands above the horizon
    assert (outside.sky > 0.1).all()


def test_every_kind_of_material_is_painted(few_textures):
    painted = compose.paint_textures(0, 1)
    assert painted.shape == (len(compose.KINDS), 1, 16, 16, 3)
    means = painted.mean(axis=(1, 2, 3, 4))
    assert means[compose.KINDS.index("white")] > 200
    assert means[compose.KINDS.index("asphalt")] < 110
    grass = painted[compose.KINDS.index("grass")].mean(axis=(0, 1, 2))
    assert grass.argmax() == 1


def test_a_catalogue_is_read_as_it_was_written(tmp_path):
    scenes = [compose.compose(index) for index in (ROOM, FACADE)]
    catalogue.save(tmp_path / "scenes_0000000.npz", scenes)
    for one, other in zip(scenes, catalogue.read(tmp_path / "scenes_0000000.npz"), strict=True):
        for name in catalogue.NAMES:
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-6, atol=1e-6)


def test_a_catalogue_and_a_folder_are_gone_on_with(small_catalogue, tmp_path):
    files = catalogue.files(small_catalogue)
    before = [file.read_bytes() for file in files]
    files[1].unlink()
    compose.fill(small_catalogue, 2, FACADE)
    for scene, other in zip(catalogue.scenes(small_catalogue), map(compose.compose, (FACADE, FACADE + 1)), strict=True):
        np.testing.assert_allclose(scene.solids, other.solids, atol=1e-5)
    assert files[0].read_bytes() == before[0]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    furnished.fill(whole, small_catalogue, 1, 14, 1)
    part = DataFolder.begin(resumed, 4, 14)
    part.images[:2] = 7
    part.report(2)
    furnished.fill(resumed, small_catalogue, 1, 14, 1)
    assert DataFolder.open(resumed).ready() == DataFolder.open(whole).ready() == 4
    assert (DataFolder.open(resumed).images[:2] == 7).all()
    for name in ("images", "depth", "world_from_camera", "image_from_camera"):
        one, other = (getattr(DataFolder.open(folder), name)[2:] for folder in (resumed, whole))
        np.testing.assert_array_equal(one, other)


def test_rounds_show_a_scene_with_other_surfaces(small_catalogue, tmp_path):
    furnished.fill(tmp_path / "data", small_catalogue, 2, 14, 1)
    data = DataFolder.open(tmp_path / "data")
    assert data.ready() == 8
    np.testing.assert_array_equal(data.depth[0], data.depth[1])
    assert np.abs(data.images[0].astype(int) - data.images[1]).mean() > 2
    K = intrinsics(60.0, (14, 14))
    assert data.image_from_camera[0, 0, 0, 2] == K[0, 2] == 7.0


def test_no_catalogue_is_told(tmp_path):
    with pytest.raises(TrainingError, match="holds no catalogue; make one"):
        furnished.fill(tmp_path / "data", tmp_path, 1, 14, 1)


def test_the_benchmarks_own_scenes_are_not_composed_for_training(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "scenes"
    monkeypatch.setattr(sys, "argv", ["compose", "--folder", str(folder), "--scenes", "1", "--first-index", "23"])
    with pytest.raises(SystemExit):
        compose.main()
    assert "below 100000" in capsys.readouterr().err
    assert not folder.exists()
