"""What stands below a root is read back from the scene; sky and what is masked do not count."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from floor_scene import HEIGHT, LENGTH, PITCH, WIDTH, place_in_scene, true_up

from image_to_scene.operators.scene import BuildOptions
from image_to_scene.operators.scene.survey import survey


@pytest.fixture
def built(floor_view):
    return place_in_scene(floor_view)


def test_survey_reads_back_what_was_built(built):
    what = survey(built.root)
    assert np.allclose(what.cameras[0][:3, 3], 0, atol=1e-6)
    np.testing.assert_allclose(what.up, (0, 0, 1), atol=1e-6)
    assert 500 < len(what.points) < WIDTH * LENGTH
    assert what.depth.max() < 10.0  # no sky
    assert what.ground is not None
    assert what.ground.normal @ true_up() > np.cos(np.radians(0.2))
    assert what.ground.heights(np.zeros(3)) == pytest.approx(HEIGHT, rel=5e-3)
    assert what.ground.share > 0.3


def test_survey_of_meshes_alone_and_without_cameras(floor_view):
    built = place_in_scene(floor_view, options=BuildOptions(cameras=False, point_cloud=False))
    assert survey(built.root).ground.normal @ true_up() > np.cos(np.radians(0.3))
    built = place_in_scene(floor_view, options=BuildOptions(cameras=False, point_cloud=False, meshes=False))
    assert survey(built.root).ground is None


def test_survey_counts_objects_that_were_moved_and_hidden(built):
    cloud = built.clouds[0]
    cloud.location, cloud.hide_viewport = (0.0, 0.0, -0.5), True
    assert survey(built.root).ground.heights(np.zeros(3)) == pytest.approx(HEIGHT + 0.5 * np.cos(PITCH), abs=0.05)
