"""What stands below a root, read back from the scene: so a fit works in any file, with or without the saved folder."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import bpy
import numpy as np

from ...core.geometry.cameras import BLENDER_FROM_FIRST_VIEW, blender_from_opencv, nearest_rigid
from ...core.geometry.ground import Ground, find_ground, mean_up
from ...core.types import FloatArray
from .cameras import is_ours
from .collection import description

SAMPLES = 20_000  # points that fits look at, of all views together
EDGE = 0.1  # a larger jump in depth is the edge of something: its points hang in the air


@dataclass(frozen=True)
class Survey:
    """Geometry and cameras of one reconstruction in the axes and unit of its root."""

    points: FloatArray
    """[N, 3] an even sample of what is neither sky, masked nor on an edge in depth."""
    depth: FloatArray
    """[N] along the axis of the camera that saw it, > 0."""
    weight: FloatArray
    """[N] confidence, or 1."""
    cameras: FloatArray
    """[V, 4, 4] OpenCV axes; where no camera was built, one at the origin that looks along +Y."""
    measured_up: FloatArray | None = None
    """[3] of length 1, as the photos' metadata state it. None: they do not."""

    @cached_property
    def up(self) -> FloatArray:
        """[3] the measured up, else the cameras' mean up."""
        return mean_up(self.cameras) if self.measured_up is None else self.measured_up

    @cached_property
    def ground(self) -> Ground | None:
        """The floor, if there is one."""
        return find_ground(self.points, self.depth, self.weight, self.up, self.cameras[:, :3, 3])


def survey(root: bpy.types.Object) -> Survey:
    """Read what hangs below a root, hidden or not; the cut of its modifiers does not count."""
    below = list(root.children_recursive)
    cameras = [blender_from_opencv(_root_from(item, root)) for item in below if is_ours(item)]
    parts = _measured(below)
    read = [_read(item, root, -(-_count(parts) // SAMPLES)) for item in parts] or [np.empty((0, 5))]
    points, depth, weight = np.split(np.concatenate(read), (3, 4), axis=1)
    return Survey(
        points,
        depth[:, 0],
        weight[:, 0],
        nearest_rigid(np.stack(cameras)) if cameras else BLENDER_FROM_FIRST_VIEW[None],
        _measured_up(root),
    )


def _measured_up(root: bpy.types.Object) -> FloatArray | None:
    """Return the up [3] that a reconstruction found in its photos' metadata, in the axes of its root."""
    what = description(root)
    root_from_world = np.eye(3) if what["world"] == "given" else BLENDER_FROM_FIRST_VIEW[:3, :3]
    try:
        up = root_from_world @ np.array(what["facts"]["up"], dtype=np.float64)
    except (KeyError, TypeError, ValueError):  # not stated, or a damaged file
        return None
    return up / np.linalg.norm(up) if up.shape == (3,) and 0.0 < np.linalg.norm(up) < np.inf else None


def _root_from(item: bpy.types.Object, root: bpy.types.Object) -> FloatArray:
    """Return the transform [4, 4] from an object to the root above it, without waiting for an evaluation."""
    transform = np.eye(4)
    while item != root and item.parent is not None:
        transform = np.array(item.matrix_parent_inverse @ item.matrix_basis, dtype=np.float64) @ transform
        item = item.parent
    return transform


def _measured(items: list[bpy.types.Object]) -> list[bpy.types.Object]:
    """Return the point clouds, or else the meshes, that came from a reconstruction: they know their depth."""
    kinds: dict[str, list[bpy.types.Object]] = {"POINTCLOUD": [], "MESH": []}
    for item in items:
        data: Any = item.data
        if item.type in kinds and "depth" in data.attributes:
            kinds[item.type].append(item)
    return kinds["POINTCLOUD"] or kinds["MESH"]


def _count(items: list[bpy.types.Object]) -> int:
    data: list[Any] = [item.data for item in items]
    return sum(len(one.attributes["position"].data) for one in data)


def _read(item: bpy.types.Object, root: bpy.types.Object, step: int) -> FloatArray:
    """Return every so many of an object's points: position in the root's frame, depth and weight [N, 5]."""
    data: Any = item.data
    step = max(1, step)
    positions = _values(data, step, "position", "vector", 3)
    depth, confidence, jump, sky, mask = (
        _values(data, step, name)[:, 0] for name in ("depth", "confidence", "depth_jump", "sky", "mask")
    )
    counts = (depth > 0.0) & np.isfinite(depth) & (jump <= EDGE) & (sky < 0.5) & (mask < 0.5)
    root_from_item = _root_from(item, root)
    placed = positions @ root_from_item[:3, :3].T + root_from_item[:3, 3]
    weight = confidence if confidence.any() else np.ones_like(depth)
    return np.asarray(np.column_stack([placed, depth, weight])[counts])


def _values(data: Any, step: int, name: str, key: str = "value", width: int = 1) -> FloatArray:
    """Return every so many values [N, width] of an attribute of the points, or zeros where there is none."""
    attribute = data.attributes.get(name)
    values = np.zeros((len(data.attributes["position"].data), width), dtype=np.float32)
    if attribute is not None and attribute.domain == "POINT":
        attribute.data.foreach_get(key, values.reshape(-1))
    return values[::step].astype(np.float64)
