"""What was measured, scene by scene, as files; and its means."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .scores import Scores

THROUGH_BLENDER = ", through Blender"
"""Follows the name of a way of reconstructing where the scores are of what was read back from a .blend."""


@dataclass(frozen=True)
class Result:
    """All scores of one scene."""

    name: str
    kind: str
    runs: Mapping[str, Scores]
    """By the way of reconstructing, maybe with `THROUGH_BLENDER`."""
    seconds: float


def save_result(result: Result, folder: Path) -> None:
    """Write one file for a scene."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{result.name}.json", as_json(asdict(result)))


def write_text(file: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    beside = file.with_name(f".{file.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def load_result(file: Path) -> Result:
    """Read what `save_result` wrote."""
    facts = json.loads(file.read_text(encoding="utf-8"))
    runs = {name: {key: _number(value) for key, value in run.items()} for name, run in facts["runs"].items()}
    return Result(facts["name"], facts["kind"], runs, facts["seconds"])


def means(results: Iterable[Result]) -> dict[str, Scores]:
    """Average every score of every run over the scenes that have it; a distance that is infinite is none."""
    gathered: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for run, scores in result.runs.items():
            for name, value in scores.items():
                gathered.setdefault(run, {}).setdefault(name, []).append(value)
    return {run: {name: _mean(values) for name, values in scores.items()} for run, scores in gathered.items()}


def report(results: list[Result], facts: Mapping[str, object]) -> dict[str, object]:
    """Gather everything that is known of a run of the benchmark."""
    kinds = {result.kind: None for result in results}
    return {
        **facts,
        "means": means(results),
        "kinds": {kind: means(result for result in results if result.kind == kind) for kind in kinds},
        "scenes": [asdict(result) for result in results],
    }


def as_json(value: object) -> str:
    """Write numbers as JSON has them: an infinite distance becomes null."""
    return json.dumps(_mapped(value, lambda number: number if math.isfinite(number) else None), indent=1) + "\n"


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.inf


def _mapped(value: object, change: Callable[[float], float | None]) -> object:
    if isinstance(value, Mapping):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return change(value) if isinstance(value, float) else value


def _number(value: float | None) -> float:
    return math.inf if value is None else value
