"""How the weights move: initialisation, AdamW with a clock-driven learning rate, and a running average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from core.model.network import Network
from core.model.vision_transformer import VisionTransformer

from .config import Recipe


def sine_positions(dim: int, side: int) -> Tensor:
    """[side², dim] sines and cosines of column (first half) and row (second half), as in MAE (arXiv 2111.06377)."""
    quarter = dim // 4
    angles = torch.arange(side)[:, None] * 100.0 ** (-torch.arange(quarter) / quarter)
    waves = torch.cat((angles.sin(), angles.cos()), -1)
    return torch.cat((waves.repeat(side, 1), waves.repeat_interleave(side, 0)), -1)


@torch.no_grad()
def initialise(network: Network) -> None:
    """Start values: small random tokens, positions that can be told apart, cameras near the prior's mean."""
    backbone = cast("VisionTransformer", network.backbone["pretrained"])
    config = network.config.backbone
    for token in (backbone.cls_token, backbone.camera_token, backbone.pos_embed):
        nn.init.trunc_normal_(token, std=0.02)
    side = config.img_size // config.patch_size
    backbone.pos_embed[0, 1:] += 0.4 * sine_positions(config.embed_dim, side)
    if network.cam_dec is not None:
        field_of_view = cast("nn.Linear", network.cam_dec.fc_fov[0])
        for layer in (network.cam_dec.fc_t, network.cam_dec.fc_qvec, field_of_view):
            nn.init.trunc_normal_(layer.weight, std=0.01)
        network.cam_dec.fc_qvec.bias.copy_(torch.tensor((0.0, 0.0, 0.0, 1.0)))
        field_of_view.bias.copy_(torch.tensor((0.7, 1.0)))


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear rise, level, half cosine to zero; `progress` in [0, 1] is the part of the run that is over."""
    if progress < recipe.warm_up:
        return recipe.learning_rate * max(progress, 0.02 * recipe.warm_up) / recipe.warm_up
    fall = min(1.0, max(0.0, (progress - recipe.hold) / (1 - recipe.hold)))
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * fall))


def make_optimiser(network: Network, helpers: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only; the dense head, which starts late, learns faster."""
    groups = []
    for factor, parameters in (
        (recipe.head_factor, list(network.head.parameters())),
        (1.0, [p for n, p in network.named_parameters() if not n.startswith("head.")] + list(helpers.parameters())),
    ):
        matrices = [p for p in parameters if p.ndim >= 2 and p.shape[0] > 1]
        others = [p for p in parameters if p.ndim < 2 or p.shape[0] == 1]
        groups.append({"params": matrices, "weight_decay": recipe.weight_decay, "factor": factor})
        groups.append({"params": others, "weight_decay": 0.0, "factor": factor})
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


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
        """Move a little towards the network's weights."""
        self.steps += 1
        decay = min(decay, (1 + self.steps) / (10 + self.steps))
        current = [p.detach() for p in self.network.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), current, 1 - decay)
