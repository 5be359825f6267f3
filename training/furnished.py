"""Pictures of furnished scenes: those of the accuracy benchmark, of other seeds.

`python -m training.furnished --folder DATA --scenes 1500` may run while training starts, as `training.data` may. Cycles
needs a second for a small picture, so most are drawn by Blender's Workbench, which needs a twentieth. That one has
neither bounced light nor shaders: materials are painted once into small textures, of which every scene takes some, and
light is a studio's with hard shadows. Geometry and cameras are as exact as the benchmark's, whose own scenes have the
indices below FIRST_INDEX. `--engine cycles` draws scenes as the benchmark does. A folder that was interrupted has, in
the end, the scenes of one that was not.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import benchmarks.accuracy  # noqa: F401 - makes the package importable
from benchmarks.accuracy.rendered import materials, rendering
from benchmarks.accuracy.rendered.cameras import intrinsics
from benchmarks.accuracy.rendered.chance import Chance
from benchmarks.accuracy.rendered.rays import Rays
from benchmarks.accuracy.rendered.shapes import UV

from .data import SIDE, DataFolder, Shots

FIRST_INDEX: Final = 100_000
TEXTURES: Final = 16
"""Of each kind of material."""
TEXTURE_SIDE: Final = 128
"""Pixels of a metre."""
KINDS: Final = (
    *("wood", "planks", "bricks", "tiles", "plaster", "wallpaper", "cloth", "carpet", "stone", "paving"),
    *("asphalt", "grass", "ceramic", "metal", "paint", "fruit", "white", "print", "pane"),
)
FINER: Final = 2
"""Times as many pixels are drawn on a side, since Workbench takes the nearest one of a texture from afar."""
STUDIOS: Final = ("Default", "studio.sl", "outdoor.sl", "paint.sl", "basic.sl")
log = logging.getLogger(__name__)


def paint_textures(folder: Path, seed: int) -> Mapping[str, list[Path]]:
    """Draw materials of every kind, a square metre each, as pictures in a folder."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, chance = _easel(), Chance(seed)
    painted: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        for number in range(TEXTURES):
            material = getattr(materials, {"print": "print_"}.get(kind, kind))(chance)
            _shine(material)
            bpy.data.objects["canvas"].data.materials[0] = material  # type: ignore[union-attr, attr-defined]
            path = folder / f"{kind}_{number}.png"
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True)
            bpy.data.materials.remove(material)
            painted[kind].append(path)
    return painted


def _easel() -> Any:
    """Make a scene in which a camera sees a square metre and nothing else, one sample a pixel."""
    scene: Any = bpy.context.scene
    mesh: Any = bpy.data.meshes.new("canvas")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new(name=UV).data.foreach_set("uv", (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0))
    mesh.materials.append(None)
    scene.collection.objects.link(bpy.data.objects.new("canvas", mesh))
    data: Any = bpy.data.cameras.new("camera")
    data.type, data.ortho_scale = "ORTHO", 1.0
    scene.camera = bpy.data.objects.new("camera", data)
    scene.camera.location = (0.5, 0.5, 1.0)
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 2, False
    scene.render.resolution_x = scene.render.resolution_y = TEXTURE_SIDE
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.view_settings.view_transform = "Standard"
    return scene


def _shine(material: Any) -> None:
    """Let a surface show its colour whatever the light."""
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    emission = tree.nodes.new("ShaderNodeEmission")
    links = shader.inputs["Base Color"].links
    if links:
        tree.links.new(links[0].from_socket, emission.inputs["Color"])
    else:
        emission.inputs["Color"].default_value = shader.inputs["Base Color"].default_value
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])


def draw(index: int, painted: Mapping[str, list[Path]] | None, scratch: Path, side: int = SIDE) -> Shots:
    """Draw the scene of an index from its eight cameras, square: by Workbench with painted textures, else by Cycles."""
    shots, random = rendering.make_scene(index), np.random.default_rng(index)
    if painted is None:
        rendering.set_up((side, side), 1)
    else:
        _dress(painted, random)
        _light(random, side)
    K, rays = intrinsics(shots.field_of_view, (side, side)), Rays()
    images, depths = [], []
    for camera in shots.world_from_camera:
        rendering.stand(camera, shots.field_of_view)
        images.append(_picture(scratch / "picture.png", side))
        depths.append(np.nan_to_num(rays.seen(camera, K, (side, side))[1]))
    pixels = np.stack(images) if painted is None else _exposed(np.stack(images), random)
    lenses = np.repeat(K[None], len(images), 0)
    return Shots(pixels, np.stack(depths), shots.world_from_camera, lenses, shots.family, shots.mode)


def _picture(path: Path, side: int) -> NDArray[np.uint8]:
    """Render what the camera sees."""
    scene: Any = bpy.context.scene
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").reduce(picture.width // side))


def _exposed(images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Bring the light of a scene's pictures to what a camera would have chosen, more or less."""
    bright = max(1.0, float(np.quantile(images, 0.9))) / random.uniform(0.6, 0.95)
    curve = 255 * np.minimum(1.0, np.arange(256) / bright) ** random.uniform(0.55, 1.0)
    return curve.astype(np.uint8)[images]


def _dress(painted: Mapping[str, list[Path]], random: np.random.Generator) -> None:
    """Give every material a texture of its kind; what glows is white."""
    for material in bpy.data.materials:
        tree: Any = material.node_tree
        kind = material.name.split(".")[0]
        tree.nodes.clear()
        if kind in painted:
            node = tree.nodes.new("ShaderNodeTexImage")
            node.image = bpy.data.images.load(str(random.choice(painted[kind])), check_existing=True)  # type: ignore[arg-type]
            tree.nodes.active = node


def _light(random: np.random.Generator, side: int) -> None:
    """Light a scene by one of Blender's studios, turned, with hard shadows and dark corners."""
    scene: Any = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = FINER * side
    scene.render.image_settings.file_format, scene.render.image_settings.compression = "PNG", 0
    scene.view_settings.view_transform = "Standard"
    display = scene.display
    display.render_aa, display.shadow_shift = "FXAA", 0.1
    x, y = random.normal(size=2)
    display.light_direction = (x, y, random.uniform(0.8, 2.5))
    shading = display.shading
    shading.light, shading.color_type, shading.studio_light = "STUDIO", "TEXTURE", str(random.choice(STUDIOS))
    shading.use_world_space_lighting, shading.studiolight_rotate_z = True, random.uniform(-np.pi, np.pi)
    shading.show_shadows, shading.shadow_intensity = bool(random.random() < 0.7), random.uniform(0.2, 0.7)
    shading.show_cavity, shading.cavity_type = bool(random.random() < 0.5), "WORLD"
    shading.cavity_ridge_factor, shading.cavity_valley_factor = 0.3, 1.5
    if scene.world:
        scene.world.color = random.uniform(0.5, 1.0, 3)


def fill(data: DataFolder, first_index: int, engine: str) -> None:
    """Draw a folder's scenes in the order of their indices, going on where an earlier run stopped."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        painted = paint_textures(scratch, first_index) if engine == "workbench" else None
        for scene in range(data.ready(), len(data.images)):
            data.write(scene, draw(first_index + scene, painted, scratch, data.images.shape[2]))
            data.report(scene + 1)
            log.info("%d of %d scenes", scene + 1, len(data.images))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenes", type=int, required=True)
    parser.add_argument("--first-index", type=int, default=FIRST_INDEX)
    parser.add_argument("--engine", choices=("workbench", "cycles"), default="workbench")
    options = parser.parse_args()
    if options.first_index < FIRST_INDEX:
        parser.error(f"indices below {FIRST_INDEX} are the accuracy benchmark's: begin there or later")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    fill(DataFolder.begin(options.folder, options.scenes), options.first_index, options.engine)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Blender as a Python module may hang when the interpreter ends
