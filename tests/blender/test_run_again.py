"""Run again: new parts in the place of the old ones, and everything that is the artist's as it was."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import bpy
import pytest
from mathutils import Matrix

from image_to_scene.core.errors import CancelledError, StorageError
from image_to_scene.core.storage import save
from image_to_scene.core.types import Request, View
from image_to_scene.operators.memory import REQUEST_KEY, remember_request, remembered_request
from image_to_scene.operators.scene import BuildOptions, Plan, Shelf, build, build_steps, description, run_through
from image_to_scene.operators.scene.tuning import Tuning, get_tuning, set_tuning
from image_to_scene.operators.session import Task, session
from image_to_scene.operators.work import Order, work

OPTIONS = BuildOptions(name="Harbour")
TUNED = Tuning(point_density=0.5, mesh_step=2)


def again(root, reconstruction, options=OPTIONS):
    with Shelf(bpy.context.scene) as shelf:
        (built,) = run_through(build_steps([Plan(reconstruction, options, root.session_uid)], shelf))
    return built


def link(item):
    bpy.context.scene.collection.objects.link(item)
    return item


@pytest.fixture
def first(make_reconstruction):
    """A reconstruction that an artist has worked with."""
    built = build(make_reconstruction(), OPTIONS, bpy.context.scene)
    root = built.root
    stage = link(bpy.data.objects.new("Stage", None))
    root.parent, root.name = stage, "My Harbour"
    root.location, root.scale, root["note"] = (1, 2, 3), (2, 2, 2), "mine"
    set_tuning(root, TUNED)
    root.keyframe_insert("location", frame=5)
    bpy.context.scene.camera = built.cameras[1]
    bpy.context.view_layer.update()
    return built


def test_everything_of_the_root_stays(first, make_reconstruction):
    root, kept = first.root, first.root.session_uid
    action, matrix = root.animation_data.action, root.matrix_world.copy()
    built = again(root, make_reconstruction(model="base", facts={"seconds": 9.0}))
    assert built.root == root and root.session_uid == kept
    assert (root.name, root.parent.name, root["note"]) == ("My Harbour", "Stage", "mine")
    assert root.animation_data.action == action
    bpy.context.view_layer.update()
    assert root.matrix_world == matrix
    assert (description(root)["model"], description(root)["facts"]) == ("base", {"seconds": 9.0})
    assert built.collection.name == "Harbour" and [item.name for item in bpy.data.collections] == ["Harbour"]


def test_the_tuning_stays_and_acts_on_the_new_parts(first, make_reconstruction):
    built = again(first.root, make_reconstruction())
    assert asdict(get_tuning(first.root)) == pytest.approx(asdict(TUNED))
    graph = bpy.context.evaluated_depsgraph_get()
    cloud = built.clouds[0]
    shown = len(cloud.evaluated_get(graph).data.attributes["position"].data)
    assert 0.3 < shown / len(cloud.data.attributes["position"].data) < 0.7
    set_tuning(first.root, replace(TUNED, point_density=0.0))
    graph = bpy.context.evaluated_depsgraph_get()
    assert not len(cloud.evaluated_get(graph).data.attributes["position"].data)


def test_an_old_mesh_may_be_in_edit_mode(first, make_reconstruction):
    bpy.context.view_layer.objects.active = first.meshes[0]
    bpy.ops.object.mode_set(mode="EDIT")
    built = again(first.root, make_reconstruction())
    bpy.context.view_layer.update()
    assert bpy.context.mode == "OBJECT"
    assert all(item.mode == "OBJECT" for item in built.meshes)


def test_parts_keep_their_names_and_nothing_of_the_old_ones_is_left(first, make_reconstruction, data_blocks):
    def listing():
        return [item[:2] for item in data_blocks() if item[0] not in {"Image", "Material", "GeometryNodeTree"}]

    def materials():
        return [material.name.partition(".")[0] for material in bpy.data.materials if material.name != "Dots Stroke"]

    before, uids = listing(), {item.session_uid for item in first.root.children}
    for _ in range(2):
        again(first.root, make_reconstruction())
        assert listing() == before
        assert sorted(materials()) == ["My Harbour points", "left", "right"]
        assert sum(image.source == "FILE" for image in bpy.data.images) == 2
    assert not uids & {item.session_uid for item in bpy.data.objects}


def test_what_looked_at_an_old_part_looks_at_the_new_one(first, make_reconstruction):
    lamp = link(bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT")))
    lamp.parent = first.cameras[0]
    follower = link(bpy.data.objects.new("Follower", None))
    follower.constraints.new("COPY_LOCATION").target = first.meshes[0]
    built = again(first.root, make_reconstruction())
    assert bpy.context.scene.camera == built.cameras[1]
    assert lamp.parent == built.cameras[0]
    assert follower.constraints[0].target == built.meshes[0]
    assert [item.name for item in built.cameras] == ["left camera", "right camera"]


def test_what_is_the_artists_own_stays(first, make_reconstruction):
    mine = bpy.data.objects.new("Mine", None)
    mine.parent = first.root
    first.collection.objects.link(mine)
    loose = bpy.data.objects.new("Loose", None)
    first.collection.objects.link(loose)
    copy = first.meshes[0].copy()
    copy.data = first.meshes[0].data.copy()
    first.collection.objects.link(copy)
    first.meshes[1].name = "the one I work on"
    adopted = first.meshes[1]
    paint = bpy.data.materials.new("Paint")
    adopted.data.materials.append(paint)
    built = again(first.root, make_reconstruction())
    there = set(first.collection.objects)
    assert {mine, loose, copy, adopted} <= there
    assert {mine.parent, copy.parent, adopted.parent} == {built.root}
    assert copy.data.materials[0] is not None and adopted.data.materials[1] == paint
    assert len(there) == 4 + 1 + 6


def test_what_is_not_asked_for_any_more_goes_and_its_children_do_not_move(first, make_reconstruction):
    lamp = link(bpy.data.objects.new("Lamp", None))
    lamp.parent, lamp.location = first.cameras[0], (0.3, 0.2, 0.1)
    bpy.context.view_layer.update()
    before = lamp.matrix_world.copy()
    built = again(first.root, make_reconstruction(), replace(OPTIONS, cameras=False, point_cloud=False))
    bpy.context.view_layer.update()
    assert lamp.parent == built.root
    assert Matrix(lamp.matrix_world - before).to_translation().length < 1e-5
    assert not bpy.data.cameras and bpy.context.scene.camera is None
    assert len(built.root.children) == 3


def test_moved_to_another_collection_it_goes_there(first, make_reconstruction):
    other = bpy.data.collections.new("Elsewhere")
    bpy.context.scene.collection.children.link(other)
    for item in [first.root, *first.root.children]:
        other.objects.link(item)
        first.collection.objects.unlink(item)
    built = again(first.root, make_reconstruction())
    assert built.collection == other
    assert {item.name for item in other.objects} == {built.root.name, *(item.name for item in built.root.children)}


def test_one_undo_step_brings_the_old_one_back(first, make_reconstruction, data_blocks):
    bpy.ops.ed.undo_push(message="first")
    before = data_blocks()
    again(first.root, make_reconstruction())
    bpy.ops.ed.undo_push(message="again")
    after = data_blocks()
    bpy.ops.ed.undo()
    assert data_blocks() == before
    bpy.ops.ed.redo()
    assert data_blocks() == after


def test_a_root_deleted_meanwhile_is_a_sentence(first, make_reconstruction, data_blocks):
    with pytest.raises(CancelledError, match="deleted"), Shelf(bpy.context.scene) as shelf:
        steps = build_steps([Plan(make_reconstruction(), OPTIONS, first.root.session_uid)], shelf)
        next(steps)
        bpy.data.objects.remove(first.root)
        before = data_blocks()
        run_through(steps)
    assert data_blocks() == before


def test_a_failure_leaves_the_old_one(first, make_reconstruction, data_blocks):
    before, properties = data_blocks(), dict(first.root.items())
    broken = make_reconstruction()
    views = (broken.views[0], replace(broken.views[1], image=broken.views[1].image[:3]))
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        again(first.root, replace(broken, views=views))
    assert data_blocks() == before
    assert dict(first.root.items()) == properties


def test_where_a_model_makes_several_the_first_replaces(first, make_view, make_reconstruction, tmp_path):
    folders = tuple(tmp_path / name for name in ("one", "two"))
    for folder, name in zip(folders, ("left", "right"), strict=True):
        save(make_reconstruction(views=(make_view(name),)), folder)
    task = Task("Opening", folders)
    request = Request(tuple(View(tmp_path / f"{name}.png") for name in ("left", "right")))
    order = Order(BuildOptions(without_camera=(1,)), request, first.root.session_uid)
    one, other = run_through(work(task, order, bpy.context.scene))
    assert one.root == first.root != other.root
    assert (len(one.cameras), len(other.cameras)) == (1, 0)
    assert [len(built.root.children) for built in (one, other)] == [3, 2]
    assert remembered_request(other.root) == (
        replace(request, views=request.views[1:]),
        {"without_camera": (0,), "clip_start": 1.0},
    )
    assert any("does not relate" in warning for warning in task.warnings)


@pytest.mark.parametrize(
    "fact",
    [
        {
            "left_out": [
                {"name": "b.png", "reason": "shows a single colour", "view": 1},
                {"name": "e.txt", "view": None},
            ]
        },
        {"dropped_views": [1]},
    ],
    ids=["now", "saved by 1.0"],
)
def test_a_view_that_is_left_out_shifts_no_camera(make_view, make_reconstruction, tmp_path, fact):
    """Of four views the second was left out: the third and fourth are the result's second and third."""
    views = tuple(make_view(name) for name in ("a", "c", "d"))
    save(make_reconstruction(views=views, facts={"warnings": [], **fact}), tmp_path / "one")
    request = Request(tuple(View(tmp_path / f"{name}.png") for name in "abcd"))
    order = Order(BuildOptions(without_camera=(2,)), request)
    (built,) = run_through(work(Task("Opening", (tmp_path / "one",)), order, bpy.context.scene))
    assert [camera.name.partition(".")[0] for camera in built.cameras] == ["a camera", "d camera"]
    kept = tuple(request.views[index] for index in (0, 2, 3))
    assert remembered_request(built.root) == (
        replace(request, views=kept),
        {"without_camera": (1,), "clip_start": 1.0},
    )


@pytest.fixture
def ready(tiny_checkpoint, pictures):
    """Settings with two pictures and a small model."""
    chosen = bpy.context.scene.image_to_scene
    chosen.model, chosen.model_folder, chosen.resolution = "FOLDER", str(tiny_checkpoint), 70
    files = [{"name": path.name} for path in pictures]
    bpy.ops.image_to_scene.add_pictures(directory=str(pictures[0].parent), files=files)
    return chosen


def test_the_button_runs_the_same_pictures_with_the_present_settings(ready, tmp_path, data_blocks):
    assert not bpy.ops.image_to_scene.run_again.poll()
    bpy.ops.image_to_scene.reconstruct()
    (root,) = [item for item in bpy.context.scene.objects if item.type == "EMPTY"]
    request, options = remembered_request(root)
    assert len(request.views) == 2 and request.resolution == 70
    assert options == {"without_camera": (), "clip_start": 1.0}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    settings = bpy.context.scene.image_to_scene
    bpy.ops.image_to_scene.clear_pictures()
    settings.resolution, settings.makes_point_cloud = 42, False
    before = len(bpy.data.objects)
    assert bpy.ops.image_to_scene.run_again() == {"FINISHED"}
    assert len(bpy.data.objects) == before - 2
    (root,) = [item for item in bpy.context.scene.objects if item.type == "EMPTY"]
    assert remembered_request(root)[0] == replace(request, resolution=42)
    assert session.folder_of(root) is not None
    settings.model_folder, listing = str(tmp_path), data_blocks()
    with pytest.raises(RuntimeError, match="model"):
        bpy.ops.image_to_scene.run_again()
    assert data_blocks() == listing


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"request": 1, "without_camera": [], "clip_start": 1}', "no JSON"])
def test_a_request_that_cannot_be_read_is_a_sentence(first, text):
    first.root[REQUEST_KEY] = text
    with pytest.raises(StorageError, match="press Reconstruct"):
        remembered_request(first.root)


def test_a_request_of_an_earlier_version_has_today_s_defaults(first):
    remember_request(first.root, Request((View(Path("a.png")),), resolution=42, exposure=1.5), OPTIONS)
    memory = json.loads(first.root[REQUEST_KEY])
    del memory["request"]["exposure"]
    first.root[REQUEST_KEY] = json.dumps(memory)
    request, _ = remembered_request(first.root)
    assert (request.resolution, request.exposure) == (42, 0.0)
