"""Procedural surfaces: wood, plaster, bricks, tiles, cloth, stone, …; nothing is transparent.

Patterns take their coordinates from the UV map that `shapes` makes: metres along the surface. Every function makes one
new material, different each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bpy

from .chance import Chance, Colour

Material = Callable[[Chance], bpy.types.Material]

WOOD = (0.04, 0.11)  # hues
EARTH = (0.02, 0.13)
LEAF = (0.2, 0.36)


class _Nodes:
    """The shader of one material while it is put together."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        tree: Any = self.material.node_tree
        self.tree = tree
        self.shader = tree.nodes["Principled BSDF"]
        self.coordinates = self.add("ShaderNodeUVMap").outputs["UV"]

    def add(self, kind: str, **settings: Any) -> Any:
        """Add a node; settings are its properties."""
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        return node

    def put(self, value: Any, socket: Any) -> None:
        """Set an input to a value, or link it to an output."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            target: Any = socket
            target.default_value = (*value, 1.0) if socket.type == "RGBA" else value

    def texture(self, kind: str, *, stretch: Any = (1.0, 1.0), turn: float = 0.0, **inputs: Any) -> Any:
        """Add a texture over the surface, `stretch` times as long along u and v, and turned by some radians."""
        mapping: Any = self.add("ShaderNodeMapping")
        self.put(self.coordinates, mapping.inputs["Vector"])
        mapping.inputs["Scale"].default_value = (1.0 / stretch[0], 1.0 / stretch[1], 1.0)
        mapping.inputs["Rotation"].default_value = (0.0, 0.0, turn)
        node = self.add(f"ShaderNodeTex{kind}")
        self.put(mapping.outputs["Vector"], node.inputs["Vector"])
        for name, value in inputs.items():
            self.put(value, node.inputs[name.replace("_", " ")])
        return node

    def noise(self, scale: float, **options: Any) -> Any:
        """Return a cloudy value about 0.5."""
        stretch = options.pop("stretch", (1.0, 1.0))
        return self.texture("Noise", stretch=stretch, Scale=scale, Detail=options.pop("detail", 4.0)).outputs[0]

    def ramp(self, value: Any, colours: Sequence[Colour], low: float = 0.3, high: float = 0.7) -> Any:
        """Colour a value: the first colour up to `low`, the last from `high` on."""
        node = self.add("ShaderNodeValToRGB")
        elements = node.color_ramp.elements
        while len(elements) < len(colours):
            elements.new(0.5)
        for index, colour in enumerate(colours):
            elements[index].position = low + (high - low) * index / max(1, len(colours) - 1)
            elements[index].color = (*colour, 1.0)
        self.put(value, node.inputs[0])
        return node.outputs["Color"]

    def mixed(self, one: Any, other: Any, factor: Any, blend: str = "MIX") -> Any:
        """Mix two colours."""
        node = self.add("ShaderNodeMix", data_type="RGBA", blend_type=blend)
        colours = [socket for socket in node.inputs if socket.type == "RGBA"]
        self.put(factor, node.inputs[0])
        self.put(one, colours[0])
        self.put(other, colours[1])
        return next(socket for socket in node.outputs if socket.type == "RGBA")

    def finish(self, colour: Any, roughness: float, metallic: float = 0.0) -> bpy.types.Material:
        """Cover everything with a colour."""
        self.put(colour, self.shader.inputs["Base Color"])
        self.shader.inputs["Roughness"].default_value = roughness
        self.shader.inputs["Metallic"].default_value = metallic
        return self.material


def wood(chance: Chance) -> bpy.types.Material:
    """Grain along u."""
    nodes = _Nodes("wood")
    dark = chance.colour(WOOD, (0.4, 0.75), (0.2, 0.6))
    wave = nodes.texture(
        "Wave",
        stretch=(8.0, 1.0),
        turn=1.5708,
        Scale=chance.between(3, 9),
        Distortion=chance.between(4, 10),
        Detail=3.0,
    )
    grain = nodes.ramp(wave.outputs["Color"], (dark, chance.like(dark, 0.5)), 0.1, 0.9)
    fine = nodes.ramp(nodes.noise(60.0, stretch=(10.0, 1.0)), ((0.75,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(grain, fine, 1.0, "MULTIPLY"), chance.between(0.35, 0.7))


def planks(chance: Chance) -> bpy.types.Material:
    """Boards of wood beside each other, as floors have."""
    nodes = _Nodes("planks")
    dark = chance.colour(WOOD, (0.35, 0.7), (0.25, 0.7))
    width = chance.between(0.08, 0.22)
    brick = nodes.texture(
        "Brick", Scale=1.0, Color1=dark, Color2=chance.like(dark, 0.35), Mortar=chance.like(dark, 0.1)
    )
    brick.inputs["Mortar"].default_value = (*(0.35 * channel for channel in dark), 1.0)
    _size(brick, chance.between(0.8, 1.8), width, 0.02 * width)
    grain = nodes.ramp(nodes.noise(25.0, stretch=(12.0, 1.0)), ((0.6,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(brick.outputs["Color"], grain, 1.0, "MULTIPLY"), chance.between(0.3, 0.6))


def bricks(chance: Chance) -> bpy.types.Material:
    """Masonry."""
    nodes = _Nodes("bricks")
    one = chance.colour(EARTH, (0.3, 0.75), (0.3, 0.75))
    grey = (chance.between(0.25, 0.6),) * 3
    brick = nodes.texture("Brick", Scale=1.0, Color1=one, Color2=chance.like(one, 0.35), Mortar=grey)
    size = chance.between(0.8, 1.4)
    _size(brick, 0.25 * size, 0.075 * size, 0.012)
    stains = nodes.ramp(nodes.noise(chance.between(1.5, 6.0)), ((0.55,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(brick.outputs["Color"], stains, 1.0, "MULTIPLY"), 0.9)


def tiles(chance: Chance) -> bpy.types.Material:
    """Square tiles in two colours, or nearly one."""
    nodes = _Nodes("tiles")
    one = chance.colour((0.0, 1.0), (0.05, 0.5), (0.4, 0.95))
    other = chance.colour((0.0, 1.0), (0.05, 0.6), (0.15, 0.9)) if chance.happens(0.5) else chance.like(one, 0.08)
    side = chance.between(0.1, 0.45)
    if chance.happens(0.4):
        pattern = nodes.texture("Checker", Scale=1.0 / side, Color1=one, Color2=other).outputs["Color"]
    else:
        brick = nodes.texture("Brick", Scale=1.0, Color1=one, Color2=other, Mortar=(0.2, 0.19, 0.18))
        brick.offset = 0.0
        _size(brick, side, side, 0.02 * side)
        pattern = brick.outputs["Color"]
    cloudy = nodes.ramp(nodes.noise(4.0), ((0.8,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(pattern, cloudy, 1.0, "MULTIPLY"), chance.between(0.15, 0.5))


def plaster(chance: Chance) -> bpy.types.Material:
    """Painted wall, not quite even."""
    nodes = _Nodes("plaster")
    colour = chance.colour((0.0, 1.0), (0.02, 0.35), (0.6, 0.95))
    cloudy = nodes.ramp(
        nodes.noise(chance.between(1.5, 5.0), detail=8.0), (chance.like(colour, 0.12), colour), 0.35, 0.65
    )
    grain = nodes.ramp(nodes.noise(90.0), ((0.85,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(cloudy, grain, 1.0, "MULTIPLY"), 0.95)


def wallpaper(chance: Chance) -> bpy.types.Material:
    """Stripes, dots or ornaments on paper."""
    nodes = _Nodes("wallpaper")
    ground = chance.colour((0.0, 1.0), (0.05, 0.45), (0.5, 0.9))
    ink = chance.like(ground, 0.5)
    period = chance.between(0.06, 0.3)
    kind = chance.pick(("stripes", "dots", "ornament"))
    if kind == "stripes":
        value = nodes.texture("Wave", Scale=0.314 / period).outputs["Color"]
    elif kind == "dots":
        value = nodes.texture("Voronoi", Scale=1.0 / period, Randomness=0.0).outputs["Distance"]
    else:
        value = nodes.texture("Magic", Scale=1.0 / period, Distortion=1.5).outputs["Color"]
    return nodes.finish(nodes.ramp(value, (ink, ground), 0.35, 0.45), 0.9)


def cloth(chance: Chance) -> bpy.types.Material:
    """Woven, plain or with broad stripes."""
    nodes = _Nodes("cloth")
    colour = chance.colour((0.0, 1.0), (0.1, 0.7), (0.15, 0.85))
    weave = nodes.texture("Checker", Scale=chance.between(60, 140), Color1=colour, Color2=chance.like(colour, 0.3))
    pattern = weave.outputs["Color"]
    if chance.happens(0.5):
        wave = nodes.texture("Wave", turn=chance.pick((0.0, 1.5708)), Scale=chance.between(1.5, 6.0))
        stripes = nodes.ramp(wave.outputs["Color"], ((0.35,) * 3, (1.0,) * 3), 0.45, 0.55)
        pattern = nodes.mixed(pattern, stripes, 1.0, "MULTIPLY")
    folds = nodes.ramp(nodes.noise(5.0), ((0.7,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(pattern, folds, 1.0, "MULTIPLY"), 1.0)


def carpet(chance: Chance) -> bpy.types.Material:
    """A rug with a pattern of some colours."""
    nodes = _Nodes("carpet")
    colours = [chance.colour((0.0, 1.0), (0.2, 0.8), (0.15, 0.7)) for _ in range(chance.whole(3, 5))]
    kind = chance.pick(("Voronoi", "Magic", "Wave"))
    scale, irregular = chance.between(2.0, 6.0), {"Randomness" if kind == "Voronoi" else "Distortion": 0.4}
    value = nodes.texture(kind, Scale=scale, **irregular).outputs["Color"]
    fluff = nodes.ramp(nodes.noise(120.0), ((0.6,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(nodes.ramp(value, colours, 0.1, 0.9), fluff, 1.0, "MULTIPLY"), 1.0)


def stone(chance: Chance) -> bpy.types.Material:
    """Concrete, granite or marble."""
    nodes = _Nodes("stone")
    colour = chance.colour((0.05, 0.65), (0.0, 0.15), (0.35, 0.85))
    clouds = nodes.ramp(nodes.noise(chance.between(2.0, 8.0), detail=10.0), (chance.like(colour, 0.4), colour))
    specks = nodes.ramp(nodes.noise(chance.between(40, 120)), ((0.6,) * 3, (1.0,) * 3), 0.35, 0.55)
    return nodes.finish(nodes.mixed(clouds, specks, 1.0, "MULTIPLY"), chance.between(0.5, 0.95))


def paving(chance: Chance) -> bpy.types.Material:
    """Cobbles or slabs underfoot."""
    nodes = _Nodes("paving")
    grey = chance.colour((0.05, 0.65), (0.0, 0.15), (0.35, 0.7))
    if chance.happens(0.5):
        cells = nodes.texture("Voronoi", Scale=chance.between(3.0, 8.0), Randomness=0.6)
        joints = nodes.ramp(cells.outputs["Distance"], ((1.0,) * 3, (0.3,) * 3), 0.3, 0.75)
        pattern = nodes.mixed(
            nodes.ramp(cells.outputs["Color"], (grey, chance.like(grey, 0.3))), joints, 1.0, "MULTIPLY"
        )
    else:
        brick = nodes.texture("Brick", Scale=1.0, Color1=grey, Color2=chance.like(grey), Mortar=(0.08, 0.08, 0.07))
        _size(brick, chance.between(0.3, 0.8), chance.between(0.2, 0.5), 0.015)
        pattern = brick.outputs["Color"]
    dirt = nodes.ramp(nodes.noise(0.8, detail=6.0), ((0.6,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(pattern, dirt, 1.0, "MULTIPLY"), 0.9)


def asphalt(chance: Chance) -> bpy.types.Material:
    """A road, patched."""
    nodes = _Nodes("asphalt")
    grey = (chance.between(0.04, 0.15),) * 3
    patches = nodes.ramp(nodes.noise(0.6, detail=2.0), (grey, chance.like(grey, 0.4)), 0.45, 0.55)
    grit = nodes.ramp(nodes.noise(60.0), ((0.5,) * 3, (1.0,) * 3))
    return nodes.finish(nodes.mixed(patches, grit, 1.0, "MULTIPLY"), 0.9)


def grass(chance: Chance) -> bpy.types.Material:
    """A lawn, or the leaves of a hedge or a tree."""
    nodes = _Nodes("grass")
    green = chance.colour(LEAF, (0.4, 0.8), (0.2, 0.55))
    patches = nodes.ramp(nodes.noise(1.2, detail=8.0), (chance.like(green, 0.4), green))
    blades = nodes.ramp(nodes.noise(chance.between(15, 40)), ((0.25,) * 3, (1.0,) * 3), 0.3, 0.6)
    return nodes.finish(nodes.mixed(patches, blades, 1.0, "MULTIPLY"), 0.9)


def ceramic(chance: Chance) -> bpy.types.Material:
    """Glazed, plain, striped or speckled."""
    nodes = _Nodes("ceramic")
    colour = chance.colour((0.0, 1.0), (0.05, 0.8), (0.3, 0.95))
    other = chance.colour((0.0, 1.0), (0.1, 0.8), (0.2, 0.9))
    kind = chance.pick(("plain", "stripes", "specks", "cells"))
    if kind == "stripes":
        value = nodes.texture("Wave", turn=1.5708, Scale=chance.between(4, 14)).outputs["Color"]
    elif kind == "specks":
        value = nodes.noise(chance.between(40, 110))
    elif kind == "cells":
        value = nodes.texture("Voronoi", Scale=chance.between(12, 40)).outputs["Distance"]
    else:
        value, other = nodes.noise(6.0), chance.like(colour, 0.1)
    return nodes.finish(nodes.ramp(value, (colour, other), 0.42, 0.55), chance.between(0.1, 0.4))


def metal(chance: Chance) -> bpy.types.Material:
    """Brushed, not a mirror."""
    nodes = _Nodes("metal")
    colour = chance.colour((0.05, 0.65), (0.0, 0.35), (0.55, 0.9))
    brushed = nodes.ramp(nodes.noise(40.0, stretch=(1.0, 20.0)), (chance.like(colour, 0.2), colour))
    return nodes.finish(brushed, chance.between(0.35, 0.6), metallic=0.9)


def paint(chance: Chance) -> bpy.types.Material:
    """Lacquer of one colour with some wear."""
    nodes = _Nodes("paint")
    colour = chance.colour((0.0, 1.0), (0.1, 0.85), (0.2, 0.9))
    worn = nodes.ramp(nodes.noise(chance.between(3, 12), detail=8.0), (chance.like(colour, 0.3), colour), 0.3, 0.5)
    return nodes.finish(worn, chance.between(0.25, 0.6))


def trim(chance: Chance) -> bpy.types.Material:
    """What fronts of furniture, frames and skirtings are made of."""
    return chance.pick((wood, paint, white))(chance)


def fruit(chance: Chance) -> bpy.types.Material:
    """The skin of a fruit, from one colour into another."""
    nodes = _Nodes("fruit")
    ripe = chance.colour((-0.03, 0.3), (0.6, 0.95), (0.45, 0.9))
    other = chance.colour((-0.03, 0.3), (0.6, 0.95), (0.4, 0.9))
    return nodes.finish(nodes.ramp(nodes.noise(18.0), (ripe, other), 0.35, 0.65), 0.4)


def white(chance: Chance) -> bpy.types.Material:
    """Nearly white paint, for frames and ceilings."""
    nodes = _Nodes("white")
    colour = chance.colour((0.05, 0.18), (0.0, 0.1), (0.85, 0.97))
    return nodes.finish(nodes.ramp(nodes.noise(7.0), (chance.like(colour, 0.06), colour)), chance.between(0.4, 0.9))


def print_(chance: Chance) -> bpy.types.Material:
    """A picture or a book's cover: shapes in loud colours."""
    nodes = _Nodes("print")
    colours = [chance.colour((0.0, 1.0), (0.2, 0.9), (0.2, 0.95)) for _ in range(4)]
    scale = chance.between(3.0, 14.0)
    cells = nodes.texture("Voronoi", Scale=scale, Randomness=1.0).outputs["Color"]
    clouds = nodes.ramp(nodes.noise(scale, detail=1.0), colours[:2], 0.45, 0.5)
    return nodes.finish(nodes.mixed(nodes.ramp(cells, colours, 0.2, 0.8), clouds, chance.between(0.2, 0.7)), 0.5)


def pane(chance: Chance) -> bpy.types.Material:
    """Window glass that shows a dull sky rather than what is behind it."""
    nodes = _Nodes("pane")
    sky = chance.colour((0.55, 0.65), (0.1, 0.35), (0.25, 0.6))
    clouds = nodes.ramp(nodes.noise(1.5, detail=3.0), (chance.like(sky, 0.3), sky))
    return nodes.finish(clouds, 0.25)


def glowing(strength: float, warm: float = 0.0) -> Material:
    """Make a material that lights, such as a lamp's shade or a bright window; `warm` from 0 (white) to 1 (candle)."""

    def make(chance: Chance) -> bpy.types.Material:
        nodes = _Nodes("glow")
        tint = (1.0, 1.0 - 0.25 * warm, 1.0 - 0.6 * warm)
        clouds = nodes.ramp(nodes.noise(2.0, detail=2.0), (chance.like(tint, 0.2), tint))
        nodes.put(clouds, nodes.shader.inputs["Emission Color"])
        nodes.shader.inputs["Emission Strength"].default_value = strength
        return nodes.finish(tint, 0.8)

    return make


def _size(brick: Any, width: float, height: float, joint: float) -> None:
    """Set the size of bricks and of the joint between them, metres."""
    brick.inputs["Brick Width"].default_value = width
    brick.inputs["Row Height"].default_value = height
    brick.inputs["Mortar Size"].default_value = joint
    brick.inputs["Mortar Smooth"].default_value = 0.1
