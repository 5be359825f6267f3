"""Time and memory of the forward pass against the official package, on the same weights, both at their best.

    .venv/bin/python benchmarks/forward.py [--quick] [--models small base] [--views 2 8] [--precision bf16]

The official side runs in fp32 without autocast, in inference mode (its own API would choose fp16 on a CPU, which is
much slower). Runs of the two sides alternate, so that a busy machine slows both, and ratios are taken pair by pair and
printed with their spread: of this process' time on one thread, and of the clock's with whichever of one and two threads
is faster for a side. Ours is timed from sRGB pictures to numpy arrays, the official side from normalised tensors to
depth. Peak memory is that of a process of its own while it predicts, weights included (on Linux only). In a precision
below fp32 the error against fp32 is printed, too, for the bundled checkpoint and for random weights.

On a machine with CUDA, the table of the paper follows (arXiv 2511.10647, table 8).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import graphics_card
import machine
import numpy as np
import sides
import torch

BUNDLED = "nano"
ROUNDS = (1, 7)  # pairs a row: at least, at most
SEED_OF_PICTURES = 3


class Row(NamedTuple):
    """One line of the table."""

    model: str
    views: int
    size: tuple[int, int]
    """Height and width."""
    poses: str = "head"
    with_memory: bool = False

    def __str__(self) -> str:
        return f"{self.model:6}{self.views:3} × {self.size[1]} × {self.size[0]}  {self.poses:6}"

    @property
    def pixels(self) -> list[Any]:
        """The same pictures for both sides."""
        return list(sides.networks.pictures([self.size] * self.views, seed=SEED_OF_PICTURES))


LARGE, WIDE, QUICK = (336, 504), (280, 504), (168, 252)
QUICK_ROWS = (
    Row("small", 1, LARGE),
    Row("small", 2, LARGE, with_memory=True),
    Row("small", 2, QUICK, "rays"),
    Row("small", 2, QUICK, "given"),
    Row("small", 8, QUICK),
    Row("base", 2, QUICK, with_memory=True),
)
ROWS = (  # with --seconds 20 about 12 minutes on two cores, most of it the official side's
    *(Row("small", views, LARGE, with_memory=views in (2, 8)) for views in (1, 2, 8, 16)),
    *(Row("base", views, LARGE, with_memory=views in (2, 8)) for views in (1, 2, 8)),
    *(Row(model, 2, WIDE) for model in ("small", "base")),
    *(Row("small", 2, LARGE, poses) for poses in ("rays", "given")),
)


@dataclass
class Timing:
    """What one row measured: seconds by side."""

    processor: dict[str, list[float]]
    """Of this process, on one thread."""
    clock: dict[tuple[str, int], list[float]]
    """By side and number of threads."""

    def best(self, side: str) -> list[float]:
        """Seconds of the clock with the better number of threads."""
        return min((times for (name, _), times in self.clock.items() if name == side), key=statistics.median)

    def add(self, side: str, threads: int, work: sides.Side) -> None:
        """Run once."""
        torch.set_num_threads(threads)
        started = {name: clock() for name, clock in sides.CLOCKS.items()}
        work()
        taken = {name: clock() - started[name] for name, clock in sides.CLOCKS.items()}
        self.clock.setdefault((side, threads), []).append(taken["wall"])
        if threads == 1:
            self.processor.setdefault(side, []).append(taken["processor"])


def main() -> None:
    """Print machine, table, rays, errors and, with CUDA, the table of the paper."""
    options = arguments()
    if options.child:
        return print(CHILDREN[options.child](options))
    machine.say(f"{machine.facts('torch', 'numpy')}; ours in {options.precision}, the official package in fp32")
    machine.say("model, views, size, cameras: official over ours")
    with sides.scratch() as folder:
        for row in chosen_rows(options):
            checkpoint = existing(Path(folder), row.model)
            machine.say(f"{row}  {compare(row, checkpoint, options)}")
        machine.say(rays_line(2 if options.quick else 8))
        if options.precision != "fp32":
            for line in errors(Path(folder), options.precision):
                machine.say(line)
    return graphics_card.main()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few and small pictures, about three minutes")
    parser.add_argument("--models", nargs="+", help="of the table's rows, only those of these models")
    parser.add_argument(
        "--views", type=int, nargs="+", help="of the table's rows, only those of these numbers of views"
    )
    parser.add_argument("--poses", choices=sides.POSES, nargs="+", help="of the table's rows, only these cameras")
    parser.add_argument("--precision", choices=("fp32", "mixed", "bf16"), default="fp32", help="of our side")
    parser.add_argument("--seconds", type=float, help="time for a row; at least one pair is timed")
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--of", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.seconds = options.seconds or (10 if options.quick else 20)
    return options


def chosen_rows(options: argparse.Namespace) -> list[Row]:
    """Those rows of the table that were asked for."""
    wanted = {"model": options.models, "views": options.views, "poses": options.poses}
    rows = QUICK_ROWS if options.quick else ROWS
    return [row for row in rows if all(not want or getattr(row, name) in want for name, want in wanted.items())]


def existing(folder: Path, model: str) -> Path:
    """Make a checkpoint of random weights, once."""
    return folder / model if (folder / model).exists() else sides.write_checkpoint(folder, model)


def compare(row: Row, checkpoint: Path, options: argparse.Namespace) -> str:
    """Measure one row."""
    precisions = {"official": "fp32", "ours": options.precision}
    works = {
        side: sides.BUILD[side](checkpoint, row.pixels, row.poses, "cpu", precisions[side]) for side in sides.SIDES
    }
    depth = {side: torch.from_numpy(np.stack(work())) for side, work in works.items()}  # warms up, too
    timing = Timing({}, {})
    began = sides.wall()
    while len(timing.processor.get("ours", ())) < ROUNDS[0] or (
        sides.wall() - began < options.seconds and len(timing.processor["ours"]) < ROUNDS[1]
    ):
        for threads in (1, 2):
            for side, work in works.items():
                timing.add(side, threads, work)
    del works
    difference = sides.networks.relative_error(depth["ours"], depth["official"])
    return f"{describe(timing)}; difference {difference:.0e}{memory(row, checkpoint, options)}"


def describe(timing: Timing) -> str:
    """Both ratios, and the seconds behind them."""
    parts = []
    for name, times in (
        ("processor", timing.processor),
        ("clock", {side: timing.best(side) for side in sides.SIDES}),
    ):
        official, ours = (statistics.median(times[side]) for side in sides.SIDES)
        ratio = machine.ratio(times["official"], times["ours"])
        parts.append(f"{name} {ratio} = {official:.2f} s / {ours:.2f} s")
    return f"{', '.join(parts)}, {len(timing.processor['ours'])} pairs"


def memory(row: Row, checkpoint: Path, options: argparse.Namespace) -> str:
    """Peak memory of either side's process."""
    if not row.with_memory or sys.platform != "linux":
        return ""
    official, ours = (
        child(
            "peak", side, checkpoint, row.views, *row.size, row.poses, options.precision if side == "ours" else "fp32"
        )
        for side in sides.SIDES
    )
    return f"; memory {ours / official:.2f} = {ours:.0f} MiB / {official:.0f} MiB"


def child(work: str, *values: object) -> float:
    """Run a part in a process of its own."""
    command = [sys.executable, __file__, "--child", work, "--of", *map(str, values)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak(options: argparse.Namespace) -> float:
    """MiB that one side's process takes at most while it predicts."""
    side, checkpoint, views, height, width, poses, precision = options.of
    pixels = Row("", int(views), (int(height), int(width))).pixels
    predict = sides.BUILD[side](Path(checkpoint), pixels, poses, "cpu", precision)
    torch.set_num_threads(1)
    machine.forget_peak()
    predict()
    return machine.resident("VmHWM")


def peak_of_rays(options: argparse.Namespace) -> float:
    """MiB that the way from rays to cameras takes beside the rays."""
    side, views = options.of
    work = ray_work(int(views))[side]
    machine.forget_peak()
    before = machine.resident("VmRSS")
    work()
    return machine.resident("VmHWM") - before


CHILDREN: dict[str, Callable[[argparse.Namespace], float]] = {"peak": peak, "rays": peak_of_rays}


def ray_work(views: int) -> dict[str, Callable[[], Any]]:
    """Cameras from the same rays, on either side."""
    maps = sides.ray_maps([np.empty((*LARGE, 3))] * views)
    tensors = [torch.from_numpy(part) for part in maps]
    return {
        "official": lambda: sides.official_cameras(*tensors),
        "ours": lambda: sides.our_cameras(*maps, LARGE[::-1]),
    }


def rays_line(views: int) -> str:
    """The stage from rays to cameras by itself."""
    torch.set_num_threads(1)
    works = ray_work(views)
    with sides.quiet(), torch.inference_mode():
        for work in works.values():
            work()
        seconds = machine.alternate(works, 3)
    official, ours = (statistics.median(seconds[side]) for side in sides.SIDES)
    line = (
        f"cameras from rays, {views} views: processor {machine.ratio(seconds['official'], seconds['ours'])} = "
        f"{official:.2f} s / {ours:.3f} s"
    )
    if sys.platform != "linux":
        return line
    extra = {side: child("rays", side, views) for side in sides.SIDES}
    return f"{line}; extra memory {extra['ours']:.0f} MiB / {extra['official']:.0f} MiB"


def errors(folder: Path, precision: str) -> Iterator[str]:
    """How far a lower precision is from fp32, on the bundled weights and on random ones."""
    pixels = Row("", 3, QUICK).pixels
    for name in (BUNDLED, "small", "base"):
        checkpoint = name if name == BUNDLED else str(existing(folder, name))
        exact, low = (
            sides.open_model(checkpoint, device="cpu", precision=kind).load().predict(pixels).views
            for kind in ("fp32", precision)
        )
        pairs = list(zip(low, exact, strict=True))
        depth = np.concatenate([np.abs(a.depth / b.depth - 1).ravel() for a, b in pairs])
        degrees = [angle(a.world_from_camera, b.world_from_camera) for a, b in pairs]
        weights = "bundled" if name == BUNDLED else "random"
        yield (
            f"{precision} against fp32, {name} ({weights} weights): depth off by {np.median(depth):.1e} (median), "
            f"{np.percentile(depth, 95):.1e} (95 %); cameras turned by {max(degrees):.3f}° at most"
        )


def angle(a: Any, b: Any) -> float:
    """Degrees between two poses."""
    sine = np.linalg.norm(a[:3, :3] - b[:3, :3]) / np.sqrt(8)
    return float(np.degrees(2 * np.arcsin(min(1.0, sine))))


if __name__ == "__main__":
    main()
