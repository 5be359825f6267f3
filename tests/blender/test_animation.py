"""Clips: the moving camera is each frame's camera at its frame, and geometry can be shown at its frame only."""

from dataclasses import replace

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from image_to_scene.core.geometry.cameras import BLENDER_FROM_FIRST_VIEW, blender_from_opencv
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, build
from image_to_scene.operators.scene.clips import clips_of

TIMES = (0.0, 0.25, 0.75, 1.1)  # a variable rate: at 24 frames a second, frames 10, 16, 28 and 36.4
FRAMES = (10.0, 16.0, 28.0, 36.4)
OPTIONS = BuildOptions(clip_start=10.0)


def turned(angle, place=(0.0, 0.0, 0.0)):
    matrix = np.array(Matrix.Rotation(angle, 4, "Y"))
    matrix[:3, 3] = place
    return matrix


@pytest.fixture
def make_clip(make_view, tmp_path):
    """Make views of a movie whose camera turns once around; keywords change every view."""

    def make(times=TIMES, source=None, focal=lambda index: 1.0, **changes):
        source = source or tmp_path / "shot.mp4"
        views = []
        for index, time in enumerate(times):
            camera = turned(1.9 * index, (0.1 * index, 0.0, 0.3 * index))
            view = make_view(f"frame{index}", size=(12, 8), seed=index, world_from_camera=camera)
            K = view.image_from_camera * np.array([[focal(index), 1, 1], [1, focal(index), 1], [1, 1, 1]])
            views.append(replace(view, source=source, time=time, image_from_camera=K, **changes))
        return views

    return make


def build_clip(views, options=OPTIONS, world="first_view"):
    return build(Reconstruction(tuple(views), world=world), options, bpy.context.scene)


def at(frame):
    bpy.context.scene.frame_set(int(np.floor(frame)), subframe=frame % 1.0)
    return bpy.context.evaluated_depsgraph_get()


def shown(items, depsgraph):
    return [not item.evaluated_get(depsgraph).hide_render and item.visible_get() for item in items]


def curves_of(owner):
    action, slot = owner.animation_data.action, getattr(owner.animation_data, "action_slot", None)
    if slot is None:
        return list(action.fcurves)
    return [curve for layer in action.layers for strip in layer.strips for curve in strip.channelbag(slot).fcurves]


@pytest.mark.parametrize(("start", "rate"), [(10.0, (24, 1.0)), (1.0, (24, 1.001)), (-7.5, (25, 1.0))])
def test_the_moving_camera_is_each_frames_camera(make_clip, start, rate):
    render = bpy.context.scene.render
    render.fps, render.fps_base = rate
    views = make_clip(focal=lambda index: 1.0 + 0.1 * index)
    built = build_clip(views, replace(OPTIONS, clip_start=start))
    *still, moving = built.cameras
    assert len(still) == 4 and moving.name == "shot camera"
    for camera, time in zip(still, TIMES, strict=True):
        depsgraph = at(start + time * rate[0] / rate[1])
        one, other = moving.evaluated_get(depsgraph), camera.evaluated_get(depsgraph)
        np.testing.assert_allclose(one.matrix_world, other.matrix_world, atol=2e-4)
        for name in ("lens", "shift_x", "shift_y", "clip_end"):
            assert getattr(one.data, name) == pytest.approx(getattr(other.data, name), rel=2e-4, abs=1e-6)


def test_keys_are_straight_at_broken_frames_and_no_quaternion_turns_the_long_way(make_clip):
    built = build_clip(make_clip())
    curves = curves_of(built.cameras[-1])
    assert [(curve.data_path, curve.array_index) for curve in curves] == [
        *(("location", axis) for axis in range(3)),
        *(("rotation_quaternion", axis) for axis in range(4)),
    ]
    for curve in curves:
        assert [key.co[0] for key in curve.keyframe_points] == pytest.approx(FRAMES)
        assert {key.interpolation for key in curve.keyframe_points} == {"LINEAR"}
    keys = np.array([[key.co[1] for key in curve.keyframe_points] for curve in curves[3:]]).T
    assert (np.sum(keys[1:] * keys[:-1], axis=1) >= 0.0).all()
    halves = np.array([blender_from_opencv(BLENDER_FROM_FIRST_VIEW @ turned(1.9 * index)) for index in range(4)])
    for key, matrix in zip(keys, halves, strict=True):
        w, x, y, z = key
        np.testing.assert_allclose([w * w + x * x - y * y - z * z, 2 * (x * y + w * z)], matrix[:2, 0], atol=1e-5)


def test_only_what_changes_of_the_lens_is_keyed(make_clip):
    steady = build_clip(make_clip())
    data = steady.cameras[-1].data
    assert data.animation_data.action is None
    zoomed = build_clip(make_clip(focal=lambda index: 1.0 + 0.1 * index))
    assert [curve.data_path for curve in curves_of(zoomed.cameras[-1].data)] == ["lens"]


def test_geometry_is_shown_at_its_frame_when_asked_for(make_clip, make_view):
    built = build_clip([*make_clip(), make_view("still")])
    root = built.root
    assert root["only_at_frame"] is False or root["only_at_frame"] == 0
    for frame in (1, 12, 40):
        depsgraph = at(frame)
        assert all(shown([*built.meshes, *built.clouds], depsgraph))
    root["only_at_frame"] = True
    root.update_tag()
    for frame, index in ((-50, 0), (10, 0), (12.9, 0), (13, 1), (21.9, 1), (22, 2), (32, 2), (32.5, 3), (900, 3)):
        depsgraph = at(frame)
        for items in (built.meshes, built.clouds):
            assert shown(items, depsgraph) == [number in (index, 4) for number in range(5)], frame


def test_the_switch_needs_no_python_and_no_add_on(make_clip, tmp_path):
    build_clip(make_clip())
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "clip.blend"))
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "clip.blend"), use_scripts=False)
    drivers = [
        curve.driver
        for owner in [*bpy.data.objects, *bpy.data.cameras]
        if owner.animation_data
        for curve in owner.animation_data.drivers
    ]
    assert drivers and all(driver.is_simple_expression for driver in drivers if driver.type == "SCRIPTED")
    root = next(item for item in bpy.data.objects if item.type == "EMPTY")
    root["only_at_frame"] = True
    root.update_tag()
    meshes = sorted((item for item in bpy.data.objects if item.name.endswith(" mesh")), key=lambda item: item.name)
    depsgraph = at(16)
    assert sum(shown(meshes, depsgraph)) == 1


def test_behind_the_moving_camera_is_the_nearest_frames_picture(make_clip):
    built = build_clip(make_clip())
    data, still = built.cameras[-1].data, built.cameras[:-1]
    for frame, index in ((10, 0), (16, 1), (28, 2), (36, 3)):
        depsgraph = at(frame)
        backgrounds = built.cameras[-1].evaluated_get(depsgraph).data.background_images
        assert [item.show_background_image for item in backgrounds] == [number == index for number in range(4)]
        assert data.background_images[index].image == still[index].data.background_images[0].image


def test_a_sequence_lies_behind_its_camera_as_a_sequence(make_view, tmp_path):
    views = []
    for number in (3, 5, 9):
        camera = turned(0.1 * number)
        views.append(replace(make_view(f"take1_{number:04}", world_from_camera=camera), time=(number - 3) / 24.0))
    built = build_clip(views)
    moving = built.cameras[-1]
    (background,) = moving.data.background_images
    user = background.image_user
    assert moving.name == "take1 camera" and background.image.source == "SEQUENCE"
    assert (user.frame_start, user.frame_offset) == (10, 2)  # at scene frame 10 the file of number 3
    assert user.frame_duration >= 7
    assert len(built.cameras) == 4


@pytest.fixture
def movie(tmp_path):
    """Render a movie of eight frames, 24 a second, each of another grey."""
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y, scene.frame_end = 48, 32, 8
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format = "MPEG4"
    scene.render.filepath = str(tmp_path / "rendered.mp4")
    bpy.ops.render.render(animation=True)
    path = next(tmp_path.glob("rendered*"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    return path


def test_a_movie_lies_behind_its_camera_where_blender_shows_its_frames_in_time(make_clip, movie):
    on_time = make_clip((0.0, 1 / 24, 4 / 24), source=movie, source_size=(48, 32))
    (background,) = build_clip(on_time).cameras[-1].data.background_images
    assert background.image.source == "MOVIE"
    assert (background.image_user.frame_start, background.image_user.frame_offset) == (10, 0)
    assert background.image_user.frame_duration >= 8
    assert not bpy.data.movieclips
    bpy.context.scene.render.fps = 30
    assert len(build_clip(on_time).cameras[-1].data.background_images) == 3
    bpy.context.scene.render.fps = 24
    turned_upright = make_clip((0.0, 1 / 24), source=movie, source_size=(32, 48))
    assert len(build_clip(turned_upright).cameras[-1].data.background_images) == 2


def test_cameras_of_the_scene_get_no_others(make_clip, make_view):
    views = [*make_clip(), make_view("still")]
    built = build_clip(views, replace(OPTIONS, without_camera=(0, 1, 2, 3)), world="given")
    assert [camera.name for camera in built.cameras] == ["still camera"]
    assert len(built.meshes) == 5
    assert "only_at_frame" in built.root


def test_clips_are_told_apart(make_view, tmp_path):
    def view(name, time):
        return replace(make_view(), source=tmp_path / name, time=time)

    views = [
        *(view("shot_01.mp4", time) for time in (0.5, 0.0)),
        *(view("shot_02.mp4", time) for time in (0.0, 0.5)),
        *(view(f"a_{number}.png", number / 24) for number in (1, 2)),
        view("b_1.png", 0.0),
        make_view("alone"),
    ]
    found = clips_of(views, 1.0, 24.0)
    assert [(clip.name, clip.views, clip.frames) for clip in found] == [
        ("shot_01", (1, 0), [1.0, 13.0]),
        ("shot_02", (2, 3), [1.0, 13.0]),
        ("a", (4, 5), [2.0, 3.0]),
    ]


def test_without_time_nothing_moves(make_reconstruction):
    built = build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    assert len(built.cameras) == 2 and not bpy.data.actions
    assert "only_at_frame" not in built.root
