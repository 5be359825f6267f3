"""Coloured points in a .glb, which Blender's exporter does not write, and bare vertices it takes as long as faces for.

Source: Khronos glTF 2.0 specification, sections 3.6.2 (accessors), 3.7.2.1 (attributes of a primitive).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .materials import COLOUR

POINTS: Final = 0
"""The mode of a primitive."""
VERTICES: Final = 34962
"""The target of a buffer view that holds attributes."""
FLOAT, SHORT = 5126, 5123
"""Component types: float32, unsigned 16 bits."""


@dataclass(frozen=True)
class Points:
    """What a file says of a point cloud."""

    positions: NDArray[np.float32]
    """[N, 3] with glTF's axes: Y up, Z towards the viewer."""
    colours: NDArray[np.uint16] | None
    """[N, 4] linear, opaque, 65535 for 1."""


def read_points(cloud: Any) -> Points:
    """Read an evaluated `bpy.types.PointCloud`."""
    count = len(cloud.points)
    x, y, z = _read(cloud, "position", "vector", count, 3).T
    positions = np.stack((x, z, -y), axis=1)
    if COLOUR not in cloud.attributes:
        return Points(positions, None)
    colours = np.full((count, 4), 65535, dtype=np.uint16)
    colours[:, :3] = np.rint(65535.0 * np.clip(_read(cloud, COLOUR, "color", count, 4)[:, :3], 0.0, 1.0))
    return Points(positions, colours)


def add_points(document: dict[str, Any], size: int, clouds: Mapping[str, Points]) -> list[memoryview]:
    """Give the nodes of some names meshes of points.

    Args:
        document: Is changed.
        size: Bytes of the document's buffer, a multiple of four.
        clouds: By the name of the node.

    Returns:
        What follows in the buffer.
    """
    parts: list[memoryview] = []
    for node in document.get("nodes", ()):
        points = clouds.get(node.get("name"))
        if points is not None and len(points.positions):
            kind: dict[str, Any] = {"componentType": FLOAT, "type": "VEC3"}
            attributes = {"POSITION": append_values(document, size, parts, points.positions, kind)}
            lowest, highest = points.positions.min(axis=0), points.positions.max(axis=0)
            document["accessors"][-1] |= {"min": lowest.tolist(), "max": highest.tolist()}
            if points.colours is not None:
                kind = {"componentType": SHORT, "type": "VEC4", "normalized": True}
                attributes["COLOR_0"] = append_values(document, size, parts, points.colours, kind)
            primitive = {"attributes": attributes, "mode": POINTS}
            node["mesh"] = append_item(document, "meshes", {"name": node["name"], "primitives": [primitive]})
    if parts:
        document["buffers"] = [{"byteLength": size + sum(map(len, parts))}]
    return parts


def append_values(
    document: dict[str, Any],
    size: int,
    parts: list[memoryview],
    values: NDArray[Any],
    kind: dict[str, Any],
    target: int | None = VERTICES,
) -> int:
    """Append an array, whose rows take whole fours of bytes, to the buffer; return its accessor."""
    ordered = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    start, content = size + sum(map(len, parts)), ordered.data.cast("B")
    view = {"buffer": 0, "byteOffset": start, "byteLength": len(content)}
    if target is not None:
        view["target"] = target
    parts.append(content)
    accessor = {"bufferView": append_item(document, "bufferViews", view), "count": len(values)} | kind
    return append_item(document, "accessors", accessor)


def append_item(document: dict[str, Any], key: str, item: dict[str, Any]) -> int:
    """Append an item to a list of the document; return its index."""
    items: list[dict[str, Any]] = document.setdefault(key, [])
    items.append(item)
    return len(items) - 1


def _read(cloud: Any, name: str, key: str, count: int, width: int) -> NDArray[np.float32]:
    values = np.empty(count * width, dtype=np.float32)
    cloud.attributes[name].data.foreach_get(key, values)
    return values.reshape(count, width)
