"""Cameras of the scene as given ones: each with its pictures, exactly as Blender projects them.

Nothing of the scene changes: other frames are looked at in a copy of it, see `stage`.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from ...core.errors import CameraError
from ...core.geometry.cameras import (
    CameraLens,
    blender_from_opencv,
    check_rigid,
    intrinsics_from_lens,
    transform_intrinsics,
)
from ...core.imaging.kinds import is_movie
from ...core.types import FloatArray, View
from ..context import scene_of
from ..scene.cameras import read_lens
from ..scene.clips import scene_rate
from ..session import session
from . import backgrounds, clips, files, images, tracking
from .backgrounds import Backdrop, Frame
from .item import Item
from .stage import evaluated, prepare_render, stage, write_frame

PictureAt = Callable[[int], Path]
"""From a frame of the scene to the file of the picture there."""
ANIMATING: Final = ("action", "nla_tracks", "drivers")
MOVING: Final = ("CAMERA_SOLVER", "OBJECT_SOLVER", "FOLLOW_TRACK", "FOLLOW_PATH", "TRANSFORM_CACHE", "ARMATURE")
"""Constraints that move without an animated target."""
STILL: Final = ("FILE", "GENERATED")
"""Sources of images that look the same at every frame."""


def views_of(item: Any, context: bpy.types.Context) -> list[View]:
    """Give a camera's view, or one for every chosen frame of an animated camera.

    Args:
        item: A `PictureItem` or `Item` of kind CAMERA; its frames are the scene's.
        context: Of the scene that the camera is in.

    Raises:
        CameraError: It cannot be used as a pinhole camera, or has no picture.
        ImageError: Its picture has no pixels.
    """
    camera, scene = item.camera, scene_of(context)
    _check_usable(item, scene)
    backdrop = _backdrop(item.picture_source, camera, scene)
    frames = clips.frames_of(item) if item.is_animated else [scene.frame_current]
    if not frames:
        raise CameraError(f"No frame of the camera {camera.name} is chosen, its range ends before it begins: set it.")
    if len(frames) > 1 and backdrop is not None and backdrop.source.source in STILL:
        raise CameraError(f"{camera.name} has one still picture for several frames: switch its animation off.")
    tracking.check_solved(camera, scene, frames)
    if backdrop is not None and not item.is_animated:
        return [_still(camera, backdrop, context)]
    with stage(scene, camera) as copy, _pictures(backdrop, camera, copy) as picture_at:
        return [_at_frame(item, frame, backdrop, copy, picture_at) for frame in frames]


def check_pictures(views: Sequence[View]) -> None:
    """Make sure that no picture comes with two cameras.

    Raises:
        CameraError: One does.
    """
    seen: set[tuple[Path, float | None]] = set()
    for view in views:
        key = (view.path, view.time if is_movie(view.path) else None)
        if view.world_from_camera is not None and key in seen:
            raise CameraError(f"{view.path.name} is the picture of two cameras: give each its own picture.")
        if view.world_from_camera is not None:
            seen.add(key)


def items_of(cameras: Iterable[bpy.types.Object], scene: bpy.types.Scene) -> list[Item]:
    """Make an entry of each camera, in natural order of their names; those that move give frames of the scene's range.

    Args:
        cameras: Of the scene.
        scene: Its range is the entries'.
    """
    first, last = scene.frame_start, scene.frame_end
    return [
        Item(
            camera.name,
            "CAMERA",
            camera=camera,
            is_animated=gives_frames(camera),
            clip_first=first,
            clip_last=last,
            frame_start=first,
            frame_end=last,
        )
        for camera in in_order(cameras)
    ]


def in_order(cameras: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """Sort cameras in natural order of their names."""
    return sorted(cameras, key=lambda camera: files.natural(Path(camera.name)))


def gives_frames(camera: bpy.types.Object) -> bool:
    """Tell whether a camera is to give a view for each of several frames: it moves, before no still picture."""
    data: Any = camera.data
    behind = [item.image for item in data.background_images if item.source == "IMAGE" and item.image]
    return _moves(camera) and not (behind and behind[0].source in STILL)


def _moves(item: bpy.types.Object | None, seen: frozenset[bpy.types.Object] = frozenset()) -> bool:
    """Tell whether an object may stand elsewhere at another frame: it or what it hangs on is animated or solved."""
    if item is None or item in seen:
        return False
    data: Any = item.animation_data
    if data is not None and any(bool(getattr(data, name)) for name in ANIMATING):
        return True
    active: list[Any] = [each for each in item.constraints if not each.mute]
    holders = [item.parent, *(getattr(each, "target", None) for each in active)]
    return any(each.type in MOVING for each in active) or any(_moves(each, seen | {item}) for each in holders)


def world_from_camera(camera: bpy.types.Object) -> FloatArray:
    """Read the pose [4, 4] off an evaluated camera: rigid, OpenCV axes.

    Blender takes each axis of a camera at length 1 when it projects, whatever scales it and its parents; so do we.

    Raises:
        CameraError: What is left is mirrored or sheared, and so no camera.
    """
    matrix = np.array(camera.matrix_world, dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise CameraError(f"The camera {camera.name} stands nowhere, its place is no number: place it and its parents.")
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if lengths.min() < np.finfo(np.float32).tiny:
        raise CameraError(f"The camera {camera.name} is scaled to nothing along an axis: give it back a size.")
    matrix[:3, :3] /= lengths
    if np.linalg.det(matrix[:3, :3]) < 0.0:
        raise CameraError(f"The camera {camera.name} is mirrored: make the scale of it and its parents positive.")
    if np.abs(matrix[:3, :3].T @ matrix[:3, :3] - np.eye(3)).max() > 1e-3:
        raise CameraError(f"The camera {camera.name} is sheared: scale its parents by the same along all axes.")
    return check_rigid(blender_from_opencv(matrix), f"The camera {camera.name}")


def lens_of(camera: bpy.types.Object, size: tuple[int, int], pixel_aspect: tuple[float, float]) -> CameraLens:
    """Read a camera's lens for pictures of a size; `pixel_aspect` is the (x, y) that Blender keeps in its scene.

    Raises:
        CameraError: It is not a perspective camera.
    """
    data = camera.data
    if not isinstance(data, bpy.types.Camera) or data.type != "PERSP":
        raise CameraError(f"The camera {camera.name} is not a perspective one: set its type to Perspective.")
    return read_lens(data, size, pixel_aspect)


def render_lens(camera: bpy.types.Object, scene: bpy.types.Scene) -> CameraLens:
    """Read a camera's lens for what a scene renders, its percentage aside.

    Raises:
        CameraError: It is not a perspective camera.
    """
    render = scene.render
    return lens_of(camera, (render.resolution_x, render.resolution_y), (render.pixel_aspect_x, render.pixel_aspect_y))


def _check_usable(item: Any, scene: bpy.types.Scene) -> None:
    camera = item.camera
    if camera is None or camera.type != "CAMERA":
        raise CameraError(f"The camera {item.name} is gone from the file: take it off the list.")
    if camera.name not in scene.objects or scene.objects[camera.name] != camera:
        raise CameraError(
            f"The camera {camera.name} is not in the scene {scene.name}: link it, or take it off the list."
        )
    render_lens(camera, scene)


def _backdrop(source: str, camera: bpy.types.Object, scene: bpy.types.Scene) -> Backdrop | None:
    """Choose where a camera's pictures come from; None: they are rendered."""
    frame = _frame(render_lens(camera, scene))
    found = None
    if source in {"AUTO", "BACKGROUND"}:
        found = backgrounds.background_of(camera, scene, frame)
    if found is None and source in {"AUTO", "CLIP"}:
        found = backgrounds.clip_backdrop(camera, scene, frame)
    if found is None and source in {"BACKGROUND", "CLIP"}:
        missing = "background image" if source == "BACKGROUND" else "movie clip"
        raise CameraError(f"The camera {camera.name} has no {missing}: give it one, or let it be rendered.")
    return found


def _frame(lens: CameraLens) -> Frame:
    ratio = lens.width * lens.aspect_x / (lens.height * lens.aspect_y)
    return Frame(lens.width, lens.height, ratio, lens.fits_width)


@contextmanager
def _pictures(backdrop: Backdrop | None, camera: bpy.types.Object, copy: bpy.types.Scene) -> Iterator[PictureAt]:
    if backdrop is not None:
        with backgrounds.pictures(backdrop) as picture_at:
            yield picture_at
        return
    prepare_render(copy)
    folder = Path(tempfile.mkdtemp(dir=session.folder("renders")))  # an earlier run may still need its own
    name = images.file_name(camera.name)
    yield lambda frame: write_frame(copy, folder / f"{name} {frame:04d}.png")


def _still(camera: bpy.types.Object, backdrop: Backdrop, context: bpy.types.Context) -> View:
    """Read a camera as it stands, with what the artist moved and has not keyed."""
    context.view_layer.update()  # type: ignore[union-attr]
    standing, scene = camera.evaluated_get(context.evaluated_depsgraph_get()), scene_of(context)
    with backgrounds.pictures(backdrop) as picture_at:
        path = picture_at(scene.frame_current)
    return _view(path, standing, scene, backdrop)


def _at_frame(item: Any, frame: int, backdrop: Backdrop | None, copy: bpy.types.Scene, picture_at: PictureAt) -> View:
    """Read a camera in a copy of its scene; a picture that is rendered is rendered of the very same moment."""
    camera = evaluated(item.camera, copy, frame)
    time = (frame - copy.frame_start) / scene_rate(copy) if item.is_animated else None
    view = _view(Path(), camera, copy, backdrop, time)
    return replace(view, path=picture_at(frame))  # rendering makes an end of the evaluated camera


def _view(
    path: Path, camera: bpy.types.Object, scene: bpy.types.Scene, backdrop: Backdrop | None, time: float | None = None
) -> View:
    K = intrinsics_from_lens(render_lens(camera, scene))
    return View(
        path,
        world_from_camera=world_from_camera(camera),
        image_from_camera=K if backdrop is None else transform_intrinsics(backdrop.source_from_frame, K),
        time=time,
        distortion=None if backdrop is None else backdrop.distortion,
        as_stored=True,
    )
