"""One scene is measured in all ways: reconstructed, scored, taken through Blender, scored again, drawn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from image_to_scene.core.pipeline import Session
from image_to_scene.core.types import Reconstruction

from .page import draw_strip
from .prediction import (
    MODES,
    Mode,
    PredictedView,
    Prediction,
    Settings,
    prediction_of,
    reconstruct,
    truth_as_prediction,
)
from .rendered.reading import RenderedScene
from .results import THROUGH_BLENDER, Result, save_result
from .scene import Scene, SomeViews
from .scores import Scores
from .scoring import score

DRAWN = 2  # the view of which pictures are made
FOUR = (0, 2, 5, 7)
"""Of eight views of a path; some pairs of them hardly overlap."""


@dataclass(frozen=True)
class Plan:
    """What to measure of every scene."""

    folder: Path
    """For results and pictures."""
    settings: Settings = field(default_factory=Settings)
    modes: Sequence[Mode] = MODES
    blender: bool = True
    """Take every reconstruction through a .blend, too."""


def measure(scene: Scene, session: Session, plan: Plan) -> Result:
    """Measure one scene, and write its result and its pictures."""
    started, runs = time.monotonic(), dict[str, Scores]()
    for mode in plan.modes:
        reconstruction = reconstruct(session, scene.pictures, mode, plan.settings)
        prediction = prediction_of(reconstruction)
        runs[mode] = score(scene, prediction)
        if plan.blender:
            runs[mode + THROUGH_BLENDER] = score(scene, _through_blender(reconstruction, scene, plan))
        if mode == plan.modes[0]:
            _draw(scene, prediction, runs[mode], plan)
    if isinstance(scene, RenderedScene):
        runs |= {name: score(scene, prediction) for name, prediction in references(scene).items()}
        runs |= _few_views(scene, session, plan)
    result = Result(scene.pictures.name, scene.pictures.kind, runs, round(time.monotonic() - started, 1))
    save_result(result, plan.folder / "scenes")
    return result


def _few_views(scene: Scene, session: Session, plan: Plan) -> dict[str, Scores]:
    """Measure cameras and depth of four views together, and of each of these alone."""
    four, runs = SomeViews(scene, FOUR), dict[str, Scores]()
    for mode in plan.modes:
        if mode != "ray map":
            found = prediction_of(reconstruct(session, four.pictures, mode, plan.settings))
            runs[f"{mode}, 4 views"] = score(four, found)
    alone = [_depth_alone(SomeViews(scene, [index]), session, plan) for index in FOUR]
    return runs | {"1 view": {name: float(np.mean([scores[name] for scores in alone])) for name in alone[0]}}


def _depth_alone(scene: Scene, session: Session, plan: Plan) -> Scores:
    return score(scene, prediction_of(reconstruct(session, scene.pictures, "camera head", plan.settings)))


def references(scene: RenderedScene) -> dict[str, Prediction]:
    """Say the least and the best: constant depth from one place, and the truth as these pictures resolve it."""
    depth = np.asarray(scene.depth())
    height, width = depth.shape[1:]
    lens = np.array([[0.9 * width, 0.0, 0.5 * width], [0.0, 0.9 * width, 0.5 * height], [0.0, 0.0, 1.0]])
    flat = PredictedView(np.ones((height, width)), lens, np.eye(4), np.eye(3), (width, height))
    return {
        "floor: flat, not moving": Prediction((flat,) * len(depth), False),
        "ceiling: the truth": truth_as_prediction(scene.pictures, depth),
    }


def _through_blender(reconstruction: Reconstruction, scene: Scene, plan: Plan) -> Prediction:
    """Leave the file of the last way beside the results, to be looked at."""
    from .blender import through_blender

    folder = plan.folder / "blend"
    folder.mkdir(parents=True, exist_ok=True)
    return through_blender(reconstruction, (folder / f"{scene.pictures.name}.blend").resolve())


def _draw(scene: Scene, prediction: Prediction, scores: Scores, plan: Plan) -> None:
    told = {"AUC30": "auc30", "delta1": "delta1", "AbsRel": "absolute_relative", "F1": "f1"}
    numbers = [f"{title} {scores[name]:.3g}" for title, name in told.items() if name in scores]
    title = f"{scene.pictures.name}, {plan.modes[0]}: " + "   ".join(numbers)
    index = min(DRAWN, len(prediction.views) - 1)
    draw_strip(scene, prediction, title, index, plan.folder / "strips" / f"{scene.pictures.name}.png")
