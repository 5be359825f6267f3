"""`training/` is run from the checkout's root (`python -m training.train`), so its tests import it from there."""

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from training.data import DataFolder, make_shots  # noqa: E402


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Three scenes of eight views of 84 × 84."""
    folder = DataFolder.create(tmp_path_factory.mktemp("data") / "scenes", 3, side=84)
    for index in range(3):
        folder.write(index, make_shots(index, size=(84, 84)))
    folder.report(3)
    return DataFolder.open(folder.folder)
