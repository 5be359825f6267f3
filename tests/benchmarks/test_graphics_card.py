"""The table for graphics cards, tried on the processor: no card has to be there for it to be whole."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import graphics_card  # noqa: E402


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a process took")
def test_a_row_says_speed_memory_and_most_views_of_both_sides():
    program = [sys.executable, BENCHMARKS / "graphics_card.py", "--device", "cpu", "--models", "small"]
    short = ["--views", "2", "--size", "42", "56", "--longest", "0"]
    done = subprocess.run([*program, *short], check=True, capture_output=True, text=True)
    *_, names, row = done.stdout.splitlines()
    model, *numbers, published = row.split()
    assert names.split()[0] == "model"
    assert (model, published) == ("small", graphics_card.PAPER["small"].most_views)
    ours, official, paper, peak, official_peak, plan, most = map(float, numbers)
    assert paper == graphics_card.PAPER["small"].pictures_a_second
    assert min(ours, official) > 0
    assert 0.2 < peak < official_peak * 1.5
    assert 0.2 < plan < 2
    assert most > 4


def test_the_most_views_lie_on_the_line_through_the_last_two_peaks():
    line = {views: 1e9 + 1e7 * views for views in (16, 32, 64)} | {8: 5e9}
    total = 10e9
    assert graphics_card.most_views(line, total) == int((graphics_card.RESERVE * total - 1e9) / 1e7)


def test_what_has_run_fits():
    """A run near the limit goes in smaller parts, and its peak says nothing of larger ones."""
    assert graphics_card.most_views({8: 7.9e9, 16: 7.8e9}, 8e9) == 16
    assert graphics_card.most_views({8: 6e9, 16: 7.9e9}, 8e9) == 16
    assert graphics_card.most_views({8: 6e9}, 8e9) == 8
    assert graphics_card.most_views({}, 8e9) == 0
