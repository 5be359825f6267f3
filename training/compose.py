"""Furnished scenes for training: those of the accuracy benchmark, of other seeds, as a catalogue (`catalogue.py`).

`python -m training.compose --folder SCENES --scenes 6000` builds each scene in Blender, notes what it is
made of and where cameras stand, twice eight of them, and draws nothing: `training.furnished` does. Blender also paints
the materials once, a flat piece of each. The benchmark's own scenes have the indices below FIRST_INDEX. A folder that
was interrupted has, in the end, the scenes of one that was not.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import benchmarks.accuracy  # noqa: F401 - makes the package importable
from benchmarks.accuracy.rendered import materials, rendering
from benchmarks.accuracy.rendered.cameras import MODES, CrowdedError, take_cameras
from benchmarks.accuracy.rendered.chance import Chance
from benchmarks.accuracy.rendered.shapes import UV
from benchmarks.accuracy.rendered.solids import SOLIDS

from .catalogue import TEXTURES, Composition, save

FIRST_INDEX: Final = 100_000
FILE_SCENES: Final = 50
VARIANTS: Final = 12
"""Textures of each kind of material."""
METRES: Final = 2.0
"""Length of a texture's side."""
PIXELS: Final = 192
"""The same."""
KINDS: Final = (
    *("wood", "planks", "bricks", "tiles", "plaster", "wallpaper", "cloth", "carpet", "stone", "paving"),
    *("asphalt", "grass", "ceramic", "metal", "paint", "fruit", "white", "print", "pane"),
)
GLOW: Final = "glow"
Array = NDArray[np.floating[Any]]
log = logging.getLogger(__name__)


def compose(index: int) -> Composition:
    """Build the scene of an index and note it; a second walk of eight cameras goes another way."""
    shots = rendering.make_scene(index)
    chance = Chance(1000 * index + 999)
    walks = [(shots.world_from_camera, shots.field_of_view)]
    try:
        angle, mode = math.radians(chance.between(52.0, 78.0)), chance.pick(MODES)
        walks.append((take_cameras(shots.stage, mode, angle, rendering.VIEWS, chance), angle))
    except CrowdedError:
        walks *= 2
    surfaces = list(bpy.data.materials)
    everything: Any = bpy.data.objects
    objects = [item for item in everything if SOLIDS in item]
    rows = [np.reshape(list(item[SOLIDS]), (-1, 7)) for item in objects]
    solids = [np.insert(row, 0, number, axis=1) for number, row in enumerate(rows)]
    return Composition(
        solids=np.concatenate(solids),
        objects=np.array([_stand(item, surfaces) for item in objects]),
        materials=np.array([_surface(material) for material in surfaces]),
        lights=np.array([_light(item) for item in everything if item.type == "LIGHT"]).reshape(-1, 16),
        sky=_sky(),
        cameras=np.concatenate([cameras for cameras, _ in walks]),
        angles=np.repeat([angle for _, angle in walks], rendering.VIEWS),
    )


def _stand(item: Any, surfaces: Sequence[Any]) -> list[float]:
    """world_from_object and the index of the material."""
    return [*np.array(item.matrix_world)[:3].reshape(-1), surfaces.index(item.data.materials[0])]


def _surface(material: Any) -> list[float]:
    """The kind, and the light that it gives."""
    kind, shader = material.name.split(".")[0], material.node_tree.nodes["Principled BSDF"]
    if kind != GLOW:
        return [KINDS.index(kind), 0.0, 0.0, 0.0]
    strength = shader.inputs["Emission Strength"].default_value
    return [KINDS.index("white"), *(strength * channel for channel in shader.inputs["Base Color"].default_value[:3])]


def _light(item: Any) -> list[float]:
    """A row of the table of lights; a lamp shines down its −Z as bright on every side."""
    light, matrix = item.data, np.array(item.matrix_world)
    right, up, back, place = matrix[:3].T
    if light.type == "SUN":
        return [1.0, *back, *(9 * [0.0]), *(light.energy * channel for channel in light.color)]
    half, area = 0.5 * light.size, light.size**2
    radiance = [light.energy * channel / (math.pi * area) for channel in light.color]
    return [0.0, *place, *-back, *(half * right), *(half * up), *radiance]


def _sky() -> Array:
    """Radiance at the horizon and overhead."""
    scene: Any = bpy.context.scene
    nodes = scene.world.node_tree.nodes
    strength = nodes["Background"].inputs["Strength"].default_value
    ramp = next(node for node in nodes if node.type == "VALTORGB").color_ramp.elements
    return np.array([[strength * channel for channel in element.color[:3]] for element in ramp])


def paint_textures(seed: int, variants: int) -> NDArray[np.uint8]:
    """Draw flat pieces of materials of every kind, [kinds, variants, S, S, 3], 255 times the root of linear colour."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, chance = _easel(), Chance(seed)
    painted = np.empty((len(KINDS), variants, PIXELS, PIXELS, 3), np.uint8)
    with tempfile.TemporaryDirectory() as name:
        scene.render.filepath = str(Path(name) / "picture.png")
        for place in np.ndindex(*painted.shape[:2]):
            kind = KINDS[place[0]]
            material = getattr(materials, {"print": "print_"}.get(kind, kind))(chance)
            _shine(material)
            bpy.data.objects["canvas"].data.materials[0] = material  # type: ignore[union-attr, attr-defined]
            bpy.ops.render.render(write_still=True)
            bpy.data.materials.remove(material)
            with Image.open(scene.render.filepath) as picture:
                colour = np.asarray(picture.convert("RGB")) / 255
            painted[place] = np.round(255 * np.sqrt(colour**2.2))
    return painted


def _easel() -> Any:
    """Make a scene in which a camera sees a square of METRES and nothing else, few samples a pixel."""
    scene: Any = bpy.context.scene
    mesh: Any = bpy.data.meshes.new("canvas")
    corners = ((0.0, 0.0), (METRES, 0.0), (METRES, METRES), (0.0, METRES))
    mesh.from_pydata([(x, y, 0.0) for x, y in corners], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new(name=UV).data.foreach_set("uv", np.array(corners, np.float32).reshape(-1))
    mesh.materials.append(None)
    scene.collection.objects.link(bpy.data.objects.new("canvas", mesh))
    data: Any = bpy.data.cameras.new("camera")
    data.type, data.ortho_scale = "ORTHO", METRES
    scene.camera = bpy.data.objects.new("camera", data)
    scene.camera.location = (0.5 * METRES, 0.5 * METRES, 1.0)
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 4, False
    scene.render.resolution_x = scene.render.resolution_y = PIXELS
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


def write_textures(path: Path, seed: int) -> None:
    """Paint a catalogue's textures."""
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        np.savez_compressed(file, textures=paint_textures(seed, VARIANTS))
    beside.replace(path)


def fill(folder: Path, scenes: int, first_index: int) -> None:
    """Make a catalogue, going on where an earlier run stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / TEXTURES).is_file():
        write_textures(folder / TEXTURES, first_index)
    end = first_index + scenes
    for start in range(first_index, end, FILE_SCENES):
        path, stop = folder / f"scenes_{start:07}.npz", min(start + FILE_SCENES, end)
        if not path.is_file():
            save(path, [compose(index) for index in range(start, stop)])
        log.info("%d of %d scenes", stop - first_index, scenes)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenes", type=int, required=True)
    parser.add_argument("--first-index", type=int, default=FIRST_INDEX)
    options = parser.parse_args()
    if options.first_index < FIRST_INDEX:
        parser.error(f"indices below {FIRST_INDEX} are the accuracy benchmark's: begin there or later")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    fill(options.folder, options.scenes, options.first_index)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Blender as a Python module may hang when the interpreter ends
