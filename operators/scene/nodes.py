"""Geometry Nodes in a few words: a group is written down as the expressions that it computes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import bpy

KEY = "image_to_scene_group"
"""Custom property by which a group is found again, so that a file holds it once."""
Kind = Literal["Geometry", "Float", "Int", "Bool", "Material"]
Domain = Literal["POINT", "FACE", "CORNER"]
Socket = Any
"""An output of a node, or a plain value in its place."""
COLUMN, ROW = 190, 190  # how far nodes lie apart


@dataclass(frozen=True)
class Input:
    """One input of a group, as the modifier shows it."""

    name: str
    kind: Kind
    default: float | None = None
    minimum: float | None = None
    tooltip: str = ""


class Graph:
    """A new node group; each node lies to the right of those that it depends on.

    Args:
        name: Of the group.
        inputs: In their order.
        outputs: Their names and kinds, likewise.
    """

    def __init__(self, name: str, inputs: Sequence[Input], outputs: dict[str, Kind]) -> None:
        self.group: Any = bpy.data.node_groups.new(name, "GeometryNodeTree")
        interface: Any = self.group.interface
        for output_name, kind in outputs.items():
            interface.new_socket(output_name, in_out="OUTPUT", socket_type=f"NodeSocket{kind}")
        for item in inputs:
            socket = interface.new_socket(item.name, in_out="INPUT", socket_type=f"NodeSocket{item.kind}")
            socket.description = item.tooltip
            if item.default is not None:
                socket.default_value = item.default
            if item.minimum is not None:
                socket.min_value = item.minimum
        self._rows: dict[int, int] = {}
        self._columns: dict[str, int] = {}
        self._start = self._placed("NodeGroupInput", 0)

    def input(self, name: str) -> Socket:
        """Return the group's input of that name."""
        return self._start.outputs[name]

    def inputs(self) -> list[Socket]:
        """Return all inputs of the group."""
        return list(self._start.outputs)[:-1]  # the last one is for links that are to become inputs

    def add(self, kind: str, *values: Socket, **settings: Any) -> Socket:
        """Add a node and return its first output.

        Args:
            kind: The node's type.
            values: For its inputs in their order, of those that its settings leave in use; None leaves one alone.
            settings: Properties of the node, set before its inputs are looked at.
        """
        columns = [self._columns[value.node.name] for value in values if _is_socket(value)]
        node = self._placed(kind, 1 + max(columns, default=0))
        for name, value in settings.items():
            setattr(node, name, value)
        self._connect(node, values)
        return used(node.outputs)[0]

    def end(self, *values: Socket) -> Any:
        """Make those the group's outputs; return the group."""
        self._connect(self._placed("NodeGroupOutput", 1 + max(self._columns.values())), values)
        return self.group

    def call(self, group: Any, *values: Socket) -> Socket:
        """Add another group as a node."""
        return self.add("GeometryNodeGroup", *values, node_tree=group)

    def math(self, operation: str, *values: Socket) -> Socket:
        """Compute with numbers."""
        return self.add("ShaderNodeMath", *values, operation=operation)

    def compare(self, operation: str, one: Socket, other: Socket) -> Socket:
        """Compare two numbers."""
        return self.add("FunctionNodeCompare", one, other, data_type="FLOAT", operation=operation)

    def boolean(self, operation: str, *values: Socket) -> Socket:
        """Combine truths: AND, OR, NOT."""
        return self.add("FunctionNodeBooleanMath", *values, operation=operation)

    def named(self, name: str, data_type: str = "FLOAT") -> Socket:
        """Read an attribute."""
        return self.add("GeometryNodeInputNamedAttribute", name, data_type=data_type)

    def on(self, domain: Domain, value: Socket, data_type: str = "BOOLEAN") -> Socket:
        """Compute a field on a domain; faces take the mean of their points, of truths whether all are, points any."""
        return self.add("GeometryNodeFieldOnDomain", value, data_type=data_type, domain=domain)

    def sample(self, geometry: Socket, value: Socket, index: Socket, data_type: str = "FLOAT") -> Socket:
        """Read a field at points of a geometry."""
        return self.add("GeometryNodeSampleIndex", geometry, value, index, data_type=data_type, domain="POINT")

    def delete(self, geometry: Socket, selection: Socket, domain: Domain) -> Socket:
        """Delete points or faces, and what nothing uses then."""
        return self.add("GeometryNodeDeleteGeometry", geometry, selection, domain=domain)

    def store(
        self, geometry: Socket, name: str, value: Socket, data_type: str = "FLOAT", domain: Domain = "POINT"
    ) -> Socket:
        """Write an attribute."""
        kind = "GeometryNodeStoreNamedAttribute"
        return self.add(kind, geometry, None, name, value, data_type=data_type, domain=domain)

    def switch(self, kind: str, condition: Socket, otherwise: Socket, value: Socket) -> Socket:
        """Choose; only what is chosen is computed where the condition is one for all elements."""
        return self.add("GeometryNodeSwitch", condition, otherwise, value, input_type=kind)

    def _connect(self, node: Any, values: Sequence[Socket]) -> None:
        for socket, value in zip(used(node.inputs), values, strict=False):  # inputs after those keep their defaults
            if _is_socket(value):
                self.group.links.new(value, socket)
            elif value is not None:
                socket.default_value = value

    def _placed(self, kind: str, column: int) -> Any:
        node = self.group.nodes.new(kind)
        row = self._rows[column] = self._rows.get(column, -1) + 1
        self._columns[node.name] = column
        node.location = (COLUMN * column, -ROW * row)
        return node


def _is_socket(value: Socket) -> bool:
    return isinstance(value, bpy.types.NodeSocket)


def used(sockets: Any) -> list[Socket]:
    """Return the sockets that the node's settings leave in use."""
    return [socket for socket in sockets if socket.enabled]


def output(first: Socket, name: str) -> Socket:
    """Return another output of the node whose first one is given."""
    return next(socket for socket in used(first.node.outputs) if socket.name == name)


def shared_group(name: str, version: int, make: Callable[[str], Any]) -> Any:
    """Return the file's own group of that name and version, which is made where the file has none."""
    key = f"{name} {version}"
    for group in bpy.data.node_groups:
        if group.library is None and group.get(KEY) == key:
            return group
    group = make(name)
    group[KEY] = key
    return group
