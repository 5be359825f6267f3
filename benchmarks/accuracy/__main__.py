"""Measure how accurate reconstructions are.

    python -m benchmarks.accuracy [--model nano] [--scenes 24] [--size 126 84]

renders our own scenes where they are not there yet, and measures a model on them: with cameras predicted by the camera
head, from rays, and given; as it comes out of the pipeline, and read back from a .blend. With the data of the visual
geometry benchmark,

    python -m benchmarks.accuracy --data FOLDER [--sets hiroom eth3d …] --model giant

measures that in place of our own scenes; FOLDER holds hiroom/, eth3d/, 7scenes/, scannetpp/, dtu/ and dtu64/ as the
official evaluation reads them. Table, JSON and a page of pictures land in build/accuracy/.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from . import ROOT
from .page import draw_page
from .prediction import MODES, Settings
from .rendered.folders import scene_name
from .results import Result, as_json, load_result, report, write_text
from .scene import Scene
from .table import table

BUILD = ROOT / "build" / "accuracy"


def main() -> None:
    """Read the command line; measure a part as a child, or all parts and show them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="a preset's name or a checkpoint folder")
    parser.add_argument("--resolution", type=int, help="longest side in model pixels")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--scenes", type=int, default=24, help="how many of our own")
    parser.add_argument("--size", type=int, nargs=2, default=(126, 84), help="of our own pictures, such as 504 336")
    parser.add_argument("--data", type=Path, help="the folder of the visual geometry benchmark")
    parser.add_argument("--sets", nargs="+", help="which of its data sets; all by default")
    parser.add_argument("--only", nargs="+", help="names of scenes to measure; all by default")
    parser.add_argument("--no-blender", action="store_true", help="do not take reconstructions through a .blend")
    parser.add_argument("--output", type=Path, default=BUILD, help="where rendered scenes and results go")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--part", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        _measure_part(options)
    else:
        _measure_all(options)


def _measure_all(options: argparse.Namespace) -> None:
    """Render and measure in parts, one process each, and gather what they wrote."""
    started, folder = time.monotonic(), results_folder(options)
    for old in (folder / "scenes").glob("*.json"):
        old.unlink()
    if not options.data:
        size = [str(side) for side in options.size]
        arguments = ["--scenes", str(options.scenes), "--size", *size, "--folder", str(_rendered(options))]
        arguments += ["--only", *options.only] if options.only else []
        _in_parts(["benchmarks.accuracy.rendered", *arguments], options.processes)
    rendered = time.monotonic()
    _in_parts(["benchmarks.accuracy", *sys.argv[1:]], options.processes)
    results = [load_result(file) for file in sorted((folder / "scenes").glob("*.json"))]
    if not results:
        sys.exit("No scene was measured: --only names none of them.")
    times = {"seconds_rendering": rendered - started, "seconds_measuring": time.monotonic() - rendered}
    _show(results, {"model": options.model, "arguments": sys.argv[1:], **times}, folder)


def _in_parts(command: Sequence[str], count: int) -> None:
    """Run a module in several processes at once, each with its part.

    Raises:
        SystemExit: One of them failed.
    """
    alone = {"OMP_NUM_THREADS": "1"} if count > 1 else {}
    parts = [
        subprocess.Popen(
            [sys.executable, "-m", *command, "--part", str(part), str(count)], cwd=ROOT, env=os.environ | alone
        )
        for part in range(count)
    ]
    codes = [part.wait() for part in parts]
    if any(codes):
        sys.exit("A part of the measurement failed; what it said stands above.")


def _measure_part(options: argparse.Namespace) -> None:
    """Measure every n-th scene, and end at once: Blender as a Python module may hang when the interpreter ends."""
    from image_to_scene.core.pipeline import Session

    from .measuring import Plan, measure

    settings = Settings(options.model, options.resolution, bool(options.data), options.device)
    plan = Plan(results_folder(options), settings, options.modes, not (options.no_blender or options.data))
    session, (part, count) = Session(), options.part
    for index, scene in enumerate(_scenes(options)):
        if index % count == part:
            result = measure(scene, session, plan)
            print(f"{result.name} measured in {result.seconds} s", flush=True)
    sys.stdout.flush()
    os._exit(0)


def _scenes(options: argparse.Namespace) -> Iterator[Scene]:
    """Open the scenes to measure."""
    if options.data:
        from .official import open_sets

        sets = open_sets(options.data, options.sets)
        return (scene for scene in sets if not options.only or scene.pictures.name in options.only)
    from .rendered.reading import RenderedScene

    names = [scene_name(index) for index in range(options.scenes)]
    return (RenderedScene(_rendered(options) / name) for name in names if not options.only or name in options.only)


def _rendered(options: argparse.Namespace) -> Path:
    output: Path = options.output
    return (output / "rendered" / "{}x{}".format(*options.size)).resolve()


def results_folder(options: argparse.Namespace) -> Path:
    """Return where the results of a model on a set of scenes go."""
    data = "official" if options.data else "{}x{}".format(*options.size)
    output: Path = options.output
    return (output / f"{Path(options.model).name}_{data}").resolve()


def _show(results: list[Result], facts: Mapping[str, object], folder: Path) -> None:
    """Write table, JSON and page, and print the table."""
    text = table(results)
    write_text(folder / "table.txt", text + "\n")
    write_text(folder / "results.json", as_json(report(results, facts)))
    strips = [folder / "strips" / f"{result.name}.png" for result in results]
    draw_page(strips, f"{facts['model']} on {len(results)} scenes", folder / "page.png")
    draw_page(_worst(results, strips), f"{facts['model']} where its depth is worst", folder / "worst.png")
    print(text)
    print(f"\nTable, JSON and page of pictures: {folder}")


def _worst(results: Sequence[Result], strips: Sequence[Path]) -> list[Path]:
    """Choose of each kind of scene the strip with the lowest δ1."""
    worst: dict[str, tuple[float, Path]] = {}
    for result, strip in zip(results, strips, strict=True):
        found = next(iter(result.runs.values())).get("delta1", 1.0)
        worst[result.kind] = min(worst.get(result.kind, (found, strip)), (found, strip))
    return [strip for _, strip in worst.values()]


if __name__ == "__main__":
    main()
