"""Helpers of these tests: the official package's evaluation, and rotations."""

import numpy as np
import pytest


def turn(vector):
    """Rotation [3, 3] about a vector by its length in radians."""
    angle = np.linalg.norm(vector)
    if angle == 0.0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def official(name):
    """Import a module of the official package's evaluation; without it or what it needs, the test is skipped."""
    return pytest.importorskip(
        f"depth_anything_3.{name}", reason="the official evaluation needs requirements/accuracy.txt"
    )
