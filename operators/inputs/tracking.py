"""Movie clips: whose they are, which of their frames a frame of the scene shows, and how their lens bends lines."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import bpy

from ...core.errors import CameraError
from ...core.types import Distortion
from .clips import split

COEFFICIENTS: Final = {
    "POLYNOMIAL": ("k1", "k2", "k3"),
    "DIVISION": ("division_k1", "division_k2"),
    "NUKE": ("nuke_k1", "nuke_k2"),
    "BROWN": ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2"),
}
"""Names of the coefficients of `Distortion` in `MovieTrackingCamera`."""
TANGENTIAL: Final = ("nuke_p1", "nuke_p2")
"""What Blender 5 added to the NUKE model, and `Distortion` does not know."""


def clip_of(camera: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.MovieClip | None:
    """Return the clip that a camera was solved from, else the scene's active one, as Blender itself looks for it."""
    for constraint in _solvers(camera):
        clip = _clip(constraint, scene)
        if clip is not None:
            return clip
    return scene.active_clip


def check_solved(camera: bpy.types.Object, scene: bpy.types.Scene, frames: Iterable[int]) -> None:
    """Make sure that a camera which follows a solved clip is solved at these frames of the scene.

    Blender itself holds the nearest solved frame, or the camera's own place, without a word.

    Raises:
        CameraError: The clip is gone, not solved, or not at one of the frames.
    """
    for constraint in (item for holder in _upwards(camera) for item in _solvers(holder)):
        clip = _clip(constraint, scene)
        if clip is None:
            raise CameraError(f"The camera {camera.name} follows a movie clip that is gone: choose one, or bake it.")
        tracking: Any = clip.tracking
        solved = tracking.reconstruction
        if not solved.is_valid:
            raise CameraError(f"The clip {clip.name} of the camera {camera.name} is not solved: solve it first.")
        known = {item.frame for item in solved.cameras}
        missing = [frame for frame in frames if frame - clip.frame_start + 1 not in known]
        if missing:
            raise CameraError(
                f"The clip {clip.name} is not solved at frame {missing[0]} of the scene: choose other frames."
            )


def clip_frame(clip: bpy.types.MovieClip, frame: int) -> int:
    """Return the number of the picture that a clip shows at a frame of the scene.

    Of numbered pictures it is that of the file's name, of a movie it is counted from 1.

    Source: Blender `source/blender/blenkernel/intern/movieclip.cc` `get_sequence_filepath`,
    `movieclip_load_movie_file`.
    """
    parts = split(Path(clip.filepath)) if clip.source == "SEQUENCE" else None
    first = int(parts[1]) if parts else 1
    return first + frame - clip.frame_start + clip.frame_offset


def distortion_of(clip: bpy.types.MovieClip) -> Distortion | None:
    """Read a clip's lens model; None where it bends nothing.

    Blender's pixels go up, ours down, so the tangential term along y changes its sign. The focal length is in pixel
    widths; along y it counts in pixel heights, of which `pixel_aspect` make a width.

    Raises:
        CameraError: The lens model is one that is not known here.
    """
    tracking: Any = clip.tracking
    lens = tracking.camera
    model = lens.distortion_model
    if model not in COEFFICIENTS or any(getattr(lens, name, 0.0) for name in TANGENTIAL if model == "NUKE"):
        raise CameraError(
            f"The clip {clip.name} has a lens model with terms that cannot be taken out: undistort it first."
        )
    values = [float(getattr(lens, name)) for name in COEFFICIENTS[model]]
    if not any(values):
        return None
    if model == "BROWN":
        values[-1] = -values[-1]
    x, y = lens.principal_point_pixels
    focal = float(lens.focal_length_pixels)
    return Distortion(
        model=model,
        coefficients=tuple(values),
        focal_length=(focal, focal * float(lens.pixel_aspect)),
        principal_point=(float(x), clip.size[1] - float(y)),
    )


def _clip(constraint: Any, scene: bpy.types.Scene) -> bpy.types.MovieClip | None:
    return scene.active_clip if constraint.use_active_clip else constraint.clip  # type: ignore[no-any-return]


def _solvers(item: bpy.types.Object) -> Iterator[Any]:
    """Find the constraints that make an object follow a clip's camera."""
    return (each for each in item.constraints if each.type == "CAMERA_SOLVER" and not each.mute and each.influence)


def _upwards(item: bpy.types.Object | None) -> Iterator[bpy.types.Object]:
    while item is not None:
        yield item
        item = item.parent
