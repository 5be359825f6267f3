"""Files that earlier versions wrote open, and run again."""

import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest

from image_to_scene.core.storage import load
from image_to_scene.operators.memory import REQUEST_KEY, remembered_request

GOLDEN = Path(__file__).parents[1] / "data" / "golden_1"
ITS_FOLDER = "/tmp/golden"


@pytest.fixture
def golden(tmp_path):
    """A copy of the files, opened."""
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN, folder)
    bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
    return folder


def its_root():
    (root,) = [item for item in bpy.data.objects if REQUEST_KEY in item]
    return root


def test_a_blend_of_version_1_runs_again(golden):
    root = its_root()
    root[REQUEST_KEY] = root[REQUEST_KEY].replace(ITS_FOLDER, golden.as_posix())
    request, options = remembered_request(root)
    assert [view.path.name for view in request.views] == ["table_1.png", "table_2.png"]
    assert (request.model, request.resolution, options["clip_start"]) == ("nano", 42, 1.0)
    before = {item.name: item.matrix_world.copy() for item in bpy.data.objects if item.type == "CAMERA"}
    bpy.context.view_layer.objects.active = root
    bpy.context.scene.image_to_scene.resolution = 42
    assert bpy.ops.image_to_scene.run_again() == {"FINISHED"}
    after = {item.name: item.matrix_world.copy() for item in bpy.data.objects if item.type == "CAMERA"}
    assert set(before) <= set(after)
    assert all(np.allclose(before[name], after[name], atol=1e-3) for name in before)


def test_a_reconstruction_of_version_1_is_built(golden):
    reconstruction = load(golden / "reconstruction")
    assert [view.depth.shape for view in reconstruction.views] == [(28, 42), (28, 42)]
    assert bpy.ops.image_to_scene.open_reconstruction(directory=str(golden / "reconstruction")) == {"FINISHED"}
