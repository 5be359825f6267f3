"""A build gives Blender back between its slices; whatever the artist does meanwhile, it ends whole or not at all."""

import time

import bpy
import pytest

import image_to_scene
from image_to_scene.core.errors import CancelledError
from image_to_scene.core.outside import Chosen
from image_to_scene.core.storage import save
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, Plan, Shelf, build, build_steps, find_roots, run_through
from image_to_scene.operators.session import session
from image_to_scene.operators.work import Order, work

DATA = 9  # of two views with everything: two to measure, one for sizes, six for data
SLICES = DATA + 9  # and one for each node group; then all is linked
LONGEST = 0.1  # seconds for which Blender does not answer


@pytest.fixture
def opened(make_reconstruction, tmp_path):
    """Begin to open a saved reconstruction, as the window does: the task, and its steps."""
    folder = tmp_path / "saved"
    save(make_reconstruction(), folder)

    def begin():
        task = session.open(folder, Chosen(outside=True))
        steps = work(task, Order(BuildOptions(name="Opened")), bpy.context.scene)
        task.at_end.callback(steps.close)
        return task, steps

    yield begin
    if session.run is not None:
        session.finish(session.run)


def go(steps, count):
    return [next(steps) for _ in range(count)]


def finish(task, steps):
    built = run_through(steps)
    session.finish(task)
    return built


def geometry_users():
    """How often each mesh and cloud is used, those before Blender 4.5 that are meshes as well."""
    return [item.users for item in (*bpy.data.meshes, *bpy.data.pointclouds)]


def group_users():
    return bpy.data.user_map(subset=bpy.data.node_groups).values()


def expect_a_good_run(opened):
    (built,) = finish(*opened())
    assert [len(items) for items in (built.cameras, built.clouds, built.meshes)] == [2, 2, 2]
    assert built.root in find_roots(bpy.context.scene)


def test_nothing_is_seen_or_used_before_the_last_slice(make_reconstruction, data_blocks):
    before, scene = {item[:2] for item in data_blocks()}, bpy.context.scene
    with Shelf(scene) as shelf:
        steps = build_steps([Plan(make_reconstruction(), BuildOptions())], shelf)
        for number in range(1, SLICES + 1):
            progress = next(steps)
            assert (progress.stage, progress.done, progress.total) == ("Building", number, SLICES + 1)
            assert not scene.objects and not bpy.data.collections
            made = [item for item in data_blocks() if item[:2] not in before]
            assert all(users == 0 for kind, _, users in made if kind != "GeometryNodeTree")
            assert len(made) == max(0, number - 3)
        assert all(isinstance(user, bpy.types.NodeTree) for users in group_users() for user in users)
        (built,) = run_through(steps)
    assert len(scene.objects) == 7 == len(built.collection.objects)


def test_no_slice_takes_long(make_view):
    """The quickest of three builds each, in this thread's own time, for a busy machine is no failure."""
    views = [make_view(f"{number}", seed=number) for number in range(24)]
    times = []
    for _ in range(3):
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        with Shelf(bpy.context.scene) as shelf:
            times.append(durations(build_steps([Plan(Reconstruction(tuple(views)), BuildOptions())], shelf)))
    assert max(min(same) for same in zip(*times, strict=True)) < LONGEST


def durations(steps):
    """Measure how long each step takes, seconds."""
    found, last = [], object()
    while True:
        start = time.thread_time()
        ended = next(steps, last) is last
        found.append(time.thread_time() - start)
        if ended:
            return found


def test_slices_and_one_go_make_the_same(make_reconstruction, data_blocks, opened):
    build(make_reconstruction(), BuildOptions(name="Opened"), bpy.context.scene)
    at_once = data_blocks()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    finish(*opened())
    assert data_blocks() == at_once


@pytest.mark.parametrize("count", [*range(1, DATA + 1), DATA + 4, SLICES])
def test_undo_between_slices_starts_the_build_again(opened, data_blocks, count):
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.render.fps = 12
    bpy.ops.ed.undo_push(message="frame rate")
    task, steps = opened()
    go(steps, count)
    bpy.ops.ed.undo()
    assert bpy.context.scene.render.fps != 12
    assert next(steps).done in {1, count + 1}  # from the beginning where something was lost
    (built,) = finish(task, steps)
    assert [len(items) for items in (built.cameras, built.clouds, built.meshes)] == [2, 2, 2]
    assert geometry_users() == [1, 1, 1, 1]
    assert [image.users for image in bpy.data.images if image.source == "FILE"] == [2, 2]
    bpy.ops.ed.undo_push(message="built")
    built = data_blocks()
    bpy.ops.ed.undo()
    assert not find_roots(bpy.context.scene)
    bpy.ops.ed.redo()
    assert data_blocks() == built


def test_steps_of_the_artist_undone_and_redone_between_slices(opened):
    bpy.ops.ed.undo_push(message="before")
    task, steps = opened()
    for _ in range(SLICES - 2):
        go(steps, 1)
        bpy.context.scene.frame_end += 1
        bpy.ops.ed.undo_push(message="artist")
    bpy.ops.ed.undo()
    go(steps, 1)
    bpy.ops.ed.redo()
    go(steps, 1)
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    finish(task, steps)
    assert geometry_users() == [1, 1, 1, 1]
    assert len(bpy.data.images) == len(bpy.data.cameras) == 2
    assert len(bpy.context.scene.objects) == 7


def test_a_purge_between_slices_starts_the_build_again(opened):
    task, steps = opened()
    go(steps, 5)
    bpy.ops.outliner.orphans_purge(do_recursive=True)
    assert go(steps, 1)[0].done == 1
    finish(task, steps)
    assert len(bpy.context.scene.objects) == 7


@pytest.mark.parametrize("count", [1, 4, SLICES])
def test_another_file_between_slices_ends_it(opened, data_blocks, tmp_path, count):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    before = data_blocks()
    _task, steps = opened()
    go(steps, count)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    assert session.run is None
    assert list(steps) == []
    assert data_blocks() == before
    expect_a_good_run(opened)


def test_another_file_ends_a_build_that_no_session_knows_of(make_reconstruction, data_blocks):
    before = data_blocks()
    with pytest.raises(CancelledError, match="scene"), Shelf(bpy.context.scene) as shelf:
        steps = build_steps([Plan(make_reconstruction(), BuildOptions())], shelf)
        go(steps, 5)
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        next(steps)
    assert data_blocks() == before


def test_a_deleted_scene_ends_it(opened, data_blocks):
    other = bpy.data.scenes.new("Other")
    task, steps = opened()
    before = [item for item in data_blocks() if item[1] != "Scene"]
    go(steps, 6)
    old = bpy.context.scene
    bpy.context.window.scene = other
    bpy.data.scenes.remove(old)
    with pytest.raises(CancelledError, match="scene was deleted"):
        next(steps)
    session.finish(task)
    assert [item for item in data_blocks() if item[1] != "Scene"] == before
    expect_a_good_run(opened)


@pytest.mark.parametrize("count", [1, 5, SLICES])
def test_cancel_between_slices_leaves_nothing(opened, data_blocks, count):
    before = data_blocks()
    task, steps = opened()
    go(steps, count)
    assert not bpy.ops.image_to_scene.reconstruct.poll()
    assert not bpy.ops.image_to_scene.open_reconstruction.poll()
    bpy.ops.image_to_scene.cancel()
    assert task.status == "Cancelling"
    with pytest.raises(CancelledError):
        next(steps)
    session.finish(task)
    assert data_blocks() == before
    expect_a_good_run(opened)


def test_disabling_the_add_on_between_slices_leaves_nothing(opened, data_blocks):
    before = data_blocks()
    _task, steps = opened()
    go(steps, 6)
    image_to_scene.unregister()
    try:
        assert data_blocks() == before
        assert session.run is None and list(steps) == []
    finally:
        image_to_scene.register()
    expect_a_good_run(opened)


def test_what_the_artist_makes_between_slices_stays_when_the_build_ends(opened):
    task, steps = opened()
    go(steps, 4)
    mine = bpy.data.meshes.new("Mine")
    go(steps, 1)
    session.finish(task)
    assert list(bpy.data.meshes) == [mine]
    assert list(bpy.data.pointclouds) == [] == list(bpy.data.images)
