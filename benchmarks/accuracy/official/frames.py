"""Which frames of a scene take part, and how their cameras are written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from image_to_scene.core.types import FloatArray

from ..scene import Pictures

MOST = 100
"""Frames of a scene; of more, some are drawn."""
SEED = 42


@dataclass(frozen=True)
class Frame:
    """One picture of a scene."""

    file: Path
    camera_from_world: FloatArray
    """[4, 4], as the data sets have it."""
    image_from_camera: FloatArray
    """[3, 3], the picture's centre at (W/2, H/2)."""


def chosen(frames: Sequence[Frame]) -> list[Frame]:
    """Draw the same frames as the official evaluation, in their order."""
    if len(frames) <= MOST:
        return list(frames)
    indices = list(range(len(frames)))
    random.Random(SEED).shuffle(indices)
    return [frames[index] for index in sorted(indices[:MOST])]


def pictures_of(frames: Sequence[Frame], name: str, kind: str) -> Pictures:
    """Gather frames as the pictures of a scene."""
    return Pictures(
        name=f"{kind}_{name}".replace("/", "-"),
        kind=kind,
        files=tuple(frame.file for frame in frames),
        world_from_camera=np.linalg.inv(np.stack([frame.camera_from_world for frame in frames]).astype(np.float64)),
        image_from_camera=np.stack([frame.image_from_camera for frame in frames]).astype(np.float64),
    )


def pinhole(fx: float, fy: float, cx: float, cy: float) -> FloatArray:
    """Return [3, 3] image_from_camera."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
