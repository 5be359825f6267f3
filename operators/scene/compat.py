"""Where Blender 4.2 LTS to 5.3 differ: one small function per difference."""

from typing import Any

import bpy

from .transaction import remove

EEVEE = "BLENDER_EEVEE" if bpy.app.version >= (5, 0) else "BLENDER_EEVEE_NEXT"
"""Identifier of the EEVEE render engine."""

NATIVE_POINT_CLOUDS = bpy.app.version >= (4, 5)
"""Whether Python can fill a point cloud; else bare mesh vertices stand for one (see `point_cloud.build_cloud`)."""


def new_points(name: str, count: int) -> bpy.types.PointCloud | bpy.types.Mesh:
    """Make data of `count` points at the origin: a point cloud where Python can fill one, else bare vertices."""
    if bpy.app.version >= (5, 1):
        cloud: Any = bpy.data.pointclouds.new(name)
        cloud.resize(count)
        return cloud  # type: ignore[no-any-return]
    if NATIVE_POINT_CLOUDS:
        return _converted_points(name, count)
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(count)
    return mesh


def _converted_points(name: str, count: int) -> bpy.types.PointCloud:
    """Convert a mesh of bare vertices, in a scene of its own so that the artist's selection stays (4.5 to 5.0)."""
    scene = bpy.data.scenes.new(name)
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(count)
    points = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(points)
    context: dict[str, Any] = {
        "scene": scene,
        "view_layer": scene.view_layers[0],
        "selected_editable_objects": [points],
    }
    with bpy.context.temp_override(**context):
        bpy.ops.object.convert(target="POINTCLOUD")
    cloud: Any = points.data
    cloud.name = name
    remove((scene, points, mesh))
    return cloud  # type: ignore[no-any-return]


def use_nodes(material: bpy.types.Material) -> None:
    """Give a new material its node tree, which it always has from 5.0 on."""
    if bpy.app.version < (5, 0):
        material.use_nodes = True


def set_compositing_tree(scene: Any, tree: bpy.types.NodeTree) -> None:
    """Let a new scene's renders go through a compositing tree (5.0 on; before, a scene has one of its own)."""
    if bpy.app.version >= (5, 3):
        scene.compositor_effects.new(tree.name).node_group = tree
    else:
        scene.compositing_node_group = tree


def modifier_input_path(modifier: Any, identifier: str) -> str:
    """Return the path, from its object, of an input of a Geometry Nodes modifier by its socket's identifier."""
    if bpy.app.version >= (5, 2):
        return f'modifiers["{modifier.name}"].properties.inputs.{identifier}.value'
    return f'modifiers["{modifier.name}"]["{identifier}"]'


def set_modifier_input(modifier: Any, identifier: str, value: Any) -> None:
    """Set an input of a Geometry Nodes modifier by its socket's identifier, in that socket's type."""
    if bpy.app.version >= (5, 2):
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value


def curves_of(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All curves of an action, whatever they animate."""
    if bpy.app.version < (4, 4):
        return list(action.fcurves)
    parts: Any = [part for layer in action.layers for part in layer.strips]
    return [curve for part in parts for bag in part.channelbags for curve in bag.fcurves]


def new_curve(owner: Any, path: str, index: int) -> bpy.types.FCurve:
    """Add an empty curve to an object's, or other data-block's, own action, which is made where it has none.

    Args:
        owner: What is animated.
        path: Its property.
        index: Which number of the property, 0 where it has one only.
    """
    animation = owner.animation_data_create()
    if animation.action is None:
        animation.action = bpy.data.actions.new(owner.name)
    if bpy.app.version >= (4, 4):
        curve: bpy.types.FCurve = animation.action.fcurve_ensure_for_datablock(owner, path, index=index)
        return curve
    return animation.action.fcurves.new(path, index=index)  # type: ignore[no-any-return]
