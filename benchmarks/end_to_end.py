"""From photo files to depth and cameras in main memory: the official package and ours, in turn, on the same photos.

    .venv/bin/python benchmarks/end_to_end.py [--quick] [--models small base] [--photos 8] [--rounds 2]

Both sides have their model loaded, with the same random weights. The official side is what its `inference()` is made
of: its `InputProcessor`, which reads with eight threads, its network at its best (fp32 without autocast), and its
`OutputProcessor`; the module that joins them cannot be imported without the packages that it exports videos with. Ours
is a session's run: files are checked and read, and what comes out is a Reconstruction. Ratios are of alternating runs,
of this process' time with one thread for the network and of the clock's with all cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import machine
import sides
import torch

sys.path.append(str(sides.ROOT / "tests/core/imaging"))

import official_pictures

from image_to_scene.core.pipeline import Session
from image_to_scene.core.types import Request, View

SIZE = (4242, 2828)
CORES = torch.get_num_threads()


def official(checkpoint: Path, photos: list[Path]) -> Callable[[], object]:
    """The official chain."""
    read, network = official_pictures.input_processor(), sides.official_network_of(checkpoint)
    from depth_anything_3.utils.io.output_processor import OutputProcessor

    def run() -> object:
        with torch.inference_mode(), sides.quiet():
            images, _, _ = read([str(photo) for photo in photos])
            return OutputProcessor()(network(images[None]))

    return run


def ours(checkpoint: Path, photos: list[Path]) -> Callable[[], object]:
    """Our chain."""
    session, request = Session(), Request(tuple(map(View, photos)), model=str(checkpoint), device="cpu")
    return lambda: session.reconstruct(request, lambda _: None)


def main() -> None:
    """Print a line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two photos through small, once")
    parser.add_argument("--models", choices=sides.PRESETS, nargs="+", default=["small", "base"])
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if options.quick:
        options.models, options.photos, options.rounds = ["small"], 2, 1
    photos = machine.write_photos(machine.RESULTS / "photos", options.photos, SIZE)
    machine.say(f"{machine.facts('torch', 'pillow')}; {options.photos} photos of {SIZE[0]} × {SIZE[1]}, fp32")
    with sides.scratch() as folder:
        for model in options.models:
            checkpoint = sides.write_checkpoint(Path(folder), model)
            works = {"official": official(checkpoint, photos), "ours": ours(checkpoint, photos)}
            machine.say(f"{model:6} official over ours: {compare(works, options.rounds)}")


def compare(works: dict[str, Callable[[], object]], rounds: int) -> str:
    """Both ratios, and the seconds behind them; the first run of each is not timed."""
    for work in works.values():
        work()
    parts = []
    for name, threads, clock in (("processor", 1, time.process_time), ("clock, all cores", CORES, time.perf_counter)):
        torch.set_num_threads(threads)
        seconds = machine.alternate(works, rounds, clock)
        last = " / ".join(f"{seconds[side][-1]:.2f} s" for side in ("official", "ours"))
        parts.append(f"{name} {machine.ratio(seconds['official'], seconds['ours'])} = {last}")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
