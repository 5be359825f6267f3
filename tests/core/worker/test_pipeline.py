"""The worker as Blender starts it: its own bootstrap, the real session, torch in the child and nowhere else."""

import contextlib
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from image_to_scene.core.errors import ImageError, WeightsError
from image_to_scene.core.types import Request, View
from image_to_scene.core.worker.client import PYTHON_VARIABLE, Worker
from image_to_scene.core.worker.protocol import ReadyMessage

PYTHON = Path(os.environ.get(PYTHON_VARIABLE, sys.executable))


@pytest.fixture(scope="module")
def worker():
    with contextlib.closing(Worker(PYTHON)) as worker:
        worker.start()
        while not any(isinstance(message, ReadyMessage) for message in worker.poll()):
            time.sleep(0.01)
        if "torch" not in worker.ready.versions:
            pytest.skip(f"{PYTHON} has no torch: name one that has in {PYTHON_VARIABLE}")
        yield worker


@pytest.fixture
def picture(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    path = tmp_path / "Straße 1.png"
    image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    return path


def test_missing_pictures_are_all_named(worker, tmp_path):
    views = tuple(View(tmp_path / name) for name in ("this.jpg", "that.jpg"))
    with pytest.raises(ImageError, match=r"(?s)this\.jpg.*that\.jpg"):
        worker.wait(worker.submit(Request(views), tmp_path / "out"))


def test_a_wrong_checkpoint_is_told_in_its_own_words(worker, picture, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    request = Request((View(picture),), model=str(tmp_path / "checkpoint"), device="cpu")
    with pytest.raises(WeightsError, match="checkpoint"):
        worker.wait(worker.submit(request, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
