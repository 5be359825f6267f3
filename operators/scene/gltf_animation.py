"""Camera motion in a .glb, sampled frame by frame, and what glTF has no words for.

Source: Khronos glTF 2.0 specification, sections 3.11 (animations: seconds, unit quaternions) and 3.10 (cameras).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix

from ...core.names import listed
from .compat import curves_of
from .gltf_points import FLOAT, append_item, append_values

STILL: Final = 1e-6
"""By how much numbers of a pose may vary in a camera that does not move."""
GLTF_FROM_BLENDER: Final = Matrix.Rotation(-0.5 * math.pi, 4, "X")
"""From Z up to Y up."""


@dataclass(frozen=True)
class Motion:
    """Poses of a camera node over time."""

    seconds: np.ndarray[Any, np.dtype[np.float32]]
    """[N] ascending, from 0 on."""
    locations: np.ndarray[Any, np.dtype[np.float32]]
    """[N, 3]"""
    rotations: np.ndarray[Any, np.dtype[np.float32]]
    """[N, 4] unit quaternions x, y, z, w, each on the side of the one before."""
    lenses: tuple[float, float]
    """The smallest and the largest focal length, millimetres."""

    @property
    def moves(self) -> bool:
        """Whether the pose changes."""
        return any(np.ptp(values, axis=0).max() > STILL for values in (self.locations, self.rotations))


def sample_motions(
    cameras: Sequence[bpy.types.Object], scene: bpy.types.Scene, artists: bpy.types.Scene
) -> dict[str, Motion]:
    """Follow animated cameras through a scene of copies, whose frame is changed.

    Args:
        cameras: Of that scene.
        scene: Is evaluated.
        artists: Tells the frame rate, and the frames where curves do not.

    Returns:
        By the cameras' names.
    """
    animated = [item for item in cameras if _is_animated(item)]
    if not animated:
        return {}
    frames, current = _frames(animated, artists), scene.frame_current_final
    poses: list[list[tuple[Matrix, float]]] = []
    for frame in frames:
        scene.frame_set(math.floor(frame), subframe=frame - math.floor(frame))
        evaluated = bpy.context.evaluated_depsgraph_get()
        poses.append([_pose(item.evaluated_get(evaluated)) for item in animated])
    scene.frame_set(math.floor(current), subframe=current - math.floor(current))
    rate = artists.render.fps / artists.render.fps_base
    seconds = np.array([(frame - min(0.0, frames[0])) / rate for frame in frames], dtype=np.float32)
    return {
        item.name: _motion(seconds, list(path)) for item, path in zip(animated, zip(*poses, strict=True), strict=True)
    }


def _is_animated(item: bpy.types.Object) -> bool:
    """Tell whether a camera's pose or lens may change: keys, drivers and tracks of its own, or constraints."""
    animation: Any = item.animation_data
    moves = animation is not None and (animation.action or animation.nla_tracks or animation.drivers)
    return bool(moves or len(item.constraints) or any(_curves(item.data)))


def _curves(owner: Any) -> Iterator[bpy.types.FCurve]:
    animation: Any = getattr(owner, "animation_data", None)
    if animation is not None and animation.action is not None:
        yield from curves_of(animation.action)


def _frames(cameras: Iterable[bpy.types.Object], scene: bpy.types.Scene) -> list[float]:
    """Return all frames between the cameras' first and last key, with the keys; the scene's where others move them."""
    keys: set[float] = set()
    for item in cameras:
        curves = [*_curves(item), *_curves(item.data)]
        keys |= {point.co[0] for curve in curves for point in curve.keyframe_points}
        if not curves or len(item.constraints) or (item.animation_data and item.animation_data.nla_tracks):
            keys |= {float(scene.frame_start), float(scene.frame_end)}
    first, last = min(keys), max(keys)
    return sorted(keys | {float(frame) for frame in range(math.ceil(first), math.floor(last) + 1)})


def _pose(camera: Any) -> tuple[Matrix, float]:
    """Return an evaluated camera's transform in its parent's frame, with glTF's axes, and its focal length."""
    parent_from_camera = camera.matrix_world
    if camera.parent is not None:
        parent_from_camera = camera.parent.matrix_world.inverted_safe() @ parent_from_camera
    return GLTF_FROM_BLENDER @ parent_from_camera, camera.data.lens


def _motion(seconds: Any, path: list[tuple[Matrix, float]]) -> Motion:
    rotations = [pose.to_quaternion().normalized() for pose, _ in path]
    for before, rotation in pairwise(rotations):
        if before.dot(rotation) < 0.0:
            rotation.negate()
    lenses = [lens for _, lens in path]
    return Motion(
        seconds,
        np.array([pose.to_translation() for pose, _ in path], dtype=np.float32),
        np.array([(q.x, q.y, q.z, q.w) for q in rotations], dtype=np.float32),
        (min(lenses), max(lenses)),
    )


def add_motions(
    document: dict[str, Any], size: int, parts: list[memoryview], name: str, motions: Mapping[str, Motion]
) -> None:
    """Add one animation of all cameras that move.

    Args:
        document: Is changed; `motions` are by the names of its nodes.
        size: Bytes of the document's buffer before `parts`.
        parts: What follows in the buffer; is extended.
        name: Of the animation.
        motions: By the names of nodes.
    """
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for index, node in enumerate(document.get("nodes", ())):
        motion = motions.get(node.get("name"))
        if motion is None or not motion.moves:
            continue
        ends = {"min": [float(motion.seconds[0])], "max": [float(motion.seconds[-1])]}
        scalar = {"componentType": FLOAT, "type": "SCALAR"} | ends
        times = append_values(document, size, parts, motion.seconds, scalar, target=None)
        for path, values, kind in (
            ("translation", motion.locations, "VEC3"),
            ("rotation", motion.rotations, "VEC4"),
        ):
            output = append_values(document, size, parts, values, {"componentType": FLOAT, "type": kind}, target=None)
            channels.append({"sampler": len(samplers), "target": {"node": index, "path": path}})
            samplers.append({"input": times, "interpolation": "LINEAR", "output": output})
        matrix = node.pop("matrix", None)  # an animated node has no matrix
        if matrix is not None:
            node["translation"], node["rotation"] = motion.locations[0].tolist(), motion.rotations[0].tolist()
    if channels:
        append_item(document, "animations", {"name": name, "channels": channels, "samplers": samplers})
        document["buffers"] = [{"byteLength": size + sum(map(len, parts))}]


def unsaid(cameras: Mapping[str, Mapping[str, Any]], motions: Mapping[str, Motion]) -> list[str]:
    """Name what glTF's cameras cannot say: a changing focal length, and a lens shift.

    Args:
        cameras: glTF cameras with their `extras`, by the names of the objects.
        motions: Likewise.
    """
    zooms = [
        f"{name} ({motion.lenses[0]:.1f} to {motion.lenses[1]:.1f} mm)"
        for name, motion in motions.items()
        if motion.lenses[1] - motion.lenses[0] > STILL * motion.lenses[1]
    ]
    shifts = [f"{name} ({text})" for name, camera in cameras.items() if (text := _shift(camera["extras"]))]
    sentences = (
        (zooms, "The focal length changes in {}; glTF cameras cannot express that, so the .glb has the current one."),
        (
            shifts,
            "The lens is shifted in {}; glTF cameras cannot express that, so in the .glb they look past the image.",
        ),
    )
    return [sentence.format(listed(names)) for names, sentence in sentences if names]


def _shift(extras: Mapping[str, Any]) -> str:
    """Say by how many pixels the principal point is off the image's centre; nothing below half a pixel."""
    K = extras["image_from_camera"]
    x, y = K[0][2] - 0.5 * extras["width"], K[1][2] - 0.5 * extras["height"]
    return f"{x:+.1f} px across, {y:+.1f} px down" if max(abs(x), abs(y)) > 0.5 else ""
