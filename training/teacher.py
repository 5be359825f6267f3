"""The teacher as a learner: single views, relative exponential depth.

The depth is exponential in that the head answers its logarithm (`core.model.dense_head`), so that near things differ as
much as far ones; it is relative in that its loss finds a scale and shift for every picture (`teacher_losses.py`).
Source: arXiv 2511.10647 §4.1.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from core.model.dense_head import DenseMaps
from core.model.network import Network

from .alignment import ransac
from .batches import Batch
from .config import Recipe, TeacherObjective
from .learner import Machine, Moment
from .metrics import inlier_share
from .teacher_losses import teacher_objective


@dataclass
class Teacher:
    """A single-view network; it has no helpers."""

    network: Network
    helpers: nn.Module
    objective: TeacherObjective
    machine: Machine

    @classmethod
    def start(cls, recipe: Recipe, machine: Machine) -> Teacher:
        """Build a teacher from torch's present random state."""
        assert isinstance(recipe.objective, TeacherObjective)
        return cls(Network(recipe.network).to(machine.device), nn.Module(), recipe.objective, machine)

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of the paper's equation 7, less the object mask."""
        with self.machine.autocast():
            output = self.network(batch.images)
        maps = DenseMaps(output.depth, sky=output.sky)
        return teacher_objective(maps, batch, self.objective, moment.generator())

    def figures(self, network: Network, batch: Batch) -> dict[str, list[float]]:
        """δ1 of one scene's views, after scale and shift."""
        output, random = network(batch.images), np.random.default_rng(0)
        shares = []
        for relative, true in zip(output.depth[0].cpu().numpy(), batch.depth[0].cpu().numpy(), strict=True):
            known = true > 0
            fit = ransac(relative[known], true[known], random)
            shares.append(inlier_share(fit(relative[known]), true[known]) if fit else 0.0)
        return {"d1": shares}
