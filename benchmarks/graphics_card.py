"""Pictures a second, peak memory and the largest number of views on a graphics card, in the layout of the paper.

    export PYTORCH_ALLOC_CONF=expandable_segments:True    # as our worker sets it
    .venv/bin/python benchmarks/graphics_card.py [--models small giant] [--views 32] [--prove]

Source of the published figures: arXiv 2511.10647, table 8 (A100 of 80 GB, 504 × 336 pixels, 32 views, official
package). Weights are random. Ours is timed from pictures in main memory to arrays there; the official side from tensors
on the card to depth in main memory, its backbone in the precision that this card is fast in and its head in fp32, as
its own API has it. A dash: memory does not suffice.

The largest number of views is where a line through two peaks meets the card's memory: those of the last two runs in a
series of twice as many views each, which ends where they no longer fit or a run takes long. `--prove` runs that many,
which takes minutes, since attention grows with the square.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import machine
import numpy as np
import sides
import torch

from image_to_scene.core.errors import OutOfMemoryError
from image_to_scene.core.model.device import choose_device
from image_to_scene.core.model.main_memory import main_memory
from image_to_scene.core.model.memory import Setup, count_weights, need
from image_to_scene.core.model.out_of_memory import FAILURES, is_out_of_memory, release_memory

WARM, TIMED = 2, 5
"""Runs that are not timed, and runs of which the middle one counts."""
FIRST = 8
"""Views of the shortest run of the series of peaks."""
RESERVE = 0.95
"""Part of the card's free memory that is counted on: allocators keep gaps."""
WRITING = 2.2
"""Main memory that it takes to make, save and read random weights, in sizes of the weights."""


class Published(NamedTuple):
    """A row of the paper's table."""

    pictures_a_second: float
    most_views: str


class Measured(NamedTuple):
    """What one side does; NaN where memory does not suffice."""

    pictures_a_second: float = math.nan
    peak: float = math.nan
    """Bytes on the card, weights included."""


PAPER = {
    "small": Published(160.5, "4000–4100"),
    "base": Published(126.5, "2100–2200"),
    "large": Published(78.37, "1500–1600"),
    "giant": Published(37.6, "900–1000"),
}


def main(*words: str) -> None:
    """Print the table, or that there is no card."""
    options = arguments(words)
    if options.device == "cuda" and not torch.cuda.is_available():
        return machine.say("graphics card: skipped, since torch finds no CUDA here")
    options.precision = choose_device(options.device, options.precision).precision
    name = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    official = choose_device(options.device).precision
    height, width = options.size
    precisions = f"ours in {options.precision}, official in {official}"
    machine.say(f"{name}, {options.views} views at {width} × {height}, {precisions}")
    machine.say("                pictures a second           peak GiB                 most views")
    machine.say("model       ours  official  A100, paper     ours  official   plan      ours   80 GB, paper")
    for model in options.models:
        with sides.scratch() as folder:
            machine.say(line(model, Path(folder), options))
    return None


def arguments(words: tuple[str, ...]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", choices=PAPER, nargs="+", default=list(PAPER))
    parser.add_argument("--views", type=int, default=32)
    parser.add_argument("--size", type=int, nargs=2, default=(336, 504), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--precision", choices=("auto", *sides.PRECISIONS), default="auto", help="of our side")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try this program, on Linux")
    parser.add_argument("--longest", type=float, default=10.0, help="seconds of a run that ends the series of peaks")
    parser.add_argument("--prove", action="store_true", help="run the largest number of views")
    return parser.parse_args(words)


def line(model: str, folder: Path, options: argparse.Namespace) -> str:
    """One model's row."""
    size = 4 * count_weights(sides.PRESETS[model].network, want_rays=True, with_poses=True)
    if 0 < main_memory().free < WRITING * size or shutil.disk_usage(folder).free < 1.1 * size:
        return (
            f"{model:7} skipped: making its weights takes {WRITING * size / 2**30:.1f} GiB of main memory and "
            f"{1.1 * size / 2**30:.1f} GiB in {folder.parent}"
        )
    checkpoint = sides.write_checkpoint(folder, model)
    official, ours = (measure(side, checkpoint, options) for side in sides.SIDES)
    most = most_views(growing_peaks(checkpoint, options), room(options.device))
    paper = PAPER[model]
    return (
        f"{model:7}{_cell(ours.pictures_a_second, 9)}{_cell(official.pictures_a_second, 10)}"
        f"{paper.pictures_a_second:13.1f}{_cell(ours.peak / 2**30, 9)}{_cell(official.peak / 2**30, 10)}"
        f"{planned(model, options) / 2**30:7.1f}{most or '–':>10}{paper.most_views:>15}"
        f"{f'  {most} views {prove(checkpoint, most, options)}' if options.prove else ''}"
    )


def _cell(value: float, width: int) -> str:
    return f"{'–':>{width}}" if math.isnan(value) else f"{value:{width}.1f}"


def measure(side: str, checkpoint: Path, options: argparse.Namespace) -> Measured:
    """Time one side's runs, and see what they take."""
    precision = options.precision if side == "ours" else choose_device(options.device).precision
    seconds: list[float] = []

    def work() -> None:
        predict = sides.BUILD[side](
            checkpoint, pictures(options.views, options.size), "head", options.device, precision
        )
        seconds.extend(machine.alternate({side: predict}, WARM + TIMED, sides.wall)[side])

    try:
        peak = most_bytes(options.device, work)
    except (OutOfMemoryError, *FAILURES) as error:
        if not is_out_of_memory(error):
            raise
        return Measured()
    return Measured(options.views / statistics.median(seconds[WARM:]), peak)


def most_bytes(device: str, work: Callable[[], object]) -> float:
    """Bytes of the device that are taken at most while something is done, those taken before included."""
    release_memory()
    if device == "cpu":
        machine.forget_peak()
        work()
        return machine.resident("VmHWM") * 2**20
    torch.cuda.reset_peak_memory_stats()
    work()
    return float(torch.cuda.max_memory_reserved())


def growing_peaks(checkpoint: Path, options: argparse.Namespace) -> dict[int, float]:
    """Bytes at most of our side by number of views, twice as many each time."""
    peaks: dict[int, float] = {}
    release_memory()  # what the side before has left
    try:
        model = sides.open_model(str(checkpoint), device=options.device, precision=options.precision).load()
        views, seconds = min(FIRST, options.views), 0.0
        while len(peaks) < 2 or seconds < options.longest:
            several, started = pictures(views, options.size), sides.wall()
            peaks[views] = most_bytes(options.device, lambda several=several: model.predict(several))
            views, seconds = 2 * views, sides.wall() - started
    except OutOfMemoryError:
        pass
    return peaks


def most_views(peaks: dict[int, float], total: float) -> int:
    """Where a line through the last two peaks meets the memory that can be counted on; at least what has run."""
    if len(peaks) < 2:
        return max(peaks, default=0)
    (fewer, low), (more, high) = sorted(peaks.items())[-2:]
    if high <= low:  # the larger run had to go in smaller parts already
        return more
    return max(more, int(more + (RESERVE * total - high) * (more - fewer) / (high - low)))


def room(device: str) -> float:
    """Bytes that this process can have of the device, those that it has already included."""
    if device == "cpu":
        return float(main_memory().total)
    release_memory()
    return float(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())


def planned(model: str, options: argparse.Namespace) -> float:
    """Bytes that the plan says; on a card without what torch takes beside its tensors, as in the peaks."""
    sizes = [tuple(options.size[::-1])] * options.views
    size = need(sides.PRESETS[model], sizes, Setup(options.device, options.precision))
    return float(size.weights + size.run + (size.program if options.device == "cpu" else 0))


def prove(checkpoint: Path, views: int, options: argparse.Namespace) -> str:
    """Run so many."""
    try:
        sides.ours(checkpoint, pictures(views, options.size), "head", options.device, options.precision)()
    except OutOfMemoryError:
        return "do not fit"
    return "have run"


def pictures(views: int, size: Sequence[int]) -> list[np.ndarray]:
    """Few different pictures of (height, width), many times."""
    several = sides.networks.pictures([tuple(size)] * min(views, 8))
    return [several[i % len(several)] for i in range(views)]


if __name__ == "__main__":
    main(*sys.argv[1:])
