"""Images of the file as pictures for a run, whether or not they were ever saved."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from ...core.errors import ImageError, StorageError
from ...core.imaging.colours import D65, Chromaticities, srgb_from
from ...core.imaging.headers import is_whole_png
from ...core.types import FloatArray
from ..session import session
from . import files

ODD: Final = '<>:"/\\|?*'
"""What a file's name must not hold on some systems."""
WORKING_SPACES: Final[dict[str, tuple[Chromaticities, tuple[float, float]]]] = {
    "Linear Rec.2020": (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    "ACEScg": (((0.713, 0.293), (0.165, 0.830), (0.128, 0.044)), (0.32168, 0.33767)),
}
"""Primaries and white of what float images hold in files with another working space than Linear Rec.709."""
LONGEST: Final = 60
"""Letters of a file's name that are kept: systems have names of 255 bytes, and paths of 260 letters."""


def picture_of(image: bpy.types.Image | None) -> Path:
    """Return a file with an image's pixels: its own where that is what the image shows, else a lossless copy.

    The copy lies in the session's scratch folder, one for each image, and always has an alpha channel. Pixels of 8 bits
    are kept as they are in a PNG; floats are scene-linear and become an EXR, which the worker converts for display as
    it does with every other.

    Args:
        image: An image of the file.

    Raises:
        ImageError: There is no image, or it has no pixels, such as a render result.
        StorageError: The copy cannot be written.
    """
    if image is None:
        raise ImageError("An image of the picture list is gone from the file: take its entry off the list.")
    path = file_of(image)
    if path is not None:
        return path
    if 0 in image.size:
        raise ImageError(f"The image {image.name} has no pixels to read: save it as a picture and add its file.")
    return _write_copy(image, _scratch(image, ".exr" if image.is_float else ".png"))


def file_name(name: str) -> str:
    """Return what a file may be called after a data-block, on every system."""
    return "".join("_" if letter in ODD or ord(letter) < 32 else letter for letter in name[:LONGEST]).strip(" .") or "_"


def file_of(image: bpy.types.Image) -> Path | None:
    """Return the file that an image shows: its own, or what is packed of one in the scratch folder; None without one.

    Raises:
        StorageError: What is packed cannot be written.
    """
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    if image.source != "FILE" or image.is_dirty or path.suffix.lower() not in files.PICTURE_SUFFIXES:
        return None
    if image.packed_file is not None:
        return _unpacked(image, path.suffix)
    return path if path.is_file() else None


def _unpacked(image: bpy.types.Image, suffix: str) -> Path:
    """Write a packed file as it is, so that the worker reads its colours, bits and orientation as of any other."""
    target = _scratch(image, suffix)
    beside = target.with_name(f"{target.name}.part")
    packed: Any = image.packed_file
    with _written(image, target, beside):
        beside.write_bytes(packed.data)
    return target


def _scratch(image: bpy.types.Image, suffix: str) -> Path:
    return session.folder("images") / str(image.session_uid) / f"{file_name(image.name)}{suffix}"


@contextmanager
def _written(image: bpy.types.Image, target: Path, beside: Path) -> Iterator[None]:
    """Make a file's folder, and put the file in its place when it is there to its end.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
        beside.replace(target)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip()
        raise StorageError(
            f"{image.name} could not be written to {target.parent} ({reason}): free some space."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _write_copy(image: bpy.types.Image, target: Path) -> Path:
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)  # type: ignore[attr-defined]
    rgba = _rgba(pixels.reshape(-1, image.channels))
    if image.is_float:
        rgba = _rec709(rgba)
        if image.alpha_mode != "PREMUL":
            rgba[:, :3] *= rgba[:, 3:]  # an EXR's alpha is associated
    beside = target.with_name(f"{target.stem}.part{target.suffix}")
    copy: Any = bpy.data.images.new(target.stem, width, height, alpha=True, float_buffer=image.is_float)
    try:
        with _written(image, target, beside):
            copy.colorspace_settings.is_data = bool(image.is_float)  # else Blender encodes floats for display
            copy.pixels.foreach_set(rgba.ravel())
            _save(copy, beside)
    finally:
        bpy.data.images.remove(copy)
    return target


def _save(image: bpy.types.Image, path: Path) -> None:
    """Save an image of ours.

    Raises:
        OSError: It is not there to its end: of a full disk Blender says nothing when it writes a PNG.
        RuntimeError: Blender says something.
    """
    image.filepath_raw, image.file_format = str(path), "OPEN_EXR" if image.is_float else "PNG"
    image.save()
    if not (path.is_file() if image.is_float else is_whole_png(path)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _rec709(rgba: FloatArray) -> FloatArray:
    """Take light [N, 4] from the file's working space to the primaries of sRGB."""
    space = getattr(getattr(bpy.data, "colorspace", None), "working_space", "")  # new in Blender 5.0
    if space not in WORKING_SPACES:
        return rgba
    matrix = srgb_from(*WORKING_SPACES[space])
    return np.concatenate([rgba[:, :3] @ matrix.T, rgba[:, 3:]], axis=1)


def _rgba(pixels: FloatArray) -> FloatArray:
    """Give [N, C] pixels four channels."""
    rgba = np.ones((len(pixels), 4), np.float32)
    channels = pixels.shape[1]
    rgba[:, :3] = pixels[:, :3] if channels >= 3 else pixels[:, :1]
    if channels == 4:
        rgba[:, 3] = pixels[:, 3]
    return rgba
