"""Meshes: whole, textured, facing their camera; seen through it they are the photo."""

from dataclasses import replace

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler

from image_to_scene.core.geometry.surfaces import grid_surface
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, Tuning, build, match_render

UNCUT = BuildOptions(point_cloud=False, tuning=Tuning(confidence_percentile=0.0, depth_jump=0.0, remove_sky=False))


def positions(data):
    values = np.empty(len(data.attributes["position"].data) * 3, np.float32)
    data.attributes["position"].data.foreach_get("vector", values)
    return values.reshape(-1, 3)


def floats(data, name):
    values = np.empty(len(data.attributes[name].data), np.float32)
    data.attributes[name].data.foreach_get("value", values)
    return values


def shown(item):
    """Return a copy of an object's mesh after its modifiers, which make its faces."""
    return item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.copy()


def build_meshes(*views, options=UNCUT):
    return build(Reconstruction(views, world="given"), options, bpy.context.scene)


def photo(kind, width, height):
    """Make a smooth picture, or one with detail in every pixel, so that half a pixel of offset would show."""
    if kind == "detailed":
        return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    smooth = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x * y)], axis=-1)
    return np.round(20 + 215 * smooth).astype(np.uint8)


@pytest.fixture
def photo_view(make_view, save_picture, tmp_path):
    """Make a view with an off-centre camera and a photo of a kind, three times the size of its depth map."""

    def make(kind):
        K = np.array([[34.0, 0, 18.5], [0, 34.0, 10.2], [0, 0, 1.0]])
        path = save_picture(tmp_path / f"{kind} ünïcode.png", photo(kind, 96, 72))
        view = make_view(size=(32, 24), scale=3, K=K, texture=path, source=path)
        return replace(view, image=photo(kind, 96, 72)[1::3, 1::3])

    return make


def compare_with_photo(pixels, kind):
    height, width = pixels.shape[:2]
    assert (pixels[..., 3] == 1.0).all(), "the mesh does not cover the picture"
    difference = np.abs(pixels[..., :3] * 255.0 - photo(kind, width, height))
    assert np.median(difference) <= 2.0


@pytest.mark.parametrize("kind", ["smooth", "detailed"])
def test_uncut_and_seen_through_its_camera_it_is_the_photo(photo_view, render, workbench, kind):
    scene = bpy.context.scene
    built = build_meshes(photo_view(kind))
    match_render(scene, built.cameras[0])
    workbench(scene)
    compare_with_photo(render(scene), kind)


@pytest.mark.parametrize("kind", ["smooth", "detailed"])
def test_a_render_shows_the_photos_own_colours(photo_view, render, kind):
    scene = bpy.context.scene
    built = build_meshes(photo_view(kind))
    match_render(scene, built.cameras[0])
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = 1, False, 0.01
    compare_with_photo(render(scene), kind)


@pytest.mark.parametrize("digits", [9, 3])
def test_blender_sees_every_vertex_at_its_place_in_the_picture(make_view, digits):
    """Also where a camera was written down with few digits, and so is not quite a rotation."""
    turn = np.array(Euler((0.4, -1.1, 2.3)).to_matrix()).round(digits)
    world_from_camera = np.block([[turn, np.array([[0.3], [-0.2], [0.1]])], [np.zeros((1, 3)), np.ones((1, 1))]])
    scene = bpy.context.scene
    built = build_meshes(make_view(scale=8, world_from_camera=world_from_camera))
    match_render(scene, built.cameras[0])
    bpy.context.view_layer.update()
    mesh = shown(built.meshes[0])
    layer = mesh.uv_layers.active.data
    for loop in mesh.loops:
        x, y, _ = world_to_camera_view(scene, built.cameras[0], mesh.vertices[loop.vertex_index].co)
        u, v = layer[loop.index].uv
        assert abs(x - u) * scene.render.resolution_x < 0.01
        assert abs(y - v) * scene.render.resolution_y < 0.01


def test_it_is_sound_and_carries_what_is_known(make_view):
    view = make_view(sky=np.random.default_rng(0).uniform(0, 1, (16, 24)).astype(np.float32))
    (item,) = build_meshes(view).meshes
    surface, mesh = grid_surface(view), shown(item)
    assert not mesh.validate(verbose=True)
    assert (len(mesh.vertices), len(mesh.polygons)) == (26 * 18, 25 * 17)
    assert len(mesh.edges) == 26 * 17 + 25 * 18
    np.testing.assert_array_equal(positions(mesh), surface.vertices)
    for name in ("confidence", "depth", "depth_jump", "sky"):
        np.testing.assert_array_equal(floats(mesh, name), surface.measures[name])
    uv = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    np.testing.assert_allclose(uv.reshape(-1, 2), surface.uv[surface.quads.reshape(-1)], atol=1e-6)
    assert (uv.min(), uv.max()) == (0.0, 1.0)
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    np.testing.assert_array_equal(corners.reshape(-1, 4), surface.quads)


def test_what_the_model_does_not_give_is_not_there(make_view):
    (item,) = build_meshes(make_view(confidence=None)).meshes
    assert "confidence" not in item.data.attributes
    assert "sky" not in item.data.attributes


def test_faces_look_at_their_camera(make_view):
    world_from_camera = np.eye(4)
    world_from_camera[:3, 3] = (0.3, -0.2, 0.1)
    (item,) = build_meshes(make_view(world_from_camera=world_from_camera)).meshes
    for face in shown(item).polygons:
        assert np.dot(face.normal, np.array(face.center) - world_from_camera[:3, 3]) < 0.0


def test_unknown_depth_leaves_a_hole(make_view):
    view = make_view()
    view.depth[5:8, 10:12] = np.nan
    (item,) = build_meshes(view).meshes
    mesh, surface = shown(item), grid_surface(view)
    assert not mesh.validate(verbose=True)
    assert len(mesh.polygons) == 25 * 17 - 4 * 3
    assert len(mesh.vertices) == len(item.data.vertices) == 26 * 18 - 6
    np.testing.assert_array_equal(positions(mesh), surface.vertices)


def test_faces_are_made_by_the_modifier_and_take_no_room_in_the_file(make_view):
    """Edges, faces and texture coordinates are 84 bytes per vertex; the rest is 12 for its place and 4 a measure."""
    (item,) = build_meshes(make_view()).meshes
    assert (len(item.data.polygons), len(item.data.edges), len(item.data.loops)) == (0, 0, 0)
    assert len(shown(item).polygons) == 25 * 17


def test_a_mesh_that_has_its_faces_keeps_them(make_view):
    """As in files of older versions, or where an artist's own faces are to be cut by the same settings."""
    (item,) = build_meshes(make_view()).meshes
    whole = shown(item)
    item.data = whole.copy()
    again = shown(item)
    assert len(again.polygons) == len(whole.polygons)
    np.testing.assert_array_equal(positions(again), positions(whole))


def test_equal_grids_share_nothing_that_one_could_spoil(make_view):
    views = [make_view("a"), make_view("b", seed=1), make_view("c", seed=2, size=(20, 16)), make_view("d", seed=3)]
    built = build_meshes(*views)
    for item, view in zip(built.meshes, views, strict=True):
        surface = grid_surface(view)
        np.testing.assert_array_equal(positions(item.data), surface.vertices)
        np.testing.assert_array_equal(floats(item.data, "confidence"), surface.measures["confidence"])
        assert not item.data.validate()
        assert [slot.name for slot in item.data.materials] == [view.source.stem]
    bpy.data.meshes.remove(built.meshes[0].data)
    np.testing.assert_array_equal(positions(built.meshes[1].data), grid_surface(views[1]).vertices)


def test_points_from_rays_are_the_vertices(make_view):
    points = np.random.default_rng(0).normal(size=(16, 24, 3)).astype(np.float32)
    view = make_view(points=points)
    (item,) = build_meshes(view).meshes
    np.testing.assert_allclose(positions(item.data).reshape(18, 26, 3)[1:-1, 1:-1], points, atol=1e-6)
    root_frame = build(Reconstruction((view,)), UNCUT, bpy.context.scene).meshes[0].data
    turned = points @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # x stays, forward becomes y, down becomes −z
    np.testing.assert_allclose(positions(root_frame).reshape(18, 26, 3)[1:-1, 1:-1], turned, atol=1e-6)


@pytest.mark.parametrize("engine", ["BLENDER_WORKBENCH", "CYCLES"])
def test_a_plane_in_coarse_steps_shows_the_same_photo(photo_view, render, workbench, engine):
    scene = bpy.context.scene
    view = photo_view("smooth")
    view.depth[:] = 5.0
    built = build_meshes(view, options=replace(UNCUT, tuning=replace(UNCUT.tuning, mesh_step=5)))
    match_render(scene, built.cameras[0])
    workbench(scene)
    scene.render.engine = engine
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = 1, False, 0.01
    compare_with_photo(render(scene), "smooth")


def test_a_view_of_which_nothing_is_known_has_no_faces(make_view):
    items = build_meshes(make_view("a"), make_view("b", depth=np.full((16, 24), np.nan, np.float32))).meshes
    assert [len(shown(item).polygons) for item in items] == [25 * 17, 0]


def test_every_mesh_shows_its_own_photo(make_view):
    items = build_meshes(*(make_view(name, seed=seed) for seed, name in enumerate("abc"))).meshes
    materials = [item.data.materials[0] for item in items]
    assert [material.name for material in materials] == ["a", "b", "c"]
    assert [material.node_tree.nodes.active.image.name for material in materials] == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6])
def test_any_holes_leave_the_rest_as_it_is(make_view, share):
    view = make_view()
    view.depth[np.random.default_rng(3).uniform(size=view.depth.shape) < share] = np.nan
    view.depth[0, 0] = view.depth[-1, -1] = np.nan
    (item,) = build_meshes(view).meshes
    mesh, surface = shown(item), grid_surface(view)
    np.testing.assert_array_equal(positions(mesh), surface.vertices)
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    np.testing.assert_array_equal(corners.reshape(-1, 4), surface.quads)
    for name in ("confidence", "depth"):
        np.testing.assert_array_equal(floats(mesh, name), surface.measures[name])
