"""A teacher's depth as labels: relative depth of single views, brought to the scale of what depth is known.

Source: arXiv 2511.10647 §4.2. Real depth is sparse or noisy; the teacher's is dense and smooth but has no scale.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.geometry.alignment import SKY
from core.model.network import Network

from .alignment import ransac
from .batches import Batch
from .learner import Machine

Array = NDArray[np.floating[Any]]


def label_picture(relative: Array, known: Array, points: int, random: np.random.Generator) -> Array:
    """Align one picture's relative depth to some of its known depth.

    Args:
        relative: [H, W] the teacher's.
        known: [H, W] the true depth, 0 where it is not known.
        points: How many known pixels the fit looks at, at most.
        random: Draws them.

    Returns:
        [H, W] the teacher's depth in the unit of `known`, 0 where it is not positive; `known` itself where no scale
        and shift can be found.
    """
    places = np.flatnonzero(known)
    chosen = random.permutation(places)[:points]
    fit = ransac(relative.ravel()[chosen], known.ravel()[chosen], random)
    return known if fit is None else np.maximum(fit(relative), 0.0).astype(np.float32)


@dataclass
class Labeller:
    """A trained teacher."""

    teacher: Network
    machine: Machine
    points: int

    @torch.no_grad()
    def label(self, batch: Batch, random: np.random.Generator) -> Batch:
        """The same batch with the teacher's depth in place of the true one; none on what the teacher takes for sky."""
        with self.machine.autocast():
            output = self.teacher(batch.images)
        relative, known = (x.flatten(0, 1).float().cpu().numpy() for x in (output.depth, batch.depth))
        pairs = zip(relative, known, strict=True)
        labels = np.stack([label_picture(r, k, self.points, random) for r, k in pairs])
        depth = torch.from_numpy(labels).to(batch.depth).view_as(batch.depth)
        return replace(batch, depth=depth * (output.sky < SKY))
