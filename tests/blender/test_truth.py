"""The true depth of a rendered scene, taken all the way, is the true scene again: size, place and handedness."""

import sys
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from image_to_scene.core.geometry.cameras import (
    BLENDER_FROM_FIRST_VIEW,
    CameraLens,
    blender_from_opencv,
    intrinsics_from_lens,
    rebase,
)
from image_to_scene.core.types import ReconstructedView, Reconstruction
from image_to_scene.operators.scene import BuildOptions, Tuning, build, export_glb, find_roots, match_render

UNCUT = BuildOptions(name="True", tuning=Tuning(confidence_percentile=0.0, depth_jump=0.0, remove_sky=False))
ROOM = 6.0
TOLERANCE = 1e-4 * ROOM
BOXES = {  # centre, size, colour; no mirror and no turn takes this room to itself
    "room": ((0, 0, 0), (ROOM, ROOM, ROOM), (0.8, 0.7, 0.6)),
    "tall": ((-1.5, 1.0, -1.8), (0.7, 0.9, 2.4), (0.9, 0.1, 0.1)),
    "flat": ((1.4, 1.6, -2.6), (1.8, 0.6, 0.8), (0.1, 0.8, 0.2)),
    "high": ((0.4, 2.2, 1.3), (0.6, 0.6, 1.1), (0.1, 0.2, 0.9)),
}
CAMERAS = (  # location, rotation, lens, shift, picture: a landscape, a portrait and an off-centre one
    ((-1.0, -2.3, 0.4), (1.5, 0.0, -0.2), 20.0, (0.0, 0.0), (48, 32)),
    ((1.2, -2.0, 1.0), (1.35, 0.1, 0.3), 22.0, (0.05, -0.1), (32, 48)),
    ((0.2, -2.5, -0.5), (1.6, -0.1, 0.1), 18.0, (-0.2, 0.1), (40, 40)),
)


def add_box(name):
    centre, size, colour = BOXES[name]
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata((corners * size + centre).tolist(), [], faces)
    box = bpy.data.objects.new(name, mesh)
    box.color = (*colour, 1.0)
    bpy.context.scene.collection.objects.link(box)
    return box


def to_surfaces(points):
    """Return the distance [N] of points to the boxes' nearest surface, and the colours [N, 3] of that box."""
    distances = []
    for centre, size, _ in BOXES.values():
        beyond = np.abs(points - centre) - 0.5 * np.array(size)
        outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
        distances.append(np.where(outside > 0.0, outside, -beyond.max(axis=1)))
    colours = np.array([colour for *_, colour in BOXES.values()])
    return np.min(distances, axis=0), colours[np.argmin(distances, axis=0)]


def read_exr(path):
    """Return the channels of an EXR by the last two parts of their names, with the reader that ships with Blender."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / version / "site-packages"
    sys.path.append(str(folder))
    oiio = pytest.importorskip("OpenImageIO", reason="this Blender brings no OpenImageIO to read true depth with")
    sys.path.remove(str(folder))
    file, channels, part = oiio.ImageInput.open(str(path)), {}, 0
    while file.seek_subimage(part, 0):
        names = file.spec().channelnames
        pixels = file.read_image(part, 0, 0, len(names), oiio.FLOAT)
        for channel, name in enumerate(names):
            channels[".".join(name.split(".")[-2:])] = pixels[..., channel]
        part += 1
    file.close()
    return channels


def render_truth(scene, path):
    """Render colours and depth along Z; return sRGB bytes [H, W, 3] and depth [H, W]."""
    settings = scene.render.image_settings
    if bpy.app.version >= (5, 0):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    scene.view_layers[0].use_pass_z = True
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    if bpy.app.version >= (5, 0):
        settings.media_type = "IMAGE"
    channels = read_exr(path)
    linear = np.stack([channels[f"Combined.{axis}"] for axis in "RGB"], axis=-1).clip(0.0, 1.0)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * srgb).astype(np.uint8), channels["Depth.Z" if "Depth.Z" in channels else "Depth.V"]


@pytest.fixture
def truth(tmp_path, workbench, save_picture):
    """Return a perfect reconstruction in the true scene's world; the scene itself is gone."""
    scene, views = bpy.context.scene, []
    boxes = [add_box(name) for name in BOXES]
    workbench(scene, "OBJECT")
    for index, (location, rotation, lens, shift, size) in enumerate(CAMERAS):
        data = bpy.data.cameras.new("true")
        data.lens, (data.shift_x, data.shift_y) = lens, shift  # Blender's own AUTO sensor fit
        scene.camera = bpy.data.objects.new("true", data)
        scene.camera.location, scene.camera.rotation_euler = location, rotation
        scene.collection.objects.link(scene.camera)
        scene.render.resolution_x, scene.render.resolution_y = size
        image, depth = render_truth(scene, tmp_path / f"true{index}.exr")
        K = intrinsics_from_lens(CameraLens(lens, *size, shift_x=shift[0], shift_y=shift[1], sensor_fit="AUTO"))
        world_from_camera = blender_from_opencv(np.array(scene.camera.matrix_world, dtype=np.float64))
        path = save_picture(tmp_path / f"view{index}.png", image)
        views.append(ReconstructedView(path, path, size, np.eye(3), image, depth, K, world_from_camera))
        boxes.append(scene.camera)
    bpy.data.batch_remove(boxes)
    return Reconstruction(tuple(views), world="given")


def positions(item):
    """Return the world positions [N, 3] of an object's points."""
    data = item.data
    values = np.empty(3 * len(data.attributes["position"].data), np.float32)
    data.attributes["position"].data.foreach_get("vector", values)
    matrix = np.array(item.matrix_world)
    return values.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def objects_of(view):
    """Find the mesh and the cloud of a view by their names, whatever file they are in by now."""
    name = view.source.stem
    return bpy.data.objects[f"{name} mesh"], bpy.data.objects[f"{name} points"]


def check_against_truth(reconstruction, true_from_world):
    """Every pixel's vertex and point lies on a true surface, and on one that has the colour of the picture there."""
    bpy.context.view_layer.update()
    for view in reconstruction.views:
        height, width = view.depth.shape
        mesh, cloud = objects_of(view)
        inner = positions(mesh).reshape(height + 2, width + 2, 3)[1:-1, 1:-1].reshape(-1, 3)  # without the border
        for points in (inner, positions(cloud)):
            true = points @ true_from_world[:3, :3].T + true_from_world[:3, 3]
            distance, colour = to_surfaces(true)
            assert distance.max() < TOLERANCE
            shown = colour_bytes(colour) - view.image.reshape(-1, 3)
            assert np.mean(np.abs(shown).max(axis=1) <= 2.0) > 0.99  # on edges two boxes are equally near


def colour_bytes(linear):
    return 255.0 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def reload(path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))


def test_given_cameras_bring_back_the_scene(truth, tmp_path):
    build(truth, UNCUT, bpy.context.scene)
    check_against_truth(truth, np.eye(4))
    reload(tmp_path / "true.blend")
    check_against_truth(truth, np.eye(4))


def test_the_first_view_brings_back_the_scene_in_its_own_frame(truth, tmp_path):
    cameras = np.stack([view.world_from_camera for view in truth.views])
    views = [replace(view, world_from_camera=pose) for view, pose in zip(truth.views, rebase(cameras), strict=True)]
    seen_from_first = Reconstruction(tuple(views))
    build(seen_from_first, UNCUT, bpy.context.scene)
    true_from_root = cameras[0] @ BLENDER_FROM_FIRST_VIEW.T
    check_against_truth(seen_from_first, true_from_root)
    (root,) = find_roots(bpy.context.scene)
    root.matrix_world = Matrix(true_from_root.tolist())  # the root moves the whole thing
    reload(tmp_path / "moved.blend")
    check_against_truth(seen_from_first, np.eye(4))


def test_every_view_renders_as_it_was_rendered(truth, render, workbench):
    scene = bpy.context.scene
    built = build(truth, UNCUT, scene)
    workbench(scene)
    for item in built.meshes + built.clouds:
        item.hide_render = True
    for view, camera, mesh in zip(truth.views, built.cameras, built.meshes, strict=True):
        match_render(scene, camera)
        mesh.hide_render = False
        pixels = render(scene)
        mesh.hide_render = True
        assert (pixels[..., 3] == 1.0).all()
        assert np.median(np.abs(255.0 * pixels[..., :3] - view.image)) <= 2.0


def test_the_glb_brings_back_the_scene(truth, tmp_path):
    built = build(truth, UNCUT, bpy.context.scene)
    meshes = [positions(item) for item in built.meshes]
    poses = [np.array(item.matrix_basis) for item in built.cameras]
    export_glb(built.root, tmp_path / "true.glb")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "true.glb"))
    bpy.context.view_layer.update()
    for view, vertices, pose in zip(truth.views, meshes, poses, strict=True):
        mesh, cloud = objects_of(view)
        distance, _ = to_surfaces(positions(cloud))
        assert len(distance) == view.depth.size
        assert distance.max() < TOLERANCE
        check_same_points(positions(mesh), vertices)
        camera = bpy.data.objects[f"{view.source.stem} camera"]
        np.testing.assert_allclose(np.array(camera.matrix_world), pose, atol=1e-5)


def check_same_points(points, expected):
    """Compare two sets of points, whatever their order."""
    assert len(points) == len(expected)
    nearest = [np.linalg.norm(expected - point, axis=1).min() for point in points]
    assert max(nearest) < TOLERANCE
