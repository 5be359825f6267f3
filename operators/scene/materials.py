"""Materials that show the photographs as they are, in viewport, render and glTF."""

from collections.abc import Iterable
from typing import Any

import bpy

from .compat import use_nodes

COLOUR = "Color"
"""Name of the points' colour attribute, Blender's own default."""


def photo_materials(images: Iterable[tuple[str, bpy.types.Image]]) -> list[bpy.types.Material]:
    """Make materials that show photos unlit, from both sides: copies of the first, which take a seventh of its time.

    Args:
        images: With the materials' names.
    """
    made: list[Any] = []
    for name, image in images:
        material: Any = made[0].copy() if made else _photo_material(name)
        material.name = name
        material.node_tree.nodes.active.image = image
        made.append(material)
    return made


def _photo_material(name: str) -> bpy.types.Material:
    material, nodes = _empty_material(name)
    texture = nodes.new("ShaderNodeTexImage")
    texture.extension = "EXTEND"
    texture.location = (-300, 0)
    nodes.active = texture  # what Solid mode shows
    _unlit(material, texture.outputs["Color"])
    return material  # type: ignore[no-any-return]


def point_material(name: str) -> bpy.types.Material:
    """Make a material that shows the points' own colours unlit."""
    material, nodes = _empty_material(name)
    attribute = nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = COLOUR
    attribute.location = (-300, 0)
    _unlit(material, attribute.outputs["Color"])
    return material  # type: ignore[no-any-return]


def _empty_material(name: str) -> tuple[Any, Any]:
    material: Any = bpy.data.materials.new(name)
    use_nodes(material)
    material.use_backface_culling = False
    material.cycles.emission_sampling = "NONE"  # a photo is no lamp: nothing to sample among a million faces
    material.node_tree.nodes.clear()
    return material, material.node_tree.nodes


def _unlit(material: Any, colour: bpy.types.NodeSocket) -> None:
    """Show a colour as it is to the camera, and as a matt surface to all other light.

    The camera-ray switch keeps photos from lighting the artist's objects, and is the pattern by which Blender's glTF
    exporter recognises an unlit material (io_scene_gltf2 `exp/material/unlit.py`).
    """
    nodes, links = material.node_tree.nodes, material.node_tree.links
    output, mix, path = (nodes.new(f"ShaderNode{kind}") for kind in ("OutputMaterial", "MixShader", "LightPath"))
    matt, emission = nodes.new("ShaderNodeBsdfDiffuse"), nodes.new("ShaderNodeEmission")
    links.new(colour, matt.inputs["Color"])
    links.new(colour, emission.inputs["Color"])
    links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    links.new(matt.outputs[0], mix.inputs[1])
    links.new(emission.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], output.inputs["Surface"])
    for node, place in ((path, (0, 350)), (matt, (0, 0)), (emission, (0, -150)), (mix, (250, 0)), (output, (450, 0))):
        node.location = place
