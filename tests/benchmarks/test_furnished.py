"""Furnished scenes for training: pictures and depth are of the same pixels, and folders are gone on with."""

import sys

import numpy as np
import pytest

pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")

from training import furnished
from training.data import DataFolder

STREET, SIDE = 100_001, 70


@pytest.fixture
def few_textures(monkeypatch):
    monkeypatch.setattr(furnished, "TEXTURES", 1)
    monkeypatch.setattr(furnished, "TEXTURE_SIDE", 16)


def has_no_graphics():
    """Workbench needs Mesa's EGL, without which the process dies."""
    import ctypes.util

    return sys.platform == "linux" and ctypes.util.find_library("EGL") is None


@pytest.mark.skipif(has_no_graphics(), reason="Workbench draws with libEGL, which is not on this machine")
def test_pictures_show_the_sky_where_depth_has_none(tmp_path, few_textures):
    shots = furnished.draw(STREET, furnished.paint_textures(tmp_path, 0), tmp_path, SIDE)
    sky = np.median(shots.images[shots.depth == 0], axis=0)
    shown = (np.abs(shots.images - sky) < 4).all(axis=-1)  # Blender dithers
    assert shots.family == "facade"
    assert 0.02 < shown.mean() < 0.9
    assert (shown == (shots.depth == 0)).mean() > 0.98
    assert (shown == (shots.depth == 0)[:, :, ::-1]).mean() < 0.95


@pytest.mark.skipif(has_no_graphics(), reason="Workbench draws with libEGL, which is not on this machine")
def test_an_interrupted_folder_has_the_scenes_of_one_that_was_not(tmp_path, few_textures):
    whole, resumed = (DataFolder.create(tmp_path / name, 2, side=28) for name in ("whole", "resumed"))
    furnished.fill(whole, STREET - 1, "workbench")
    resumed.report(1)
    furnished.fill(resumed, STREET - 1, "workbench")
    np.testing.assert_array_equal(resumed.depth[1], whole.depth[1])
    off = np.abs(resumed.images[1].astype(int) - whole.images[1])
    assert off.mean() < 1  # Blender dithers


def test_the_benchmarks_own_scenes_are_not_drawn_for_training(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "data"
    monkeypatch.setattr(sys, "argv", ["furnished", "--folder", str(folder), "--scenes", "1", "--first-index", "23"])
    with pytest.raises(SystemExit):
        furnished.main()
    assert "below 100000" in capsys.readouterr().err
    assert not folder.exists()


def test_a_folder_is_gone_on_with(tmp_path, few_textures, monkeypatch):
    monkeypatch.setattr(furnished.rendering, "SAMPLES", 1)
    data = DataFolder.create(tmp_path / "data", 2, side=14)
    data.report(1)
    furnished.fill(data, STREET - 1, "cycles")
    assert data.ready() == 2
    assert not data.images[0].any()
    assert data.images[1].std() > 5
    assert 0 < data.depth[1].max() < 1000
