"""The official `InputProcessor`, imported with stand-ins for what it imports but is not needed here."""

import importlib
import sys
import types
from unittest.mock import patch

import numpy as np
import torch


def input_processor():
    """Make one; `sys.modules` is put back, so that others may import the package with stand-ins of their own."""
    with patch.dict(sys.modules, _stand_ins()):
        for name in [name for name in sys.modules if name.startswith("depth_anything_3")]:
            del sys.modules[name]
        return importlib.import_module("depth_anything_3.utils.io.input_processor").InputProcessor()


def _stand_ins() -> dict[str, types.ModuleType]:
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
        "cv2": importlib.import_module("cv2"),
    }
