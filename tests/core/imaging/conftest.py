"""Pictures made on the spot, and the official pre-processing to compare with."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def natural_picture() -> Callable[..., np.ndarray]:
    """Make [H, W, 3] uint8 with the falling spectrum of a photograph: octaves of smooth noise and a few hard edges."""
    from PIL import Image

    def make(width: int, height: int, seed: int = 0) -> np.ndarray:
        if max(width, height) > 2048:  # a large one is a smaller one, mirrored over and over
            tile = make(min(width, 1000), min(height, 1000), seed)
            rest = ((0, height - tile.shape[0]), (0, width - tile.shape[1]), (0, 0))
            return np.pad(tile, rest, mode="symmetric")
        rng = np.random.default_rng(seed)
        total = np.zeros((height, width, 3))
        for octave in range(1, 9):
            noise = rng.integers(0, 256, (2**octave + 1, 2**octave + 1, 3), np.uint8)
            total += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)) / 2**octave
        for _ in range(6):
            left, top = rng.integers(0, width), rng.integers(0, height)
            total[top : top + height // 4, left : left + width // 5] *= rng.uniform(0.3, 1.0)
        total += rng.normal(0.0, 2.0, total.shape)  # a sensor's noise
        return np.clip(total, 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def official_processor():
    """The official `InputProcessor`."""
    for package in ("torch", "cv2", "depth_anything_3"):
        pytest.importorskip(package, reason=f"the official pre-processing needs {package}, which is not installed")
    sys.path.append(str(Path(__file__).parent))
    return importlib.import_module("official_pictures").input_processor()
