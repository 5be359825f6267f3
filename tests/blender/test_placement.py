"""Scale, up and place: exact matrices, every step undone at once, and no camera that sees anything else than before."""

import sys
from pathlib import Path
from typing import get_args

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

sys.path.insert(0, str(Path(__file__).resolve().parent))
from floor_scene import HEIGHT, LENGTH, PITCH, WIDTH, place_in_scene, true_up

from image_to_scene.core.geometry.cameras import BLENDER_FROM_FIRST_VIEW, blender_from_opencv
from image_to_scene.core.geometry.ground import levelling, mean_up
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators import arguments, picking, placement, settings
from image_to_scene.operators.scene import BuildOptions, build, find_roots
from image_to_scene.operators.scene import placement as place
from image_to_scene.operators.scene.survey import survey
from image_to_scene.operators.settings import placement_from
from image_to_scene.panels import placement as panel

OPS = bpy.ops.image_to_scene


@pytest.fixture
def built(floor_view):
    """A root in a first-view world whose true up is known: see `true_up`."""
    return place_in_scene(floor_view)


def matrix(root):
    bpy.context.view_layer.update()
    return np.array(root.matrix_world)


def similarity(scale=1.0, rotation=None, location=(0, 0, 0)):
    result = np.eye(4)
    result[:3, :3] = scale * (np.eye(3) if rotation is None else rotation)
    result[:3, 3] = location
    return result


def add_empty(name, location):
    empty = bpy.data.objects.new(name, None)
    empty.location = location
    bpy.context.scene.collection.objects.link(empty)
    return empty


def select(*items):
    for item in bpy.context.selected_objects:
        item.select_set(False)
    bpy.context.view_layer.objects.active = None
    for item in items:
        item.select_set(True)
    bpy.context.view_layer.update()


def seen(built):
    """Where the camera sees points of its mesh [N, 2]."""
    bpy.context.view_layer.update()
    mesh, camera, scene = built.meshes[0], built.cameras[0], bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 2 * WIDTH, 2 * LENGTH
    points = [mesh.matrix_world @ vertex.co for vertex in list(mesh.data.vertices)[::97]]
    return np.array([world_to_camera_view(scene, camera, point) for point in points])[:, :2]


def test_level_by_ground_and_back(built):
    before = seen(built)
    assert OPS.level(mode="GROUND") == {"FINISHED"}
    found = matrix(built.root)
    np.testing.assert_allclose(found, similarity(rotation=levelling(true_up())), atol=5e-3)
    np.testing.assert_allclose(found[:3, :3] @ survey(built.root).ground.normal, (0, 0, 1), atol=1e-6)
    np.testing.assert_allclose(seen(built), before, atol=1e-4)
    OPS.level(mode="AS_PREDICTED")
    np.testing.assert_allclose(matrix(built.root), np.eye(4), atol=1e-6)


def test_level_by_cameras_after_the_artist_turned_it(built):
    built.root.rotation_euler, built.root.location = (0.4, -0.3, 1.0), (1, 2, 3)
    before = seen(built)
    turned = matrix(built.root)
    OPS.level(mode="CAMERAS")  # one camera: its own up, Z of the root
    expected = similarity(1.0, levelling(turned[:3, 2]) @ turned[:3, :3], (1, 2, 3))
    np.testing.assert_allclose(matrix(built.root), expected, atol=1e-5)
    np.testing.assert_allclose(seen(built), before, atol=1e-4)


def drones(make_view, **facts):
    """Three cameras that a drone has held straight down, seen by the network 12° off that and turned about it."""
    tilted = np.array(Matrix.Rotation(np.radians(12.0), 3, "X"))
    views = []
    for index, angle in enumerate((0.0, 1.0, 2.0)):
        pose = np.eye(4)
        pose[:3, :3] = np.array(Matrix.Rotation(angle, 3, "Z"))
        pose[:3, 3] = index, 0.0, 0.0
        views.append(make_view(f"drone {index}", world_from_camera=pose, depth=np.full((16, 24), 50.0, np.float32)))
    return Reconstruction(tuple(views), facts=facts), tilted @ (0.0, 0.0, -1.0)


@pytest.mark.parametrize("mode", ["CAMERAS", "GROUND"])
def test_what_a_drone_measured_is_up(make_view, mode):
    """The mean of the cameras' own ups says nothing of cameras that look straight down."""
    _, up = drones(make_view)
    reconstruction, _ = drones(make_view, up=up.tolist())
    root = build(reconstruction, BuildOptions(), bpy.context.scene).root
    assert place.apply_placement(root, place.Placement(up=mode), bpy.context.scene) == []
    world_from_root = matrix(root)
    found = world_from_root[:3, :3] @ (BLENDER_FROM_FIRST_VIEW[:3, :3] @ up)
    np.testing.assert_allclose(found, (0, 0, 1), atol=1e-6)
    cameras = [item for item in root.children_recursive if item.type == "CAMERA"]
    looks = [np.array(camera.matrix_world)[:3, :3] @ (0, 0, -1) for camera in cameras]
    np.testing.assert_allclose([look[2] for look in looks], -np.cos(np.radians(12.0)), atol=1e-6)


def test_without_gravity_cameras_level_as_before(make_view):
    reconstruction, _ = drones(make_view, up="sideways")  # of a damaged file
    root = build(reconstruction, BuildOptions(), bpy.context.scene).root
    assert survey(root).measured_up is None
    np.testing.assert_allclose(survey(root).up, mean_up(survey(root).cameras))


def test_level_without_floor_says_so_and_changes_nothing(make_view):
    wall = make_view("wall", depth=np.full((16, 24), 4.0, np.float32))
    root = build(Reconstruction((wall,)), BuildOptions(), bpy.context.scene).root
    with pytest.raises(RuntimeError, match="No floor was found"):
        OPS.level(mode="GROUND")
    assert np.array_equal(matrix(root), np.eye(4))


def test_floor_to_zero_holds_through_scale_and_turn(built):
    OPS.level(mode="GROUND")
    OPS.floor_to_zero()
    found = matrix(built.root)
    np.testing.assert_allclose(found[:3, 3], (0, 0, HEIGHT), atol=0.01)
    anchor = found @ [*built.root[place.ANCHOR_KEY], 1.0]
    assert anchor[2] == pytest.approx(0.0, abs=1e-6)
    place.scale_by(built.root, 3.0)
    scaled = matrix(built.root)
    np.testing.assert_allclose(scaled[:3, :3], 3.0 * found[:3, :3], atol=1e-5)
    np.testing.assert_allclose(scaled @ [*built.root[place.ANCHOR_KEY], 1.0], anchor, atol=1e-5)
    floor = survey(built.root).ground
    on_floor = scaled @ [*(-floor.offset * floor.normal), 1.0]
    assert on_floor[2] == pytest.approx(0.0, abs=1e-4)


def test_floor_to_zero_without_floor_takes_the_lowest(make_view):
    wall = make_view("wall", depth=np.full((16, 24), 4.0, np.float32))
    root = build(Reconstruction((wall,)), BuildOptions(), bpy.context.scene).root
    OPS.floor_to_zero()
    lowest = np.percentile(survey(root).points[:, 2], place.LOWEST)
    np.testing.assert_allclose(matrix(root), similarity(location=(0, 0, -lowest)), atol=1e-5)


def test_place_at_cursor_brings_the_middle_of_the_geometry_there(built):
    before = seen(built)
    bpy.context.scene.cursor.location = (10.0, -5.0, 2.0)
    OPS.level(mode="GROUND")
    OPS.place_at_cursor()
    points = survey(built.root).points
    world = matrix(built.root)
    placed = points @ world[:3, :3].T + world[:3, 3]
    np.testing.assert_allclose(np.median(placed[:, :2], axis=0), (10.0, -5.0), atol=1e-4)
    assert np.percentile(placed[:, 2], 30) == pytest.approx(2.0, abs=0.02)
    np.testing.assert_allclose(seen(built), before, atol=1e-4)


def test_scale_to_the_distance_of_two_selected_objects(built):
    built.root.location = (1.0, 2.0, 3.0)
    before = seen(built)
    select(add_empty("one", (0, 0, 0)), add_empty("two", (0, 3, 4)))
    assert OPS.scale_to_distance(distance=20.0) == {"FINISHED"}
    np.testing.assert_allclose(matrix(built.root), similarity(4.0, location=(1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(seen(built), before, atol=1e-4)


def test_scale_to_the_distance_of_its_own_parts(make_reconstruction):
    first = build(make_reconstruction(), BuildOptions(name="a"), bpy.context.scene)
    second = build(make_reconstruction(), BuildOptions(name="b"), bpy.context.scene)
    select(*first.cameras)  # not the last root: that of the selected objects is meant
    OPS.scale_to_distance(distance=2.0)
    bpy.context.view_layer.update()
    left, right = (camera.matrix_world.translation for camera in first.cameras)
    assert (left - right).length == pytest.approx(2.0, rel=1e-5)
    assert np.array_equal(matrix(second.root), np.eye(4))


def test_scale_to_the_distance_of_two_points(built):
    OPS.scale_to_distance(first=(0, 0, 0), second=(0, 2, 0), distance=1.0, root=built.root.name)
    np.testing.assert_allclose(matrix(built.root), similarity(0.5), atol=1e-6)


def test_one_object_or_one_place_is_refused(built):
    select(built.root)
    with pytest.raises(RuntimeError, match="Select the two objects"):
        OPS.scale_to_distance(distance=1.0)
    with pytest.raises(RuntimeError, match="in one place"):
        OPS.scale_to_distance(first=(1, 1, 1), second=(1, 1, 1), distance=1.0)
    assert np.array_equal(matrix(built.root), np.eye(4))


def test_metric_scale_in_a_scene_of_centimetres(floor_view):
    bpy.context.scene.unit_settings.scale_length = 0.01
    root = place_in_scene(floor_view, units="metres").root
    place.scale_by(root, 0.3)
    OPS.set_scale(mode="METRIC")
    np.testing.assert_allclose(matrix(root), similarity(100.0), rtol=1e-5)
    bpy.context.scene.unit_settings.scale_length = 1.0
    OPS.set_scale(mode="METRIC")
    np.testing.assert_allclose(matrix(root), np.eye(4), atol=1e-6)


def test_metric_scale_is_refused_without_metres_and_as_predicted_goes_back(built):
    with pytest.raises(RuntimeError, match="does not know metres"):
        OPS.set_scale(mode="METRIC")
    built.root.scale, built.root.location = (5, 5, 5), (1, 2, 3)
    OPS.set_scale(mode="AS_PREDICTED")
    np.testing.assert_allclose(matrix(built.root), similarity(location=(1, 2, 3)), atol=1e-6)


def test_reset_after_everything(built):
    for step in (OPS.floor_to_zero, OPS.place_at_cursor):
        step()
    OPS.level(mode="GROUND")
    place.scale_by(built.root, 7.0)
    OPS.reset_placement()
    assert np.array_equal(matrix(built.root), np.eye(4))
    assert place.ANCHOR_KEY not in built.root


def test_a_root_below_a_turned_and_scaled_parent(built):
    parent = add_empty("parent", (3, 4, 5))
    parent.rotation_euler, parent.scale = (0.3, 0.2, 0.1), (2, 2, 2)
    built.root.parent = parent
    bpy.context.view_layer.update()
    OPS.level(mode="GROUND")
    OPS.set_scale(mode="AS_PREDICTED")
    OPS.floor_to_zero()
    found = matrix(built.root)
    normal = survey(built.root).ground.normal
    np.testing.assert_allclose(found[:3, :3] @ normal, (0, 0, 1), atol=1e-5)  # scale 1 and upright, in the world
    anchor = found @ [*built.root[place.ANCHOR_KEY], 1.0]
    assert anchor[2] == pytest.approx(0.0, abs=1e-5)
    OPS.reset_placement()
    np.testing.assert_allclose(matrix(built.root), np.array(parent.matrix_world), atol=1e-6)


def given_camera():
    """A camera of the artist's: at (2, 1, 3), turned about Z and pitched down."""
    turn = Matrix.Rotation(0.7, 4, "Z") @ Matrix.Rotation(np.pi / 2 - PITCH, 4, "X")
    return blender_from_opencv(np.array(Matrix.Translation((2, 1, 3)) @ turn))


def test_the_world_of_given_cameras_scales_about_the_first_and_never_moves(floor_view):
    facts = {"pivot": [2.0, 1.0, 3.0], "cameras": []}
    built = place_in_scene(floor_view, given_camera(), world="given", facts=facts)
    before, centre = seen(built), Vector((2, 1, 3))
    place.scale_by(built.root, 2.5)
    np.testing.assert_allclose(matrix(built.root), similarity(2.5, location=-1.5 * np.array([2, 1, 3])), atol=1e-5)
    assert (built.cameras[0].matrix_world.translation - centre).length < 1e-5
    np.testing.assert_allclose(seen(built), before, atol=1e-4)
    for step in (lambda: OPS.level(mode="GROUND"), OPS.floor_to_zero, OPS.place_at_cursor):
        with pytest.raises(RuntimeError, match="world of the given cameras"):
            step()
    OPS.reset_placement()
    assert np.array_equal(matrix(built.root), np.eye(4))


def test_clip_range_follows_every_scale(built):
    camera = built.cameras[0].data
    near, far = camera.clip_start, camera.clip_end
    place.scale_by(built.root, 40.0)
    bpy.context.view_layer.update()
    np.testing.assert_allclose((camera.clip_start, camera.clip_end), (40 * near, 40 * far), rtol=1e-5)
    OPS.reset_placement()
    bpy.context.view_layer.update()
    np.testing.assert_allclose((camera.clip_start, camera.clip_end), (near, far), rtol=1e-5)


def test_each_step_is_undone_and_redone_at_once(built):
    name = built.root.name
    select(add_empty("one", (0, 0, 0)), add_empty("two", (0, 0, 2)))
    bpy.ops.ed.undo_push(message="Built")
    steps = (
        lambda: OPS.level(mode="GROUND"),
        OPS.floor_to_zero,
        lambda: OPS.scale_to_distance(distance=6.0),
        OPS.place_at_cursor,
        lambda: OPS.level(mode="AS_PREDICTED"),
        OPS.reset_placement,
    )
    matrices = [matrix(bpy.data.objects[name])]
    for step in steps:
        step()
        bpy.ops.ed.undo_push(message="Step")  # Blender itself does so after a click
        matrices.append(matrix(bpy.data.objects[name]))
    for expected in matrices[-2::-1]:
        bpy.ops.ed.undo()
        np.testing.assert_array_equal(matrix(bpy.data.objects[name]), expected)
    for expected in matrices[1:]:
        bpy.ops.ed.redo()
        np.testing.assert_array_equal(matrix(bpy.data.objects[name]), expected)


def test_placing_works_after_saving_and_opening(built, tmp_path):
    place.scale_by(built.root, 2.0)
    name = built.root.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    OPS.level(mode="GROUND")
    OPS.floor_to_zero()
    root = bpy.data.objects[name]
    np.testing.assert_allclose(matrix(root)[2, 3], 2.0 * HEIGHT, rtol=0.01)


def test_a_new_reconstruction_is_placed_as_the_settings_say(built):
    chosen, scene = bpy.context.scene.image_to_scene, bpy.context.scene
    assert placement_from(chosen) == place.Placement("AS_PREDICTED", "GROUND", floor_to_zero=True)
    assert place.apply_placement(built.root, placement_from(chosen), scene) == []
    np.testing.assert_allclose(
        matrix(built.root), similarity(rotation=levelling(true_up()), location=(0, 0, HEIGHT)), atol=0.01
    )
    OPS.reset_placement()
    assert place.apply_placement(built.root, place.Placement(), scene) == []
    assert np.array_equal(matrix(built.root), np.eye(4))
    assert place.apply_placement(built.root, place.Placement(scale="METRIC"), scene) == [place.NO_METRES]


def test_what_cannot_be_done_as_wanted_is_said(make_view, floor_view):
    scene = bpy.context.scene
    wall = make_view("wall", depth=np.full((16, 24), 4.0, np.float32))
    root = build(Reconstruction((wall,)), BuildOptions(), scene).root
    assert place.apply_placement(root, place.Placement(up="GROUND"), scene) == [place.LEVELLED_BY_CAMERAS]
    np.testing.assert_allclose(matrix(root), np.eye(4), atol=1e-6)


@pytest.mark.parametrize(
    ("units", "scale_known", "scale", "sentences"),
    [
        ("scene units", True, 1.0, []),  # the cameras told it
        ("scene units", False, 1.0, [place.NO_METRES]),
        ("metres", True, 10.0, []),  # the network's metres, since one camera tells nothing
    ],
)
def test_in_a_given_world_only_an_unknown_scale_follows_the_setting(floor_view, units, scale_known, scale, sentences):
    scene = bpy.context.scene
    scene.unit_settings.scale_length = 0.1
    facts = {"pivot": [2.0, 1.0, 3.0], "cameras": [], "scale_known": scale_known}
    root = place_in_scene(floor_view, given_camera(), world="given", facts=facts, units=units).root
    everything = place.Placement("METRIC", "GROUND", floor_to_zero=True, at_cursor=True)
    assert place.apply_placement(root, everything, scene) == sentences
    expected = similarity(scale, location=(1.0 - scale) * np.array([2.0, 1.0, 3.0]))
    np.testing.assert_allclose(matrix(root), expected, atol=1e-4)


def test_without_reconstruction_nothing_can_be_placed():
    assert not find_roots(bpy.context.scene)
    for name in ("set_scale", "scale_to_distance", "pick_distance", "level", "floor_to_zero", "reset_placement"):
        assert not getattr(OPS, name).poll()


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT"])
def test_only_object_mode_has_an_undo_for_it(built, mode):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode=mode)
    names = ("set_scale", "scale_to_distance", "level", "floor_to_zero", "place_at_cursor", "reset_placement")
    for name in (*names, "reset_tuning"):
        assert not getattr(OPS, name).poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert OPS.floor_to_zero.poll()


def test_the_command_line_places_too():
    def placement(*words):
        return arguments.placement_from(arguments.parse(["--images", "a.png", "--output", "a.glb", *words], None, "x"))

    assert placement() == place.Placement()
    assert placement("--scale=metric", "--up=ground", "--floor") == place.Placement("METRIC", "GROUND", True)
    assert placement("--up=cameras") == place.Placement(up="CAMERAS")


def test_every_choice_of_the_settings_is_one_of_the_command_line_and_of_the_code():
    for items, words, kind in (
        (settings.SCALES, arguments.SCALES, place.ScaleMode),
        (settings.UPS, arguments.UPS, place.UpMode),
    ):
        assert tuple(item[0] for item in items) == tuple(words.values()) == get_args(kind)


@pytest.mark.parametrize("kind", placement.CLASSES, ids=lambda kind: kind.bl_idname)
def test_class_name_label_and_tooltip_follow_the_rules(kind):
    assert f"IMAGETOSCENE_OT_{kind.bl_idname.partition('.')[2]}" == kind.__name__
    assert kind.bl_label == kind.bl_label.strip() != ""
    assert kind.__doc__ == kind.__doc__.strip() and not kind.__doc__.endswith(".")
    changes_something = kind is not picking.CLASSES[0]
    assert ("UNDO" in kind.bl_options) == changes_something


def test_the_panel_draws_only_what_is_there(floor_view):
    """Blender calls a panel's code when a window draws; here its own layout is enough to catch a wrong name."""
    for kind in panel.CLASSES:
        assert kind.bl_parent_id in {"IMAGETOSCENE_PT_main", "IMAGETOSCENE_PT_advanced"}
    assert not panel.IMAGETOSCENE_PT_placement.poll(bpy.context)
    place_in_scene(floor_view)
    assert panel.IMAGETOSCENE_PT_placement.poll(bpy.context)
    camera = {"view": 0, "name": "a", "distance": 0.5, "pixels": 12.4, "degrees": 1.0, "agrees": True}
    assert panel._residual(bpy.context.scene, camera) == "12 px · 50 cm"
