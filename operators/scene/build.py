"""A reconstruction becomes a scene: the order of the builders, in slices short enough for a window to stay alive.

Pixels are looked at view by view, and become data-blocks that nothing uses yet. The last slice makes all that is small
and links everything, so that one undo step holds a whole build. Where undo frees what earlier slices made, the build
starts again from its beginning.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy

from ...core.errors import CancelledError, OutOfMemoryError
from ...core.geometry.cameras import check_lens, check_rigid, transform_intrinsics
from ...core.geometry.extent import clip_range, extent, point_radius, scene_size
from ...core.geometry.ranks import ConfidenceRanks
from ...core.names import readable
from ...core.types import Progress, ReconstructedView, Reconstruction
from .animation import build_clip_camera, show_at_frames
from .cameras import build_camera
from .clips import Clip, clips_of, scene_rate
from .collection import Place, describe_on, in_root_frame, new_collection, new_root, place_of
from .file_size import blend_size, size_warning
from .materials import photo_materials, point_material
from .mesh import build_mesh, new_mesh_of
from .pictures import Picture, load_picture
from .point_cloud import build_cloud, new_cloud_of
from .replacement import PART_KEY, mark_made, mark_part, parts_of, replace_parts
from .transaction import LostError, Shelf, data_blocks
from .tuning import Tuning, add_controls, tune_clouds, tune_meshes, what_is_given
from .tuning_nodes import groups

STAGE = "Building"
ATTEMPTS = 10
"""How often a build begins again where undo, or a lack of memory, took what it had made."""


@dataclass(frozen=True)
class BuildOptions:
    """What to build, and how."""

    name: str = ""
    """Of the collection and the root; empty: the first picture's."""
    cameras: bool = True
    point_cloud: bool = True
    meshes: bool = True
    tuning: Tuning = field(default_factory=Tuning)
    """What is left out at first, and how coarse it is; where it replaces another, that one's tuning stays."""
    without_camera: tuple[int, ...] = ()
    """Indices of views whose camera already stands in the scene: none is built for them."""
    clip_start: float = 1.0
    """Scene frame at which clips start: a view's frame is `clip_start` + time · frames per second."""
    packs_copies: bool = True
    """Keep copies of pictures in the .blend; off where they lie in a folder that stays."""


@dataclass(frozen=True)
class Plan:
    """One reconstruction to build."""

    reconstruction: Reconstruction
    """With at least one view."""
    options: BuildOptions
    root: int | None = None
    """Identity of the root whose parts it replaces. None: it gets a root of its own."""


@dataclass(frozen=True)
class BuiltScene:
    """What a build has made."""

    collection: bpy.types.Collection
    root: bpy.types.Object
    cameras: tuple[bpy.types.Object, ...]
    """One per picture that has none in the scene, then one per clip."""
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
        (built,) = run_through(build_steps([Plan(reconstruction, options)], shelf))
    return built


def run_through(steps: BuildSteps) -> list[BuiltScene]:
    """Do all steps without a pause: for scripts and `blender -b`."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            built: list[BuiltScene] = end.value
            return built


def build_steps(plans: Sequence[Plan], shelf: Shelf) -> BuildSteps:
    """Build in slices; everything appears in the last one, together.

    Args:
        plans: What to build.
        shelf: The block around the call; its scene is where the collections go.

    Yields:
        How far it is.

    Raises:
        CameraError: A camera is not rigid, or its intrinsics are not those of a pinhole camera.
        CancelledError: The scene, or a root to build on, was deleted in between.
        OutOfMemoryError: What was made was gone again every time.
    """
    for plan in plans:
        _check_cameras(plan.reconstruction)
    for _ in range(ATTEMPTS):
        try:
            return (yield from _build(plans, shelf))
        except LostError:
            shelf.clear()
    raise OutOfMemoryError(
        f"The build lost what it had made {ATTEMPTS} times: do not undo while it builds; if nothing was undone, memory "
        "ran out, so build fewer parts or use fewer images."
    )


def _check_cameras(reconstruction: Reconstruction) -> None:
    for view in reconstruction.views:
        name = f"The camera of {view.name}"
        source_from_camera = transform_intrinsics(view.source_from_model, view.image_from_camera)
        check_lens(source_from_camera, view.source_size, name)
        if view.world_from_camera is not None:
            check_rigid(view.world_from_camera, name)


@dataclass
class _Part:
    """What the slices made of one reconstruction: data-blocks by identity."""

    plan: Plan
    views: list[ReconstructedView] = field(default_factory=list)
    points: int = 0
    clip: tuple[float, float] = (0.1, 100.0)
    size: float = 1.0
    ranks: ConfidenceRanks = field(default_factory=ConfidenceRanks)
    images: list[int] = field(default_factory=list)
    clouds: list[int] = field(default_factory=list)
    meshes: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def slices(self) -> int:
        """How many there will be."""
        options = self.plan.options
        return len(self.plan.reconstruction.views) * (2 + options.point_cloud + options.meshes) + 1


def _build(plans: Sequence[Plan], shelf: Shelf) -> BuildSteps:
    parts = [_Part(plan) for plan in plans]
    wanted = groups(
        points=any(plan.options.point_cloud for plan in plans), meshes=any(plan.options.meshes for plan in plans)
    )
    total, done = sum(part.slices for part in parts) + len(wanted) + 1, 0
    for part in parts:
        for _ in _slices(part, shelf):
            done += 1
            yield from shelf.pause(Progress(STAGE, done, total))
    for make in wanted:
        with shelf.slice():
            make()
        done += 1
        yield from shelf.pause(Progress(STAGE, done, total))
    with shelf.slice():
        there = data_blocks()
        built = [_assembled(part, shelf.scene, there) for part in parts]
    mark_made(shelf.made())
    return built


def _slices(part: _Part, shelf: Shelf) -> Generator[None, None, None]:
    """Measure all views, then make their data; a pause after each."""
    original, options, extents = part.plan.reconstruction, part.plan.options, []
    for view in original.views:
        part.views.append(in_root_frame(view, original.world))
        extents.append(extent(part.views[-1]))
        part.ranks.add(view.confidence)
        yield
    part.points, part.clip, part.size = sum(item.known for item in extents), clip_range(extents), scene_size(extents)
    radius = point_radius(extents)
    yield
    for index in range(len(part.views)):
        with shelf.slice():
            _take_picture(part, index)
        rank = part.ranks.of(part.views[index].confidence)
        yield
        if options.point_cloud:
            with shelf.slice():
                part.clouds.append(new_cloud_of(part.views[index], radius, rank).session_uid)
            yield
        if options.meshes:
            with shelf.slice():
                part.meshes.append(new_mesh_of(part.views[index], rank).session_uid)
            yield


def _take_picture(part: _Part, index: int) -> None:
    """Load a view's photo; where another picture stands in for it, the view says how that one lies."""
    picture = load_picture(part.views[index], packs_copies=part.plan.options.packs_copies)
    part.views[index] = picture.view
    part.images.append(picture.image.session_uid)
    part.warnings += [picture.warning] if picture.warning else []


def _assembled(part: _Part, scene: bpy.types.Scene, there: Mapping[int, Any]) -> BuiltScene:
    """Make all that is small, and link everything; `there` finds what the slices made."""
    options = part.plan.options
    place = _place(part, scene, there)
    earlier = parts_of(place.root)
    given = what_is_given(part.views, points=options.point_cloud, meshes=options.meshes)
    part.warnings += _size_warning(part, len(given & {"confidence", "sky", "mask"}))
    add_controls(place, options.tuning, given, {"confidence": part.ranks.at(0.99), "max_distance": part.size})
    pictures = [Picture(view, there[image]) for view, image in zip(part.views, part.images, strict=True)]
    clips = clips_of(part.views, options.clip_start, scene_rate(scene))
    built = BuiltScene(
        collection=place.collection,
        root=place.root,
        cameras=_cameras(part, pictures, clips, place) if options.cameras else (),
        clouds=_clouds(part, there, place) if options.point_cloud else (),
        meshes=_meshes(part, pictures, there, place) if options.meshes else (),
        warnings=tuple(part.warnings),
        points=part.points,
    )
    for clip in clips:
        for items in filter(None, (built.clouds, built.meshes)):
            show_at_frames(clip, [items[index] for index in clip.views], place.root)
    describe_on(place.root, part.plan.reconstruction)
    replace_parts(
        earlier, {item[PART_KEY]: item for item in (*built.cameras, *built.clouds, *built.meshes)}, place.root
    )
    return built


def _size_warning(part: _Part, optional: int) -> list[str]:
    """Warn of a large .blend; `optional` counts what the model or masks told of pixels."""
    options = part.plan.options
    sizes = [(view.depth.shape[1], view.depth.shape[0]) for view in part.views]
    parts = {"points": options.point_cloud, "meshes": options.meshes}
    measures = 2 + optional + any(view.confidence is not None for view in part.views)
    warning = size_warning(blend_size(sizes, cameras=options.cameras, measures=measures, **parts), **parts)
    return [warning] if warning else []


def _place(part: _Part, scene: bpy.types.Scene, there: Mapping[int, Any]) -> Place:
    """Make a collection and a root, or find the ones that were asked for."""
    original = part.plan.reconstruction
    if part.plan.root is None:
        collection = new_collection(part.plan.options.name or readable(original.views[0].source.stem), scene)
        return Place(new_root(original, part.size, collection, scene), collection)
    if part.plan.root not in there:
        raise CancelledError("The reconstruction was deleted during the run, so nothing was built.")
    return place_of(there[part.plan.root], scene)


def _cameras(part: _Part, pictures: list[Picture], clips: list[Clip], place: Place) -> tuple[bpy.types.Object, ...]:
    """Make a camera for every view and every clip, unless it stands in the scene already."""
    without = set(part.plan.options.without_camera)
    still = (
        mark_part(build_camera(picture, part.clip, part.size, place), f"camera {index}")
        for index, picture in enumerate(pictures)
        if index not in without
    )
    moving = (
        mark_part(build_clip_camera(clip, pictures, part.clip, part.size, place), f"clip {number}")
        for number, clip in enumerate(clips)
        if without.isdisjoint(clip.views)
    )
    return *still, *moving


def _clouds(part: _Part, there: Mapping[int, Any], place: Place) -> tuple[bpy.types.Object, ...]:
    material = point_material(f"{place.root.name} points")
    clouds = tuple(
        mark_part(build_cloud(view, there[cloud], material, place), f"points {index}")
        for index, (view, cloud) in enumerate(zip(part.views, part.clouds, strict=True))
    )
    tune_clouds(clouds, material, place.root)
    return clouds


def _meshes(
    part: _Part, pictures: list[Picture], there: Mapping[int, Any], place: Place
) -> tuple[bpy.types.Object, ...]:
    names = [picture.view.name for picture in pictures]
    materials = photo_materials(zip(names, (picture.image for picture in pictures), strict=True))
    meshes = tuple(
        mark_part(build_mesh(name, there[mesh], material, place), f"mesh {index}")
        for index, (name, mesh, material) in enumerate(zip(names, part.meshes, materials, strict=True))
    )
    tune_meshes(meshes, part.views, place.root)
    return meshes
