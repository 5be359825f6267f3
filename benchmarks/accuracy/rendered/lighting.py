"""Light: a ceiling's, a window's, the sun and the sky."""

from __future__ import annotations

import math
from typing import Any

import bpy

from . import materials
from .chance import Chance, Colour
from .shapes import Place, link, turned


def ceiling_light(chance: Chance, at: Place, area: float) -> None:
    """Hang a lamp from the ceiling, which a wider light helps to be soft."""
    drop = chance.between(0.2, 0.5)
    shade = materials.glowing(chance.between(5.0, 9.0), chance.between(0.1, 0.5))(chance)
    r = chance.between(0.15, 0.3)
    turned([(0.0, -drop - 0.2), (r, -drop - 0.15), (0.6 * r, -drop), (0.0, -drop)], at, shade)
    turned([(0.008, -drop), (0.008, 0.0), (0.0, 0.0)], at, materials.white(chance))
    _area(chance, (at[0], at[1], at[2] - 0.03), (0.0, 0.0, 0.0), 1.2, chance.between(3.5, 6.5) * area, 0.3)


def table_lights(chance: Chance, reach: float) -> None:
    """Light a table by a large light from one side and a weaker one from another."""
    way = chance.between(0.0, 2 * math.pi)
    for turn, power, size in ((way, chance.between(60, 110), 1.2), (way + chance.between(1.5, 3.0), 30.0, 2.0)):
        where = (reach * math.cos(turn), reach * math.sin(turn), chance.between(1.9, 2.4))
        tilt = math.atan2(reach, where[2] - 0.8)
        _area(chance, where, (0.0, tilt, turn), size, power, chance.between(0.0, 0.5))


def dark_world(chance: Chance) -> None:
    """Let hardly any light come from outside."""
    _world((0.5, 0.6, 0.8), (0.5, 0.6, 0.8), chance.between(0.05, 0.2))


def daylight(chance: Chance) -> None:
    """Put sky and sun over everything, clear or overcast."""
    overcast = chance.happens(0.35)
    grey = chance.between(0.6, 0.8)
    zenith = (grey, grey, grey) if overcast else (0.16, 0.33, chance.between(0.65, 0.85))
    horizon = (0.8, 0.82, 0.85) if overcast else (0.7, 0.8, 0.92)
    _world(zenith, horizon, 1.0)
    sun: Any = bpy.data.lights.new("sun", "SUN")
    sun.energy = chance.between(0.3, 0.8) if overcast else chance.between(2.5, 4.5)
    sun.angle = 0.5 if overcast else 0.01
    sun.color = (1.0, chance.between(0.86, 0.97), chance.between(0.7, 0.92))
    item = bpy.data.objects.new("sun", sun)
    item.rotation_euler = (chance.between(0.4, 1.1), 0.0, chance.between(-1.2, 1.2))
    link(item)


def _area(chance: Chance, at: Place, rotation: Place, size: float, power: float, warm: float) -> None:
    light: Any = bpy.data.lights.new("area", "AREA")
    light.energy, light.size = power, size
    light.color = (1.0, 1.0 - 0.15 * warm, 1.0 - 0.4 * warm)
    item = bpy.data.objects.new("area", light)
    item.location, item.rotation_euler = at, rotation
    link(item)


def _world(zenith: Colour, horizon: Colour, strength: float) -> None:
    """Make a sky from one colour above to another at the horizon, with clouds."""
    world = bpy.data.worlds.new("sky")
    scene: Any = bpy.context.scene
    scene.world = world
    world.use_nodes = True
    tree: Any = world.node_tree
    ways, split, ramp, sky = (
        tree.nodes.new(kind)
        for kind in ("ShaderNodeTexCoord", "ShaderNodeSeparateXYZ", "ShaderNodeValToRGB", "ShaderNodeTexNoise")
    )
    mix = tree.nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[0].position = (*horizon, 1.0), 0.0
    ramp.color_ramp.elements[1].color, ramp.color_ramp.elements[1].position = (*zenith, 1.0), 0.5
    sky.inputs["Scale"].default_value, sky.inputs["Detail"].default_value = 3.0, 6.0
    colours = [socket for socket in mix.inputs if socket.type == "RGBA"]
    link = tree.links.new
    link(ways.outputs["Generated"], split.inputs[0])
    link(ways.outputs["Generated"], sky.inputs["Vector"])
    link(split.outputs["Z"], ramp.inputs[0])
    link(sky.outputs[0], mix.inputs[0])
    link(ramp.outputs[0], colours[0])
    colours[1].default_value = (0.8, 0.82, 0.85, 1.0)
    background = tree.nodes["Background"]
    background.inputs["Strength"].default_value = strength
    link(next(socket for socket in mix.outputs if socket.type == "RGBA"), background.inputs["Color"])
