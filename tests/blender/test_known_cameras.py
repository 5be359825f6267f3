"""Cameras of the scene beside pictures without: through the list and the button, as an artist does it."""

import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from image_to_scene.operators.memory import remembered_request
from image_to_scene.operators.scene import description
from image_to_scene.operators.session import session

sys.path.append(str(Path(__file__).parent))
from camera_scenes import add_camera, seen_by_blender, set_render

SIZE = (70, 56)
PLACES = ((-1.0, -4.0, 1.0), (1.5, -4.5, 1.2), (0.5, -5.0, 2.0))


@pytest.fixture
def ready(tiny_checkpoint, pictures):
    """Two photos, and between them in the list three cameras that render the scene; a small model."""
    chosen, scene = bpy.context.scene.image_to_scene, bpy.context.scene
    chosen.model, chosen.model_folder, chosen.resolution = "FOLDER", str(tiny_checkpoint), 70
    set_render(SIZE)
    mesh = bpy.data.meshes.new("wall")
    mesh.from_pydata([(-9, 2, -9), (9, 2, -9), (9, 2, 9), (-9, 2, 9)], [], [(0, 1, 2, 3)])
    scene.collection.objects.link(bpy.data.objects.new("wall", mesh))
    bpy.ops.image_to_scene.add_pictures(filepath=str(pictures[0]))
    for number, place in enumerate(PLACES):
        camera = add_camera(f"known {number}")
        camera.location, camera.rotation_euler = place, (1.4, 0.0, 0.1 * number)
        camera.select_set(True)
    bpy.ops.image_to_scene.add_cameras()
    bpy.ops.image_to_scene.add_pictures(filepath=str(pictures[1]))
    return chosen


def cameras():
    return {item.name: item for item in bpy.data.objects if item.type == "CAMERA"}


def root():
    (found,) = (item for item in bpy.context.scene.objects if item.type == "EMPTY")
    return found


def vertices(mesh):
    return [mesh.matrix_world @ vertex.co for vertex in mesh.data.vertices]


def test_known_cameras_stay_and_unknown_ones_find_their_place_beside_them(ready):
    assert [item.kind for item in ready.pictures] == ["FILE", "CAMERA", "CAMERA", "CAMERA", "FILE"]
    bpy.context.view_layer.update()
    before = {name: camera.matrix_world.copy() for name, camera in cameras().items()}
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}
    bpy.context.view_layer.update()
    made = root()
    assert made.matrix_world == made.matrix_world.Identity(4)
    assert {name: cameras()[name].matrix_world for name in before} == before
    new = [item for item in made.children if item.type == "CAMERA"]
    assert [camera.name.partition(".")[0] for camera in new] == ["first camera", "zweites Bild – ö camera"]
    assert len([item for item in made.children if item.type == "MESH"]) == 5
    facts = description(made)["facts"]
    assert [camera["view"] for camera in facts["cameras"]] == [1, 2, 3]
    numbers = [[camera[key] for key in ("distance", "degrees", "pixels")] for camera in facts["cameras"]]
    assert np.isfinite(numbers).all()
    for name in before:  # a known camera sees its geometry in its own frame
        mesh = next(item for item in made.children if item.name.startswith(name) and item.type == "MESH")
        seen = seen_by_blender(cameras()[name], vertices(mesh), SIZE) / SIZE
        assert seen.min() > -0.01 and seen.max() < 1.01 and np.ptp(seen, axis=0).min() > 0.9


def test_run_again_keeps_the_cameras_and_says_what_went_with_its_session(ready, tmp_path):
    bpy.ops.image_to_scene.reconstruct()
    views = remembered_request(root())[0].views
    assert [session.holds(view.path) for view in views] == [False, True, True, True, False]
    there = sorted(cameras())
    assert bpy.ops.image_to_scene.run_again() == {"FINISHED"}
    assert sorted(cameras()) == there
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "known.blend"))
    session.close()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "known.blend"))
    listing = sorted(item.name for item in bpy.data.objects)
    with pytest.raises(RuntimeError, match=r"known 0 0001\.png and 2 more, made for first .* press Reconstruct"):
        bpy.ops.image_to_scene.run_again()
    assert sorted(item.name for item in bpy.data.objects) == listing
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}
