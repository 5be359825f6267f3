"""Cameras of the scene as given ones: Blender projects a point to the very pixel where our matrices do."""

import json
import math
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mathutils import Euler, Matrix, Vector

from image_to_scene.core.errors import CameraError, ImageToSceneError
from image_to_scene.core.geometry.cameras import blender_from_opencv, intrinsics_from_lens, project
from image_to_scene.operators.inputs import Item, backgrounds, cameras
from image_to_scene.operators.scene import BuildOptions, build, match_render

sys.path.append(str(Path(__file__).parent))
import draw_backgrounds
from camera_scenes import (
    add_background,
    add_camera,
    add_empty,
    add_image,
    before,
    check_projection,
    pixels_of,
    set_render,
    view_of,
)
from test_batch import rotated_jpeg


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lens=st.floats(10, 200),
    shift=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    sensor=st.tuples(st.floats(5, 50), st.floats(5, 50)),
    fit=st.sampled_from(["AUTO", "HORIZONTAL", "VERTICAL"]),
    size=st.sampled_from([(1920, 1080), (1080, 1920), (1000, 1000)]),
    aspect=st.sampled_from([(1.0, 1.0), (1.5, 1.0), (1.0, 2.0)]),
    picture=st.sampled_from([(64, 36), (36, 64), (50, 50)]),
    percentage=st.sampled_from([100, 37]),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    scale=st.tuples(*[st.floats(0.2, 5)] * 3),
)
def test_a_picture_stretched_over_the_frame(
    empty_file, lens, shift, sensor, fit, size, aspect, picture, percentage, turn, scale
):
    set_render(size, aspect, percentage)
    camera = add_camera(lens=lens, sensor_width=sensor[0], sensor_height=sensor[1], sensor_fit=fit)
    camera.data.shift_x, camera.data.shift_y = shift
    camera.rotation_euler, camera.location, camera.scale = Euler(turn), (1, 2, 3), scale
    image = add_image(picture)
    add_background(camera, image, frame_method="STRETCH")
    check_projection(view_of(camera), camera, picture)
    bpy.data.objects.remove(camera)
    bpy.data.images.remove(image)


@pytest.mark.parametrize("percentage", [100, 33])
@pytest.mark.parametrize("size", [(101, 67), (67, 101)])
def test_a_render_has_the_size_that_blender_rounds_to(size, percentage):
    set_render(size, percentage=percentage)
    camera = add_camera(shift_x=0.1, shift_y=-0.2)
    view = view_of(camera, "RENDER")
    image = bpy.data.images.load(str(view.path))
    assert tuple(image.size) == tuple(side * percentage // 100 for side in size)
    check_matrix(view, camera, tuple(image.size))


@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
def test_the_projection_matrix_of_blender_is_ours(fit):
    set_render((640, 360), (1.0, 1.3))
    camera = add_camera(lens=31.0, sensor_fit=fit, shift_x=0.2, shift_y=-0.1)
    add_background(camera, add_image((640, 360)), frame_method="STRETCH")
    check_matrix(view_of(camera), camera, (640, 360), (1.0, 1.3))


def check_matrix(view, camera, size, aspect=(1.0, 1.0)):
    points, depsgraph = before(camera), bpy.context.evaluated_depsgraph_get()
    matrix = camera.calc_matrix_camera(depsgraph, x=size[0], y=size[1], scale_x=aspect[0], scale_y=aspect[1])
    clip = np.array([matrix @ camera.matrix_world.normalized().inverted() @ Vector((*point, 1)) for point in points])
    pixels, _ = project(points, view.image_from_camera, view.world_from_camera)
    np.testing.assert_allclose(pixels, (0.5 + 0.5 * clip[:, :2] / clip[:, 3:] * (1, -1)) * size, atol=2e-5 * max(size))


SCALED = {
    "root scaled and turned": lambda: add_empty(scale=(0.3, 0.3, 0.3), rotation_euler=(0.4, 0.2, 1.0)),
    "two scaled parents": lambda: add_empty(add_empty(scale=(3, 3, 3)), scale=(0.1, 0.1, 0.1), location=(1, 2, 3)),
    "two mirrors undo each other": lambda: add_empty(add_empty(scale=(-1, 1, 1)), scale=(-2, 2, 2)),
    "half a turn by two signs": lambda: add_empty(scale=(-1, -1, 1)),
}


@pytest.mark.parametrize("make_parent", SCALED.values(), ids=SCALED)
def test_a_camera_below_scaled_parents_is_where_it_stands(make_parent):
    set_render((80, 60))
    camera = add_camera()
    camera.parent, camera.location, camera.rotation_euler = make_parent(), (0.5, -0.2, 1.0), (1.2, 0.1, 0.4)
    camera.scale = (2.0, 0.5, 1.5)
    add_background(camera, add_image())
    view = view_of(camera)
    check_projection(view, camera, (80, 60))
    np.testing.assert_allclose(view.world_from_camera[:3, 3], camera.matrix_world.translation, atol=1e-6)


NO_CAMERAS = {
    "mirrored": lambda camera: setattr(camera, "scale", (-1, 1, 1)),
    "mirrored ": lambda camera: setattr(camera, "scale", (-2, -2, -2)),
    "mirrored  ": lambda camera: setattr(camera, "parent", add_empty(scale=(1, -1, 1))),
    "sheared": lambda camera: setattr(camera, "parent", add_empty(scale=(3, 1, 1))),
    "scaled to nothing": lambda camera: setattr(camera, "scale", (0, 1, 1)),
    "not a perspective": lambda camera: setattr(camera.data, "type", "ORTHO"),
    "not a perspective ": lambda camera: setattr(camera.data, "type", "PANO"),
    "turned or mirrored": lambda camera: setattr(camera.data.background_images[0], "rotation", 0.1),
    "turned or mirrored ": lambda camera: setattr(camera.data.background_images[0], "use_flip_x", True),
    "not in the scene": lambda camera: camera.users_collection[0].objects.unlink(camera),
    "no background image": lambda camera: camera.data.background_images.clear(),
    "cannot be read": lambda camera: setattr(
        camera.data.background_images[0], "image", bpy.data.images.new("gone", 4, 4, tiled=True)
    ),
}


@pytest.mark.parametrize(("words", "spoil"), NO_CAMERAS.items())
def test_what_is_no_pinhole_camera_is_named(words, spoil, data_blocks):
    set_render((80, 60))
    camera = add_camera("shot")
    camera.rotation_euler = (1.0, 0.0, 0.5)
    add_background(camera, add_image())
    spoil(camera)
    listed = data_blocks()
    with pytest.raises(CameraError, match=words.strip()) as caught:
        view_of(camera, "BACKGROUND")
    assert str(caught.value).count(".") == 1
    assert data_blocks() == listed


def test_a_camera_that_is_gone_is_named():
    with pytest.raises(CameraError, match="gone"):
        cameras.views_of(Item("shot", "CAMERA"), bpy.context)


def test_a_camera_without_clip_is_named():
    with pytest.raises(CameraError, match="no movie clip"):
        view_of(add_camera(), "CLIP")


def test_one_picture_with_two_cameras_is_named(pictures):
    image = bpy.data.images.load(str(pictures[0]))
    set_render((80, 60))
    for name in "ab":
        add_background(add_camera(name), image)
    views = [view_of(bpy.data.objects[name]) for name in "ab"]
    assert [view.path for view in views] == [pictures[0]] * 2
    with pytest.raises(ImageToSceneError, match="two cameras"):
        cameras.check_pictures(views)
    cameras.check_pictures(views[:1])


def test_the_first_background_that_is_shown_counts():
    camera = add_camera()
    for index, size in enumerate([(20, 10), (30, 10), (40, 10)]):
        add_background(camera, add_image(size, name=f"plate {index}"), show_background_image=index > 0)
    frame = backgrounds.Frame(80, 60, 80 / 60, fits_width=True)
    assert backgrounds.background_of(camera, bpy.context.scene, frame).size == (30, 10)


def test_a_photo_that_exif_turns_lies_as_the_viewport_shows_it(tmp_path):
    photo = rotated_jpeg(tmp_path / "turned.jpg")
    set_render((80, 60))
    camera = add_camera()
    add_background(camera, bpy.data.images.load(str(photo)))
    view = view_of(camera)
    assert (view.path, view.as_stored) == (photo, True)  # Blender does not turn it, nor does the worker then
    check_projection(view, camera, (80, 60))


SPOT = (0.4, 0.35, 0.6, 0.55)  # left, top, right, bottom as parts of the picture
PLACES = [  # frame, picture, sensor fit, shift, how the background lies
    {"frame": frame, "picture": picture, "fit": fit, "shift": shift, "values": values, "spot": SPOT}
    for frame, picture, fit, shift, values in (
        ((400, 200), (160, 120), "AUTO", (0.0, 0.0), {"frame_method": "FIT"}),
        ((400, 200), (160, 120), "AUTO", (0.1, -0.05), {"frame_method": "CROP", "offset": (0.1, -0.2), "scale": 0.8}),
        ((200, 400), (160, 120), "AUTO", (0.0, 0.1), {"frame_method": "FIT", "offset": (-0.1, 0.1), "scale": 1.2}),
        (
            (200, 400),
            (120, 160),
            "HORIZONTAL",
            (0.1, 0.1),
            {"frame_method": "CROP", "offset": (0.2, 0.1), "scale": 0.5},
        ),
        ((400, 200), (120, 160), "VERTICAL", (0.0, 0.0), {"frame_method": "FIT", "offset": (0.3, -0.1), "scale": 0.7}),
        ((400, 300), (160, 100), "AUTO", (0.0, 0.0), {"frame_method": "STRETCH", "offset": (0.1, 0.1), "scale": 0.9}),
    )
]


def test_backgrounds_lie_where_the_viewport_draws_them():
    gpu = pytest.importorskip("gpu", reason="Blender without its gpu module")
    if not hasattr(gpu, "init"):
        pytest.skip("this Blender draws no viewport in background: gpu.init is new in 5.2")
    script = [sys.executable, draw_backgrounds.__file__]
    done = subprocess.run(script, input=json.dumps(PLACES), capture_output=True, text=True, check=True)
    drawn = json.loads(done.stdout.partition("\nspots ")[2])
    for case, (left, top, right, bottom) in zip(PLACES, drawn, strict=True):
        camera, spot = draw_backgrounds.make_camera(case)
        frame_from_camera = intrinsics_from_lens(cameras.render_lens(camera, bpy.context.scene))
        frame_from_picture = frame_from_camera @ np.linalg.inv(view_of(camera).image_from_camera)
        corners = frame_from_picture @ np.array([[spot[0], spot[2]], [spot[1], spot[3]], [1.0, 1.0]])
        np.testing.assert_allclose(corners[:2], [[left, right], [top, bottom]], atol=1.5)


def test_a_second_render_does_not_see_the_first_reconstruction(make_reconstruction):
    set_render((24, 16))
    first = pixels_of(view_of(add_camera("before"), "RENDER").path)
    built = build(make_reconstruction(world="given"), BuildOptions(), bpy.context.scene)
    match_render(bpy.context.scene, built.cameras[0])
    camera = built.cameras[0]
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 24, 16
    np.testing.assert_array_equal(pixels_of(view_of(camera, "RENDER").path), first)
    assert not any(item.hide_render for item in built.meshes)


def test_cameras_of_a_scaled_reconstruction_come_back(make_reconstruction):
    reconstruction = make_reconstruction(world="given")
    built = build(reconstruction, BuildOptions(meshes=False, point_cloud=False), bpy.context.scene)
    built.root.scale, built.root.rotation_euler = (0.25, 0.25, 0.25), (0.3, 0.2, 0.1)
    match_render(bpy.context.scene, built.cameras[0])
    bpy.context.view_layer.update()
    for camera, truth in zip(built.cameras, reconstruction.views, strict=True):
        view = view_of(camera)
        moved = np.array(built.root.matrix_world @ Matrix(truth.world_from_camera.tolist()))
        moved[:3, :3] /= np.linalg.norm(moved[:3, :3], axis=0)
        np.testing.assert_allclose(view.world_from_camera, moved, atol=1e-6)
        np.testing.assert_allclose(view.image_from_camera, truth.source_from_model @ truth.image_from_camera, atol=1e-4)
        np.testing.assert_allclose(
            blender_from_opencv(view.world_from_camera)[:3, 3], camera.matrix_world.translation, atol=1e-6
        )


def test_constraints_and_drivers_count():
    set_render((80, 60))
    camera, target = add_camera(), add_empty(location=(3, 4, 5))
    constraint = camera.constraints.new("TRACK_TO")
    constraint.target = target
    driver = camera.driver_add("location", 2).driver
    driver.expression = "frame / 10"
    add_background(camera, add_image())
    bpy.context.scene.frame_set(20)
    view = view_of(camera)
    forward = np.array((3, 4, 5)) - (0, 0, 2)
    np.testing.assert_allclose(view.world_from_camera[:3, 2], forward / math.hypot(*forward), atol=1e-6)
