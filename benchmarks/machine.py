"""What every benchmark here shares: the machine's facts, pictures to work on, and ratios from alternating runs."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build/bench"
"""Where plots and tables go."""


def facts(*packages: str) -> str:
    """Name the processor, the system and the versions of Python and some packages."""
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


Clock = Callable[[], float]


def alternate(
    works: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Clock = time.process_time,
    before: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Time works in turn, so that a busy machine slows all of them.

    Args:
        works: By name.
        rounds: How often each runs.
        clock: This process' time on any core where nothing else is said: other programs hardly change it.
        before: Done before each run, not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before()
            started = clock()
            work()
            seconds[name].append(clock() - started)
    return seconds


def ratio(above: Sequence[float], below: Sequence[float]) -> str:
    """Say the ratio of two series of an alternating run with its spread: `1.93 (1.90–2.01)`."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return f"{_number(statistics.median(ratios))} ({_number(min(ratios))}–{_number(max(ratios))})"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def forget_peak() -> None:
    """Let the system (Linux) count the largest resident memory anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def resident(which: str) -> float:
    """MiB of this process' memory on Linux: `VmRSS` now, `VmHWM` at most; 0 elsewhere."""
    file = Path("/proc/self/status")
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(which)), 0.0)


def write_photos(folder: Path, count: int, size: tuple[int, int] = (4242, 2828)) -> list[Path]:
    """Write JPEGs of (width, height) as large as a camera's: smooth shapes with grain, sampled 4:2:0, with EXIF.

    They stay for the next run.
    """
    from PIL import ExifTags, Image

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{size[0]}x{size[1]}-{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        chance = np.random.default_rng(number)
        shapes = Image.fromarray(chance.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(size, Image.BICUBIC)
        grain = chance.normal(0.0, 6.0, (size[1], size[0], 1)).astype(np.float32)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 1
        pixels = np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)
        beside = path.with_suffix(".part")
        Image.fromarray(pixels).save(beside, "JPEG", quality=92, exif=exif)
        beside.replace(path)
    return paths


def say(line: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
