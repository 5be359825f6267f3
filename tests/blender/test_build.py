"""Builds: complete or not at all, independent of each other, and silent about the artist's own scene."""

import json
from dataclasses import replace

import bpy
import numpy as np
import pytest

from image_to_scene.core.errors import CameraError
from image_to_scene.operators.scene import (
    BuildOptions,
    Tuning,
    build,
    description,
    export_glb,
    find_roots,
    make_paths_relative,
    root_of,
)


def names(items):
    return [item.name for item in items]


def test_one_collection_and_one_root_hold_everything(make_reconstruction):
    built = build(make_reconstruction(), BuildOptions(name="Harbour"), bpy.context.scene)
    assert names(bpy.context.scene.collection.children) == ["Harbour"]
    assert (built.root.name, built.root.parent) == ("Harbour", None)
    made = [built.root, *built.cameras, *built.clouds, *built.meshes]
    assert set(built.collection.objects) == set(made) == set(bpy.data.objects)
    assert all(item.parent == built.root for item in made[1:])
    assert names(built.cameras) == ["left camera", "right camera"]
    assert names(built.clouds) == ["left points", "right points"]
    assert names(built.meshes) == ["left mesh", "right mesh"]
    assert built.warnings == ()


@pytest.mark.parametrize("part", ["cameras", "point_cloud", "meshes"])
def test_only_what_is_asked_for_is_built(make_reconstruction, part):
    nothing = {"cameras": False, "point_cloud": False, "meshes": False}
    built = build(make_reconstruction(), BuildOptions(**(nothing | {part: True})), bpy.context.scene)
    made = {"cameras": built.cameras, "point_cloud": built.clouds, "meshes": built.meshes}
    assert {name: len(items) for name, items in made.items()} == {name: 2 if name == part else 0 for name in made}
    assert len(bpy.data.objects) == 3


def test_the_root_remembers_what_made_it(make_reconstruction):
    reconstruction = make_reconstruction(units="metres")
    built = build(reconstruction, BuildOptions(), bpy.context.scene)
    assert built.root.name == "left"
    assert find_roots(bpy.context.scene) == [built.root]
    assert root_of(built.meshes[1]) == root_of(built.root) == built.root
    assert root_of(None) is None
    kept = description(built.root)
    assert kept["settings"] == {"resolution": 24}
    assert (kept["model"], kept["units"], kept["world"], kept["views"]) == ("nano", "metres", "first_view", 2)
    assert kept["facts"] == {"seconds": 1.5}
    assert json.loads(json.dumps(kept)) == kept


def test_two_builds_are_independent(make_reconstruction, data_blocks):
    scene = bpy.context.scene
    first = build(make_reconstruction(), BuildOptions(name="Room"), scene)
    kept = data_blocks()
    second = build(make_reconstruction(), BuildOptions(name="Room"), scene)
    assert len({first.collection, second.collection}) == len({first.root, second.root}) == 2
    assert {item.data for item in first.meshes}.isdisjoint(item.data for item in second.meshes)
    assert len(find_roots(scene)) == 2
    for item in list(second.collection.objects):
        bpy.data.objects.remove(item)
    bpy.data.collections.remove(second.collection)
    bpy.ops.outliner.orphans_purge(do_recursive=True)
    assert data_blocks() == kept


def not_finite(view):
    return replace(view, world_from_camera=np.full((4, 4), np.nan))


def mirrored(view):
    return replace(view, world_from_camera=np.diag([-1.0, 1.0, 1.0, 1.0]))


def skewed(view):
    return replace(view, image_from_camera=view.image_from_camera + np.eye(3, k=1))


@pytest.mark.parametrize("broken", [not_finite, mirrored, skewed])
def test_a_camera_that_is_none_builds_nothing(make_reconstruction, data_blocks, broken):
    reconstruction, before = make_reconstruction(), data_blocks()
    views = (reconstruction.views[0], broken(reconstruction.views[1]))
    with pytest.raises(CameraError, match="camera of right "):
        build(replace(reconstruction, views=views), BuildOptions(), bpy.context.scene)
    assert data_blocks() == before


def test_a_failure_in_the_last_step_leaves_nothing(make_reconstruction, data_blocks):
    build(make_reconstruction(), BuildOptions(), bpy.context.scene)  # what was there before stays
    reconstruction, before = make_reconstruction(), data_blocks()
    broken = replace(reconstruction.views[1], confidence=np.ones((3, 3), np.float32))  # the last mesh cannot be filled
    views = (reconstruction.views[0], broken)
    with pytest.raises((ValueError, RuntimeError, TypeError, IndexError)):
        options = BuildOptions(point_cloud=False)
        build(replace(reconstruction, views=views), options, bpy.context.scene)
    assert data_blocks() == before


def test_a_view_of_which_nothing_is_known_is_built(make_view, make_reconstruction):
    views = (make_view("a"), make_view("b", depth=np.full((16, 24), np.nan, np.float32)))
    built = build(make_reconstruction(views=views), BuildOptions(), bpy.context.scene)
    graph = bpy.context.evaluated_depsgraph_get()
    assert [len(mesh.evaluated_get(graph).data.polygons) > 0 for mesh in built.meshes] == [True, False]
    assert built.points == 24 * 16


def test_a_picture_that_is_gone_is_replaced_by_the_stored_one(make_reconstruction):
    reconstruction = make_reconstruction()
    reconstruction.views[0].texture.unlink()
    reconstruction.views[1].texture.write_bytes(b"no picture")
    built = build(reconstruction, BuildOptions(), bpy.context.scene)
    assert len(built.warnings) == 2
    assert "left.png" in built.warnings[0] and "right.png" in built.warnings[1]
    for camera, view in zip(built.cameras, reconstruction.views, strict=True):
        image = camera.data.background_images[0].image
        assert image.packed_file is not None
        assert list(camera.data["picture_size"]) == [48, 32]
        pixels = np.empty(24 * 16 * 4, np.float32)
        image.pixels.foreach_get(pixels)
        shown = np.round(255 * pixels.reshape(16, 24, 4)[::-1, :, :3])
        np.testing.assert_array_equal(shown, view.image)


def test_a_cropped_picture_that_is_gone_still_fits_its_mesh(make_view, make_reconstruction):
    crop = np.array([[2.0, 0, 10.0], [0, 2.0, 6.0], [0, 0, 1.0]])
    view = make_view(source_size=(68, 44), source_from_model=crop)
    view.texture.unlink()
    built = build(make_reconstruction(views=(view,)), BuildOptions(point_cloud=False), bpy.context.scene)
    assert list(built.cameras[0].data["picture_size"]) == [24, 16]
    np.testing.assert_array_equal(
        np.array(built.cameras[0].data["image_from_camera"]).reshape(3, 3), view.image_from_camera
    )
    mesh = built.meshes[0].evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    uv = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    assert (uv.min(), uv.max()) == (0.0, 1.0)


def test_upright_copies_are_packed_and_photos_are_not(make_view, make_reconstruction, save_picture, tmp_path):
    copy = save_picture(tmp_path / "upright.png", np.zeros((32, 48, 3), np.uint8))
    views = (make_view("photo"), replace(make_view("turned"), texture=copy))
    built = build(make_reconstruction(views=views), BuildOptions(point_cloud=False), bpy.context.scene)
    plain, turned = (camera.data.background_images[0].image for camera in built.cameras)
    assert plain.packed_file is None
    copy.unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "packed.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "packed.blend"))
    turned = bpy.data.objects["turned camera"].data.background_images[0].image
    assert turned.packed_file is not None and tuple(turned.size) == (48, 32)


def test_copies_in_a_folder_that_stays_are_not_packed(make_view, make_reconstruction, save_picture, tmp_path):
    copy = save_picture(tmp_path / "upright.png", np.zeros((32, 48, 3), np.uint8))
    views = (replace(make_view("turned"), texture=copy),)
    options = BuildOptions(point_cloud=False, packs_copies=False)
    (camera,) = build(make_reconstruction(views=views), options, bpy.context.scene).cameras
    image = camera.data.background_images[0].image
    assert image.packed_file is None and image.filepath == str(copy)


def photo_paths():
    return sorted(image.filepath for image in bpy.data.images if image.source == "FILE")


def test_paths_are_relative_once_the_file_is_saved(make_reconstruction, tmp_path):
    build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "one.blend"))
    assert photo_paths() == ["//left.png", "//right.png"]
    build(make_reconstruction(), BuildOptions(), bpy.context.scene)  # into a file that is saved already
    assert photo_paths() == ["//left.png", "//left.png", "//right.png", "//right.png"]


def test_paths_can_be_made_relative_by_hand(make_reconstruction, tmp_path):
    build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    make_paths_relative(bpy.data.images, tmp_path / "folder")
    assert photo_paths() == ["//../left.png", "//../right.png"]


def test_the_artists_scene_stays_as_it_is(make_reconstruction):
    scene = bpy.context.scene
    mine = bpy.data.objects.new("Mine", bpy.data.meshes.new("Mine"))
    scene.collection.objects.link(mine)
    mine.select_set(True)
    bpy.context.view_layer.objects.active = mine
    render, transform = scene.render, scene.view_settings.view_transform
    before = (render.resolution_x, render.resolution_y, render.engine, render.pixel_aspect_x, scene.camera)
    build(make_reconstruction(), BuildOptions(), scene)
    assert (render.resolution_x, render.resolution_y, render.engine, render.pixel_aspect_x, scene.camera) == before
    assert scene.view_settings.view_transform == transform
    assert bpy.context.selected_objects == [mine]
    assert bpy.context.view_layer.objects.active == mine
    assert names(bpy.data.scenes) == ["Scene"]


def test_an_artist_in_edit_mode_stays_there(make_reconstruction, tmp_path):
    mesh = bpy.data.meshes.new("Mine")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    mine = bpy.data.objects.new("Mine", mesh)
    bpy.context.scene.collection.objects.link(mine)
    mine.select_set(True)
    bpy.context.view_layer.objects.active = mine
    bpy.ops.object.mode_set(mode="EDIT")
    built = build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    export_glb(built.root, tmp_path / "beside.glb")
    assert (bpy.context.mode, bpy.context.object) == ("EDIT_MESH", mine)
    assert len(built.clouds[0].data.attributes["position"].data) == 24 * 16


def test_metres_are_metres_in_the_scenes_own_unit(make_reconstruction):
    bpy.context.scene.unit_settings.scale_length = 0.01  # centimetres
    metric = build(make_reconstruction(units="metres"), BuildOptions(), bpy.context.scene)
    assert tuple(metric.root.scale) == pytest.approx((100.0, 100.0, 100.0))
    assert tuple(build(make_reconstruction(), BuildOptions(), bpy.context.scene).root.scale) == (1.0, 1.0, 1.0)
    given = make_reconstruction(units="metres", world="given")
    assert tuple(build(given, BuildOptions(), bpy.context.scene).root.scale) == (1.0, 1.0, 1.0)


def test_a_view_without_camera_or_confidence_stands_at_the_origin(make_view, make_reconstruction):
    view = replace(make_view(), world_from_camera=None, confidence=None)
    built = build(make_reconstruction(views=(view,)), BuildOptions(), bpy.context.scene)
    assert tuple(built.cameras[0].location) == (0.0, 0.0, 0.0)


def test_long_strange_and_equal_names_work(make_view, make_reconstruction):
    views = (make_view("ü 漢字 " * 12), make_view("same"), make_view("same", seed=1))
    built = build(make_reconstruction(views=views), BuildOptions(), bpy.context.scene)
    assert len(built.meshes) == len(set(names(built.meshes))) == 3


def test_points_have_place_colour_size_and_confidence(make_view, make_reconstruction):
    view = make_view()
    view.depth[3, 4] = np.nan
    built = build(make_reconstruction(views=(view,), world="given"), BuildOptions(meshes=False), bpy.context.scene)
    attributes, known = built.clouds[0].data.attributes, np.isfinite(view.depth)
    colours = np.empty(4 * known.sum(), np.float32)
    attributes["Color"].data.foreach_get("color", colours)
    linear = colours.reshape(-1, 4)[:, :3]
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.round(255 * srgb), view.image[known])
    confidence, radius = np.empty(known.sum(), np.float32), np.empty(known.sum(), np.float32)
    attributes["confidence"].data.foreach_get("value", confidence)
    np.testing.assert_array_equal(confidence, view.confidence[known])
    attributes["radius"].data.foreach_get("value", radius)
    pixel = view.depth[known] / view.image_from_camera[0, 0]  # the width of a pixel where its point lies
    assert ((0.5 * pixel <= radius) & (radius <= pixel)).all()


def test_points_are_seen_in_solid_and_in_renders(make_view, make_reconstruction, render, workbench):
    view = make_view()
    view.image[:] = (200, 60, 20)
    scene = bpy.context.scene
    built = build(make_reconstruction(views=(view,)), BuildOptions(meshes=False, tuning=Tuning(depth_jump=0.0)), scene)
    scene.camera = built.cameras[0]
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    workbench(scene, "MATERIAL")
    assert np.mean(render(scene)[..., 3] > 0.5) > 0.8
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    pixels = render(scene)
    shown = pixels[pixels[..., 3] == 1.0][:, :3]
    assert len(shown) > 0.7 * 48 * 32
    assert np.abs(255 * np.median(shown, axis=0) - (200, 60, 20)).max() <= 1.0
