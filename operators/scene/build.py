"""A reconstruction becomes a scene: the order of the builders, in slices short enough for a window to stay alive.

Pixels are looked at view by view, and become data-blocks that nothing uses yet. The last slice makes all that is small
and links everything, so that one undo step holds a whole build. Where undo frees what earlier slices made, the build
starts again from its beginning.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy

from ...core.geometry.cameras import check_intrinsics, check_rigid
from ...core.geometry.extent import clip_range, extent, point_radius, scene_size
from ...core.types import Progress, ReconstructedView, Reconstruction
from .cameras import build_camera
from .collection import in_root_frame, new_collection, new_root
from .cut import KEEP_ALL, Cut, confidence_at, cut_clouds, cut_meshes
from .materials import point_material
from .mesh import GridMeshes, build_mesh
from .pictures import Picture, load_picture
from .point_cloud import build_cloud, new_cloud_of
from .transaction import LostError, Shelf, data_blocks

STAGE = "Building"


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
    points: int
    """How many pixels have a place in space."""


BuildSteps = Generator[Progress, None, list[BuiltScene]]
"""Between two of its steps Blender belongs to the artist."""


def build(reconstruction: Reconstruction, options: BuildOptions, scene: bpy.types.Scene) -> BuiltScene:
    """Build everything or nothing; the artist's objects, selection and scene settings stay as they are.

    Args:
        reconstruction: With at least one view.
        options: What to build.
        scene: Where the collection goes.

    Raises:
        CameraError: A camera is not rigid, or its intrinsics are not those of a pinhole camera. Nothing is built.
    """
    with Shelf(scene) as shelf:
        (built,) = run_through(build_steps([reconstruction], options, shelf))
    return built


def run_through(steps: BuildSteps) -> list[BuiltScene]:
    """Do all steps without a pause: for scripts and `blender -b`."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            built: list[BuiltScene] = end.value
            return built


def build_steps(reconstructions: Sequence[Reconstruction], options: BuildOptions, shelf: Shelf) -> BuildSteps:
    """Build in slices; everything appears in the last one, together.

    Args:
        reconstructions: Each with at least one view.
        options: What to build.
        shelf: The block around the call; its scene is where the collections go.

    Yields:
        How far it is.

    Raises:
        CameraError: A camera is not rigid, or its intrinsics are not those of a pinhole camera.
        CancelledError: The scene was deleted in between.
    """
    for reconstruction in reconstructions:
        _check_cameras(reconstruction)
    while True:
        try:
            return (yield from _build(reconstructions, options, shelf))
        except LostError:
            shelf.clear()


def initial_cut(reconstruction: Reconstruction, options: BuildOptions) -> Cut:
    """Work out the thresholds that new objects start with."""
    confidence = options.confidence
    if confidence is None:
        confidence = confidence_at(reconstruction, options.confidence_percentile)
    depth_jump = KEEP_ALL if options.depth_jump is None else options.depth_jump
    return Cut(confidence=confidence, depth_jump=depth_jump, sky=0.5 if options.remove_sky else KEEP_ALL)


def _check_cameras(reconstruction: Reconstruction) -> None:
    for view in reconstruction.views:
        name = f"The camera of {view.name}"
        check_intrinsics(view.image_from_camera, name)
        if view.world_from_camera is not None:
            check_rigid(view.world_from_camera, name)


@dataclass
class _Part:
    """What the slices made of one reconstruction: data-blocks by identity."""

    original: Reconstruction
    views: list[ReconstructedView] = field(default_factory=list)
    points: int = 0
    clip: tuple[float, float] = (0.1, 100.0)
    size: float = 1.0
    cut: Cut = field(default_factory=Cut)
    images: list[int] = field(default_factory=list)
    clouds: list[int] = field(default_factory=list)
    meshes: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


Slices = Generator[None, None, None]


def _build(reconstructions: Sequence[Reconstruction], options: BuildOptions, shelf: Shelf) -> BuildSteps:
    parts = [_Part(reconstruction) for reconstruction in reconstructions]
    a_view = 2 + options.point_cloud + options.meshes
    total = sum(len(part.original.views) * a_view + 1 for part in parts) + 1
    done = 0
    for part in parts:
        for _ in _slices(part, options, shelf):
            done += 1
            yield from shelf.pause(Progress(STAGE, done, total))
    with shelf.slice():
        there = data_blocks()
        return [_assembled(part, options, shelf.scene, there) for part in parts]


def _slices(part: _Part, options: BuildOptions, shelf: Shelf) -> Slices:
    """Measure all views, then make their data; a pause after each."""
    extents = []
    for view in part.original.views:
        part.views.append(in_root_frame(view, part.original.world))
        extents.append(extent(part.views[-1]))
        yield
    part.points, part.clip, part.size = sum(item.known for item in extents), clip_range(extents), scene_size(extents)
    part.cut = initial_cut(part.original, options)
    radius, grids = point_radius(extents), GridMeshes()
    yield
    for index in range(len(part.views)):
        with shelf.slice():
            _take_picture(part, index)
        yield
        if options.point_cloud:
            with shelf.slice():
                part.clouds.append(new_cloud_of(part.views[index], radius).session_uid)
            yield
        if options.meshes:
            with shelf.slice():
                part.meshes.append(grids.new_of(part.views[index]).session_uid)
            yield


def _take_picture(part: _Part, index: int) -> None:
    """Load a view's photo; where another picture stands in for it, the view says how that one lies."""
    picture = load_picture(part.views[index])
    part.views[index] = picture.view
    part.images.append(picture.image.session_uid)
    part.warnings += [picture.warning] if picture.warning else []


def _assembled(part: _Part, options: BuildOptions, scene: bpy.types.Scene, there: Mapping[int, Any]) -> BuiltScene:
    """Make all that is small, and link everything; `there` finds what the slices made."""
    collection = new_collection(options.name or part.original.views[0].name, scene)
    root = new_root(part.original, part.size, collection, scene)
    pictures = [Picture(view, there[image]) for view, image in zip(part.views, part.images, strict=True)]
    return BuiltScene(
        collection=collection,
        root=root,
        cameras=_cameras(part, pictures, root, collection) if options.cameras else (),
        clouds=_clouds(part, there, root, collection) if options.point_cloud else (),
        meshes=_meshes(part, pictures, there, root, collection) if options.meshes else (),
        warnings=tuple(part.warnings),
        points=part.points,
    )


def _cameras(
    part: _Part, pictures: list[Picture], root: bpy.types.Object, collection: bpy.types.Collection
) -> tuple[bpy.types.Object, ...]:
    return tuple(build_camera(picture, part.clip, part.size, root, collection) for picture in pictures)


def _clouds(
    part: _Part, there: Mapping[int, Any], root: bpy.types.Object, collection: bpy.types.Collection
) -> tuple[bpy.types.Object, ...]:
    name = f"{collection.name} points"
    material = point_material(name)
    pairs = zip(part.views, part.clouds, strict=True)
    clouds = tuple(build_cloud(view, there[cloud], material, root, collection) for view, cloud in pairs)
    cut_clouds(clouds, f"{name} cut", part.cut, material)
    return clouds


def _meshes(
    part: _Part,
    pictures: list[Picture],
    there: Mapping[int, Any],
    root: bpy.types.Object,
    collection: bpy.types.Collection,
) -> tuple[bpy.types.Object, ...]:
    pairs = zip(pictures, part.meshes, strict=True)
    meshes = tuple(build_mesh(picture, there[mesh], root, collection) for picture, mesh in pairs)
    cut_meshes(meshes, f"{collection.name} cut", part.cut)
    return meshes
