"""What the bundled network makes of renders and their cameras: surfaces where the true ones are, more or less."""

import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Vector

from image_to_scene.core.geometry.cameras import unproject
from image_to_scene.core.types import Request
from image_to_scene.operators.inputs import Item, views_from

sys.path.append(str(Path(__file__).parent))
import test_truth as truth
import test_truth_cameras as cameras
from test_truth_cameras import reconstruct  # noqa: F401 - a fixture

RADIUS = 5.0
NEAR = 0.1 * RADIUS
"""How far the median point may lie from a surface: a tenth of the cameras' distance from the middle of the scene. The
network gives 0.3; one of random weights gives 5, and the right shape at twice its size would give 3."""
SIZE = (168, 126)


@pytest.fixture
def yard(workbench, monkeypatch):
    """Put textured boxes on a textured ground, as the network knows such things, and cameras around them."""
    chance, scene = np.random.default_rng(0), bpy.context.scene
    boxes = {"ground": ((0, 0, -0.5), (40, 40, 1.0), (0.5, 0.45, 0.4))}
    for index in range(6):
        size = chance.uniform(0.4, 1.4, 3)
        place = (*chance.uniform(-2, 2, 2), size[2] / 2)
        boxes[f"box {index}"] = (place, tuple(size), tuple(chance.uniform(0.1, 0.9, 3)))
    monkeypatch.setattr(truth, "BOXES", boxes)
    for name, (*_, colour) in boxes.items():
        cover(truth.add_box(name).data, colour, 8.0 if name == "ground" else 4.0, chance)
    workbench(scene, "TEXTURE")
    scene.display.shading.light = "STUDIO"
    cameras.set_render(SIZE)
    return [look_at_the_middle(angle, 2.5 + 0.4 * index) for index, angle in enumerate(np.radians([0, 20, 45, 70]))]


def cover(mesh, colour, size, chance):
    """Give a mesh of boxes a texture of coloured squares, `size` units large."""
    layer = mesh.uv_layers.new(name="UVMap")
    for face in mesh.polygons:
        corners = np.array([mesh.vertices[vertex].co[:] for vertex in face.vertices])
        across, down = np.nonzero(np.ptp(corners, axis=0) > 1e-6)[0]
        for loop, corner in zip(face.loop_indices, corners, strict=True):
            layer.data[loop].uv = corner[across] / size + 0.5, corner[down] / size + 0.5
    squares = [np.kron(chance.normal(0, 0.07, (k, k, 3)), np.ones((256 // k, 256 // k, 1))) for k in (4, 8, 16, 32, 64)]
    pixels = np.ones((256, 256, 4), np.float32)
    pixels[..., :3] = np.clip(sum(squares) + np.array(colour), 0, 1)
    image = bpy.data.images.new(mesh.name, 256, 256)
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    material = bpy.data.materials.new(mesh.name)
    if bpy.app.version < (5, 0):  # later ones always have them
        material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    material.node_tree.nodes.active = node
    mesh.materials.append(material)


def look_at_the_middle(angle, height):
    camera = cameras.add_camera(lens=35.0, shift_x=0.0, shift_y=0.0)
    camera.location = place = Vector((RADIUS * np.sin(angle), -RADIUS * np.cos(angle), height))
    camera.rotation_euler = (Vector((0, 0, 0.3)) - place).to_track_quat("-Z", "Y").to_euler()
    return camera


def test_the_bundled_network_finds_the_true_surfaces(yard, tmp_path, reconstruct):  # noqa: F811
    items = [Item(camera.name, "CAMERA", camera=camera, picture_source="RENDER") for camera in yard]
    found = reconstruct(Request(views_from(items, bpy.context).views, model="nano"))
    assert found.world == "given"
    flat, seen = [], []
    for camera, view in zip(yard, found.views, strict=True):
        points = unproject(view.depth.astype(np.float64), view.image_from_camera, view.world_from_camera)
        distance, _ = truth.to_surfaces(points.reshape(-1, 3))
        assert np.median(distance) < NEAR
        bpy.context.scene.camera = camera
        cameras.set_render(view.depth.shape[::-1])
        _, depth = truth.render_truth(bpy.context.scene, tmp_path / "true.exr")
        seen.append(np.abs(view.depth * np.median(depth) / np.median(view.depth) / depth - 1.0).mean())
        flat.append(np.abs(np.median(depth) / depth - 1.0).mean())
    assert np.mean(seen) < 0.75 * np.mean(flat)  # a picture on a wall at the right distance would be as good as `flat`
