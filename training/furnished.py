"""Pictures of furnished scenes from a catalogue (`compose.py`), with surfaces and exposure by chance.

`python -m training.furnished --scenes SCENES --folder DATA` draws eight views of a scene at a time, on the graphics
card where there is one, else on the processor. Depth is exact; light is that of `path_tracer.py`. `--rounds 2` draws
all scenes twice, each time with other surfaces. A folder that was interrupted has, in the end, the scenes of one that
was not.
"""

from __future__ import annotations

import argparse
import functools
import logging
import math
import multiprocessing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .cameras import intrinsics
from .catalogue import Composition, files, read, read_textures
from .compiled import card, compiled
from .data import SIDE, VIEWS, DataFolder, Shots
from .path_tracer import GROUP, Tables, blend_pixel, draw_pixel
from .solids import CONE, GABLE

Array = NDArray[np.floating[Any]]
Draw = Callable[[Tables, Array, Array, int], tuple[Array, Array]]
"""Tables, world_from_camera [V, 4, 4], focal lengths [V] in pixels, side → light [V, H, W, 3] and depth [V, H, W]."""
LARGE: Final = 1.5
"""Metres."""
THREADS: Final = 128
"""Of a block on the card."""
log = logging.getLogger(__name__)


def dress(scene: Composition, textures: NDArray[np.uint8], random: np.random.Generator) -> Tables:
    """Give every material a texture of its kind, a tint and a place on it, and bring solids to the world.

    Args:
        scene: What is drawn.
        textures: [kinds, variants, S, S, 3] as in `path_tracer.Tables`.
        random: Chooses.
    """
    count, variants = len(scene.materials), textures.shape[1]
    chosen = variants * scene.materials[:, 0] + random.integers(variants, size=count)
    tint = np.exp(random.normal(0.0, 0.2, (count, 1)) + random.normal(0.0, 0.06, (count, 3)))
    shift = random.random((count, 2))
    materials = np.column_stack((chosen, tint, scene.materials[:, 1:], shift)).astype(np.float32)
    flat = textures.reshape(-1, *textures.shape[2:])
    solids = in_world(scene)
    return Tables(solids, bounding_balls(solids), materials, flat, scene.lights, scene.sky)


def in_world(scene: Composition) -> Array:
    """[N, 17] solids as `path_tracer.Tables` has them, large ones first: they would make every ball large."""
    place = scene.solids[:, 0].astype(int)
    world_from_object = scene.objects[place, :12].reshape(-1, 3, 4)
    turns = world_from_object[:, :, :3].transpose(0, 2, 1)
    shifts = -np.einsum("nij,nj->ni", turns, world_from_object[:, :, 3]) - scene.solids[:, 2:5]
    solid_from_world = np.concatenate((turns, shifts[:, :, None]), axis=2).reshape(-1, 12)
    parts = (scene.solids[:, 1], solid_from_world, scene.solids[:, 5:8], scene.objects[place, 12])
    solids = np.column_stack(parts).astype(np.float32)
    return solids[np.argsort(reach(solids)[1] < LARGE, kind="stable")]


def reach(solids: Array) -> tuple[Array, Array]:
    """Centres [N, 3] and radii [N] of balls around solids."""
    turns, shifts = np.split(solids[:, 1:13].reshape(-1, 3, 4), [3], axis=2)
    half = np.abs(solids[:, 13:16])
    half[solids[:, 0] == CONE, :2] = half[solids[:, 0] == CONE, :2].max(axis=1, keepdims=True)
    half[solids[:, 0] == GABLE] *= 1.5
    return -(turns * shifts).sum(axis=1), np.linalg.norm(half, axis=1)


def bounding_balls(solids: Array) -> Array:
    """[⌈N / GROUP⌉, 4] centre and radius of a ball around each GROUP solids that follow one another."""
    centres, radii = reach(solids)
    balls = []
    for start in range(0, len(solids), GROUP):
        some, its = centres[start : start + GROUP], radii[start : start + GROUP]
        middle = 0.5 * ((some - its[:, None]).min(axis=0) + (some + its[:, None]).max(axis=0))
        balls.append([*middle, (np.linalg.norm(some - middle, axis=1) + its).max()])
    return np.array(balls, np.float32)


def draw_on_processor(tables: Tables, cameras: Array, focal: Array, side: int) -> tuple[Array, Array]:
    """Draw square views one pixel after the other."""
    views = len(cameras)
    parts, light = np.zeros((views, side, side, 10), np.float32), np.empty((views, side, side, 3), np.float32)
    depth = np.empty((views, side, side), np.float32)
    _draw_all(tuple(tables), cameras, focal, parts, depth, light)
    return light, depth


@compiled
def _draw_all(tables: Any, cameras: Array, focal: Array, parts: Array, depth: Array, light: Array) -> None:
    for place in range(depth.size):
        draw_pixel(place, tables, cameras, focal, parts, depth)
    for place in range(depth.size):
        blend_pixel(place, parts, depth, light)


class Card:
    """A graphics card that holds the textures, which are the same for all scenes of a catalogue."""

    def __init__(self, textures: NDArray[np.uint8]) -> None:
        self._textures = card.to_device(textures.reshape(-1, *textures.shape[2:]))
        self._draw, self._blend = _kernels()

    def __call__(self, tables: Tables, cameras: Array, focal: Array, side: int) -> tuple[Array, Array]:
        """Draw square views, one thread a pixel."""
        views = len(cameras)
        placed = [self._textures if part is tables.textures else card.to_device(part) for part in tables]
        parts = card.to_device(np.zeros((views, side, side, 10), np.float32))
        light = card.device_array((views, side, side, 3), np.float32)
        depth = card.device_array((views, side, side), np.float32)
        shape = math.ceil(depth.size / THREADS), THREADS
        self._draw[shape](tuple(placed), card.to_device(cameras), card.to_device(focal), parts, depth)
        self._blend[shape](parts, depth, light)
        return light.copy_to_host(), depth.copy_to_host()


@functools.cache
def _kernels() -> tuple[Any, Any]:
    """`draw_pixel` and `blend_pixel` for a graphics card."""

    @card.jit(fastmath=True)  # type: ignore[untyped-decorator]
    def draw(tables: Any, cameras: Any, focal: Any, parts: Any, depth: Any) -> None:
        place = card.grid(1)
        if place < depth.size:
            draw_pixel(place, tables, cameras, focal, parts, depth)

    @card.jit(fastmath=True)  # type: ignore[untyped-decorator]
    def blend(parts: Any, depth: Any, light: Any) -> None:
        place = card.grid(1)
        if place < depth.size:
            blend_pixel(place, parts, depth, light)

    return draw, blend


def develop(light: Array, random: np.random.Generator) -> NDArray[np.uint8]:
    """Make pictures [V, H, W, 3] of light [V, H, W, 3]: exposed as a camera might, bright colours softer and paler."""
    bright = max(1e-6, float(np.quantile(light[:, ::4, ::4], random.uniform(0.7, 0.9))))
    exposed = light * np.float32(random.uniform(0.3, 1.1) / bright)
    shoulder = np.float32(random.uniform(0.4, 1.5))
    curve = np.minimum(1.0, exposed * (1 + shoulder) / (exposed + shoulder)) ** np.float32(1 / random.uniform(1.8, 2.4))
    curve += np.float32(random.uniform(0.0, 0.5)) * (curve.mean(axis=-1, keepdims=True) - curve)
    return (np.float32(255) * curve + np.float32(0.5)).astype(np.uint8)


def draw(scene: Composition, walk: int, textures: NDArray[np.uint8], seed: int, side: int, draw_on: Draw) -> Shots:
    """Draw the eight views of one of a scene's walks, square."""
    random = np.random.default_rng(seed)
    views = slice(VIEWS * walk, VIEWS * (walk + 1))
    cameras, angles = scene.cameras[views].astype(np.float64), scene.angles[views]
    lenses = np.stack([intrinsics(math.degrees(angle), (side, side)) for angle in angles])
    light, depth = draw_on(dress(scene, textures, random), cameras, lenses[:, 0, 0].copy(), side)
    return Shots(develop(light, random), depth, cameras, lenses, "furnished", "walk")


def _draw_file(path: Path, folder: Path, rounds: int, side: int) -> list[Shots]:
    """Draw all scenes of a file on the processor, all walks, all rounds."""
    return list(_drawn(path, read_textures(folder), rounds, side, draw_on_processor))


def _drawn(path: Path, textures: NDArray[np.uint8], rounds: int, side: int, draw_on: Draw) -> Iterable[Shots]:
    first = int(path.stem.split("_")[1])
    for number, scene in enumerate(read(path)):
        for walk in range(len(scene.cameras) // VIEWS):
            for turn in range(rounds):
                yield draw(scene, walk, textures, 100 * (first + number) + 10 * walk + turn, side, draw_on)


def fill(folder: Path, catalogue: Path, rounds: int, side: int, workers: int) -> None:
    """Draw a catalogue into a data folder, file by file, going on where an earlier run stopped."""
    paths = files(catalogue)
    sizes = [rounds * sum(len(scene.cameras) // VIEWS for scene in read(path)) for path in paths]
    data = DataFolder.begin(folder, sum(sizes), side)
    ends = np.cumsum(sizes)
    left = [path for path, end in zip(paths, ends, strict=True) if end > data.ready()]
    done = int(ends[len(paths) - len(left) - 1]) if len(left) < len(paths) else 0
    if card.is_available():
        textures = read_textures(catalogue)
        draw_on = Card(textures)
        batches: Iterable[Iterable[Shots]] = (_drawn(path, textures, rounds, side, draw_on) for path in left)
        _store(data, done, batches)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        task = functools.partial(_draw_file, folder=catalogue, rounds=rounds, side=side)
        _store(data, done, pool.imap(task, left))


def _store(data: DataFolder, done: int, batches: Iterable[Iterable[Shots]]) -> None:
    for batch in batches:
        for shots in batch:
            data.write(done, shots)
            done += 1
        data.report(done)
        log.info("%d of %d scenes", done, len(data.images))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, required=True, help="a catalogue, see training.compose")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--side", type=int, default=SIDE, help="pixels")
    parser.add_argument("--workers", type=int, default=1, help="without a graphics card")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("numba").setLevel(logging.WARNING)
    fill(options.folder, options.scenes, options.rounds, options.side, options.workers)


if __name__ == "__main__":
    main()
