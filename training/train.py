"""Train a network: `python -m training.train RECIPE --data DATA … --monitor MONITOR --output RUN`.

RECIPE is a file of `training/recipes`. RUN gets `recipe.json`, and every few minutes `state.safetensors` (from which
the same command goes on), `checkpoint/` (usable) and a line of `curve.jsonl` (losses and held-out figures).
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from .checkpoint import export, read_teacher, write_json
from .config import Recipe, TrainingError
from .data import DataFolder
from .learner import Machine
from .monitor import measure, open_monitor
from .recipes import load, names
from .trainer import Trainer

log = logging.getLogger(__name__)


def pause(trainer: Trainer, output: Path, monitor: DataFolder) -> None:
    """Save, measure on held-out scenes, log; a schedule by minutes includes it."""
    began = time.perf_counter()
    recipe, weights = trainer.recipe, trainer.average.weights
    trainer.sampler.ready = trainer.sampler.count()
    export(output / "checkpoint", recipe.name, recipe.network, weights)
    figures = measure(recipe, trainer.learner, weights, monitor, trainer.machine)
    line = {
        "time": time.strftime("%H:%M:%S"),
        **trainer.facts(),
        "progress": round(trainer.moment.progress, 4),
        **trainer.means(),
        **figures,
    }
    with (output / "curve.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    log.info("%s", line)
    trainer.seconds += time.perf_counter() - began
    trainer.save(output / "state.safetensors")


def begin(trainer: Trainer, output: Path, after: Path | None) -> None:
    """Start a run in its folder, or go on with the one that is there.

    Raises:
        TrainingError: The folder holds a run of another recipe.
    """
    output.mkdir(parents=True, exist_ok=True)
    written, recipe = output / "recipe.json", asdict(trainer.recipe)
    if (state := output / "state.safetensors").exists():
        if written.exists() and json.loads(written.read_text(encoding="utf-8")) != json.loads(json.dumps(recipe)):
            raise TrainingError(
                f"{output} holds a run of another recipe; name another folder, and this one's {state}"
                " as --after, to go on from it with this recipe."
            )
        trainer.resume(state)
    elif after:
        trainer.follow(after)
    write_json(written, recipe)


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that is named, with what the command line changes."""
    recipe = load(options.recipe)
    schedule, seed = recipe.schedule, recipe.seed if options.seed is None else options.seed
    if options.steps or options.minutes:
        schedule = replace(schedule, steps=options.steps, minutes=options.minutes)
    if options.learning_rate:
        schedule = replace(schedule, learning_rate=options.learning_rate)
    weights = None if options.after else options.weights or recipe.weights
    return replace(recipe, schedule=schedule, seed=seed, weights=weights)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=names())
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders, each drawn from as often as any other"
    )
    parser.add_argument("--monitor", type=Path, required=True, help="held-out scenes that are watched")
    parser.add_argument("--output", type=Path, required=True)
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--weights", help="checkpoint that this run starts from, a folder or a model's name")
    start.add_argument("--after", type=Path, help="state of an earlier run that this one goes on from")
    parser.add_argument("--teacher", help="checkpoint of the teacher, for recipes that have one")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches ahead; 0: none")
    parser.add_argument("--every", type=float, default=3.0, help="minutes between looks at the held-out scenes")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train to the end."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    machine = Machine.choose(options.device, options.precision)
    teacher = read_teacher(options.teacher, machine.device) if options.teacher else None
    recipe = chosen_recipe(options)
    monitor = open_monitor(options.monitor, recipe)
    trainer = Trainer.start(recipe, [DataFolder.open(folder) for folder in options.data], machine, teacher)
    begin(trainer, options.output, options.after)
    if options.workers:
        trainer.draw_ahead(options.workers)
    looked = time.monotonic()
    while not trainer.is_over:
        trainer.advance()
        if trainer.is_over or time.monotonic() - looked > 60 * options.every:
            pause(trainer, options.output, monitor)
            looked = time.monotonic()


if __name__ == "__main__":
    main()
