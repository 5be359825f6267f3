"""A camera's picture: what lies behind its view, or what its clip shows, and where in the frame that is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.errors import CameraError, ImageError
from ...core.imaging.exr_header import read_windows
from ...core.types import Distortion, FloatArray
from ..session import session
from . import clips, files, images, tracking
from .stage import compositor, write_frame

SAME_SHAPE = 0.01
"""How far the ratio of a picture's sides may be from its camera's: rounding of resized pictures, as a part of it."""


@dataclass(frozen=True)
class Frame:
    """What a camera renders: the rectangle that pictures are laid into."""

    width: int
    """Pixels."""
    height: int
    ratio: float
    """Width over height as it is seen: with the pixels' own shape."""
    fits_width: bool
    """The sensor spans the width, which is then Blender's unit for offsets; else the height."""


@dataclass(frozen=True)
class Backdrop:
    """What gives a camera its pictures."""

    name: str
    source: Any
    """`bpy.types.Image` or `bpy.types.MovieClip`."""
    size: tuple[int, int]
    """(width, height), pixels."""
    source_from_frame: FloatArray
    """[3, 3] affine from pixels of the camera's frame to those of the picture."""
    user: Any = None
    """`bpy.types.ImageUser` of an image that changes with time."""
    distortion: Distortion | None = None


def background_of(camera: bpy.types.Object, scene: bpy.types.Scene, frame: Frame) -> Backdrop | None:
    """Return the picture behind a camera's view, the first that is shown; None where it has none.

    Raises:
        CameraError: It is turned or mirrored, or cannot be read.
    """
    for item in _in_order(camera.data):
        if item.source == "IMAGE" and item.image is not None:
            return _as_read(_laid(item, item.image, _size_of(item.image), frame, camera))
        clip = tracking.clip_of(camera, scene) if item.use_camera_clip else item.clip
        if item.source == "MOVIE_CLIP" and clip is not None:
            return _as_read(_laid(item, clip, clip.size, frame, camera))
    return None


def clip_backdrop(camera: bpy.types.Object, scene: bpy.types.Scene, frame: Frame) -> Backdrop | None:
    """Return the clip of a camera as a picture that fills its frame; None where it has none.

    Raises:
        CameraError: Clip and render have different shapes, or the clip cannot be read.
    """
    clip = tracking.clip_of(camera, scene)
    if clip is None:
        return None
    width, height = _checked_size(clip, clip.size, camera)
    if abs(_ratio(clip, (width, height)) / frame.ratio - 1.0) > SAME_SHAPE:
        raise CameraError(
            f"The clip {clip.name} has {width}×{height} pixels, the render {frame.width}×{frame.height}: give the "
            "render the shape of the clip."
        )
    scale = np.diag((width / frame.width, height / frame.height, 1.0))
    return _as_read(Backdrop(clip.name, clip, (width, height), scale, distortion=tracking.distortion_of(clip)))


@contextmanager
def pictures(backdrop: Backdrop) -> Iterator[Any]:
    """Give a function from a frame of the scene to the file of the picture there.

    Files of the artist's are named as they are; they lie behind the camera as they are stored, since Blender turns
    none, so views of them are `as_stored`. What has no file for itself, such as a frame of a movie, becomes a
    lossless PNG in the session's scratch folder, of which the worker keeps a copy with the reconstruction.

    Blender decodes these frames, unlike those of a movie in the list, which the worker does. Which frame lies behind
    the camera at a frame of the scene is a matter of start, offset, cycles and one picture a frame whatever the rates;
    the camera was matched or tracked on that very picture, in its size and shape; and a view's time is here the
    scene's, not the movie's. Blender goes by presentation times, too: its frame n is what is shown (n - 1) / rate
    seconds after the first, so that both find the same frame where rates vary.
    """
    source = backdrop.source
    if source.source == "SEQUENCE":
        yield lambda frame: _existing(_sequence_file(backdrop, _number(backdrop, frame)), source)
    elif source.source == "MOVIE":
        folder = session.folder("frames") / str(source.session_uid)
        name = images.file_name(Path(source.filepath).stem)
        with compositor(backdrop.size, lambda tree: _node(tree, backdrop), "Standard") as scene:
            yield lambda frame: _decoded(scene, frame, folder / f"{name} {_number(backdrop, frame):04d}.png")
    else:
        yield lambda _frame: images.picture_of(source)


def image_frame(user: Any, frame: int) -> int | None:
    """Return the number of the frame that an image shows at a frame of the scene; None where it shows none.

    Source: Blender `source/blender/blenkernel/intern/image.cc` `BKE_image_user_frame_get`.
    """
    number, length = frame - user.frame_start + 1, user.frame_duration
    if user.use_cyclic and length:
        number = (number - 1) % length + 1
    return int(number + user.frame_offset) if 1 <= number <= length else None


def _number(backdrop: Backdrop, frame: int) -> int:
    """Return the number of the picture at a frame of the scene: that in a file's name, of a movie counted from 1."""
    source = backdrop.source
    number = tracking.clip_frame(source, frame) if backdrop.user is None else image_frame(backdrop.user, frame)
    if number is None or (source.source == "MOVIE" and not 1 <= number <= source.frame_duration):
        raise CameraError(f"{source.name} shows no picture at frame {frame} of the scene: choose other frames.")
    return number


def _sequence_file(backdrop: Backdrop, number: int) -> Path:
    path = Path(bpy.path.abspath(backdrop.source.filepath, library=backdrop.source.library))
    parts = clips.split(path)
    return parts[0].name_of(f"{number:0{len(parts[1])}d}") if parts else path


def _as_read(backdrop: Backdrop) -> Backdrop:
    """Count in pixels of an EXR file's display window, which the worker reads; Blender shows the data window."""
    source = backdrop.source
    is_still = isinstance(source, bpy.types.Image) and source.source != "SEQUENCE"
    path = images.file_of(source) if is_still else Path(bpy.path.abspath(source.filepath, library=source.library))
    windows = None if path is None or source.source == "MOVIE" else read_windows(path)
    if windows is None or windows.are_same or windows.data_size != backdrop.size:
        return backdrop
    x, y = windows.data_corner
    shift = np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
    bent = backdrop.distortion
    if bent is not None:
        bent = replace(bent, principal_point=(bent.principal_point[0] + x, bent.principal_point[1] + y))
    return replace(backdrop, size=windows.size, source_from_frame=shift @ backdrop.source_from_frame, distortion=bent)


def _in_order(data: Any) -> list[Any]:
    return sorted(data.background_images, key=lambda item: not item.show_background_image)


def _laid(item: Any, source: Any, size: Any, frame: Frame, camera: bpy.types.Object) -> Backdrop:
    width, height = _checked_size(source, size, camera)
    if item.rotation or item.use_flip_x or item.use_flip_y or item.scale <= 0.0:
        raise CameraError(f"The background of the camera {camera.name} is turned or mirrored: lay it straight.")
    frame_from_source = _placed(item, _ratio(source, (width, height)), frame) @ np.diag((1 / width, 1 / height, 1.0))
    is_clip = isinstance(source, bpy.types.MovieClip)
    return Backdrop(
        source.name,
        source,
        (width, height),
        np.linalg.inv(frame_from_source),
        user=None if is_clip else item.image_user,
        distortion=tracking.distortion_of(source) if is_clip else None,
    )


def _ratio(source: Any, size: tuple[int, int]) -> float:
    """Return a picture's width over its height as it is seen."""
    across, down = source.display_aspect
    return float(size[0] * across / (size[1] * down))


def _placed(item: Any, ratio: float, frame: Frame) -> FloatArray:
    """Return [3, 3] from the unit square of a picture, +y down, to pixels of the frame that it lies in.

    Lengths are parts of the frame's width, then of its height; offsets count as Blender counts them.

    Source: Blender `source/blender/draw/engines/overlay/overlay_image.hh` `image_camera_background_matrix_get`.
    """
    across, down = 1.0, 1.0
    wider = ratio / frame.ratio
    if item.frame_method == "CROP":
        across, down = max(wider, 1.0), max(1.0 / wider, 1.0)
    elif item.frame_method == "FIT":
        across, down = min(wider, 1.0), min(1.0 / wider, 1.0)
    width, height = (1.0, 1.0 / frame.ratio) if frame.fits_width else (frame.ratio, 1.0)
    right = item.offset[0] * min(1.0, frame.ratio) / width
    up = item.offset[1] / (max(1.0, frame.ratio) * wider) / height
    across, down = across * item.scale, down * item.scale
    left, top = 0.5 + right - 0.5 * across, 0.5 - up - 0.5 * down
    placed: FloatArray = np.array([[across, 0.0, left], [0.0, down, top], [0.0, 0.0, 1.0]])
    return np.diag((frame.width, frame.height, 1.0)) @ placed


def _size_of(image: bpy.types.Image) -> Any:
    """Return (width, height); of a sequence Blender knows it only where it has shown one of its frames."""
    if image.source == "SEQUENCE" and 0 in image.size:
        path = Path(bpy.path.abspath(image.filepath, library=image.library))
        windows = read_windows(path)
        if windows is not None:
            return windows.data_size
        with suppress(ImageError):
            return files.size_of(path)
    return image.size


def _checked_size(source: Any, size: Any, camera: bpy.types.Object) -> tuple[int, int]:
    width, height = int(size[0]), int(size[1])
    if not width or not height or source.source in {"TILED", "VIEWER"}:
        raise CameraError(f"{source.name}, the picture of the camera {camera.name}, cannot be read: replace it.")
    return width, height


def _existing(path: Path, source: Any) -> Path:
    if not path.is_file():
        raise CameraError(f"{source.name} has no picture {path.name}: bring it back, or choose other frames.")
    return path


def _decoded(scene: bpy.types.Scene, frame: int, path: Path) -> Path:
    scene.frame_set(frame)
    return write_frame(scene, path)


def _node(tree: Any, backdrop: Backdrop) -> Any:
    """Add the node that shows a movie as the camera's background does."""
    if backdrop.user is None:
        node = tree.nodes.new("CompositorNodeMovieClip")
        node.clip = backdrop.source
        return node.outputs[0]
    node = tree.nodes.new("CompositorNodeImage")
    node.image = backdrop.source
    for name in ("frame_duration", "frame_start", "frame_offset", "use_cyclic"):
        setattr(node, name, getattr(backdrop.user, name))
    node.use_auto_refresh = True
    return node.outputs[0]
