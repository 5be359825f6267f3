"""Scale, up and place of a finished reconstruction: nothing but the matrix of its root changes.

A root keeps one point of its own, the anchor, that stays where it is when the reconstruction is scaled or turned: its
origin, which is where the first camera stood, until it is put on the floor or at the cursor; then the middle of its
geometry on the floor. In the world of given cameras it is the centre of the first of them, and nothing turns or moves.
"""

from dataclasses import dataclass
from typing import Any, Literal

import bpy
import numpy as np
from mathutils import Matrix

from ...core.errors import ImageToSceneError
from ...core.geometry.ground import levelling
from ...core.types import FloatArray
from .collection import description
from .survey import Survey, survey

ANCHOR_KEY = "image_to_scene_anchor"
"""Custom property of a root: its anchor [x, y, z] in its own axes and unit."""
LOWEST = 2.0  # percent of the points may lie below what counts as the lowest of them
STEEPEST = 0.2  # cosine between up and the normal of a floor that can still tell a height

NO_METRES = "This model does not know metres: scale by a known distance instead."
NO_DISTANCE = "The two points are in one place: choose two that lie apart."
NO_FLOOR = "No floor was found in the geometry: level by the cameras instead."
LEVELLED_BY_CAMERAS = "No floor was found, so the reconstruction is levelled by its cameras."
GIVEN_WORLD = "It stands in the world of the given cameras: turned or moved it would no longer fit them"

ScaleMode = Literal["AS_PREDICTED", "METRIC"]
UpMode = Literal["AS_PREDICTED", "GROUND", "CAMERAS"]


class PlacementError(ImageToSceneError):
    """A reconstruction cannot be placed as asked."""


@dataclass(frozen=True)
class Placement:
    """How a new reconstruction is placed; the defaults leave it as it was built."""

    scale: ScaleMode = "AS_PREDICTED"
    up: UpMode = "AS_PREDICTED"
    floor_to_zero: bool = False
    at_cursor: bool = False


def apply_placement(root: bpy.types.Object, placement: Placement, scene: bpy.types.Scene) -> list[str]:
    """Place a reconstruction that was just built.

    Known cameras come first: in their world nothing turns or moves, and a scale that they tell stays. Where drones have
    measured which way is up, that levels it rather than a floor that was found.

    Args:
        root: Of the reconstruction.
        placement: What is wanted.
        scene: Whose unit and cursor count.

    Returns:
        Sentences about what could not be done as wanted.
    """
    sentences = []
    if placement.scale == "METRIC" and not has_known_scale(root):
        try:
            scale_to_metres(root, scene)
        except PlacementError as error:
            sentences.append(str(error))
    if is_in_given_world(root):
        return sentences
    what = survey(root)
    by_cameras = placement.up == "GROUND" and (what.measured_up is not None or what.ground is None)
    if by_cameras and what.measured_up is None:
        sentences.append(LEVELLED_BY_CAMERAS)
    level(root, "CAMERAS" if by_cameras else placement.up, what)
    if placement.floor_to_zero:
        floor_to_zero(root, what)
    if placement.at_cursor:
        place_at(root, np.array(scene.cursor.location), what)
    return sentences


def is_in_given_world(root: bpy.types.Object) -> bool:
    """Tell whether the reconstruction stands where given cameras say."""
    return bool(description(root)["world"] == "given")


def has_known_scale(root: bpy.types.Object) -> bool:
    """Tell whether given cameras told the scale."""
    what = description(root)
    return bool(is_in_given_world(root) and what["units"] != "metres" and what["facts"].get("scale_known"))


def scale_as_predicted(root: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Give a reconstruction the scale that it was built with."""
    scale_by(root, built_scale(root, scene) / _scale(world_from_root(root)))


def scale_to_metres(root: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Make a metre of the reconstruction one of the scene.

    Raises:
        PlacementError: It is not in metres.
    """
    if description(root)["units"] != "metres":
        raise PlacementError(NO_METRES)
    scale_by(root, 1.0 / scene.unit_settings.scale_length / _scale(world_from_root(root)))


def scale_to_distance(root: bpy.types.Object, first: FloatArray, second: FloatArray, distance: float) -> None:
    """Scale a reconstruction so that what lies between two points [3] of the world becomes that long.

    Raises:
        PlacementError: The points coincide.
    """
    measured = float(np.linalg.norm(np.asarray(first) - np.asarray(second)))
    if measured < 1e-9 or not distance > 0.0:
        raise PlacementError(NO_DISTANCE)
    scale_by(root, distance / measured)


def scale_by(root: bpy.types.Object, factor: float) -> None:
    """Scale a reconstruction about its anchor."""
    _transform(root, factor * np.eye(3))


def level(root: bpy.types.Object, mode: UpMode, what: Survey | None = None) -> None:
    """Turn a reconstruction about its anchor by as little as makes its up the world's; or back as it was predicted.

    The up of its cameras is the one that their photos' metadata state, such as a drone's gimbal, else their mean.

    Raises:
        PlacementError: There is no floor to level by.
    """
    world_from_root_rotation = _rotation(world_from_root(root))
    if mode == "AS_PREDICTED":
        _transform(root, world_from_root_rotation.T)
        return
    what = what or survey(root)
    up = what.up
    if mode == "GROUND":
        if what.ground is None:
            raise PlacementError(NO_FLOOR)
        up = what.ground.normal
    _transform(root, levelling(world_from_root_rotation @ up))


def floor_to_zero(root: bpy.types.Object, what: Survey | None = None) -> None:
    """Put the floor at Z = 0: where it is below the middle of the geometry, or the lowest points without a floor."""
    foot = _stand_on_floor(root, what or survey(root))
    _transform(root, np.eye(3), np.array([0.0, 0.0, -foot[2]]))


def place_at(root: bpy.types.Object, location: FloatArray, what: Survey | None = None) -> None:
    """Bring the middle of the geometry, on its floor, to a point [3] of the world."""
    foot = _stand_on_floor(root, what or survey(root))
    _transform(root, np.eye(3), location - foot)


def reset(root: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Place a reconstruction as it was built."""
    if root.get(ANCHOR_KEY) is not None:
        del root[ANCHOR_KEY]
    root.matrix_basis = Matrix.Diagonal([built_scale(root, scene)] * 3 + [1.0])


def built_scale(root: bpy.types.Object, scene: bpy.types.Scene) -> float:
    """Return the scale that a root is built with: metres are the scene's unless given cameras fix the world."""
    in_metres = description(root)["units"] == "metres" and not is_in_given_world(root)
    return 1.0 / scene.unit_settings.scale_length if in_metres else 1.0


def world_from_root(root: bpy.types.Object) -> FloatArray:
    """Return where a root stands [4, 4], without waiting for an evaluation."""
    return np.array(_world_from_parent(root) @ root.matrix_basis, dtype=np.float64)


def _world_from_parent(root: bpy.types.Object) -> Matrix:
    parent = root.parent
    return Matrix() if parent is None else parent.matrix_world @ root.matrix_parent_inverse


def _transform(root: bpy.types.Object, turned: FloatArray, step: FloatArray | None = None) -> None:
    """Apply a rotation or scale [3, 3] about the anchor, then a step [3], in the world."""
    anchor = _anchor(root)
    world_from_world = np.eye(4)
    world_from_world[:3, :3] = turned
    world_from_world[:3, 3] = anchor - turned @ anchor + (0.0 if step is None else step)
    placed = Matrix((world_from_world @ world_from_root(root)).tolist())
    root.matrix_basis = _world_from_parent(root).inverted() @ placed


def _anchor(root: bpy.types.Object) -> FloatArray:
    """Return what stays when a reconstruction is scaled or turned [3], in the world."""
    own: Any = root.get(ANCHOR_KEY) or description(root)["facts"].get("pivot") or (0.0, 0.0, 0.0)
    return _moved(np.array(list(own), dtype=np.float64), world_from_root(root))


def _stand_on_floor(root: bpy.types.Object, what: Survey) -> FloatArray:
    """Make the middle of the geometry on its floor the anchor, and return it [3], in the world."""
    world = world_from_root(root)
    foot = _foot(what, world)
    root[ANCHOR_KEY] = _moved(foot, np.linalg.inv(world)).tolist()
    return foot


def _foot(what: Survey, world_from_root: FloatArray) -> FloatArray:
    points = _moved(what.points, world_from_root)
    if not len(points):
        return world_from_root[:3, 3]
    x, y = np.median(points[:, :2], axis=0)
    lowest = np.array([x, y, np.percentile(points[:, 2], LOWEST)])
    if what.ground is None:
        return lowest
    plane = np.linalg.inv(world_from_root).T @ [*what.ground.normal, what.ground.offset]
    plane /= np.linalg.norm(plane[:3])
    if plane[2] < STEEPEST:  # the artist has laid it on its side
        return lowest
    return np.array([x, y, -(plane[0] * x + plane[1] * y + plane[3]) / plane[2]])


def _moved(points: FloatArray, transform: FloatArray) -> FloatArray:
    """Apply a transform [4, 4] to points [..., 3]."""
    return np.asarray(points @ transform[:3, :3].T + transform[:3, 3])


def _scale(world_from_root: FloatArray) -> float:
    return float(np.cbrt(abs(np.linalg.det(world_from_root[:3, :3]))))


def _rotation(world_from_root: FloatArray) -> FloatArray:
    """Return the rotation [3, 3] of a matrix whose columns may be scaled."""
    return np.asarray(world_from_root[:3, :3] / np.linalg.norm(world_from_root[:3, :3], axis=0))
