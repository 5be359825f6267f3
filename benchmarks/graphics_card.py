"""Pictures a second, peak memory and the largest number of views on a graphics card, in the layout of the paper.

    .venv/bin/python benchmarks/graphics_card.py [--models small giant] [--views 32] [--prove]

Source of the published figures: arXiv 2511.10647, table 8 (A100 of 80 GB, 504 × 336 pixels, 32 views, official
package). Weights are random. The largest number of views is where a line through the peaks of three runs meets the
card's memory; `--prove` runs that many, which takes minutes, since attention grows with the square.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import machine
import numpy as np
import sides
import torch

from image_to_scene.core.errors import OutOfMemoryError

SIZE = (336, 504)
RESERVE = 0.95
"""Part of the card's memory that is counted on: allocators keep gaps."""


class Published(NamedTuple):
    """A row of the paper's table."""

    pictures_a_second: float
    most_views: str


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
    name = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    machine.say(f"{name}, {options.views} views at {SIZE[1]} × {SIZE[0]}, ours in {options.precision}")
    machine.say("model   pictures/s  paper (A100)  official here   peak GiB  most views  paper (80 GB)")
    with sides.scratch() as folder:
        for model in options.models:
            machine.say(line(model, sides.write_checkpoint(Path(folder), model), options))
    return None


def arguments(words: tuple[str, ...]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", choices=PAPER, nargs="+", default=list(PAPER))
    parser.add_argument("--views", type=int, default=32)
    parser.add_argument("--precision", choices=("auto", *sides.PRECISIONS), default="auto")
    parser.add_argument("--device", default="cuda", help="cpu: to try this program")
    parser.add_argument("--prove", action="store_true", help="run the largest number of views")
    return parser.parse_args(words)


def line(model: str, checkpoint: Path, options: argparse.Namespace) -> str:
    """One model's row."""
    rates = {side: pictures_a_second(side, checkpoint, options) for side in sides.SIDES}
    counts = [options.views * factor for factor in (1, 2, 4)]
    peaks = [peak(checkpoint, count, options) for count in counts]
    most = most_views(counts, peaks, total_memory(options.device))
    paper = PAPER[model]
    proof = f" ({prove(checkpoint, most, options)})" if options.prove else ""
    return (
        f"{model:8}{rates['ours']:10.1f}{paper.pictures_a_second:14.1f}{rates['official']:15.1f}"
        f"{peaks[0] / 2**30:11.2f}{most:12d}{proof}{paper.most_views:>15}"
    )


def pictures_a_second(side: str, checkpoint: Path, options: argparse.Namespace) -> float:
    """The middle of five runs; the official side as its own API runs it, bf16 below fp32 heads."""
    precision = options.precision if side == "ours" else "bf16"
    predict = sides.BUILD[side](checkpoint, pictures(options.views), "head", options.device, precision)
    seconds = []
    for _ in range(7):
        started = sides.wall()
        predict()
        seconds.append(sides.wall() - started)
    return options.views / statistics.median(seconds[2:])


def peak(checkpoint: Path, views: int, options: argparse.Namespace) -> float:
    """Bytes on the card at most in one of our runs."""
    predict = sides.ours(checkpoint, pictures(views), "head", options.device, options.precision)
    if options.device != "cuda":
        predict()
        return 1e9 + 1e8 * views
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    predict()
    return float(torch.cuda.max_memory_reserved())


def total_memory(device: str) -> float:
    """Bytes of the card."""
    return float(torch.cuda.get_device_properties(0).total_memory) if device == "cuda" else 16e9


def most_views(counts: list[int], peaks: list[float], total: float) -> int:
    """Where a line through peaks meets the memory that can be counted on."""
    slope, start = np.polyfit(counts, peaks, 1)
    return int((RESERVE * total - start) / slope)


def prove(checkpoint: Path, views: int, options: argparse.Namespace) -> str:
    """Run so many."""
    try:
        sides.ours(checkpoint, pictures(views), "head", options.device, options.precision)()
    except OutOfMemoryError:
        return "does not fit"
    return "run"


def pictures(views: int) -> list[np.ndarray]:
    """Few different pictures, many times."""
    several = sides.networks.pictures([SIZE] * min(views, 8))
    return [several[i % len(several)] for i in range(views)]


if __name__ == "__main__":
    main(*sys.argv[1:])
