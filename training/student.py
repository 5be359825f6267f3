"""The any-view network as a learner: the paper's objective, and helpers where a recipe wants them.

Source: arXiv 2511.10647 §3.3.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.model.camera_head import CameraEncoding, world_from_encoding
from core.model.network import Network
from core.model.vision_transformer import Features, ViewGroup

from .auxiliary import Auxiliary
from .batches import Batch
from .config import Recipe, StudentObjective, TrainingError
from .labels import Labeller
from .learner import Machine, Moment
from .losses import camera_objective, dense_objective
from .metrics import delta1, pair_errors


@dataclass
class Student:
    """The any-view network, its helpers and its teacher."""

    network: Network
    helpers: nn.Module
    objective: StudentObjective
    machine: Machine
    labeller: Labeller | None

    @classmethod
    def start(cls, recipe: Recipe, machine: Machine, teacher: Network | None = None) -> Student:
        """Build a student from torch's present random state.

        Raises:
            TrainingError: The recipe wants a teacher and there is none, or the other way round.
        """
        objective = recipe.objective
        assert isinstance(objective, StudentObjective)
        if (objective.teacher_from < 1) != (teacher is not None):
            raise TrainingError("--teacher goes with a recipe that has teacher_from < 1; give both or none.")
        network = Network(recipe.network)
        helpers = Auxiliary(network, recipe.helpers) if recipe.helpers else nn.Module()
        labeller = Labeller(teacher, machine, objective.label_points) if teacher else None
        return cls(network.to(machine.device), helpers.to(machine.device), objective, machine, labeller)

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The helpers' terms, the cameras', and from their time on those of the dense head."""
        random = moment.random()
        features, cameras = self._run(batch, given=bool(random.random() < self.objective.pose_probability))
        terms = self.helpers.losses(features, batch) if isinstance(self.helpers, Auxiliary) else {}
        if moment.is_alone:
            return terms
        terms |= camera_objective(cameras, batch, self.objective)
        if moment.progress >= self.objective.dense_from:
            if self.labeller and moment.progress >= self.objective.teacher_from:
                batch = self.labeller.label(batch, random)
            terms |= self._dense_losses(features.patches[0], batch, moment.generator())
        return terms

    def _run(self, batch: Batch, *, given: bool) -> tuple[Features, CameraEncoding]:
        """Backbone and camera head; the first view is the reference, as the truth has it."""
        network = self.network
        assert network.cam_enc is not None and network.cam_dec is not None
        group = ViewGroup(batch.images, tuple(range(batch.images.shape[1])))
        with self.machine.autocast():
            tokens = network.cam_enc(batch.given) if given else None
            features = network.encode([group], camera_tokens=tokens, reference_view="first")
            return features, network.cam_dec(features.cameras)

    def _dense_losses(self, patches: tuple[Tensor, ...], batch: Batch, random: torch.Generator) -> dict[str, Tensor]:
        """The dense head's terms, on some of the pictures: the head may cost more than the backbone."""
        count = min(self.objective.dense_images or batch.pictures, batch.pictures)
        chosen = torch.randperm(batch.pictures, generator=random)[:count].to(self.machine.device)
        layers = [layer.flatten(0, 1)[chosen, None] for layer in patches]
        with self.machine.autocast():
            maps = self.network.dense_maps(layers, batch.depth.shape[-2:], want_rays=True)
        return dense_objective(maps, batch.of_pictures(chosen), self.objective)

    def figures(self, network: Network, batch: Batch) -> dict[str, list[float]]:
        """δ1 and pair errors of one scene, without and with its cameras given, default reference view."""
        assert network.cam_enc is not None and network.cam_dec is not None
        figures: dict[str, list[float]] = {}
        group = ViewGroup(batch.images, tuple(range(batch.images.shape[1])))
        for suffix, tokens in (("", None), ("_given", network.cam_enc(batch.given))):
            features = network.encode([group], camera_tokens=tokens)
            depth = network.dense_maps(features.patches[0], batch.depth.shape[-2:]).depth[0].cpu().numpy()
            cameras = world_from_encoding(network.cam_dec(features.cameras))[0].double().cpu().numpy()
            true = batch.world_from_camera[0].double().cpu().numpy()
            figures[f"d1{suffix}"] = [delta1(p, t) for p, t in zip(depth, batch.depth[0].cpu().numpy(), strict=True)]
            rotation, direction = (list(errors) for errors in zip(*pair_errors(cameras, true), strict=True))
            figures |= {f"rotation{suffix}": rotation, f"direction{suffix}": direction}
        return figures
