"""The bundled checkpoint, through the public pipeline, on a few held-out scenes: far from the floor, whole, small."""

from pathlib import Path

import numpy as np
import pytest

from core.model.weights import Checkpoint
from core.pipeline import Session
from core.types import Request, View
from training.data import HELD_OUT_SEED
from training.evaluate import draw, score_floor, score_run
from training.metrics import area_under_curve
from training.recipes import nano

FOLDER = Path(__file__).resolve().parents[2] / "core" / "model" / "checkpoints" / "nano"


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Scores of nine scenes (each family in each camera mode) and of the floor."""
    session, reached, floor = Session(), [], []
    for index in range(9):
        views, truth = draw(HELD_OUT_SEED + index, tmp_path_factory.mktemp("views"))
        request = Request(tuple(View(view.path) for view in views), model=str(FOLDER))
        (result,) = session.reconstruct(request, lambda step: None)
        reached.append(score_run(result, truth))
        floor.append(score_floor(truth))
    return reached, floor


def test_files_are_an_ordinary_checkpoint_of_the_recipe():
    assert Checkpoint(str(FOLDER)).fill("model.").config == nano.RECIPE.network
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 16e6


def test_depth_is_far_above_constant_depth(scores):
    reached, floor = (np.mean([score.delta1 for score in part]) for part in scores)
    assert floor < 0.45
    assert reached > floor + 0.2


def test_cameras_are_far_above_standing_still(scores):
    reached, floor = (area_under_curve([pair for score in part for pair in score.pairs], 30) for part in scores)
    assert floor <= 5
    assert reached > floor + 10
