"""Cameras for tests: added to the open scene, read as views, and compared with Blender's own projection."""

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from image_to_scene.core.geometry.cameras import project
from image_to_scene.operators.inputs import Item, cameras

POINTS = np.array([(0.3, -0.2, -4.0), (-1.0, 0.7, -3.0), (0.0, 0.0, -1.0)])


def add_camera(name="camera", collection=None, **values):
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    (collection or bpy.context.scene.collection).objects.link(camera)
    for key, value in values.items():
        setattr(camera.data, key, value)
    return camera


def add_empty(parent=None, **values):
    empty = bpy.data.objects.new("empty", None)
    bpy.context.scene.collection.objects.link(empty)
    empty.parent = parent
    for key, value in values.items():
        setattr(empty, key, value)
    return empty


def add_image(size=(80, 60), colour=(0.5, 0.5, 0.5, 1.0), name="plate"):
    image = bpy.data.images.new(name, *size)
    image.pixels.foreach_set(np.tile(np.float32(colour), size[0] * size[1]))
    image.pack()
    return image


def add_background(camera, image, **values):
    background = camera.data.background_images.new()
    background.image = image
    camera.data.show_background_images = True
    for key, value in values.items():
        setattr(background, key, value)
    return background


def set_render(size, aspect=(1.0, 1.0), percentage=100):
    render = bpy.context.scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x, render.resolution_y = size
    render.pixel_aspect_x, render.pixel_aspect_y = aspect
    render.resolution_percentage = percentage


def pixels_of(path):
    """Return what a picture's file holds [H, W, 4], rows from the top."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    pixels = np.array(image.pixels[:]).reshape(height, width, 4)[::-1]
    bpy.data.images.remove(image)
    return pixels


def view_of(camera, source="AUTO", **values):
    (view,) = views_of(camera, source, **values)
    return view


def views_of(camera, source="AUTO", **values):
    return cameras.views_of(Item(camera.name, "CAMERA", camera=camera, picture_source=source, **values), bpy.context)


def seen_by_blender(camera, points, size):
    """Return where Blender itself sees points [N, 3] of the world, in pixels of a picture that fills the frame."""
    bpy.context.view_layer.update()
    seen = [world_to_camera_view(bpy.context.scene, camera, Vector(point)) for point in points]
    return np.array([(at.x * size[0], (1.0 - at.y) * size[1]) for at in seen])


def before(camera):
    """Return points [3, 3] in front of a camera, in the world."""
    bpy.context.view_layer.update()
    return np.array([camera.matrix_world.normalized() @ Vector(point) for point in POINTS])


def check_projection(view, camera, size):
    points = before(camera)
    pixels, depth = project(points, view.image_from_camera, view.world_from_camera)
    noise = 2e-5 * max(size) + 4e-6 * view.image_from_camera.max()  # Blender's are floats
    np.testing.assert_allclose(pixels, seen_by_blender(camera, points, size), atol=noise)
    np.testing.assert_allclose(depth, -POINTS[:, 2], rtol=1e-5)
