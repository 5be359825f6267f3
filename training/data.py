"""The synthetic pictures: scenes seen by cameras, written ahead of training into memory-mapped arrays.

`python -m training.data --folder DATA --scenes 9000` may run while training starts: `progress.json` says how many
scenes are whole. Scene `i` of a set is the scene of seed `first_seed + i`: family i mod 3, camera mode (i div 3) mod 3.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .cameras import FIELD_OF_VIEW, MODES, Mode, intrinsics, make_cameras
from .config import TrainingError
from .raycast import render
from .scenes import FAMILIES, Family, Stage, make_stage

Array = NDArray[np.floating[Any]]
SIDE = 126
VIEWS = 8
PROBE = 14
TRAINING_SEED = 1_000_000
HELD_OUT_SEED = 50_000_000
MONITOR_SEED = 70_000_000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shots:
    """The views of one scene.

    Attributes:
        images: [V, H, W, 3] uint8.
        depth: [V, H, W] along Z at pixel centres, 0 where nothing is hit.
        world_from_camera: [V, 4, 4], Z up, OpenCV camera axes.
        image_from_camera: [V, 3, 3], pixels.
        family: The kind of scene.
        mode: The kind of camera path.
    """

    images: NDArray[np.uint8]
    depth: Array
    world_from_camera: Array
    image_from_camera: Array
    family: str
    mode: str


def is_good(depth: Array, unit: float) -> bool:
    """Whether a view shows something: not a wall at the lens, not mostly sky, and with some relief."""
    known = depth[depth > 0.0]
    if known.size < 0.5 * depth.size or np.mean(known < 0.35 * unit) > 0.15:
        return False
    low, high = np.quantile(known, (0.1, 0.9))
    return bool(high > 2.0 * low)


@dataclass(frozen=True)
class Plan:
    """A scene, the cameras of its views [V, 4, 4] and their field of view in degrees across the longer side."""

    stage: Stage
    cameras: Array
    field_of_view: float
    family: Family
    mode: Mode


def make_plan(seed: int, views: int = VIEWS) -> Plan:
    """Compose the scene and the camera path of a seed; paths that run into things or see nothing are drawn again."""
    family, mode = FAMILIES[seed % 3], MODES[seed // 3 % 3]
    for attempt in range(1000):
        random = np.random.default_rng((seed, attempt))
        stage = make_stage(family, int(random.integers(1 << 31)))
        cameras = make_cameras(stage, mode, views, random)
        if cameras is None:
            continue
        field_of_view = float(random.uniform(*FIELD_OF_VIEW))
        thumbnail = intrinsics(field_of_view, (PROBE, PROBE))
        probes = (render(stage.scene, camera, thumbnail, (PROBE, PROBE))[1] for camera in cameras)
        if all(is_good(depth, stage.scene.unit) for depth in probes):
            return Plan(stage, cameras, field_of_view, family, mode)
    raise RuntimeError(f"No free camera path was found for seed {seed}; widen the stage of family {family}.")


def make_shots(
    seed: int, chosen: Sequence[int] = range(VIEWS), size: tuple[int, int] = (SIDE, SIDE), views: int = VIEWS
) -> Shots:
    """Draw the chosen ones of the views of a seed's path as pictures of `size` (width, height)."""
    plan = make_plan(seed, views)
    K, cameras = intrinsics(plan.field_of_view, size), plan.cameras[list(chosen)]
    images, depths = zip(*(render(plan.stage.scene, camera, K, size) for camera in cameras), strict=True)
    return Shots(
        np.stack(images), np.stack(depths), cameras, np.repeat(K[None], len(cameras), 0), plan.family, plan.mode
    )


@dataclass(frozen=True)
class DataFolder:
    """The memory-mapped arrays of a set: images, depth, world_from_camera, image_from_camera, all [scenes, V, …]."""

    folder: Path
    images: NDArray[np.uint8]
    depth: Array
    world_from_camera: Array
    image_from_camera: Array

    @classmethod
    def create(cls, folder: Path, scenes: int, side: int = SIDE, views: int = VIEWS) -> DataFolder:
        """Make empty arrays for a number of scenes, each of so many square views."""
        folder.mkdir(parents=True, exist_ok=True)
        shapes = {
            "images": (np.uint8, (side, side, 3)),
            "depth": (np.float16, (side, side)),
            "world_from_camera": (np.float64, (4, 4)),
            "image_from_camera": (np.float64, (3, 3)),
        }
        arrays = [
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (scenes, views, *shape))  # type: ignore[no-untyped-call]
            for name, (dtype, shape) in shapes.items()
        ]
        data = cls(folder, *arrays)
        data.report(0)
        return data

    @classmethod
    def open(cls, folder: Path, mode: Literal["r", "r+"] = "r") -> DataFolder:
        """Map the arrays of a folder.

        Raises:
            TrainingError: It has none.
        """
        if not cls.is_begun(folder):
            raise TrainingError(f"{folder} holds no scenes; draw some with python -m training.data --folder {folder}.")
        names = ("images", "depth", "world_from_camera", "image_from_camera")
        return cls(folder, *(np.load(folder / f"{name}.npy", mmap_mode=mode, allow_pickle=False) for name in names))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process maps the same files."""
        return DataFolder.open, (self.folder,)

    @staticmethod
    def is_begun(folder: Path) -> bool:
        """Tell whether a folder has its arrays; what says how many scenes are whole is written after them."""
        return (folder / "progress.json").is_file()

    @classmethod
    def begin(cls, folder: Path, scenes: int, side: int = SIDE, views: int = VIEWS) -> DataFolder:
        """Make the arrays of a set, or open those that an earlier run began.

        Raises:
            TrainingError: That one made them of another size.
        """
        if not cls.is_begun(folder):
            return cls.create(folder, scenes, side, views)
        data = cls.open(folder, "r+")
        its_scenes, its_views, its_side = data.images.shape[:3]
        if (its_scenes, its_side, its_views) != (scenes, side, views):
            raise TrainingError(
                f"{folder} was begun for {its_scenes} scenes of {its_views} views of {its_side} pixels; ask for the"
                " same to go on with it, or name another folder."
            )
        return data

    def report(self, ready: int) -> None:
        """Say how many scenes are whole."""
        beside = self.folder / "progress.json.part"
        beside.write_text(json.dumps({"ready": ready}), encoding="utf-8")
        beside.replace(self.folder / "progress.json")

    def ready(self) -> int:
        """How many scenes are whole."""
        return int(json.loads((self.folder / "progress.json").read_text())["ready"])

    def write(self, index: int, shots: Shots) -> None:
        """Store one scene."""
        self.images[index] = shots.images
        self.depth[index] = shots.depth
        self.world_from_camera[index] = shots.world_from_camera
        self.image_from_camera[index] = shots.image_from_camera


def fill(data: DataFolder, first_seed: int, workers: int) -> None:
    """Draw a folder's scenes in the order of their seeds, going on where an earlier run stopped."""
    scenes, views, side = data.images.shape[:3]
    seeds = range(first_seed + data.ready(), first_seed + scenes)
    draw = partial(make_shots, chosen=range(views), size=(side, side), views=views)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for seed, shots in zip(seeds, pool.imap(draw, seeds, chunksize=4), strict=True):
            data.write(seed - first_seed, shots)
            ready = seed - first_seed + 1
            if ready % 50 == 0 or ready == scenes:
                data.report(ready)
                log.info("%d of %d scenes", ready, scenes)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenes", type=int, required=True)
    parser.add_argument("--first-seed", type=int, default=TRAINING_SEED)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--side", type=int, default=SIDE, help="pixels")
    parser.add_argument("--views", type=int, default=VIEWS, help="of a scene")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    data = DataFolder.begin(options.folder, options.scenes, options.side, options.views)
    fill(data, options.first_seed, options.workers)


if __name__ == "__main__":
    main()
