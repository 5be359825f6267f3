"""Blender's own projection against ours, and what a camera carries."""

from dataclasses import replace

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mathutils import Vector

from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry.cameras import project, transform_intrinsics
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, build, match_render
from image_to_scene.operators.scene.cameras import current_intrinsics

ONLY_CAMERAS = BuildOptions(point_cloud=False, meshes=False)


def rotation(x, y, z):
    (cx, cy, cz), (sx, sy, sz) = np.cos((x, y, z)), np.sin((x, y, z))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def build_one(view):
    scene = bpy.context.scene
    built = build(Reconstruction((view,), world="given"), ONLY_CAMERAS, scene)
    match_render(scene, built.cameras[0])
    bpy.context.view_layer.update()
    return scene, built.cameras[0]


def blender_pixels(scene, camera, points):
    """Where Blender itself sees points, by its Python helper and by the matrix that its renderers use."""
    render = scene.render
    width, height = render.resolution_x, render.resolution_y
    seen = np.array([world_to_camera_view(scene, camera, Vector(point)) for point in points])
    helper = np.stack([seen[:, 0] * width, (1.0 - seen[:, 1]) * height], axis=1)
    window_from_camera = np.array(
        camera.calc_matrix_camera(
            bpy.context.evaluated_depsgraph_get(),
            x=width,
            y=height,
            scale_x=render.pixel_aspect_x,
            scale_y=render.pixel_aspect_y,
        )
    )
    camera_from_world = np.linalg.inv(np.array(camera.matrix_world))
    clip = np.c_[points, np.ones(len(points))] @ (window_from_camera @ camera_from_world).T
    ndc = clip[:, :2] / clip[:, 3:]
    matrix = np.stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height], axis=1)
    return helper, matrix


def check_projection(view):
    """Blender's projection of points that the picture shows, and of some beside it, is ours within 0.01 pixels."""
    scene, camera = build_one(view)
    K = transform_intrinsics(view.source_from_model, view.image_from_camera)
    (width, height), chance = view.source_size, np.random.default_rng(0)
    pixels = chance.uniform(-0.2, 1.2, (40, 2)) * (width, height)
    rays = np.c_[pixels, np.ones(40)] @ np.linalg.inv(K).T
    in_camera = rays * chance.uniform(1.0, 20.0, (40, 1))
    points = in_camera @ view.world_from_camera[:3, :3].T + view.world_from_camera[:3, 3]
    ours, _ = project(points, K, view.world_from_camera)
    for seen in blender_pixels(scene, camera, points):
        assert np.abs(seen - ours).max() < 0.01


def pinhole(width, height, focal=1.2, aspect=1.0, off_x=0.0, off_y=0.0):
    fx = focal * width
    return np.array([[fx, 0, (0.5 + off_x) * width], [0, fx * aspect, (0.5 + off_y) * height], [0, 0, 1.0]])


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        ((48, 32), {}),
        ((32, 48), {}),
        ((48, 32), {"off_x": 0.2, "off_y": -0.15}),
        ((48, 32), {"aspect": 1.3}),
        ((48, 32), {"aspect": 0.7}),
        ((30, 50), {"off_x": -0.1, "off_y": 0.25, "aspect": 1.2, "focal": 0.6}),
    ],
    ids=["landscape", "portrait", "off-centre", "fy larger", "fx larger", "all at once"],
)
def test_blender_projects_as_we_do(make_view, size, changes):
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rotation(0.3, -0.7, 2.0), (1.0, -2.0, 0.5)
    check_projection(make_view(size=size, scale=8, K=pinhole(*size, **changes), world_from_camera=world_from_camera))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(64, 6000),
    height=st.integers(64, 6000),
    focal=st.floats(0.4, 4.0),
    aspect=st.floats(0.6, 1.7),
    off=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)),
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    position=st.tuples(*[st.floats(-3.0, 3.0)] * 3),
)
def test_blender_projects_any_pinhole_camera_as_we_do(make_view, width, height, focal, aspect, off, angles, position):
    """The focal length is a part of the longer side: up to 103° across it, where float32 still holds 0.01 pixels."""
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rotation(*angles), position
    K = pinhole(12, 8, focal * max(width, height) / width, aspect * (8 / height) / (12 / width), *off)
    check_projection(
        make_view(
            size=(12, 8),
            K=K,
            world_from_camera=world_from_camera,
            source_size=(width, height),
            source_from_model=np.diag([width / 12, height / 8, 1.0]),
        )
    )


def test_intrinsics_can_be_read_back(make_view):
    view = make_view(size=(30, 20), K=pinhole(30, 20, aspect=1.1, off_x=0.1, off_y=-0.2))
    _, camera = build_one(view)
    K = transform_intrinsics(view.source_from_model, view.image_from_camera)
    np.testing.assert_allclose(current_intrinsics(camera), K, rtol=1e-6, atol=1e-4)
    camera.data.lens *= 2.0  # the artist's change counts
    np.testing.assert_allclose(np.diag(current_intrinsics(camera))[:2], 2.0 * np.diag(K)[:2], rtol=1e-6)


def test_first_camera_looks_along_y_with_its_up_as_z(make_reconstruction):
    built = build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    bpy.context.view_layer.update()
    first = np.array(built.cameras[0].matrix_world)
    np.testing.assert_allclose(first[:3, 3], 0.0, atol=1e-7)
    np.testing.assert_allclose(-first[:3, 2], (0, 1, 0), atol=1e-6)  # Blender's cameras look along their −Z
    np.testing.assert_allclose(first[:3, 1], (0, 0, 1), atol=1e-6)
    second = np.array(built.cameras[1].matrix_basis)  # right 0.5, down 0.1, back 0.2
    np.testing.assert_allclose(second[:3, 3], (0.5, -0.2, -0.1), atol=1e-6)


def test_given_cameras_stay_where_they_are(make_view):
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rotation(-1.5, 0.2, 0.9), (3.0, -1.0, 1.7)
    _, camera = build_one(make_view(world_from_camera=world_from_camera))
    expected = world_from_camera @ np.diag([1, -1, -1, 1])
    np.testing.assert_allclose(np.array(camera.matrix_world), expected, atol=1e-6)
    assert tuple(camera.parent.matrix_world.to_translation()) == (0, 0, 0)
    assert tuple(camera.scale) == (1, 1, 1)


def test_the_photo_lies_behind_the_view(make_view):
    for aspect, method in ((1.0, "CROP"), (1.2, "STRETCH")):
        view = make_view(K=pinhole(24, 16, aspect=aspect))
        _, camera = build_one(view)
        (background,) = camera.data.background_images
        assert camera.data.show_background_images
        assert bpy.path.abspath(background.image.filepath) == str(view.texture)
        assert (background.frame_method, background.display_depth) == (method, "BACK")
        assert (background.scale, tuple(background.offset), background.rotation) == (1.0, (0.0, 0.0), 0.0)
        assert 0.0 < background.alpha <= 1.0


def test_clip_range_holds_the_scene_and_follows_the_root(make_reconstruction):
    reconstruction = make_reconstruction()
    built = build(reconstruction, BuildOptions(), bpy.context.scene)
    depths = np.stack([view.depth for view in reconstruction.views])
    near, far = built.cameras[0].data.clip_start, built.cameras[0].data.clip_end
    assert 0.0 < near < depths.min() and far > depths.max()
    built.root.scale = (50.0, 50.0, 50.0)
    evaluated = built.cameras[0].evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert evaluated.data.clip_start == pytest.approx(50.0 * near, rel=1e-5)
    assert evaluated.data.clip_end == pytest.approx(50.0 * far, rel=1e-5)


def test_match_render_changes_size_and_pixels_only(make_view):
    scene = bpy.context.scene
    view = make_view(size=(20, 30), scale=3, K=pinhole(20, 30, aspect=0.8))
    scene.render.resolution_percentage = 50
    build_one(view)
    render = scene.render
    assert (render.resolution_x, render.resolution_y, render.resolution_percentage) == (60, 90, 100)
    assert render.pixel_aspect_y / render.pixel_aspect_x == pytest.approx(1 / 0.8, rel=1e-6)
    assert min(render.pixel_aspect_x, render.pixel_aspect_y) == 1.0


def test_match_render_refuses_other_cameras():
    other = bpy.data.objects.new("Mine", bpy.data.cameras.new("Mine"))
    with pytest.raises(CameraError, match="Mine"):
        match_render(bpy.context.scene, other)


def test_intrinsics_lie_on_the_camera(make_view):
    view = replace(make_view(size=(20, 30)), source_size=(40, 60))
    _, camera = build_one(view)
    K = transform_intrinsics(view.source_from_model, view.image_from_camera)
    np.testing.assert_array_equal(np.array(camera.data["image_from_camera"]).reshape(3, 3), K)
    assert list(camera.data["picture_size"]) == [40, 60]
