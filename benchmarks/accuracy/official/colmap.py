"""Cameras and poses as COLMAP writes them, as text or binary; points are left unread."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from image_to_scene.core.types import FloatArray

MODELS = (
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
)
"""Name and number of parameters of the models, by their number in binary files."""


@dataclass(frozen=True)
class Lens:
    """One camera."""

    model: str
    size: tuple[int, int]
    """(width, height), pixels."""
    parameters: tuple[float, ...]
    """fx, fy, cx, cy and distortion for PINHOLE and OPENCV; the picture's centre is (W/2, H/2)."""


@dataclass(frozen=True)
class Pose:
    """Where one picture was taken."""

    name: str
    lens: int
    camera_from_world: FloatArray
    """[4, 4]."""


def read_colmap(folder: Path) -> tuple[dict[int, Lens], list[Pose]]:
    """Read cameras by their number, and all poses in their order; binary files where there are some."""
    if (folder / "cameras.bin").exists():
        with (folder / "cameras.bin").open("rb") as lenses, (folder / "images.bin").open("rb") as poses:
            return dict(_binary_lenses(lenses)), list(_binary_poses(poses))
    return dict(_text_lenses(folder / "cameras.txt")), list(_text_poses(folder / "images.txt"))


def _text_lenses(file: Path) -> Iterator[tuple[int, Lens]]:
    for line in _lines(file):
        if line:
            number, model, width, height, *parameters = line.split()
            yield int(number), Lens(model, (int(width), int(height)), tuple(map(float, parameters)))


def _text_poses(file: Path) -> Iterator[Pose]:
    """Every second line has the points of the picture before it, and is empty where there are none."""
    for line in _lines(file)[::2]:
        if line:
            _, *numbers, lens, name = line.split()
            yield Pose(name, int(lens), _pose([float(number) for number in numbers]))


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def _binary_lenses(file: BinaryIO) -> Iterator[tuple[int, Lens]]:
    (count,) = _take(file, "Q")
    for _ in range(count):
        number, kind, width, height = _take(file, "iiQQ")
        model, parameters = MODELS[kind]
        yield number, Lens(model, (width, height), _take(file, f"{parameters}d"))


def _binary_poses(file: BinaryIO) -> Iterator[Pose]:
    (count,) = _take(file, "Q")
    for _ in range(count):
        _, *numbers, lens = _take(file, "i7di")
        name = b""
        while (letter := file.read(1)) not in (b"\0", b""):
            name += letter
        (points,) = _take(file, "Q")
        file.seek(24 * points, 1)
        yield Pose(name.decode(), lens, _pose(numbers))


def _take(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


def _pose(numbers: Sequence[float]) -> FloatArray:
    """Turn a quaternion (w, x, y, z) and a translation into a matrix [4, 4]."""
    w, x, y, z = np.array(numbers[:4]) / np.linalg.norm(numbers[:4])
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix = np.eye(4)
    matrix[:3, :3] += 2.0 * (w * cross + cross @ cross)
    matrix[:3, 3] = numbers[4:]
    return matrix
