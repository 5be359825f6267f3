"""A lens that is known though its camera's place is not: a camera's, one that fSpy found, or a focal length."""

import math
import struct
from pathlib import Path
from typing import Any, Final

import bpy

from ...core.errors import CameraError
from ...core.geometry.cameras import intrinsics_from_lens
from ...core.imaging.flaws import UnreadableError, refuse_non_files
from ...core.json_reading import JSONError, parse_json
from ...core.types import Lens, LensUnit
from . import cameras

UNITS: Final[dict[str, LensUnit]] = {"AUTO": "longer side", "HORIZONTAL": "width", "VERTICAL": "height"}
"""Which side of the image a sensor of each fit spans."""
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


def lens_of(item: Any) -> Lens | None:
    """Return an entry's known lens; None where nothing is said of it.

    Args:
        item: A `PictureItem` or `Item`.

    Raises:
        CameraError: The lens's camera is gone or no perspective one, or the fSpy file holds no lens.
    """
    if item.lens_kind == "CAMERA":
        if item.lens_camera is None:
            raise CameraError(f"The camera whose lens {item.name} has is gone: choose another.")
        return _camera_lens(item.lens_camera)
    if item.lens_kind == "FSPY":
        if not item.lens_path:
            raise CameraError(f"{item.name} has no fSpy file: choose one, or set its lens to Automatic.")
        return read_fspy(Path(bpy.path.abspath(item.lens_path)))
    if item.lens_kind == "FOCAL":
        focal = item.lens_focal / item.lens_sensor
        return Lens((focal, focal))
    return None


def _camera_lens(camera: bpy.types.Object) -> Lens:
    """Read a camera's lens for images of any shape, as Blender would use it for a render of that shape."""
    K = intrinsics_from_lens(cameras.lens_of(camera, (1, 1), (1.0, 1.0)))  # of a square, all sides are alike
    fit = camera.data.sensor_fit  # type: ignore[union-attr]
    return Lens((K[0, 0], K[1, 1]), (K[0, 2] - 0.5, K[1, 2] - 0.5), UNITS[fit])


def read_fspy(path: Path) -> Lens:
    """Read the lens that a project of fSpy 1 found, for images of any size but the shape of its own.

    Its principal point is given in halves of the longer side from the image's centre, +y up.

    Args:
        path: A .fspy file.

    Raises:
        CameraError: The file cannot be read, or is not solved.
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
    focal = 0.5 * width / math.tan(0.5 * field_of_view) / max(width, height)
    size = (round(width), round(height))
    return Lens((focal, focal), (0.5 * x, -0.5 * y), size=size, origin=f"the fSpy file {path.name}")


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
