"""One coloured point cloud per view."""

from typing import Any

import bpy
import numpy as np

from ...core.geometry.surfaces import PointCloud, point_cloud
from ...core.types import FloatArray, ReconstructedView
from .attributes import fill_colours, fill_floats, fill_measures, fill_positions
from .collection import Place, add_object
from .compat import new_points
from .materials import COLOUR

RADIUS = "radius"
"""Name of the attribute from which Blender draws a point's size."""
LARGEST = 3.0  # times the typical radius: a few points at the horizon are no balloons


Points = bpy.types.PointCloud | bpy.types.Mesh
"""The data of a point cloud: before Blender 4.5 the vertices of a mesh."""


def build_cloud(view: ReconstructedView, data: Points, material: bpy.types.Material, place: Place) -> bpy.types.Object:
    """Add the points of one view, uncut, with colour, confidence and all else that is known of them.

    Args:
        view: In the axes of the root.
        data: Of this view, from `new_cloud_of`.
        material: From `materials.point_material`.
        place: Where it goes.

    Returns:
        A point cloud object; before Blender 4.5 a mesh object whose modifier turns its vertices to points.
    """
    data.materials.append(material)
    cloud = add_object(f"{view.name} points", data, place)
    if isinstance(data, bpy.types.Mesh):
        modifier: Any = cloud.modifiers.new("Points", "NODES")
        modifier.node_group = _points_group(data.name, material)
    return cloud


def new_cloud_of(view: ReconstructedView, radius: float, rank: FloatArray | None = None) -> Points:
    """Make the points of one view, without material.

    Args:
        view: In the axes of the root.
        radius: Of a typical point, in the reconstruction's units.
        rank: [H, W] of its confidence, where it is known.
    """
    points = point_cloud(view, rank)
    return new_cloud(f"{view.name} points", points, _radii(points.measures["depth"], view, radius))


def new_cloud(name: str, points: PointCloud, radii: FloatArray) -> Points:
    """Make the data of a point cloud with radii [N], without material."""
    data = new_points(name, len(points.positions))
    fill_positions(data, points.positions)
    fill_floats(data, RADIUS, radii)
    fill_colours(data, COLOUR, points.colours)
    fill_measures(data, points.measures)
    data.update_tag()
    return data


def _radii(depth: FloatArray, view: ReconstructedView, typical: float) -> FloatArray:
    """Size points [N] so that they just close the gaps between neighbouring pixels, but none far beyond the typical."""
    focal = np.sqrt(view.image_from_camera[0, 0] * view.image_from_camera[1, 1])
    return np.minimum(depth * np.float32(np.sqrt(0.5) / focal), np.float32(LARGEST * typical))


def _points_group(name: str, material: bpy.types.Material) -> bpy.types.NodeTree:
    """Make a node group that turns vertices to points with their own radius and material (before Blender 4.5)."""
    group: Any = bpy.data.node_groups.new(name, "GeometryNodeTree")
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    kinds = ("NodeGroupInput", "GeometryNodeInputNamedAttribute", "GeometryNodeMeshToPoints", "GeometryNodeSetMaterial")
    start, radius, points, coloured = (group.nodes.new(kind) for kind in kinds)
    end = group.nodes.new("NodeGroupOutput")
    radius.inputs["Name"].default_value = RADIUS
    coloured.inputs["Material"].default_value = material
    group.links.new(start.outputs[0], points.inputs["Mesh"])
    group.links.new(radius.outputs["Attribute"], points.inputs["Radius"])
    group.links.new(points.outputs[0], coloured.inputs["Geometry"])
    group.links.new(coloured.outputs[0], end.inputs[0])
    return group  # type: ignore[no-any-return]
