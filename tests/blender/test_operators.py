import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import bpy
import numpy as np
import pytest

import image_to_scene
from image_to_scene.core import types
from image_to_scene.core.errors import CancelledError
from image_to_scene.core.storage import load
from image_to_scene.operators import (
    export,
    inputs,
    log,
    models,
    pictures,
    reconstruct,
    reconstructions,
    runtime,
    settings,
)
from image_to_scene.operators.scene import find_roots
from image_to_scene.operators.scene.transaction import find_scene
from image_to_scene.operators.session import session

MODULES = (export, log, models, pictures, reconstruct, reconstructions, runtime)
OPERATORS = [kind for module in MODULES for kind in module.CLASSES if issubclass(kind, bpy.types.Operator)]
ADD_ON = image_to_scene.__name__
SECONDS_OF_A_CANCEL = 1.0


@pytest.fixture
def chosen():
    """The scene's settings."""
    return bpy.context.scene.image_to_scene


@pytest.fixture
def ready(chosen, tiny_checkpoint, pictures):
    """Settings with two pictures and a small model."""
    chosen.model, chosen.model_folder, chosen.resolution = "FOLDER", str(tiny_checkpoint), 70
    add(pictures)
    return chosen


@pytest.fixture
def preferences():
    entry = bpy.context.preferences.addons.new()
    entry.module = ADD_ON
    yield entry.preferences
    bpy.context.preferences.addons.remove(entry)


def add(paths):
    files = [{"name": path.name} for path in paths]
    bpy.ops.image_to_scene.add_pictures(directory=str(paths[0].parent), files=files)


def listed():
    return [Path(item.path) for item in bpy.context.scene.image_to_scene.pictures]


def request_of(chosen):
    return settings.request_from(chosen, inputs.views(chosen, bpy.context))


def objects_by_type():
    kinds = [item.type for item in bpy.context.scene.objects]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.bl_idname)
def test_class_name_label_and_tooltip_follow_the_rules(kind):
    assert f"IMAGETOSCENE_OT_{kind.bl_idname.partition('.')[2]}" == kind.__name__
    assert kind.bl_label == kind.bl_label.strip() != ""
    assert kind.__doc__ == kind.__doc__.strip() and not kind.__doc__.endswith(".")  # Blender adds the full stop


@pytest.mark.parametrize(
    ("items", "literal"),
    [
        (settings.MIXED_SIZES, types.MixedSizes),
        (settings.REFERENCE_VIEWS, types.ReferenceView),
        (settings.POSE_SOURCES, types.PoseSource),
        (settings.POINT_SOURCES, types.PointSource),
        (settings.DEVICES, types.Device),
        (settings.PRECISIONS, types.Precision),
    ],
    ids=lambda value: "",
)
def test_menus_offer_what_a_request_takes(items, literal):
    assert tuple(item[0] for item in items) == get_args(literal)


def test_untouched_settings_are_the_defaults_of_a_request(chosen, pictures):
    add(pictures)
    request = request_of(chosen)
    expected = types.Request(tuple(types.View(path) for path in listed()), model=models.catalogue.default)
    assert request.field_of_view == pytest.approx(expected.field_of_view, rel=1e-6)  # Blender keeps float32
    assert request == types.Request(**(vars(expected) | {"field_of_view": request.field_of_view}))


def test_settings_survive_saving(ready, tmp_path):
    wanted = request_of(ready)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    assert request_of(bpy.context.scene.image_to_scene) == wanted


def test_pictures_are_added_once_moved_removed_and_cleared(chosen, tmp_path):
    paths = [tmp_path / f"{letter}.png" for letter in "abc"]
    add(paths)
    add(paths[::-1])
    assert listed() == paths
    chosen.active_picture = 2
    bpy.ops.image_to_scene.move_picture(direction="UP")
    assert listed() == [paths[0], paths[2], paths[1]]
    for _ in range(3):
        bpy.ops.image_to_scene.move_picture(direction="UP")
    assert listed() == [paths[2], paths[0], paths[1]]
    assert chosen.active_picture == 0
    bpy.ops.image_to_scene.move_picture(direction="DOWN")
    bpy.ops.image_to_scene.remove_picture()
    assert listed() == [paths[0], paths[1]]
    bpy.ops.image_to_scene.clear_pictures()
    assert listed() == []
    assert not bpy.ops.image_to_scene.remove_picture.poll()


def test_reconstruct_builds_what_was_asked_for_and_nothing_else(ready):
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.scene.render.resolution_x = 123
    ready.makes_point_cloud = False
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}
    assert objects_by_type() == {"CAMERA": 2, "EMPTY": 1, "MESH": 3}
    assert bpy.context.active_object.name == "Cube"
    assert bpy.context.scene.render.resolution_x == 123
    assert bpy.context.scene.camera is None
    assert session.run is None


def test_undo_takes_the_whole_reconstruction_back_at_once(ready):
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.image_to_scene.reconstruct("EXEC_DEFAULT", True) == {"FINISHED"}
    assert objects_by_type()["CAMERA"] == 2
    bpy.ops.ed.undo()
    assert objects_by_type() == {}
    assert not bpy.data.cameras
    assert len(listed()) == 2


def test_pictures_that_nothing_relates_become_a_reconstruction_each(ready, tiny_mono_checkpoint):
    ready.model_folder = str(tiny_mono_checkpoint)
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}
    assert len(find_roots(bpy.context.scene)) == 2


def test_a_reconstruction_is_saved_opened_and_exported(ready, tmp_path):
    bpy.ops.image_to_scene.reconstruct()
    made, folder = objects_by_type(), tmp_path / "saved ö"
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(folder))
    bpy.ops.image_to_scene.export_gltf(filepath=str(tmp_path / "scene"))
    assert (tmp_path / "scene.glb").stat().st_size > 1000
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert not bpy.ops.image_to_scene.save_reconstruction.poll()
    assert not bpy.ops.image_to_scene.export_gltf.poll()
    assert bpy.ops.image_to_scene.open_reconstruction(directory=str(folder)) == {"FINISHED"}
    assert objects_by_type() == made
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "again"))
    first, second = load(folder), load(tmp_path / "again")
    assert first.settings == second.settings
    for ours, theirs in zip(first.views, second.views, strict=True):
        assert ours.source == theirs.source
        np.testing.assert_array_equal(ours.depth, theirs.depth)
        np.testing.assert_array_equal(ours.world_from_camera, theirs.world_from_camera)


def test_one_camera_sets_the_render(ready):
    bpy.ops.image_to_scene.reconstruct()
    assert not bpy.ops.image_to_scene.match_render.poll()
    camera = next(item for item in bpy.context.scene.objects if item.type == "CAMERA")
    bpy.context.view_layer.objects.active = camera
    assert bpy.ops.image_to_scene.match_render() == {"FINISHED"}
    render = bpy.context.scene.render
    assert (bpy.context.scene.camera, render.resolution_x, render.resolution_y) == (camera, 80, 60)


def test_a_reconstruction_of_an_earlier_session_says_that_it_is_gone(ready):
    bpy.ops.image_to_scene.reconstruct()
    session.close()
    assert not bpy.ops.image_to_scene.save_reconstruction.poll()
    assert bpy.ops.image_to_scene.run_again.poll()
    assert bpy.ops.image_to_scene.export_gltf.poll()


def test_a_saved_reconstruction_is_found_again_in_a_later_session(ready, tmp_path):
    project, moved = tmp_path / "project", tmp_path / "moved"
    project.mkdir()
    bpy.ops.image_to_scene.reconstruct()
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "file.blend"))
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(project / "depth"))
    bpy.ops.wm.save_mainfile()
    session.close()
    project.rename(moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "file.blend"))
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "copy"))
    np.testing.assert_array_equal(load(moved / "depth").views[1].depth, load(tmp_path / "copy").views[1].depth)
    (moved / "depth" / "reconstruction.json").unlink()
    (tmp_path / "copy" / "reconstruction.json").unlink()
    assert not bpy.ops.image_to_scene.save_reconstruction.poll()


def test_an_opened_folder_is_known_to_the_file(ready, tmp_path):
    bpy.ops.image_to_scene.reconstruct()
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "depth"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.image_to_scene.open_reconstruction(directory=str(tmp_path / "depth"))
    session.close()
    assert bpy.ops.image_to_scene.save_reconstruction.poll()
    assert not bpy.ops.image_to_scene.run_again.poll()


def test_a_reconstruction_is_placed_as_the_settings_say(ready):
    ready.place_at_cursor = True
    bpy.context.scene.cursor.location = (10.0, 20.0, 30.0)
    bpy.ops.image_to_scene.reconstruct()
    (root,) = find_roots(bpy.context.scene)
    assert np.linalg.norm(root.matrix_basis.translation) > 10.0


def no_pictures(chosen, _folder):
    bpy.ops.image_to_scene.clear_pictures()


def a_missing_picture(chosen, folder):
    add([folder / "nowhere.png"])


def a_broken_picture(chosen, folder):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    add([folder / "broken.png"])


def no_folder(chosen, _folder):
    chosen.model_folder = ""


def a_wrong_checkpoint(chosen, folder):
    (folder / "model.safetensors").write_bytes(b"not tensors at all")
    chosen.model_folder = str(folder)


def no_device(chosen, _folder):
    chosen.device = "mps"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_pictures, "No pictures are in the list"),
        (a_missing_picture, "nowhere.png"),
        (a_broken_picture, "broken.png"),
        (no_folder, "No model folder is named"),
        (a_wrong_checkpoint, "model.safetensors"),
        (no_device, "mps"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_the_scene(ready, tmp_path, data_blocks, spoil, words):
    spoil(ready, tmp_path)
    before = data_blocks()
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.image_to_scene.reconstruct()
    assert words.lower() in str(caught.value).lower()
    assert "Traceback" not in str(caught.value)
    assert data_blocks() == before
    assert session.run is None


def test_the_preferences_name_the_interpreter(ready, preferences, worker_python, tmp_path, data_blocks):
    before = data_blocks()
    preferences.worker_python = str(tmp_path / "no python")
    with pytest.raises(RuntimeError, match="not a program that can be run"):
        bpy.ops.image_to_scene.reconstruct()
    assert data_blocks() == before
    preferences.worker_python = str(worker_python)
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}


def test_a_folder_that_is_no_reconstruction_is_refused(tmp_path, data_blocks):
    before = data_blocks()
    with pytest.raises(RuntimeError, match="not a reconstruction"):
        bpy.ops.image_to_scene.open_reconstruction(directory=str(tmp_path))
    assert data_blocks() == before


def started(ready):
    """A run as the window starts it: not waited for."""
    return session.start(request_of(ready), runtime.worker_python(bpy.context))


def process():
    return session._worker.pid


def is_alive(pid):
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds=SECONDS_OF_A_CANCEL):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_only_one_run_at_a_time_and_cancel_ends_it_within_a_second(ready, data_blocks):
    before = data_blocks()
    run = started(ready)
    assert not bpy.ops.image_to_scene.reconstruct.poll()
    assert bpy.ops.image_to_scene.cancel() == {"FINISHED"}
    assert not bpy.ops.image_to_scene.cancel.poll()
    wait_until(run.advance)
    with pytest.raises(CancelledError):
        run.reconstructions()
    session.finish(run)
    assert data_blocks() == before
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}


def test_opening_a_file_ends_the_run(ready):
    started(ready)
    pid = process()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert session.run is None
    wait_until(lambda: not is_alive(pid))


def test_disabling_the_add_on_ends_the_run_and_it_can_be_enabled_again(ready):
    run = started(ready)
    pid, scratch, ends = process(), Path(session._scratch.path), []
    run.at_end.callback(ends.append, 1)
    image_to_scene.unregister()
    try:
        assert ends == [1]
        wait_until(lambda: not is_alive(pid))
        wait_until(lambda: not scratch.exists())
        assert not hasattr(bpy.types.Scene, "image_to_scene")
    finally:
        image_to_scene.register()
    assert bpy.ops.image_to_scene.open_reconstruction.poll()


def test_a_deleted_scene_is_noticed():
    scene = bpy.data.scenes.new("other")
    number = scene.session_uid
    assert find_scene(number) == scene
    bpy.data.scenes.remove(scene)
    with pytest.raises(CancelledError, match="deleted"):
        find_scene(number)


def test_a_failed_run_leaves_no_folder(ready, tmp_path):
    a_missing_picture(ready, tmp_path)
    with pytest.raises(RuntimeError):
        bpy.ops.image_to_scene.reconstruct()
    kept = set(session._results.values())
    folders = {path for path in Path(session._scratch.path).iterdir() if path.is_dir()}
    assert folders <= {folder.parent for folder in kept}


def test_panels_draw_with_and_without_everything(ready):
    """Blender draws no panel without a window; a stand-in layout that takes every call still runs each line."""
    bpy.ops.image_to_scene.reconstruct()
    from image_to_scene.panels import sidebar

    for kind in sidebar.CLASSES:
        kind.draw(SimpleNamespace(layout=Anything()), bpy.context)


class Anything:
    """Answers every attribute and call with itself."""

    def __getattr__(self, name):
        return self

    def __call__(self, *arguments, **keywords):
        return self


def test_importing_the_package_imports_neither_torch_nor_pillow(worker_python):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import conftest, image_to_scene\n"
        "import image_to_scene.operators.command, image_to_scene.panels.sidebar\n"
        "assert not {'torch', 'PIL', 'safetensors', 'huggingface_hub'} & sys.modules.keys(); import os; os._exit(0)"
    )
    tests = Path(__file__).resolve().parents[1]
    subprocess.run([bpy.app.binary_path or __import__("sys").executable, "-c", script, str(tests)], check=True)
