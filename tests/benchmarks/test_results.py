"""Results as files, as a table and as a page; and the whole as one command."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("open3d", reason="Open3D is not installed: `make bench-accuracy` installs it")

from test_official_sets import hiroom, poses  # noqa: F401 - fixtures

from benchmarks.accuracy.page import draw_page, draw_strip
from benchmarks.accuracy.prediction import PredictedView, Prediction, depth_at, intrinsics_at
from benchmarks.accuracy.results import Result, as_json, load_result, means, report, save_result
from benchmarks.accuracy.scene import Pictures, TrueView
from benchmarks.accuracy.table import COLUMNS, table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = [
    Result(
        "a",
        "room",
        {"camera head": {"auc30": 20.0, "chamfer": math.inf}, "given": {"auc30": 90.0, "f1": 0.5, "chamfer": math.inf}},
        1.0,
    ),
    Result("b", "street", {"camera head": {"auc30": 40.0, "chamfer": 0.2}}, 2.0),
]


def test_results_come_back_from_their_files(tmp_path):
    for result in RESULTS:
        save_result(result, tmp_path)
        assert load_result(tmp_path / f"{result.name}.json") == result
    assert len(list(tmp_path.iterdir())) == 2


def test_means_are_over_the_scenes_that_have_a_score():
    averaged = means(RESULTS)
    assert averaged["camera head"] == {"auc30": 30.0, "chamfer": 0.2}
    assert averaged["given"] == {"auc30": 90.0, "f1": 0.5, "chamfer": math.inf}


def test_the_report_is_json_as_it_is_defined():
    facts = json.loads(as_json(report(RESULTS, {"model": "nano"})), parse_constant=pytest.fail)
    assert facts["model"] == "nano"
    assert facts["kinds"]["room"]["camera head"]["chamfer"] is None
    assert facts["kinds"]["street"]["camera head"]["auc30"] == 40.0


def test_the_table_says_what_is_known():
    lines = table(RESULTS).splitlines()
    assert len({len(line) for line in lines[:3]}) == 1
    titles = lines[0].split("scenes")[1]
    assert all(column.title in titles for column in COLUMNS)
    assert "∞" in lines[2]
    assert "50.0" in lines[2]
    assert "–" in lines[2]
    assert any(line.startswith("street: camera head") for line in lines)


class Wall:
    """One scene of walls, for pages."""

    def __init__(self, folder, count):
        files = tuple(folder / f"{index}.png" for index in range(count))
        for file in files:
            Image.new("RGB", (30, 20), (90, 60, 30)).save(file)
        cameras = np.repeat(np.eye(4)[None], count, axis=0)
        cameras[:, 0, 3] = np.arange(count)
        cameras[:, 1, 3] = np.arange(count) % 2
        self.pictures = Pictures("wall", "wall", files, cameras, np.repeat(np.eye(3)[None], count, axis=0))

    def view(self, index):
        depth = np.linspace(1.0, 4.0, 600).reshape(20, 30)
        depth[:3] = np.nan
        return TrueView(depth, np.isfinite(depth))


@pytest.mark.parametrize("found", [np.linspace(1.0, 4.0, 600).reshape(20, 30), np.full((20, 30), np.nan)])
def test_pages_are_drawn_whatever_was_found(tmp_path, found):
    scene = Wall(tmp_path, 4)
    view = PredictedView(found, np.eye(3), np.eye(4), np.eye(3), (30, 20))
    strips = []
    for name in "abcdef":
        strips.append(tmp_path / f"{name}.png")
        draw_strip(scene, Prediction((view,) * 4, False), name, 1, strips[-1])
    draw_page(strips, "all", tmp_path / "page.png")
    with Image.open(strips[0]) as strip, Image.open(tmp_path / "page.png") as page:
        assert page.width > 2 * strip.width
        assert page.height > 3 * strip.height


def test_pixels_of_another_size_show_the_same(chance):
    depth = chance.uniform(1.0, 2.0, (4, 6))
    source_from_model = np.array([[10.0, 0.0, 5.0], [0.0, 10.0, 0.0], [0.0, 0.0, 1.0]])  # cut 5 pixels on both sides
    view = PredictedView(depth, np.diag([3.0, 3.0, 1.0]), np.eye(4), source_from_model, (70, 40))
    large = depth_at(view, (140, 80))
    assert np.isnan(large[:, :10]).all()
    assert np.isnan(large[:, 130:]).all()
    np.testing.assert_array_equal(large[10::20, 20:130:20], depth)
    np.testing.assert_allclose(intrinsics_at(view, (140, 80)), [[60.0, 0.0, 10.0], [0.0, 60.0, 0.0], [0.0, 0.0, 1.0]])


def test_one_command_measures_a_data_set(hiroom, tmp_path):  # noqa: F811
    """The bundled network on a tiny folder of the benchmark's layout; what it finds there does not matter."""
    arguments = ["--data", hiroom, "--model", "nano", "--processes", "1", "--output", tmp_path / "out"]
    command = [sys.executable, "-m", "benchmarks.accuracy", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    folder = tmp_path / "out" / "nano_official"
    facts = json.loads((folder / "results.json").read_text())
    assert facts["scenes"][0]["name"] == "hiroom_house-floor-room"
    assert set(facts["means"]) == {"camera head", "ray map", "given"}
    assert facts["means"]["given"]["auc3"] == 100.0
    assert (folder / "page.png").is_file()
    assert (folder / "table.txt").read_text().strip() in done.stdout
