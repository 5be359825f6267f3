"""Depth maps and masks from picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from image_to_scene.core.types import BoolArray, FloatArray

from ..scene import TrueView


def read_depth(file: Path, unit: float, invalid: int | None = None) -> FloatArray:
    """Read depth [H, W] from a 16-bit picture whose steps are `unit` long; NaN where 0 or `invalid`."""
    steps = read_pixels(file)
    unknown = steps == 0 if invalid is None else (steps == 0) | (steps == invalid)
    return np.where(unknown, np.nan, unit * steps.astype(np.float32)).astype(np.float32)


def read_pixels(file: Path) -> FloatArray:
    """Read the numbers of a picture as they are stored."""
    with Image.open(file) as picture:
        return np.asarray(picture)


def size_of(file: Path) -> tuple[int, int]:
    """Read the (width, height) of a picture."""
    with Image.open(file) as picture:
        return picture.size


def without_truth(picture: Path, kept: BoolArray | None = None) -> TrueView:
    """Say that nothing is known of a picture's depth; all of it is fused, or what is `kept`."""
    width, height = size_of(picture)
    return TrueView(np.full((height, width), np.nan), np.ones((height, width), dtype=bool) if kept is None else kept)
