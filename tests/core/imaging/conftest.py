"""Pictures made on the spot, and the official pre-processing to compare with."""

import importlib
import sys
import types
from collections.abc import Callable
from unittest.mock import patch

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
    """The official `InputProcessor`, imported with stand-ins for what it imports but is not needed here.

    `sys.modules` is put back afterwards, so other tests may import the package with stand-ins of their own.
    """
    torch = pytest.importorskip("torch", reason="the official pre-processing needs torch")
    pytest.importorskip("cv2", reason="the official pre-processing needs cv2")
    pytest.importorskip("depth_anything_3", reason="the official package is not installed")
    with patch.dict(sys.modules, _stand_ins(torch)):
        for name in [name for name in sys.modules if name.startswith("depth_anything_3")]:
            del sys.modules[name]
        return importlib.import_module("depth_anything_3.utils.io.input_processor").InputProcessor()


def _stand_ins(torch) -> dict[str, types.ModuleType]:
    class Normalize:
        def __init__(self, mean, std):
            self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (mean, std))

        def __call__(self, image):
            return (image - self.mean) / self.std

    class ToTensor:
        def __call__(self, image):
            return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255

    class CenterCrop:
        def __init__(self, size):
            self.size = size

        def __call__(self, image):
            top, left = (round((old - new) / 2.0) for old, new in zip(image.shape[-2:], self.size, strict=True))
            return image[..., top : top + self.size[0], left : left + self.size[1]]

    torchvision, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
    transforms.Normalize, transforms.ToTensor, transforms.CenterCrop = Normalize, ToTensor, CenterCrop
    torchvision.transforms = transforms
    return {
        "torchvision": torchvision,
        "torchvision.transforms": transforms,
        "imageio": types.ModuleType("imageio"),
        "cv2": sys.modules["cv2"],
    }
