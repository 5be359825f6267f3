"""Lossless copies of pictures, for where a source itself will not do.

Blender would read it wrongly, it is a frame of a movie, or its lens bends lines.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from PIL import Image

from ..errors import ImageError
from ..names import short
from ..types import ByteArray

_RENAMING = threading.Lock()  # Windows refuses when two threads rename to one name at once


def write_copy(pixels: ByteArray, source: Path, folder: Path, *of: object) -> Path:
    """Write pixels as a lossless PNG, named after where they come from.

    Args:
        pixels: [H, W, 3] or, with alpha, [H, W, 4] upright, sRGB.
        source: The file they were read from.
        folder: An existing folder for the copy. Its name holds the beginning of the source's name and a mark made from
            the source's full path, so files of one name do not collide and a second run replaces its own copy.
        *of: What else tells this copy from others of the source, such as a frame's time; goes into the mark.

    Returns:
        The copy's file.

    Raises:
        ImageError: The copy cannot be written.
    """
    told = "\n".join([str(source.resolve()), *map(repr, of)])
    mark = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    target = folder / f"{short(source.stem)}-upright-{mark}.png"
    try:
        _replace_png(Image.fromarray(pixels), target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(
            f'No upright copy of "{source}" could be written to "{folder}" ({reason}); free it or choose another '
            "folder."
        ) from error
    return target


def _replace_png(image: Image.Image, target: Path) -> None:
    """Save beside the target, then rename, so that no half-written file ever has the target's name."""
    beside = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        image.save(beside, format="PNG", compress_level=1)  # four times faster than the default, about 15 % larger
        with _RENAMING:
            beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
