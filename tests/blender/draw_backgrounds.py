"""Draw camera backgrounds in Blender's viewport and say where they lie; a process of its own, run by a test.

After a viewport was drawn without a window, later renders of the same process come out empty now and then.
"""

import json
import sys

import bpy
import gpu
import numpy as np


def make_camera(case):
    """Make a camera with a white spot on its black background; return it and where: (left, top, right, bottom)."""
    width, height = case["picture"]
    left, top, right, bottom = (
        round(part * side) for part, side in zip(case["spot"], (width, height) * 2, strict=True)
    )
    pixels = np.zeros((height, width, 4), np.float32)
    pixels[..., 3] = 1.0
    pixels[height - bottom : height - top, left:right] = 1.0
    image = bpy.data.images.new("spot", width, height)
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image.pack()
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    bpy.context.scene.collection.objects.link(camera)
    data, render = camera.data, bpy.context.scene.render
    render.resolution_x, render.resolution_y = case["frame"]
    data.sensor_fit, data.show_background_images = case["fit"], True
    data.shift_x, data.shift_y = case["shift"]
    background = data.background_images.new()
    background.image, background.alpha, background.display_depth = image, 1.0, "FRONT"
    for key, value in case["values"].items():
        setattr(background, key, value)
    return camera, (left, top, right, bottom)


def draw(camera, size):
    """Draw the viewport through a camera; return its red channel [H, W], rows from the top."""
    area = next(area for area in bpy.context.window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    space, scene = area.spaces[0], bpy.context.scene
    scene.camera, space.region_3d.view_perspective = camera, "CAMERA"
    bpy.context.view_layer.update()
    matrix = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=size[0], y=size[1])
    screen = gpu.types.GPUOffScreen(*size)
    view = camera.matrix_world.inverted()
    screen.draw_view3d(scene, bpy.context.view_layer, space, region, view, matrix, do_color_management=False)
    return np.array(screen.texture_color.read().to_list()).reshape(size[1], size[0], 4)[::-1, :, 0]


def main():
    """Read cases from standard input; write (left, top, right, bottom) of each spot, in pixels of the frame."""
    gpu.init()
    found = []
    for case in json.load(sys.stdin):
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        camera, _ = make_camera(case)
        drawn = draw(camera, case["frame"])
        rows, columns = np.nonzero(drawn > 0.5 * drawn.max())
        found.append([int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1])
    sys.stdout.write(f"\nspots {json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
