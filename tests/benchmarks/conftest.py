"""`benchmarks/` is run from the checkout's root, so its tests import it from there; and an end without a hang."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = str(Path(__file__).resolve().parents[2])
sys.path[:0] = [path for path in (ROOT, str(Path(__file__).parent)) if path not in sys.path]

from official_evaluation import turn  # noqa: E402

import benchmarks.accuracy  # noqa: E402, F401 - finds what the Makefile installs for it

_status = 0


def pytest_sessionfinish(exitstatus):
    global _status  # noqa: PLW0603
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """Blender as a Python module may hang when the interpreter ends, see tests/blender."""
    if "bpy" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)


@pytest.fixture
def chance():
    return np.random.default_rng(3)


@pytest.fixture
def some_cameras(chance):
    """Make world_from_camera [count, 4, 4] at random."""

    def make(count=8):
        cameras = np.repeat(np.eye(4)[None], count, axis=0)
        for camera in cameras:
            camera[:3, :3] = turn(chance.normal(0.0, 1.0, 3))
            camera[:3, 3] = chance.normal(0.0, 2.0, 3)
        return cameras

    return make


@pytest.fixture
def shaken(chance):
    """Return cameras a little off."""

    def shake(cameras, radians=0.1, distance=0.2):
        off = cameras.copy()
        for camera in off:
            camera[:3, :3] = camera[:3, :3] @ turn(chance.normal(0.0, radians, 3))
            camera[:3, 3] += chance.normal(0.0, distance, 3)
        return off

    return shake
