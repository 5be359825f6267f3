"""Images of the file as pictures for a run, whether or not they were ever saved."""

import errno
import os
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from ...core.errors import ImageError, StorageError
from ...core.imaging.headers import is_whole_png
from ...core.types import FloatArray
from ..session import session
from . import files

ODD: Final = '<>:"/\\|?*'
"""What a file's name must not hold on some systems."""
LONGEST: Final = 60
"""Letters of a file's name that are kept: systems have names of 255 bytes, and paths of 260 letters."""


def picture_of(image: bpy.types.Image | None) -> Path:
    """Return a file with an image's pixels: its own where that is what the image shows, else a lossless PNG.

    The PNG lies in the session's scratch folder, one for each image. Pixels of 8 bits are kept as they are; those of
    floats are scene-linear and go through sRGB's curve, clipped at white, with no view transform. It always has an
    alpha channel.

    Args:
        image: An image of the file.

    Raises:
        ImageError: There is no image, or it has no pixels, such as a render result.
        StorageError: The PNG cannot be written.
    """
    if image is None:
        raise ImageError("An image of the picture list is gone from the file: take its entry off the list.")
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    if _is_its_file(image, path):
        return path
    if 0 in image.size:
        raise ImageError(f"The image {image.name} has no pixels to read: save it as a picture and add its file.")
    folder = session.folder("images") / str(image.session_uid)
    return _write_png(image, folder / f"{file_name(image.name)}.png")


def file_name(name: str) -> str:
    """Return what a file may be called after a data-block, on every system."""
    return "".join("_" if letter in ODD or ord(letter) < 32 else letter for letter in name[:LONGEST]).strip(" .") or "_"


def _is_its_file(image: bpy.types.Image, path: Path) -> bool:
    is_plain = image.source == "FILE" and image.packed_file is None and not image.is_dirty
    return is_plain and path.suffix.lower() in files.PICTURE_SUFFIXES and path.is_file()


def _write_png(image: bpy.types.Image, target: Path) -> Path:
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)  # type: ignore[attr-defined]
    rgba = _rgba(pixels.reshape(-1, image.channels))
    if image.is_float:
        rgba = _display(rgba, is_premultiplied=image.alpha_mode == "PREMUL")
    beside = target.with_name(f"{target.stem}.part.png")
    copy: Any = bpy.data.images.new(target.stem, width, height, alpha=True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy.pixels.foreach_set(rgba.ravel())
        _save(copy, beside)
        beside.replace(target)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip()
        raise StorageError(
            f"{image.name} could not be written to {target.parent} ({reason}): free some space."
        ) from error
    finally:
        bpy.data.images.remove(copy)
        beside.unlink(missing_ok=True)
    return target


def _save(image: bpy.types.Image, path: Path) -> None:
    """Save an image of ours.

    Raises:
        OSError: It is not there to its end: of a full disk Blender says nothing.
        RuntimeError: Blender says something.
    """
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    if not is_whole_png(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _rgba(pixels: FloatArray) -> FloatArray:
    """Give [N, C] pixels four channels."""
    rgba = np.ones((len(pixels), 4), np.float32)
    channels = pixels.shape[1]
    rgba[:, :3] = pixels[:, :3] if channels >= 3 else pixels[:, :1]
    if channels == 4:
        rgba[:, 3] = pixels[:, 3]
    return rgba


def _display(rgba: FloatArray, *, is_premultiplied: bool) -> FloatArray:
    """Take scene-linear [N, 4] to sRGB, alpha straight (IEC 61966-2-1)."""
    colour = np.nan_to_num(rgba[:, :3], posinf=1.0)
    if is_premultiplied:
        colour = colour / np.maximum(rgba[:, 3:], 1e-6)
    colour = np.clip(colour, 0.0, 1.0)
    curved = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * colour ** (1 / 2.4) - 0.055)
    shown: FloatArray = np.concatenate([curved, np.clip(rgba[:, 3:], 0.0, 1.0)], axis=1).astype(np.float32)
    return shown
