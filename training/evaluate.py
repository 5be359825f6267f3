"""Held-out figures of a checkpoint, through the public pipeline: `python -m training.evaluate --model FOLDER`.

Scene `i` has seed HELD_OUT_SEED + i, family i mod 3, camera mode (i div 3) mod 3. Its four pictures are written as PNG
files three times as large as the network sees them, so that reading and resizing are measured too. These are scenes of
the ray-caster; `benchmarks/accuracy` measures what the field compares, on others.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.pipeline import Session
from core.types import Reconstruction, Request, View

from .cameras import MODES, intrinsics
from .data import HELD_OUT_SEED, Shots, make_plan
from .metrics import absolute_relative, area_under_curve, delta1, pair_errors
from .monitor import CHOSEN
from .raycast import render
from .scenes import FAMILIES

Array = NDArray[np.floating[Any]]
SIZE = (126, 84)
ENLARGEMENT = 3
GIVEN = "cameras given"


@dataclass(frozen=True)
class Score:
    """What one run of one scene reached; `pairs` are rotation and direction errors in degrees."""

    family: str
    mode: str
    delta1: float
    absolute_relative: float
    pairs: list[tuple[float, float]]


def draw(seed: int, folder: Path) -> tuple[tuple[View, ...], Shots]:
    """Write a scene's pictures to a folder; return them as posed views, and the truth at model size."""
    plan = make_plan(seed)
    scene, cameras = plan.stage.scene, plan.cameras[list(CHOSEN)]
    large = (ENLARGEMENT * SIZE[0], ENLARGEMENT * SIZE[1])
    K = intrinsics(plan.field_of_view, large)
    views = []
    for index, camera in enumerate(cameras):
        path = folder / f"{seed}_{index}.png"
        Image.fromarray(render(scene, camera, K, large)[0]).save(path)
        views.append(View(path, camera, K))
    small = intrinsics(plan.field_of_view, SIZE)
    images, depths = zip(*(render(scene, camera, small, SIZE) for camera in cameras), strict=True)
    lenses = np.repeat(small[None], len(cameras), 0)
    return tuple(views), Shots(np.stack(images), np.stack(depths), cameras, lenses, plan.family, plan.mode)


def score(depth: Iterable[Array], cameras: Array, truth: Shots) -> Score:
    """Compare one scene's depth maps and cameras [V, 4, 4] with the truth."""
    pairs = list(zip(depth, truth.depth, strict=True))
    return Score(
        truth.family,
        truth.mode,
        float(np.mean([delta1(p, t) for p, t in pairs])),
        float(np.mean([absolute_relative(p, t) for p, t in pairs])),
        pair_errors(cameras, truth.world_from_camera),
    )


def score_run(reconstruction: Reconstruction, truth: Shots) -> Score:
    """Compare a reconstruction with the truth."""
    cameras = [view.world_from_camera for view in reconstruction.views]
    return score([view.depth for view in reconstruction.views], np.array(cameras, np.float64), truth)


def score_floor(truth: Shots) -> Score:
    """What constant depth and cameras that never moved reach."""
    return score(np.ones_like(truth.depth), np.repeat(np.eye(4)[None], len(truth.depth), 0), truth)


def row(title: str, scores: Sequence[Score]) -> str:
    """One line of the table; cameras that were given have no error of their own."""
    depth = f"{np.mean([s.delta1 for s in scores]):8.3f}{np.mean([s.absolute_relative for s in scores]):8.3f}"
    pairs = [pair for s in scores for pair in s.pairs]
    if title.endswith(GIVEN):
        return f"{title:26}{len(scores):7}{depth}" + 3 * f"{'–':>8}" + 2 * f"{'–':>9}"
    aucs = "".join(f"{area_under_curve(pairs, t):8.1f}" for t in (5, 15, 30))
    rotation, direction = np.median(np.array(pairs), axis=0)
    return f"{title:26}{len(scores):7}{depth}{aucs}{rotation:9.1f}{direction:9.1f}"


def table(runs: dict[str, list[Score]]) -> str:
    """Every run overall, and the first run by family and by camera mode."""
    lines = [
        f"{'':26}{'scenes':>7}{'d1':>8}{'AbsRel':>8}{'AUC5':>8}{'AUC15':>8}{'AUC30':>8}{'rot med':>9}{'dir med':>9}"
    ]
    lines += [row(name, scores) for name, scores in runs.items()]
    keys: tuple[tuple[Sequence[str], Callable[[Score], str]], ...] = (
        (FAMILIES, lambda s: s.family),
        (MODES, lambda s: s.mode),
    )
    for names, key in keys:
        lines.append("")
        for name in names:
            for title, scores in runs.items():
                if some := [s for s in scores if key(s) == name]:
                    lines.append(row(f"{name}: {title}", some))
    return "\n".join(lines)


def main() -> None:
    """Read the command line, reconstruct all scenes, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--scenes", type=int, default=120)
    options = parser.parse_args()
    session = Session()
    runs: dict[str, list[Score]] = {"without cameras": [], GIVEN: [], "floor": []}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(options.scenes):
            views, truth = draw(HELD_OUT_SEED + index, Path(folder))
            bare = tuple(View(view.path) for view in views)
            for name, chosen in (("without cameras", bare), (GIVEN, views)):
                request = Request(chosen, model=options.model, square_pixels=False)
                (result,) = session.reconstruct(request, lambda step: None)
                runs[name].append(score_run(result, truth))
            runs["floor"].append(score_floor(truth))
    print(table(runs))


if __name__ == "__main__":
    main()
