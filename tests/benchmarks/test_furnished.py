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


def test_a_folder_is_gone_on_with(tmp_path, few_textures, monkeypatch):
    monkeypatch.setattr(furnished.rendering, "SAMPLES", 1)
    data = DataFolder.create(tmp_path / "data", 2, side=14)
    data.report(1)
    furnished.fill(data, STREET - 1, "cycles")
    assert data.ready() == 2
    assert not data.images[0].any()
    assert data.images[1].std() > 5
    assert 0 < data.depth[1].max() < 1000
