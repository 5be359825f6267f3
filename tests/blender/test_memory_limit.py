"""A build under a limit of memory ends, in a sentence and with nothing left of it."""

import sys

import bpy
import pytest

from image_to_scene.core.errors import OutOfMemoryError
from image_to_scene.operators.scene import BuildOptions, Plan, Shelf, build, build_steps


def test_a_build_whose_data_is_gone_every_time_ends(make_reconstruction):
    plan = Plan(make_reconstruction(), BuildOptions())
    with pytest.raises(OutOfMemoryError, match="memory ran out"), Shelf(bpy.context.scene) as shelf:
        for _ in build_steps([plan], shelf):
            bpy.data.batch_remove(shelf.made())
    assert not bpy.data.pointclouds
    assert not bpy.data.meshes


def test_memory_that_runs_out_while_building_leaves_nothing(make_reconstruction, monkeypatch):
    def fail(*_arguments):
        raise MemoryError

    monkeypatch.setattr(sys.modules["image_to_scene.operators.scene.build"], "new_cloud_of", fail)
    with pytest.raises(MemoryError):
        build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    assert not bpy.data.images
    assert not bpy.data.meshes
