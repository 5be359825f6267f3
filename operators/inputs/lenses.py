"""A lens that is known though its camera's place is not: a camera's, one that fSpy found, or a focal length."""

import math
import struct
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from ...core.errors import CameraError
from ...core.geometry.cameras import intrinsics_from_lens
from ...core.imaging.flaws import UnreadableError, refuse_non_files
from ...core.json_reading import JSONError, parse_json
from ...core.types import FloatArray
from .cameras import lens_of

FSPY_MAGIC: Final = b"fspy"
FSPY_VERSION: Final = 1
FSPY_HEADER: Final = struct.Struct("<4sIII")
"""Mark, version, bytes of JSON, bytes of the picture; the JSON follows."""
FSPY_LONGEST: Final = 1 << 20
"""Bytes that its JSON may have; a project has a few thousand."""
LARGEST_SIDE: Final = 1e6
"""Pixels of a picture's side."""
MOST_SHIFT: Final = 100.0
"""Halves of the longer side by which a principal point may lie off the middle."""


def intrinsics_of(item: Any, size: tuple[int, int]) -> FloatArray | None:
    """Return an entry's known lens.

    Args:
        item: A `PictureItem` or `Item`.
        size: (width, height) of the upright picture, pixels.

    Returns:
        [3, 3] in source pixels; None where nothing is said of the lens.

    Raises:
        CameraError: The lens's camera is gone or no perspective one, or the fSpy file holds no lens for this picture.
    """
    if item.lens_kind == "CAMERA":
        if item.lens_camera is None:
            raise CameraError(f"The camera whose lens {item.name} has is gone: choose another.")
        return intrinsics_from_lens(lens_of(item.lens_camera, size, (1.0, 1.0)))
    if item.lens_kind == "FSPY":
        if not item.lens_path:
            raise CameraError(f"{item.name} has no fSpy file: choose one, or set its lens to Automatic.")
        return read_fspy(Path(bpy.path.abspath(item.lens_path)), size)
    if item.lens_kind == "FOCAL":
        focal = item.lens_focal / item.lens_sensor * max(size)
        return _pinhole(focal, (0.5 * size[0], 0.5 * size[1]))
    return None


def read_fspy(path: Path, size: tuple[int, int]) -> FloatArray:
    """Read the lens that a project of fSpy 1 found, for a picture of another size but the same shape.

    Its principal point is given in halves of the longer side from the picture's middle, +y up.

    Args:
        path: A .fspy file.
        size: (width, height) of the picture, pixels.

    Returns:
        [3, 3] in pixels of the picture.

    Raises:
        CameraError: The file cannot be read, is not solved, or is of a picture of another shape.
    """
    found = _parameters(path)
    try:
        width, height = float(found["imageWidth"]), float(found["imageHeight"])
        field_of_view = float(found["horizontalFieldOfView"])
        x, y = (float(found["principalPoint"][axis]) for axis in "xy")
    except (KeyError, TypeError, ValueError) as error:
        raise CameraError(f"The fSpy file {path.name} holds no solved lens: solve it in fSpy and save it.") from error
    sides_are_some = min(width, height) >= 1.0 and max(width, height) <= LARGEST_SIDE
    if not (0.0 < field_of_view < math.pi and sides_are_some and max(abs(x), abs(y)) <= MOST_SHIFT):
        raise CameraError(f"The fSpy file {path.name} holds a lens that cannot be: solve it again in fSpy.")
    if abs((size[0] / size[1]) / (width / height) - 1.0) > 0.01:
        raise CameraError(
            f"The fSpy file {path.name} is of a picture of {width:.0f}×{height:.0f} pixels, this one has "
            f"{size[0]}×{size[1]}: choose the file that was made with this picture."
        )
    focal, half = 0.5 * width / math.tan(0.5 * field_of_view), 0.5 * max(width, height)
    K = _pinhole(focal, (0.5 * width + x * half, 0.5 * height - y * half))
    scaled: FloatArray = np.diag((size[0] / width, size[1] / height, 1.0)) @ K
    return scaled


def _parameters(path: Path) -> Any:
    """Return the camera parameters of an fSpy project; None where it has none."""
    try:
        refuse_non_files(path)
        with path.open("rb") as file:
            mark, version, length, _ = FSPY_HEADER.unpack(file.read(FSPY_HEADER.size))
            state = parse_json(file.read(min(length, FSPY_LONGEST + 1)), FSPY_LONGEST)
    except UnreadableError as flaw:
        raise CameraError(f"The fSpy file {path.name} cannot be read, it {flaw}: choose another.") from flaw
    except OSError as error:
        raise CameraError(f"The fSpy file {path.name} cannot be read ({error.strerror}): choose another.") from error
    except (struct.error, JSONError) as error:
        raise CameraError(f"{path.name} is not a whole fSpy project: save it again in fSpy.") from error
    if mark != FSPY_MAGIC or version != FSPY_VERSION or not isinstance(state, dict):
        raise CameraError(f"{path.name} is not a project of fSpy 1: save it again in fSpy.")
    return state.get("cameraParameters")


def _pinhole(focal: float, centre: tuple[float, float]) -> FloatArray:
    return np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
