"""A plate gives the same pixels whichever way it comes in, and the very ones that Blender's Standard view shows."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import bpy
import numpy as np
import pytest

from image_to_scene.core.imaging.headers import stored_size
from image_to_scene.core.types import View
from image_to_scene.operators import inputs
from image_to_scene.operators.inputs import Item, files
from image_to_scene.operators.session import session

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1]))
from camera_scenes import add_background, add_camera, check_projection, set_render, view_of
from draw_exr import draw_exr

ROOT = Path(__file__).parents[2]
SIZE = (48, 32)
READ = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
import numpy as np
from pathlib import Path
from image_to_scene.core.imaging.reading import read_picture
np.savez(sys.argv[2], *[read_picture(Path(path)).pixels for path in sys.argv[3:]])
"""


def read(paths, folder):
    """Return [H, W, 3] of each, as the worker reads them: in its Python."""
    python = os.environ.get("IMAGE_TO_SCENE_PYTHON", sys.executable)
    words = [python, "-c", READ, str(ROOT / "tests"), str(folder / "read.npz"), *map(str, paths)]
    subprocess.run(words, check=True, timeout=120)
    with np.load(folder / "read.npz") as found:
        return [found[f"arr_{index}"] for index in range(len(paths))]


def light_of(number, peak):
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    light = np.stack([x / (SIZE[0] - 1), y / (SIZE[1] - 1), 0.5 + 0.5 * np.sin(x * y / 9 + number)], axis=-1)
    return light.astype(np.float32) * peak


@pytest.fixture(params=[1.0, 6.0])
def plates(request, tmp_path):
    """Three numbered plates; their brightest pixel."""
    paths = []
    for number in (1, 2, 3):
        light = light_of(number, request.param)
        planes = {name: light[..., index] for index, name in enumerate("RGB")}
        paths.append(draw_exr(tmp_path / f"plate.{number:04d}.exr", planes))
    return paths


def views_of(*items):
    return inputs.views_from(items, bpy.context).views


def test_every_way_in_gives_the_same_pixels(empty_file, plates, tmp_path):
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 3
    set_render(SIZE)
    second = bpy.data.images.load(str(plates[1]))
    packed = bpy.data.images.load(str(plates[1]))
    packed.pack()
    painted = bpy.data.images.new("painted", *SIZE, alpha=True, float_buffer=True)
    pixels = np.empty(4 * SIZE[0] * SIZE[1], np.float32)
    second.pixels.foreach_get(pixels)
    painted.pixels.foreach_set(pixels)
    sequence = bpy.data.images.load(str(plates[0]))
    sequence.source = "SEQUENCE"
    clip = bpy.data.movieclips.load(str(plates[0]))

    found = {"file": files.find([plates[1]]).items}
    found["packed"] = (Item("packed", "IMAGE", image=packed),)
    found["painted"] = (Item("painted", "IMAGE", image=painted),)
    found["sequence"] = files.find(plates, "SEQUENCE").items
    views = {name: views_of(*items) for name, items in found.items()}
    still = add_camera()
    add_background(still, second)
    views["background"] = (view_of(still),)
    bpy.context.scene.frame_set(2)
    moving = add_camera()
    background = add_background(moving, sequence)
    background.image_user.frame_start, background.image_user.frame_duration = 1, 3
    views["sequence behind a camera"] = (view_of(moving),)
    filmed = add_camera()
    filmed.data.show_background_images = True
    item = filmed.data.background_images.new()
    item.source, item.clip = "MOVIE_CLIP", clip
    views["clip behind a camera"] = (view_of(filmed),)
    chosen = {name: each[1 if name == "sequence" else 0].path for name, each in views.items()}
    assert len(chosen) == 7
    pictures = dict(zip(chosen, read(list(chosen.values()), tmp_path), strict=True))
    for name, picture in pictures.items():
        np.testing.assert_array_equal(picture, pictures["file"], err_msg=name)
    assert pictures["file"].max() == 255
    session.close()


def test_up_to_white_it_is_what_blender_shows(empty_file, tmp_path):
    light = light_of(2, 1.0)
    path = draw_exr(tmp_path / "plate.exr", {name: light[..., index] for index, name in enumerate("RGB")})
    scene = bpy.context.scene
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.render.dither_intensity = 0.0
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
    bpy.data.images.load(str(path)).save_render(str(tmp_path / "shown.png"), scene=scene)
    ours, blender = read([path, tmp_path / "shown.png"], tmp_path)
    assert np.abs(ours.astype(int) - blender).max() <= 1
    assert np.abs(ours.astype(int) - blender).mean() < 0.1


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("display", [(0, 0, 79, 59), (10, 6, 39, 25)])
def test_a_camera_before_an_exr_with_another_data_window(empty_file, tmp_path, display, is_packed):
    """Blender lays the data window, the worker reads the display window: a point stays on its pixel."""
    light = light_of(1, 1.0)
    planes = {name: light[..., index] for index, name in enumerate("RGB")}
    data = (5, 3, 4 + SIZE[0], 2 + SIZE[1])
    path = draw_exr(tmp_path / "plate.exr", planes, data=data, display=display)
    set_render(SIZE)
    camera = add_camera()
    camera.rotation_euler, camera.location = (1.0, 0.2, 0.3), (1, 2, 3)
    image = bpy.data.images.load(str(path))
    assert tuple(image.size) == SIZE
    if is_packed:
        image.pack()
    add_background(camera, image)
    view = view_of(camera)
    shift = np.array([[1.0, 0.0, data[0] - display[0]], [0.0, 1.0, data[1] - display[1]], [0.0, 0.0, 1.0]])
    inside = View(view.path, view.world_from_camera, np.linalg.inv(shift) @ view.image_from_camera)
    check_projection(inside, camera, SIZE)
    size = display[2] - display[0] + 1, display[3] - display[1] + 1
    assert stored_size(path) == files.size_of(path) == size
    assert read([view.path], tmp_path)[0].shape == (size[1], size[0], 3)
    session.close()


def test_an_hdr_png_gives_the_same_pixels_behind_a_camera_and_packed(empty_file, tmp_path):
    """PQ told by cICP, which Blender reads from 5.3 on: what it makes of it is not asked."""
    light = light_of(1, 0.75)
    root = (light * 203.0 / 10000.0) ** (2610 / 16384)
    signal = ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)
    rows = b"".join(b"\0" + row.tobytes() for row in np.rint(65535 * signal).astype(">u2"))
    head = struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)
    chunks = {b"IHDR": head, b"cICP": bytes([1, 16, 0, 1]), b"IDAT": zlib.compress(rows), b"IEND": b""}
    content = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items())
    path = tmp_path / "hdr.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))
    image, packed = bpy.data.images.load(str(path)), bpy.data.images.load(str(path))
    packed.pack()
    camera = add_camera()
    add_background(camera, image)
    views = [view_of(camera), *views_of(Item("packed", "IMAGE", image=packed))]
    expected = 255.0 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    for pixels in read([path, *(view.path for view in views)], tmp_path):
        assert np.abs(pixels - expected).max() <= 0.6
    session.close()


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="working spaces are new in Blender 5.0")
@pytest.mark.parametrize("space", ["ACEScg", "Linear Rec.2020"])
def test_another_working_space_changes_nothing(empty_file, tmp_path, space):
    light = light_of(1, 1.0)
    path = draw_exr(tmp_path / "plate.exr", {name: light[..., index] for index, name in enumerate("RGB")})
    bpy.ops.wm.set_working_color_space(working_space=space, convert_colors=False)
    assert bpy.data.colorspace.working_space == space
    packed = bpy.data.images.load(str(path))
    packed.pack()
    (view,) = views_of(Item("packed", "IMAGE", image=packed))
    ours, file = read([view.path, path], tmp_path)
    assert np.abs(ours.astype(int) - file).max() <= 2
    bpy.ops.wm.set_working_color_space(working_space="Linear Rec.709", convert_colors=False)
    session.close()


def test_a_folder_of_plates_is_found(plates):
    (item,) = files.find([plates[0].parent], "SEQUENCE").items
    assert item.kind == "SEQUENCE"
    assert len(files.find([plates[0].parent], "PICTURES").items) == 3
