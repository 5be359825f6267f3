"""From the picture list to views: one module a kind of entry.

`item` what an entry holds; `files` pictures from folders, drops and patterns; `folders` what these bring and leave out;
`clips` movies and sequences; `images` images of the file; `cameras` cameras of the scene, `backgrounds` and `tracking`
their pictures, `stage` where other frames are looked at and rendered; `masks` and `lenses` what an entry may say
besides. `views` is the way in, for the window and for the command line. How large an image is and which way up, the
worker decides, which reads it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import ImageError
from ...core.types import LeftOut, View
from ..context import scene_of
from ..scene.clips import scene_rate
from ..session import session
from . import cameras, clips, images, lenses, masks
from .item import Item, PictureItem

__all__ = ["Inputs", "Item", "PictureItem", "count", "views", "views_from"]


@dataclass(frozen=True)
class Inputs:
    """What goes into a run."""

    views: tuple[View, ...]
    without_camera: tuple[int, ...] = ()
    """Indices of views whose camera already stands in the scene."""
    clip_start: float = 1.0
    """Scene frame at which clips start: a view's frame is `clip_start + time · frames per second`."""
    left_out: tuple[LeftOut, ...] = ()
    """What was chosen and gives no view."""
    warnings: tuple[str, ...] = ()
    """Sentences that say so."""


def views(settings: Any, context: bpy.types.Context) -> Inputs:
    """Turn the picture list into views. Images of the file are written to the session's scratch folder.

    Args:
        settings: The scene's `ReconstructionSettings`.
        context: Of the scene that the cameras, clips and frame rate are of.

    Raises:
        ImageError: The list is empty, or an entry gives no picture.
        CameraError: A camera or lens cannot be used.
    """
    if not settings.pictures:
        raise ImageError("No pictures are in the list: add some with the + button.")
    return views_from(settings.pictures, context)


def views_from(items: Iterable[Any], context: bpy.types.Context) -> Inputs:
    """Turn entries into views; see `views`.

    Args:
        items: `PictureItem` or `Item`.
        context: Of the scene.

    Raises:
        ImageError: An entry gives no picture.
        CameraError: A camera or lens cannot be used, or two cameras have one picture.
    """
    found: list[View] = []
    without_camera: list[int] = []
    for item in items:
        new = [_with_mask(item, view, context) for view in _views_of(item, context)]
        if item.kind == "CAMERA":
            without_camera += range(len(found), len(found) + len(new))
        found += new
    cameras.check_pictures(found)
    kept = tuple(replace(view, passing=session.holds(view.path)) for view in found)
    return Inputs(kept, tuple(without_camera), float(scene_of(context).frame_start))


def count(item: Any) -> int:
    """Tell how many views an entry gives. Reads no file."""
    if item.kind in {"MOVIE", "SEQUENCE"} or (item.kind == "CAMERA" and item.is_animated):
        return len(clips.frames_of(item))
    return 1


def _views_of(item: Any, context: bpy.types.Context) -> Sequence[View]:
    if item.kind == "CAMERA":
        return cameras.views_of(item, context)
    return _with_lens(item, _pictures_of(item, context))


def _pictures_of(item: Any, context: bpy.types.Context) -> list[View]:
    if item.kind == "MOVIE":
        return clips.movie_views(item)
    if item.kind == "SEQUENCE":
        return clips.sequence_views(item, scene_rate(scene_of(context)))
    if item.kind == "IMAGE":
        return [View(images.picture_of(item.image))]
    return [View(Path(bpy.path.abspath(item.path)))]


def _with_mask(item: Any, view: View, context: bpy.types.Context) -> View:
    if item.mask_kind == "NONE":
        return view
    scene = scene_of(context)
    frame = None if view.time is None else round(scene.frame_start + view.time * scene_rate(scene))
    number = clips.movie_frame(item, view) if item.kind == "MOVIE" else None
    return replace(view, mask=masks.mask_of(item, view.path, context, frame=frame, number=number))


def _with_lens(item: Any, found: list[View]) -> list[View]:
    """Give the views the lens that is known."""
    lens = lenses.lens_of(item)
    return [replace(view, lens=lens) for view in found]
