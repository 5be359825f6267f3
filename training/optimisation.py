"""How the weights move: initialisation, AdamW with a learning rate that rises and falls, and a running average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from core.model.network import Network
from core.model.vision_transformer import VisionTransformer

from .config import Recipe, Schedule
from .learner import Moment


def sine_positions(dim: int, side: int) -> Tensor:
    """[side², dim] sines and cosines of column (first half) and row (second half), as in MAE (arXiv 2111.06377)."""
    quarter = dim // 4
    angles = torch.arange(side)[:, None] * 100.0 ** (-torch.arange(quarter) / quarter)
    waves = torch.cat((angles.sin(), angles.cos()), -1)
    return torch.cat((waves.repeat(side, 1), waves.repeat_interleave(side, 0)), -1)


@torch.no_grad()
def initialise(network: Network) -> None:
    """Start values: small tokens, positions that can be told apart, cameras near the prior's mean, half a sky."""
    backbone = cast("VisionTransformer", network.backbone["pretrained"])
    config = network.config.backbone
    tokens = (backbone.cls_token, backbone.pos_embed)
    for token in (*tokens, backbone.camera_token) if config.alt_start >= 0 else tokens:
        nn.init.trunc_normal_(token, std=0.02)
    side = config.img_size // config.patch_size
    backbone.pos_embed[0, 1:] += 0.4 * sine_positions(config.embed_dim, side).to(backbone.pos_embed.device)
    if network.cam_dec is not None:
        field_of_view = cast("nn.Linear", network.cam_dec.fc_fov[0])
        for layer in (network.cam_dec.fc_t, network.cam_dec.fc_qvec, field_of_view):
            nn.init.trunc_normal_(layer.weight, std=0.01)
        network.cam_dec.fc_qvec.bias.copy_(torch.tensor((0.0, 0.0, 0.0, 1.0)))
        field_of_view.bias.copy_(torch.tensor((0.7, 1.0)))
    if network.config.head.type == "dpt":  # else a sky that starts below zero has no gradient
        network.get_parameter("head.scratch.sky_output_conv2.2.bias").fill_(0.5)


def learning_rate(schedule: Schedule, progress: float) -> float:
    """Linear rise, level, half cosine to zero; `progress` in [0, 1] is the part of the run that is over."""
    if progress < schedule.warm_up:
        return schedule.learning_rate * max(progress, 0.02 * schedule.warm_up) / schedule.warm_up
    fall = min(1.0, max(0.0, (progress - schedule.hold) / (1 - schedule.hold)))
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * fall))


def make_optimiser(network: Network, helpers: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only; groups have a `factor` on the learning rate and say `is_helper`."""
    body = [p for name, p in network.named_parameters() if not name.startswith("head.")]
    groups = []
    for factor, is_helper, parameters in (
        (recipe.head_factor, False, list(network.head.parameters())),
        (1.0, False, body),
        (1.0, True, list(helpers.parameters())),
    ):
        facts = {"factor": factor, "is_helper": is_helper}
        matrices = [p for p in parameters if p.ndim >= 2 and p.shape[0] > 1]
        others = [p for p in parameters if p.ndim < 2 or p.shape[0] == 1]
        groups.append({"params": matrices, "weight_decay": recipe.weight_decay, **facts})
        groups.append({"params": others, "weight_decay": 0.0, **facts})
    rate = recipe.schedule.learning_rate
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=(0.9, 0.98), fused=True)


def set_rates(optimiser: torch.optim.Optimizer, recipe: Recipe, moment: Moment) -> None:
    """Give every group its learning rate of this moment."""
    rate = learning_rate(recipe.schedule, moment.progress)
    alone_rate = recipe.helpers.alone_rate if recipe.helpers and moment.is_alone else rate
    for group in optimiser.param_groups:
        group["lr"] = alone_rate if group["is_helper"] else group["factor"] * rate


@dataclass
class Average:
    """Running average of a network's weights, faster in the beginning."""

    network: Network
    weights: dict[str, Tensor]
    steps: int = 0

    @classmethod
    def of(cls, network: Network) -> Average:
        """Start from a network's present weights."""
        return cls(network, {name: p.detach().clone() for name, p in network.named_parameters()})

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Move a little towards the network's weights; all the way with decay 0."""
        self.steps += 1
        decay = min(decay, (1 + self.steps) / (10 + self.steps))
        current = [p.detach() for p in self.network.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), current, 1 - decay)
