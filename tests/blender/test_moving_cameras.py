"""Cameras that move: a view for every chosen frame, and nothing of the artist's scene moved."""

import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry.cameras import project
from image_to_scene.operators import inputs
from image_to_scene.operators.inputs import Item, cameras

sys.path.append(str(Path(__file__).parent))
from camera_scenes import (
    add_background,
    add_camera,
    add_image,
    check_projection,
    pixels_of,
    set_render,
    view_of,
    views_of,
)


def state():
    """Describe what a look at other frames or a render must leave alone."""
    scene = bpy.context.scene
    render = {key: repr(getattr(scene.render, key)) for key in scene.render.bl_rna.properties.keys()}  # noqa: SIM118
    image = scene.render.image_settings
    render |= {key: repr(getattr(image, key)) for key in image.bl_rna.properties.keys()}  # noqa: SIM118
    poses = {item.name: (repr(item.matrix_world), item.hide_render) for item in scene.objects}
    return scene.frame_current_final, scene.camera, render, poses, [marker.name for marker in scene.timeline_markers]


def add_pillar():
    """Put a pillar before the moving camera's start."""
    mesh = bpy.data.meshes.new("pillar")
    mesh.from_pydata([(-0.5, -9, -10), (0.5, -9, -10), (0.5, 9, -10), (-0.5, 9, -10)], [], [(0, 1, 2, 3)])
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("pillar", mesh))
    bpy.context.scene.render.film_transparent = True


def pillar_at(path):
    """Return the middle of the columns that show the pillar."""
    return np.nonzero(pixels_of(path)[..., 3].any(axis=0))[0].mean() + 0.5


def add_moving_camera():
    camera = add_camera("moving")
    for frame, x in ((1, -2.0), (11, 2.0)):
        camera.location.x = x
        camera.keyframe_insert("location", frame=frame)
    for frame, lens in ((1, 20.0), (11, 70.0)):
        camera.data.lens = lens
        camera.data.keyframe_insert("lens", frame=frame)
    return camera


def test_an_animated_camera_gives_a_view_for_every_chosen_frame(data_blocks):
    scene = bpy.context.scene
    set_render((32, 24), percentage=50)
    camera, other = add_moving_camera(), add_camera("other")
    scene.timeline_markers.new("cut", frame=1).camera = other
    scene.camera = other
    add_pillar()
    scene.frame_start, scene.render.fps = 3, 25
    scene.frame_set(4, subframe=0.25)
    camera.location.y = 99.0  # not keyed
    bpy.context.view_layer.update()
    then, listed = state(), data_blocks()
    items = [Item("moving", "CAMERA", camera=camera, picture_source="RENDER", is_animated=True, frame_start=3,
                  frame_end=11, frame_step=4, pick="STEP")]  # fmt: skip
    found = inputs.views_from(items, bpy.context)
    assert state() == then
    assert data_blocks() == listed
    assert found.without_camera == (0, 1, 2)
    assert [found.clip_start + view.time * 25 for view in found.views] == pytest.approx([3, 7, 11])
    for view, frame in zip(found.views, (3, 7, 11), strict=True):
        seen, _ = project(np.array([(0.0, 0.0, -10.0)]), view.image_from_camera, view.world_from_camera)
        assert pillar_at(view.path) == pytest.approx(seen[0, 0], abs=1.0)
        scene.frame_set(frame)
        check_projection(view, camera, (16, 12))


def test_a_still_view_of_an_animated_camera_is_what_stands_there():
    set_render((80, 60))
    camera = add_moving_camera()
    add_background(camera, add_image())
    bpy.context.scene.frame_set(4)
    camera.location = (7.0, 8.0, 9.0)
    view = view_of(camera)
    np.testing.assert_allclose(view.world_from_camera[:3, 3], (7.0, 8.0, 9.0))
    assert view.time is None


def test_a_range_without_frames_is_named():
    with pytest.raises(CameraError, match="ends before it begins"):
        views_of(add_moving_camera(), "RENDER", is_animated=True, frame_start=5, frame_end=4)


def test_what_gives_frames_is_told():
    camera, still = add_moving_camera(), add_camera("still")
    child, watching, watched = add_camera("child"), add_camera("watching"), add_camera("watched")
    child.parent = camera
    watching.constraints.new("TRACK_TO").target = watched
    watched.constraints.new("TRACK_TO").target = watching
    told = [cameras.gives_frames(item) for item in (camera, child, still, watching)]
    watching.constraints.new("COPY_LOCATION").target = camera
    told.append(cameras.gives_frames(watched))
    assert told == [True, True, False, False, True]


def test_one_still_picture_is_for_one_frame():
    camera = add_moving_camera()
    add_background(camera, add_image())
    assert not cameras.gives_frames(camera)
    with pytest.raises(CameraError, match="one still picture for several frames"):
        views_of(camera, is_animated=True, frame_end=3)
