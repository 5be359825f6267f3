"""The table of a run: every way of reconstructing, all scenes together and kind by kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .results import Result, means
from .scores import Scores

WIDTH = 38


@dataclass(frozen=True)
class Column:
    """One score."""

    title: str
    score: str
    factor: float = 1.0
    digits: int = 1


COLUMNS = (
    Column("AUC3", "auc3"),
    Column("AUC5", "auc5"),
    Column("AUC15", "auc15"),
    Column("AUC30", "auc30"),
    Column("rel30", "relative_auc30"),
    Column("rot°", "rotation"),
    Column("dir°", "direction"),
    Column("place", "place", digits=2),
    Column("ray°", "ray"),
    Column("δ1", "delta1", digits=3),
    Column("AbsRel", "absolute_relative", digits=3),
    Column("δ1 s", "delta1_scene", digits=3),
    Column("AbsRel s", "absolute_relative_scene", digits=3),
    Column("F1", "f1", 100.0),
    Column("prec", "precision", 100.0),
    Column("rec", "recall", 100.0),
    Column("Chamfer", "chamfer", digits=3),
)
LEGEND = """\
AUC (percent): area under the curve of pairs whose camera error is below 3, 5, 15, 30°, as the official evaluation takes
it; rel30: the same with each pair seen from its own camera; rot, dir: median errors of that, degrees, of rotation and
of the direction of movement; place: mean error of camera centres after alignment, as a part of their spread; ray: mean
error of what pixels look along. δ1, AbsRel: depth, each view scaled by its median, and "s" all views of a scene by one.
F1, prec, rec (percent) and Chamfer (in the true unit): the fused surface after alignment of the cameras; scenes where
nothing was fused count as 0, but not in Chamfer; those whose cameras were found in a line, not in place."""


def table(results: Sequence[Result]) -> str:
    """Write the table as text."""
    lines = ["".join([f"{'':{WIDTH}}{'scenes':>7}", *(f"{column.title:>9}" for column in COLUMNS)])]
    lines += _block(results, "")
    kinds = list(dict.fromkeys(result.kind for result in results))
    for kind in kinds if len(kinds) > 1 else []:
        lines += ["", *_block([result for result in results if result.kind == kind], f"{kind}: ")]
    return "\n".join([*lines, "", LEGEND])


def _block(results: Sequence[Result], prefix: str) -> list[str]:
    rows = []
    for name, scores in means(results).items():
        count = sum(name in result.runs for result in results)
        rows.append(f"{prefix + name:{WIDTH}}{count:7}" + "".join(_cell(column, scores) for column in COLUMNS))
    return rows


def _cell(column: Column, scores: Scores) -> str:
    value = scores.get(column.score)
    if value is None:
        return f"{'–':>9}"
    return f"{column.factor * value:9.{column.digits}f}" if math.isfinite(value) else f"{'∞':>9}"
