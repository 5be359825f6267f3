"""The cut: one Geometry Nodes modifier that leaves out what is no surface, and stays adjustable.

Everything it needs lies in the file, so that it also works where the add-on is not installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import bpy
import numpy as np

from ...core.types import Reconstruction
from .compat import modifier_input, set_modifier_input

MODIFIER = "Cut"
Domain = Literal["FACE", "POINT"]
KEEP_ALL = 1e6  # no ratio of depths and no sky probability exceeds it


@dataclass(frozen=True)
class Cut:
    """What to leave out: a point for its own sake, a face when all its corners are."""

    confidence: float = 0.0
    """Below it; confidence lies in (1, ∞), so 0 keeps everything."""
    depth_jump: float = KEEP_ALL
    """Above it: how far depth leaps there, as a ratio less one."""
    sky: float = KEEP_ALL
    """Above it: 0 is ground, 1 is sky."""


@dataclass(frozen=True)
class _Test:
    """One of the three: an attribute, how it is compared, and how the modifier calls it."""

    attribute: str
    operation: str
    socket: str
    tooltip: str


TESTS = (
    _Test("confidence", "LESS_THAN", "Confidence", "Leave out what the network is less sure of than this"),
    _Test("depth_jump", "GREATER_THAN", "Depth Jump", "Leave out where neighbouring depths differ by more than this"),
    _Test("sky", "GREATER_THAN", "Sky", "Leave out what is sky with a higher probability than this"),
)


def confidence_at(reconstruction: Reconstruction, percentile: float) -> float:
    """Return the confidence below which that percentage of all pixels lies; 0 where the model gives none."""
    confidence = [np.asarray(view.confidence) for view in reconstruction.views if view.confidence is not None]
    known = np.concatenate([values[np.isfinite(values)] for values in confidence] or [np.empty(0)])
    return float(np.percentile(known, percentile)) if known.size and percentile > 0.0 else 0.0


def cut_meshes(meshes: Sequence[bpy.types.Object], name: str, cut: Cut) -> None:
    """Put the modifier on meshes; they share a node group, but each has thresholds of its own."""
    if meshes:
        _add(meshes, _new_group(name, "FACE", cut))


def cut_clouds(clouds: Sequence[bpy.types.Object], name: str, cut: Cut, material: bpy.types.Material) -> None:
    """Put the modifier on point clouds, likewise; it gives them their material again, which deleting points drops."""
    if clouds:
        group = _new_group(name, "POINT", cut)
        _end_with_material(group, material)
        _add(clouds, group)


def set_cut(item: bpy.types.Object, cut: Cut) -> None:
    """Set the thresholds of one object's modifier."""
    modifier = item.modifiers[MODIFIER]
    for field in fields(cut):
        set_modifier_input(modifier, _identifiers(modifier)[field.name], getattr(cut, field.name))
    item.update_tag()


def get_cut(item: bpy.types.Object) -> Cut:
    """Read the thresholds of one object's modifier."""
    modifier = item.modifiers[MODIFIER]
    return Cut(**{name: float(modifier_input(modifier, socket)) for name, socket in _identifiers(modifier).items()})


def _identifiers(modifier: Any) -> dict[str, str]:
    """Map the fields of `Cut` to the identifiers of the modifier's inputs."""
    sockets = {item.name: item.identifier for item in modifier.node_group.interface.items_tree}
    return {test.attribute: sockets[test.socket] for test in TESTS}


def _add(items: Sequence[bpy.types.Object], group: Any) -> None:
    for item in items:
        modifier: Any = item.modifiers.new(MODIFIER, "NODES")
        modifier.node_group = group


def _new_group(name: str, domain: Domain, cut: Cut) -> Any:
    group: Any = bpy.data.node_groups.new(name, "GeometryNodeTree")
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    for test in TESTS:
        socket = group.interface.new_socket(test.socket, in_out="INPUT", socket_type="NodeSocketFloat")
        socket.description = test.tooltip
        socket.default_value = getattr(cut, test.attribute)
        socket.min_value = 0.0
    _wire(group, domain)
    return group


def _wire(group: Any, domain: Domain) -> None:
    start, delete, end = (
        group.nodes.new(kind) for kind in ("NodeGroupInput", "GeometryNodeDeleteGeometry", "NodeGroupOutput")
    )
    delete.domain = domain
    group.links.new(start.outputs["Geometry"], delete.inputs["Geometry"])
    group.links.new(_unwanted(group, start), delete.inputs["Selection"])
    group.links.new(delete.outputs[0], end.inputs[0])
    for column, node in enumerate((start, delete, end)):
        node.location = (-200 + 800 * column, 0)


def _end_with_material(group: Any, material: bpy.types.Material) -> None:
    """Put a Set Material node before the group's output."""
    end = next(node for node in group.nodes if node.type == "GROUP_OUTPUT")
    coloured = group.nodes.new("GeometryNodeSetMaterial")
    coloured.inputs["Material"].default_value = material
    coloured.location = (1200, 0)
    group.links.new(end.inputs[0].links[0].from_socket, coloured.inputs["Geometry"])
    group.links.new(coloured.outputs[0], end.inputs[0])


def _unwanted(group: Any, start: Any) -> Any:
    """Return the output that says of every point whether one of the tests applies, of a face whether all corners do."""
    nodes, links = group.nodes, group.links
    found = [_applies(group, start, test, row) for row, test in enumerate(TESTS)]
    either = found[0]
    for column, other in enumerate(found[1:]):
        gate = _boolean(group, "OR", either, other)
        gate.location = (400 + 200 * column, -400)
        either = gate.outputs[0]
    per_point = nodes.new("GeometryNodeFieldOnDomain")  # without it, a face would average before it compares
    per_point.data_type, per_point.domain = "BOOLEAN", "POINT"
    per_point.location = (800, -400)
    links.new(either, _enabled(per_point.inputs))
    return _enabled(per_point.outputs)


def _applies(group: Any, start: Any, test: _Test, row: int) -> Any:
    """Compare one attribute with its threshold, where the attribute exists at all."""
    nodes, links = group.nodes, group.links
    named, compare = nodes.new("GeometryNodeInputNamedAttribute"), nodes.new("FunctionNodeCompare")
    named.data_type = "FLOAT"
    named.inputs["Name"].default_value = test.attribute
    compare.data_type, compare.operation = "FLOAT", test.operation
    links.new(_enabled(named.outputs), compare.inputs[0])
    links.new(start.outputs[test.socket], compare.inputs[1])
    gate = _boolean(group, "AND", compare.outputs[0], named.outputs["Exists"])
    for column, node in enumerate((named, compare, gate)):
        node.location = (-200 + 200 * column, -300 - 200 * row)
    return gate.outputs[0]


def _boolean(group: Any, operation: str, first: Any, second: Any) -> Any:
    gate = group.nodes.new("FunctionNodeBooleanMath")
    gate.operation = operation
    group.links.new(first, gate.inputs[0])
    group.links.new(second, gate.inputs[1])
    return gate


def _enabled(sockets: Any) -> Any:
    """Return the first socket that the node's data type leaves in use."""
    return next(socket for socket in sockets if socket.enabled)
