"""A quick look at held-out scenes while training runs, straight through the network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.model.network import Network

from .batches import Batch, collate, cut, require, shrink
from .config import Recipe
from .data import DataFolder
from .learner import Learner, Machine
from .metrics import area_under_curve

CHOSEN = (0, 2, 5, 7)
"""The views of a path that are looked at."""


def open_monitor(folder: Path, recipe: Recipe) -> DataFolder:
    """Open the scenes that are watched.

    Raises:
        TrainingError: There are none, or they are too small for the recipe.
    """
    data = DataFolder.open(folder)
    require(data, max(recipe.sizes[0][0]), max(CHOSEN) + 1)
    return data


def held_out_batch(data: DataFolder, scene: int, size: tuple[int, int]) -> Batch:
    """Four views of a scene, as they are."""
    chosen = list(CHOSEN)
    K = data.image_from_camera[scene][chosen].copy()
    images, depth, K = shrink(data.images[scene][chosen], data.depth[scene][chosen], K, max(size))
    K[:, :2, 2] = size[0] / 2, size[1] / 2
    pixels = cut(images, size, 1).astype(np.float32) / 255
    return collate([(pixels, cut(depth, size, 1), data.world_from_camera[scene][chosen], K)])


@torch.no_grad()
def measure(
    recipe: Recipe, learner: Learner, weights: Mapping[str, Tensor], data: DataFolder, machine: Machine
) -> dict[str, float]:
    """Means of a learner's figures over all held-out scenes; of cameras AUC30 and the medians of both errors."""
    network = Network(recipe.network)
    network.load_state_dict({**network.state_dict(), **weights})
    network.to(machine.device).eval()
    pooled: dict[str, list[float]] = defaultdict(list)
    for scene in range(data.ready()):
        batch = held_out_batch(data, scene, recipe.sizes[0][0]).to(machine.device)
        for name, values in learner.figures(network, batch).items():
            pooled[name] += values
    means = {name: float(np.mean(values)) for name, values in pooled.items() if name.startswith("d1")}
    return {name: round(value, 4) for name, value in (means | camera_figures(pooled)).items()}


def camera_figures(pooled: Mapping[str, list[float]]) -> dict[str, float]:
    """AUC30 and median errors, without and with cameras given, where there are any."""
    figures: dict[str, float] = {}
    for suffix in ("", "_given"):
        if rotation := pooled.get(f"rotation{suffix}"):
            direction = pooled[f"direction{suffix}"]
            figures[f"auc30{suffix}"] = area_under_curve(list(zip(rotation, direction, strict=True)), 30)
            figures |= {f"rot{suffix}": float(np.median(rotation)), f"dir{suffix}": float(np.median(direction))}
    return figures
