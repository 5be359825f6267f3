"""Furnished scenes without their surfaces: solids, kinds of material, lights and cameras, many scenes a file.

Blender writes these (`compose.py`), and who draws them (`furnished.py`) needs no Blender: on another machine, say.
A catalogue is a folder of `scenes_INDEX.npz`, INDEX being the first scene's, and `textures.npz`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .config import TrainingError

Array = NDArray[np.floating[Any]]
TEXTURES: Final = "textures.npz"
EVEN: Final = {"cameras"}
"""Arrays that have as many rows in every scene."""


@dataclass(frozen=True)
class Composition:
    """One scene.

    Attributes:
        solids: [N, 8] index of the object, kind, centre xyz and sizes in the object's axes, metres.
        objects: [O, 13] world_from_object (3 × 4, row by row) and index of the material.
        materials: [M, 4] index into the textures' kinds, emitted light rgb.
        lights: [L, 16] as in `path_tracer.Tables`.
        sky: [2, 3] radiance at the horizon and overhead.
        cameras: [C, 4, 4] world_from_camera, OpenCV axes, Z up; eight after eight see the same.
        angles: [C] fields of view across a picture's width, radians.
    """

    solids: Array
    objects: Array
    materials: Array
    lights: Array
    sky: Array
    cameras: Array
    angles: Array


NAMES: Final = tuple(field.name for field in fields(Composition))


def save(path: Path, scenes: Sequence[Composition]) -> None:
    """Write scenes to a file, beside the target and renamed; positions keep three digits of a metre's thousandth."""
    arrays: dict[str, NDArray[Any]] = {}
    for name in NAMES:
        parts = [getattr(scene, name) for scene in scenes]
        arrays[name] = np.concatenate(parts).astype(np.float32)
        arrays[f"{name}_counts"] = np.array([len(part) for part in parts])
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    beside.replace(path)


def read(path: Path) -> list[Composition]:
    """Read the scenes of a file."""
    with np.load(path, allow_pickle=False) as stored:
        columns = [np.split(stored[name], np.cumsum(stored[f"{name}_counts"])[:-1]) for name in NAMES]
    return [Composition(*parts) for parts in zip(*columns, strict=True)]


def files(folder: Path) -> list[Path]:
    """The scene files of a catalogue, in the order of their indices.

    Raises:
        TrainingError: There are none.
    """
    found = sorted(folder.glob("scenes_*.npz"))
    if not found or not (folder / TEXTURES).is_file():
        raise TrainingError(f"{folder} holds no catalogue; make one with python -m training.compose --folder {folder}.")
    return found


def scenes(folder: Path) -> Iterator[Composition]:
    """All scenes of a catalogue."""
    for path in files(folder):
        yield from read(path)


def read_textures(folder: Path) -> NDArray[np.uint8]:
    """[kinds, variants, S, S, 3] as in `path_tracer.Tables`."""
    with np.load(folder / TEXTURES, allow_pickle=False) as stored:
        return np.asarray(stored["textures"])
