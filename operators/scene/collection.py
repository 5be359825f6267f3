"""One collection and one root empty per reconstruction: where everything hangs, and what made it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ...core.geometry.cameras import BLENDER_FROM_FIRST_VIEW, nearest_rigid
from ...core.geometry.surfaces import camera_or_origin
from ...core.json_reading import parse_json
from ...core.types import FloatArray, ReconstructedView, Reconstruction, World

KEY = "image_to_scene"
"""Custom property of a root empty that holds `describe`'s facts as JSON."""
VERSION = 1
"""Of the layout of those facts."""
ROOT_PART = 0.05  # of the scene's size: big enough to click, small enough not to disturb


@dataclass(frozen=True)
class Place:
    """Where the parts of a reconstruction go."""

    root: bpy.types.Object
    collection: bpy.types.Collection


def in_root_frame(view: ReconstructedView, world: World) -> ReconstructedView:
    """Express a view in the axes of its root: Z up, and with a camera.

    A `first_view` world is turned so that the first picture's camera looks along +Y with its up as +Z; a `given` world
    is Blender's own and stays.
    """
    root_from_world = BLENDER_FROM_FIRST_VIEW if world == "first_view" else np.eye(4)
    points = view.points
    if points is not None:
        points = (points @ root_from_world[:3, :3].T + root_from_world[:3, 3]).astype(points.dtype)
    return replace(view, world_from_camera=nearest_rigid(root_from_world @ camera_or_origin(view)), points=points)


def new_collection(name: str, scene: bpy.types.Scene) -> bpy.types.Collection:
    """Add a collection to the scene."""
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    return collection


def new_root(
    reconstruction: Reconstruction, size: float, collection: bpy.types.Collection, scene: bpy.types.Scene
) -> bpy.types.Object:
    """Add the empty that moves, turns and scales a whole reconstruction, and write on it what made it.

    It is the identity, except that metres become the scene's own unit where nothing else fixes the scale.

    Args:
        reconstruction: As it came from the run, before `in_root_frame`.
        size: The scene's size, in the reconstruction's units.
        collection: Where it goes.
        scene: Whose unit scale counts.
    """
    root = bpy.data.objects.new(collection.name, None)
    root.empty_display_type = "ARROWS"
    root.empty_display_size = ROOT_PART * size
    describe_on(root, reconstruction)
    if reconstruction.units == "metres" and reconstruction.world == "first_view":
        root.scale = [1.0 / scene.unit_settings.scale_length] * 3
    collection.objects.link(root)
    return root


def describe_on(root: bpy.types.Object, reconstruction: Reconstruction) -> None:
    """Write on a root what it was built from."""
    root[KEY] = json.dumps(describe(reconstruction))


def describe(reconstruction: Reconstruction) -> dict[str, Any]:
    """Gather what a root remembers of its reconstruction, JSON types only."""
    return {
        "version": VERSION,
        "model": reconstruction.model,
        "units": reconstruction.units,
        "world": reconstruction.world,
        "views": len(reconstruction.views),
        "settings": dict(reconstruction.settings),
        "facts": dict(reconstruction.facts),
    }


def description(root: bpy.types.Object) -> Mapping[str, Any]:
    """Read back what `describe` gathered."""
    facts: Mapping[str, Any] = parse_json(str(root[KEY]).encode(), finite=False)
    return facts


def find_roots(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Find the roots of all reconstructions in a scene, in the order of their names."""
    return sorted((item for item in scene.objects if _is_root(item)), key=lambda item: item.name)


def root_of(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """Find the root that an object hangs below, which may be the object itself."""
    while item is not None and not _is_root(item):
        item = item.parent
    return item


def _is_root(item: Any) -> bool:
    return KEY in item


def place_of(root: bpy.types.Object, scene: bpy.types.Scene) -> Place:
    """Find where the parts of a reconstruction go: to its root, wherever the artist has put that."""
    return Place(root, next(iter(root.users_collection), scene.collection))


def add_object(name: str, data: bpy.types.ID, place: Place) -> bpy.types.Object:
    """Hang an object below a root, at its origin."""
    item = bpy.data.objects.new(name, data)
    item.parent = place.root
    place.collection.objects.link(item)
    return item


def put(item: bpy.types.Object, parent_from_item: FloatArray) -> None:
    """Put an object where a rigid transform [4, 4] says; its scale stays exactly 1."""
    item.location = parent_from_item[:3, 3].tolist()
    item.rotation_euler = Matrix(parent_from_item[:3, :3].tolist()).to_euler()
