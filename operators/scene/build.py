"""A reconstruction becomes a scene: the order of the builders."""

from dataclasses import dataclass

import bpy

from ...core.geometry.cameras import check_intrinsics, check_rigid
from ...core.geometry.surfaces import clip_range, point_radius, scene_size
from ...core.types import Reconstruction
from .cameras import build_camera
from .collection import in_root_frame, new_collection, new_root
from .cut import KEEP_ALL, Cut, confidence_at, cut_clouds, cut_meshes
from .materials import point_material
from .mesh import GridMeshes, build_mesh
from .pictures import Picture, load_picture
from .point_cloud import build_cloud
from .transaction import all_or_nothing


@dataclass(frozen=True)
class BuildOptions:
    """What to build, and what its cut leaves out at first."""

    name: str = ""
    """Of the collection and the root; empty: the first picture's."""
    cameras: bool = True
    point_cloud: bool = True
    meshes: bool = True
    confidence: float | None = None
    """Leave out what lies below it. None: `confidence_percentile` decides."""
    confidence_percentile: float = 10.0
    """Percentage of all pixels to leave out for their low confidence; 0 keeps everything."""
    depth_jump: float | None = 0.08
    """Leave out where depth leaps by more than this ratio less one; None keeps everything."""
    remove_sky: bool = True


@dataclass(frozen=True)
class BuiltScene:
    """What a build has made."""

    collection: bpy.types.Collection
    root: bpy.types.Object
    cameras: tuple[bpy.types.Object, ...]
    clouds: tuple[bpy.types.Object, ...]
    meshes: tuple[bpy.types.Object, ...]
    warnings: tuple[str, ...]
    """Sentences for the artist."""


def build(reconstruction: Reconstruction, options: BuildOptions, scene: bpy.types.Scene) -> BuiltScene:
    """Build everything or nothing; the artist's objects, selection and scene settings stay as they are.

    Args:
        reconstruction: With at least one view.
        options: What to build.
        scene: Where the collection goes.

    Raises:
        CameraError: A camera is not rigid, or its intrinsics are not those of a pinhole camera. Nothing is built.
    """
    _check_cameras(reconstruction)
    with all_or_nothing():
        return _build(reconstruction, options, scene)


def initial_cut(reconstruction: Reconstruction, options: BuildOptions) -> Cut:
    """Work out the thresholds that new objects start with."""
    confidence = options.confidence
    if confidence is None:
        confidence = confidence_at(reconstruction, options.confidence_percentile)
    depth_jump = KEEP_ALL if options.depth_jump is None else options.depth_jump
    return Cut(confidence=confidence, depth_jump=depth_jump, sky=0.5 if options.remove_sky else KEEP_ALL)


def _check_cameras(reconstruction: Reconstruction) -> None:
    for view in reconstruction.views:
        name = f"The camera of {view.source.name}"
        check_intrinsics(view.image_from_camera, name)
        if view.world_from_camera is not None:
            check_rigid(view.world_from_camera, name)


def _build(original: Reconstruction, options: BuildOptions, scene: bpy.types.Scene) -> BuiltScene:
    reconstruction = in_root_frame(original)
    collection = new_collection(options.name or original.views[0].source.stem, scene)
    root = new_root(original, scene_size(reconstruction), collection, scene)
    pictures = [load_picture(view) for view in reconstruction.views]
    cut = initial_cut(reconstruction, options)
    cameras = _cameras(reconstruction, pictures, root, collection) if options.cameras else ()
    clouds = _clouds(reconstruction, pictures, cut, root, collection) if options.point_cloud else ()
    meshes = _meshes(pictures, cut, root, collection) if options.meshes else ()
    warnings = tuple(picture.warning for picture in pictures if picture.warning)
    return BuiltScene(collection, root, cameras, clouds, meshes, warnings)


def _cameras(
    reconstruction: Reconstruction, pictures: list[Picture], root: bpy.types.Object, collection: bpy.types.Collection
) -> tuple[bpy.types.Object, ...]:
    clip, size = clip_range(reconstruction), scene_size(reconstruction)
    return tuple(build_camera(picture, clip, size, root, collection) for picture in pictures)


def _clouds(
    reconstruction: Reconstruction,
    pictures: list[Picture],
    cut: Cut,
    root: bpy.types.Object,
    collection: bpy.types.Collection,
) -> tuple[bpy.types.Object, ...]:
    name = f"{collection.name} points"
    radius, material = point_radius(reconstruction), point_material(name)
    clouds = tuple(build_cloud(picture, radius, material, root, collection) for picture in pictures)
    cut_clouds(clouds, f"{name} cut", cut, material)
    return clouds


def _meshes(
    pictures: list[Picture], cut: Cut, root: bpy.types.Object, collection: bpy.types.Collection
) -> tuple[bpy.types.Object, ...]:
    grids = GridMeshes()
    meshes = tuple(build_mesh(picture, grids, root, collection) for picture in pictures)
    cut_meshes(meshes, f"{collection.name} cut", cut)
    return meshes
