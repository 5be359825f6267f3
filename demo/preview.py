"""Render built scenes from a place where no picture was taken, under the pictures they come from.

python demo/preview.py PREVIEW.png SCENE.blend [SCENE.blend ...]
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bpy
from mathutils import Matrix, Vector
from PIL import Image

WIDTH, GAP = 1320, 12
PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Render every scene, then put the renders side by side below the pictures."""
    preview, *scenes = (Path(argument) for argument in sys.argv[1:])
    renders = [render(scene) for scene in scenes]
    pictures = [Image.open(path) for path in sorted(PICTURES.glob("*.png"))]
    sheet = stacked([row(pictures), row(renders)])
    sheet.save(preview)


def render(path: Path) -> Image.Image:
    """Render a scene from beside and above its active camera; Cycles needs no display."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    scene = bpy.context.scene
    camera = scene.camera.copy()
    camera.data = camera.data.copy()
    camera.data.shift_x = camera.data.shift_y = 0.0
    camera.data.clip_start *= 0.1
    camera.data.clip_end *= 10.0
    camera.parent = None
    scene.collection.objects.link(camera)
    camera.matrix_world = orbited(scene.camera.matrix_world, middle(scene))
    scene.camera = camera
    for item in scene.objects:
        item.hide_render = item.type != "MESH"
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    scene.render.film_transparent = True  # what was never seen is white, not black
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "render.png")
        bpy.ops.render.render(write_still=True)
        seen = Image.open(scene.render.filepath).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")


def middle(scene: bpy.types.Scene) -> Vector:
    """Return a point about half-way into the active camera's own mesh."""
    corners = [Vector(corner) for item in scene.objects if item.type == "MESH" for corner in item.bound_box]
    ahead = -scene.camera.matrix_world.to_3x3().col[2].normalized()
    place = scene.camera.matrix_world.translation
    reach = sorted((corner - place).dot(ahead) for corner in corners)
    return place + ahead * 0.4 * reach[len(reach) // 2 :][len(reach) // 4]


def orbited(world_from_camera: Matrix, centre: Vector) -> Matrix:
    """Swing a camera around a point: 20° aside, 15° up, and a little back."""
    aside = Matrix.Rotation(math.radians(20.0), 4, "Z")
    up = Matrix.Rotation(math.radians(-15.0), 4, world_from_camera.to_3x3().col[0].normalized())
    back = Matrix.Translation(0.15 * (world_from_camera.translation - centre))
    return Matrix.Translation(centre) @ aside @ up @ Matrix.Translation(-centre) @ back @ world_from_camera


def row(pictures: Sequence[Image.Image]) -> Image.Image:
    """Scale pictures to one height so that they fill the width."""
    space = WIDTH - GAP * (len(pictures) + 1)
    height = int(space / sum(picture.width / picture.height for picture in pictures))
    scaled = [
        picture.convert("RGB").resize((int(picture.width * height / picture.height), height)) for picture in pictures
    ]
    strip = Image.new("RGB", (WIDTH, height), "white")
    left = GAP
    for picture in scaled:
        strip.paste(picture, (left, 0))
        left += picture.width + GAP
    return strip


def stacked(rows: Sequence[Image.Image]) -> Image.Image:
    """Put rows below each other."""
    sheet = Image.new("RGB", (WIDTH, sum(item.height + GAP for item in rows) + GAP), "white")
    top = GAP
    for item in rows:
        sheet.paste(item, (0, top))
        top += item.height + GAP
    return sheet


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Blender 4.5 as a module can hang at a regular exit
