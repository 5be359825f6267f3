"""An entry's mask as a picture: a file, the picture's own alpha channel, or a mask of the .blend, rasterised."""

import tempfile
from pathlib import Path
from typing import Any, Final

import bpy

from ...core.errors import ImageError
from ...core.imaging.kinds import is_movie
from ...core.types import Mask
from ..context import scene_of
from ..session import session
from . import clips, files, images
from .stage import compositor, write_frame

LONGEST: Final = 1024
"""Longest side of a rasterised mask, pixels: more than any network sees."""


def mask_of(
    item: Any, picture: Path, context: bpy.types.Context, *, frame: int | None = None, number: int | None = None
) -> Mask | None:
    """Return what masks one picture of an entry.

    Args:
        item: A `PictureItem` or `Item`.
        picture: The picture's file, or its movie's.
        context: Of the scene whose current frame an animated mask is taken at,
        frame: unless this one is meant.
        number: Of the picture among its clip's. None: the one in its name.

    Raises:
        ImageError: The mask is gone, or has no file for this picture.
        CameraError: Blender cannot rasterise it.
    """
    if item.mask_kind == "ALPHA":
        return Mask(picture, "alpha", item.mask_inverted)
    if item.mask_kind == "FILE":
        return Mask(_file(item, picture, number), inverted=item.mask_inverted)
    if item.mask_kind == "MASK":
        moment = scene_of(context).frame_current if frame is None else frame
        return Mask(_rasterised(item, picture, moment), inverted=item.mask_inverted, as_stored=not is_movie(picture))
    return None


def _file(item: Any, picture: Path, number: int | None) -> Path:
    """Find the mask's file: of several pictures it may be one for all, or a folder or numbered files, one for each."""
    if not item.mask_path:
        raise ImageError(f"{item.name} has no mask file: choose one, or set its mask to No Mask.")
    path = Path(bpy.path.abspath(item.mask_path))
    if not path.exists():
        raise ImageError(f'The mask "{item.mask_path}" of {item.name} is missing: choose another file.')
    if number is None and (parts := clips.split(picture)):
        number = int(parts[1])
    if path.is_dir():
        return _in_folder(path, picture, number)
    has_frames = item.kind in {"MOVIE", "SEQUENCE"} or item.is_animated
    beside = clips.numbered_files(path) if has_frames and not is_movie(path) else {}
    if number is None or len(beside) < 2:
        return path
    return _found(beside.get(number), picture, path)


def _in_folder(folder: Path, picture: Path, number: int | None) -> Path:
    """Find the mask of a picture's name, else of its number."""
    inside = files.in_folder(folder)
    named = [path for path in inside if path.stem == picture.stem]
    if number is not None and not named:
        named = [path for path in inside if (parts := clips.split(path)) and int(parts[1]) == number]
    return _found(named[0] if len(named) == 1 else None, picture, folder)


def _found(path: Path | None, picture: Path, place: Path) -> Path:
    if path is None:
        raise ImageError(f'The masks at "{place}" have not exactly one for {picture.name}: give it its name or number.')
    return path


def _rasterised(item: Any, picture: Path, frame: int) -> Path:
    """Let Blender fill a mask's splines at a frame: layers, feathers, animation and tracks, as its compositor does."""
    mask = item.mask
    if mask is None:
        raise ImageError(f"The mask of {item.name} is gone from the file: choose another.")
    width, height = files.size_of(picture)
    part = min(1.0, LONGEST / max(width, height))
    size = (max(4, round(width * part)), max(4, round(height * part)))
    folder = Path(tempfile.mkdtemp(dir=session.folder("masks")))  # an earlier run may still need its own

    def add_source(tree: Any) -> Any:
        node = tree.nodes.new("CompositorNodeMask")
        node.mask = mask
        return node.outputs[0]

    with compositor(size, add_source, "Raw") as scene:
        scene.frame_set(frame)
        return write_frame(scene, folder / f"{images.file_name(mask.name)} {frame:04d}.png", colours="BW")
