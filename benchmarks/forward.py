"""Time and memory of the forward pass against the official package, on the same weights, both at their best.

    .venv/bin/python benchmarks/forward.py [--quick] [--views 2 8] [--size 336 504]

The official side runs in fp32 without autocast, in inference mode (its own API would choose fp16 on a CPU, which is
three times slower); both sides use whichever of one and two threads is faster for them. Runs alternate in one process,
so that a busy machine slows both; the ratio is taken pair by pair and printed with its spread. Peak memory is measured
in a process of its own for each side (on Linux only).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/core/model")]

import conftest  # noqa: E402, F401 - makes the checkout importable as `image_to_scene`
import networks  # noqa: E402
import torch  # noqa: E402

from image_to_scene.core.model.network import Network  # noqa: E402
from image_to_scene.core.model.presets import PRESETS  # noqa: E402


def build(side: str) -> Any:
    """One side's network with DA3-SMALL's sizes and the same random weights for both."""
    config = PRESETS["small"].network
    if side == "ours":
        return networks.randomise(Network(config))
    with quiet():
        import official_network

        return networks.randomise(official_network.official_network(config))


def quiet() -> contextlib.AbstractContextManager[Any]:
    """The official package talks while it is built and run."""
    return contextlib.redirect_stdout(io.StringIO())


def seconds(side: Callable[[torch.Tensor], Any], images: torch.Tensor, threads: int) -> float:
    """Time one forward pass."""
    torch.set_num_threads(threads)
    with torch.inference_mode(), quiet():
        started = time.perf_counter()
        side(images)
        return time.perf_counter() - started


def compare(views: int, size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Alternate both sides with both numbers of threads."""
    images = torch.randn(1, views, 3, *size)
    sides = {name: build(name) for name in ("official", "ours")}
    with torch.inference_mode(), quiet():  # also warms up
        difference = networks.relative_error(sides["ours"](images).depth, sides["official"](images)["depth"])
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for threads in (1, 2):
            for name, side in sides.items():
                times.setdefault((name, threads), []).append(seconds(side, images, threads))
    best = {name: min((1, 2), key=lambda n, name=name: statistics.median(times[name, n])) for name in sides}
    theirs, ours = (times[name, best[name]] for name in ("official", "ours"))
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return {
        "views": views,
        "official_seconds": theirs,
        "ours_seconds": ours,
        "threads": best,
        "ratios": ratios,
        "difference": difference,
    }


def peak(side: str, views: int, size: tuple[int, int]) -> float:
    """Peak memory of a process that runs one side once, MiB."""
    command = [sys.executable, __file__, "--peak-of", side, "--views", str(views), "--size", *map(str, size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(side: str, views: int, size: tuple[int, int]) -> None:
    """The child's part of `peak`; `getrusage` would report the parent's peak where that is higher."""
    seconds(build(side), torch.randn(1, views, 3, *size), threads=1)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024)


def main() -> None:
    """Print one line a number of views."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 views at 168 × 252, 3 rounds")
    parser.add_argument("--views", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--size", type=int, nargs=2, default=(336, 504), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print all measurements as JSON")
    parser.add_argument("--peak-of", choices=("official", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = tuple(options.size)
    if options.peak_of:
        return print_peak(options.peak_of, options.views[0], size)
    if options.quick:
        options.views, size, options.rounds = [2], (168, 252), 3
    for views in options.views:
        result = compare(views, size, options.rounds)
        result["peak_mib"] = {side: peak(side, views, size) for side in ("official", "ours")}
        print(json.dumps(result) if options.json else describe(result, size))
    return None


def describe(result: dict[str, Any], size: tuple[int, int]) -> str:
    """One line for people."""
    ratios, memory, threads = result["ratios"], result["peak_mib"], result["threads"]
    return (
        f"small, {result['views']} views at {size[1]} × {size[0]}: {statistics.median(ratios):.2f}× faster "
        f"({min(ratios):.2f}–{max(ratios):.2f} over {len(ratios)} pairs; official "
        f"{statistics.median(result['official_seconds']):.2f} s with {threads['official']} threads, ours "
        f"{statistics.median(result['ours_seconds']):.2f} s with {threads['ours']}); peak memory of the "
        f"process {memory['ours']:.0f} against {memory['official']:.0f} MiB; largest relative difference of depth "
        f"{result['difference']:.1e}"
    )


if __name__ == "__main__":
    main()
