"""From files to a Reconstruction: eight photos of 12 megapixels through `small` and `base`, and how a worker starts.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/reconstruct.py [--quick] [--rounds 3] [--photos 8]

The first table is a real worker with `small`, asked for one small picture: by the clock and by its processor time until
it is up, until torch is there, until the model is loaded, until the answer, then the same a second time. The others
divide a whole run among its stages: reading pictures (decoding, resizing), loading the model, predicting, geometry; all
on one thread, and beside it as a worker runs, on all cores. They say the peak memory of the process, too, beside that
planned. Weights are random, in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/core/model")]

import conftest  # noqa: E402, F401 - makes the checkout importable as `image_to_scene`
from machine import RESULTS, facts, resident, say, write_photos  # noqa: E402

from image_to_scene.core.model.memory import plan  # noqa: E402
from image_to_scene.core.model.presets import PRESETS  # noqa: E402
from image_to_scene.core.types import FloatArray, Progress, Request, View  # noqa: E402
from image_to_scene.core.worker.child import NUMPY_ALONE  # noqa: E402
from image_to_scene.core.worker.client import Worker  # noqa: E402
from image_to_scene.core.worker.protocol import ErrorMessage, ProgressMessage, ResultMessage  # noqa: E402

SIZE = (4242, 2828)


def checkpoint(name: str) -> Path:
    """A folder with a preset's random weights; written in a process of its own, whose memory does not count."""
    program = f"import limited_run; limited_run.write(limited_run.Path({str(RESULTS / 'checkpoints')!r}), {name!r})"
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tests/core/model")])
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": paths})
    return RESULTS / "checkpoints" / name


def run_once(model: Path, photos: list[Path]) -> dict[str, Any]:
    """Reconstruct in this process; (clock, processor) seconds by stage, its peak memory and its threads."""
    import torch

    from image_to_scene.core.imaging import threads
    from image_to_scene.core.model import prediction
    from image_to_scene.core.pipeline import Session

    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(1)
        threads._MOST_THREADS = 1
    seconds: dict[str, FloatArray] = {}
    last = clocks()

    def count(stage: str) -> None:
        nonlocal last
        now = clocks()
        seconds[stage], last = seconds.get(stage, 0.0) + now - last, now

    def open_model(*arguments: Any, **options: Any) -> Any:
        try:
            return checked(*arguments, **options)
        finally:
            count("Loading model")

    def hear(progress: Progress) -> None:
        """Steps are told when they are done; of two stages the beginning is, too."""
        before = {"Loading model": "Reading pictures", "Building geometry": "Predicting"}
        count(progress.stage if progress.done else before[progress.stage])

    checked = prediction.open_model
    with patch.object(prediction, "open_model", open_model):
        Session().reconstruct(Request(tuple(map(View, photos)), model=str(model)), hear)
    count("Building geometry")
    reading = threads.thread_count(len(photos), SIZE[0] * SIZE[1])
    told = {stage: value.tolist() for stage, value in seconds.items()}
    return {"seconds": told, "peak": resident("VmHWM") * 2**20, "threads": (torch.get_num_threads(), reading)}


def clocks() -> FloatArray:
    """The clock and this process's processor time, seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def report_run(name: str, photos: list[Path], rounds: int) -> None:
    """Print the shares of the stages, on one thread and on all cores, by alternating runs."""
    command = [sys.executable, __file__, "--child", str(checkpoint(name)), *map(str, photos)]
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    told: list[list[dict[str, Any]]] = [[], []]
    for _ in range(rounds):
        for side, environment in zip(told, (free | {"OMP_NUM_THREADS": "1"}, free | NUMPY_ALONE), strict=True):
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            side.append(json.loads(done.stdout.splitlines()[-1]))
    planned = plan(PRESETS[name], [(504, 336)] * len(photos)).need.total
    say(f"\n{len(photos)} photos of {SIZE[0]} × {SIZE[1]} through `{name}`, by the clock and its processor time")
    for side in told:
        network, reading = side[0]["threads"]
        say(f"{network} threads for the network, {reading} for reading pictures" if network > 1 else "one thread")
        report_side(side)
        say(f"  peak memory {side[0]['peak'] / 1e6:.0f} MB; the network's plan says {planned / 1e6:.0f} MB")


def report_side(told: list[dict[str, Any]]) -> None:
    """Print the medians of some runs of one kind, and the share of pictures in each."""
    stages = list(told[0]["seconds"])
    seconds = np.array([[one["seconds"][stage] for stage in stages] for one in told])  # [run, stage, clock]
    whole = seconds.sum(1)
    for name, (clock, processor) in zip([*stages, "all"], [*np.median(seconds, 0), np.median(whole, 0)], strict=True):
        say(f"  {name:20}{clock:7.2f} s {processor:7.2f} s")
    shares = seconds[:, stages.index("Reading pictures")] / whole
    for of, share in zip(("the clock", "the processors"), shares.T, strict=True):
        say(f"  pictures take {np.median(share):.1%} of {of} ({share.min():.1%}–{share.max():.1%})")


def report_start(model: Path, photo: Path, rounds: int) -> None:
    """Print when a worker reaches what."""
    moments: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        worker = Worker(Path(sys.executable))
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            for name in ("cold", "warm"):
                for moment, when in follow(worker, model, photo, Path(folder) / name).items():
                    moments.setdefault(f"{name}: {moment}", []).append(when)
            worker.close()
    say("\na worker with `small` and one picture of 126 × 84, since it was asked: by the clock, its processor time")
    for moment, values in moments.items():
        clock, processor = ([value[i] for value in values] for i in (0, 1))
        say(f"  {moment:26}{median(clock):6.2f} s ({min(clock):.2f}–{max(clock):.2f}) {median(processor):6.2f} s")


def follow(worker: Worker, model: Path, photo: Path, folder: Path) -> dict[str, tuple[float, float]]:
    """Run once and note the (clock, processor) seconds of each first sign."""
    moments: dict[str, tuple[float, float]] = {}
    started, before = time.perf_counter(), processor(worker.pid)
    folder.mkdir()
    worker.submit(Request((View(photo),), model=str(model), resolution=126), folder)

    def note(moment: str) -> None:
        moments.setdefault(moment, (time.perf_counter() - started, processor(worker.pid) - before))

    while True:
        for message in worker.poll():
            if isinstance(message, ErrorMessage):
                raise SystemExit(message.text)
            if isinstance(message, ProgressMessage):
                named = {("Starting", 0): "process is up", ("Starting", 1): "torch is there"}
                named |= {("Loading model", 1): "model is loaded"}
                if moment := named.get((message.stage, message.done)):
                    note(moment)
            if isinstance(message, ResultMessage):
                note("answer")
                return moments
        time.sleep(0.002)


def processor(pid: int | None) -> float:
    """Processor seconds of a process so far; 0 where the system does not tell."""
    file = Path(f"/proc/{pid}/stat")
    if pid is None or not file.exists():
        return 0.0
    fields = file.read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, two photos, `small` alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--child", nargs="+", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        say(json.dumps(run_once(options.child[0], options.child[1:])))
        return
    rounds, count = (1, 2) if options.quick else (options.rounds, options.photos)
    photos = write_photos(RESULTS / "photos", count, SIZE)
    small = write_photos(RESULTS / "photos", 1, (252, 168))[0]
    say(facts("torch", "pillow"))
    report_start(checkpoint("small"), small, rounds)
    for name in ("small",) if options.quick else ("small", "base"):
        report_run(name, photos, rounds)


if __name__ == "__main__":
    main()
