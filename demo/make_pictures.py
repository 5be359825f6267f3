"""Draw the demo's pictures: `python -m demo.make_pictures` writes `demo/pictures/` again, always the same.

A tabletop by hand, drawn with the ray-caster of the training but with a scene and cameras that are in no training set:
six PNG pictures, their cameras, and the true depth at the size that `nano` works at.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from training.cameras import intrinsics, look_at
from training.raycast import Light, Scene, Shape, render
from training.scenes import Builder, add_table
from training.textures import Pattern

FOLDER = Path(__file__).resolve().parent / "pictures"
SIZE = (756, 504)
MODEL_SIZE = (126, 84)
FIELD_OF_VIEW = 58.0
VIEWS = 6


def paint(build: Builder, pattern: Pattern, period: float, first: str, second: str) -> int:
    """Add a material of two colours given as hex digits."""
    colours = [[int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)] for text in (first, second)]
    build.materials.append([float(pattern), period, *colours[0], *colours[1], float(len(build.materials))])
    return len(build.materials) - 1


def furnish(build: Builder) -> None:
    """The room: walls, floor, a window, a picture, a shelf and a stool."""
    half = (1.9, 1.7, 1.3)
    walls = paint(build, Pattern.PLAIN, 1.0, "d9d2c3", "d9d2c3")
    floor = paint(build, Pattern.PLANKS, 0.16, "4a3222", "b5835a")
    ceiling = paint(build, Pattern.PLAIN, 1.0, "f2efe8", "f2efe8")
    build.add(Shape.SHELL, (0.0, 0.0, half[2]), half, 0.0, (walls, floor, ceiling))
    pane = paint(build, Pattern.WINDOWS, 0.8, "f7f4ec", "9cc3dd")
    build.add(Shape.BOX, (-0.6, half[1], 1.55), (0.8, 0.04, 0.5), 0.0, (pane,) * 3)
    art = paint(build, Pattern.CHECKER, 0.22, "c8553d", "f0c987")
    build.add(Shape.BOX, (0.95, half[1], 1.5), (0.33, 0.03, 0.45), 0.0, (art,) * 3)
    shelf = paint(build, Pattern.BRICKS, 0.5, "2f3e46", "84a98c")
    build.add(Shape.BOX, (1.45, 1.35, 0.6), (0.4, 0.3, 0.6), 0.0, (shelf,) * 3)
    build.add(Shape.CYLINDER, (-1.35, 1.0, 0.25), (0.22, 0.22, 0.25), 0.0, (art, shelf, shelf))


def lay_table(build: Builder) -> None:
    """The table and what stands on it."""
    add_table(build, 0.0, 0.0, (0.7, 0.5), 0.75, 0.1)
    build.materials[-1] = [float(Pattern.PLANKS), 0.14, 0.42, 0.27, 0.16, 0.78, 0.56, 0.36, 3.0]
    blue = paint(build, Pattern.DOTS, 0.09, "2a6f97", "e9f5fb")
    red = paint(build, Pattern.CHECKER, 0.06, "9b2226", "f4d6a0")
    green = paint(build, Pattern.BLOTCHES, 0.07, "386641", "a7c957")
    cream = paint(build, Pattern.PLAIN, 1.0, "f1e3c6", "f1e3c6")
    violet = paint(build, Pattern.BRICKS, 0.12, "e0b1cb", "5e548e")
    top = 0.75
    build.add(Shape.BOX, (-0.32, 0.18, top + 0.03), (0.17, 0.12, 0.03), 0.3, (violet,) * 3)
    build.add(Shape.BOX, (-0.30, 0.18, top + 0.085), (0.14, 0.1, 0.025), 0.55, (red,) * 3)
    build.add(Shape.SPHERE, (-0.3, 0.18, top + 0.11 + 0.09), (0.09,) * 3, 0.0, (green,) * 3)
    build.add(Shape.CYLINDER, (0.22, 0.12, top + 0.16), (0.085, 0.085, 0.16), 0.0, (blue, cream, cream))
    build.add(Shape.BOX, (0.38, -0.2, top + 0.09), (0.1, 0.1, 0.09), 0.7, (red, cream, cream))
    build.add(Shape.CYLINDER, (-0.05, -0.22, top + 0.05), (0.06, 0.06, 0.05), 0.0, (cream, green, green))
    build.add(Shape.SPHERE, (-0.42, -0.2, top + 0.075), (0.075,) * 3, 0.0, (violet,) * 3)


def demo_scene() -> Scene:
    """Compose the scene."""
    build = Builder(np.random.default_rng(2511_10647))
    furnish(build)
    lay_table(build)
    return build.scene(Light((-0.7, -0.5, 2.45), sun=False, ambient=0.55), 0.5)


def demo_cameras() -> list[np.ndarray]:
    """[4, 4] world_from_camera on an arc of 70° in front of the table, rising a little, looking at it."""
    cameras = []
    for k in range(VIEWS):
        azimuth = math.radians(-125 + 70 * k / (VIEWS - 1))
        distance, height = 1.5 + 0.12 * math.sin(2.1 * k), 1.4 + 0.18 * math.sin(1.3 * k)
        place = np.array((distance * math.cos(azimuth), distance * math.sin(azimuth), height))
        cameras.append(look_at(place, np.array((0.0, 0.05, 0.85)), math.radians((-1) ** k * 1.5)))
    return cameras


def main() -> None:
    """Write pictures, `cameras.json` (OpenCV camera axes, world Z up, source pixels) and `depth.npz`."""
    FOLDER.mkdir(exist_ok=True)
    scene, K, small = demo_scene(), intrinsics(FIELD_OF_VIEW, SIZE), intrinsics(FIELD_OF_VIEW, MODEL_SIZE)
    views, depths = [], {}
    for index, camera in enumerate(demo_cameras()):
        name = f"table_{index + 1}.png"
        Image.fromarray(render(scene, camera, K, SIZE)[0]).save(FOLDER / name, optimize=True)
        views.append({"image": name, "world_from_camera": camera.tolist(), "image_from_camera": K.tolist()})
        depths[name] = render(scene, camera, small, MODEL_SIZE)[1]
    (FOLDER / "cameras.json").write_text(json.dumps({"views": views}, indent=1) + "\n")
    np.savez_compressed(FOLDER / "depth.npz", **depths)


if __name__ == "__main__":
    main()
