"""The recipe as data: one frozen object a run."""

from __future__ import annotations

from dataclasses import dataclass

PICTURE_SIZES: tuple[tuple[tuple[int, int], float], ...] = (
    ((126, 84), 0.62),
    ((126, 98), 0.12),
    ((126, 126), 0.06),
    ((84, 126), 0.08),
    ((98, 126), 0.04),
    ((126, 70), 0.08),
)
"""(width, height) of a batch's pictures, with probability: centred cuts of the 126 × 126 that are drawn."""

VIEW_COUNTS: tuple[tuple[int, float], ...] = ((1, 0.05), (2, 0.17), (3, 0.16), (4, 0.43), (6, 0.19))
"""Views of a batch's scenes, with probability."""


NEIGHBOURS = 0.3
"""Part of the scenes whose views are taken close together on the path, not from all of it."""


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; names as in `losses.py` and `auxiliary.py`."""

    depth: float = 2.5
    ray: float = 1.0
    point: float = 1.0
    camera: float = 5.0
    baseline: float = 1.5
    gradient: float = 1.0
    confidence: float = 0.2
    patch: float = 2.0
    match: float = 0.15
    lookup: float = 0.3
    place: float = 1.0
    probe: float = 1.5


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on, beside its data."""

    seed: int = 0
    minutes: float = 75.0
    """Length of the whole run; the learning rate follows the clock, so that it always ends at zero."""
    images_per_step: int = 16
    learning_rate: float = 4e-4
    head_factor: float = 2.5
    """How much faster the dense head learns than the rest."""
    warm_up: float = 0.02
    """Part of the run in which the learning rate rises."""
    hold: float = 0.45
    """Part of the run after which it falls, as a half cosine, to zero."""
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float = 0.995
    """Decay of the running average of the weights, which is what is shipped."""
    first_phase: float = 0.46
    """Part of the run with a cheap linear depth head in place of the dense one."""
    dense_images: int = 4
    """How many of them the dense head is run and trained on."""
    pose_probability: float = 0.1
    """Part of the batches whose cameras are given to the network."""
    weights: LossWeights = LossWeights()
