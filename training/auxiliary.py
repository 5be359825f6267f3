"""Training-only helpers: a cheap depth head, true matches for the attention, and a probe for projected places.

From scratch, cameras emerge late because nothing tells the network which patches show the same place. These small
losses do; their weights are thrown away. What was seen without them stands in the model card.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.model.attention import Attention
from core.model.network import Network
from core.model.vision_transformer import Features, VisionTransformer

from .batches import Batch
from .config import Helpers
from .losses import masked_mean, pixel_centres

CELLS = 4
"""Places along a patch's side at which its depth is guessed."""


@dataclass(frozen=True)
class PatchCentres:
    """What is known of the centres of all patches: view 0's frame, P patches row by row.

    Attributes:
        points: [B, V, P, 3].
        known: [B, V, P].
    """

    points: Tensor
    known: Tensor


def patch_centres(batch: Batch, patch: int = 14) -> PatchCentres:
    """Lift the pixel at each patch's centre to its true place."""
    half = patch // 2
    depth = batch.depth[..., half::patch, half::patch]
    corners = pixel_centres(depth.shape[-2:], batch.depth.shape[-2:], batch.image_from_camera)
    middle = corners + corners.new_tensor((0.5, 0.5, 0.0))  # of the pixel just behind the patch's centre
    rays = torch.einsum("bvij,hwj->bvhwi", torch.linalg.inv(batch.image_from_camera), middle)
    points = (rays * depth[..., None]).flatten(2, 3) @ batch.world_from_camera[..., :3, :3].mT
    return PatchCentres(points + batch.world_from_camera[..., None, :3, 3], depth.flatten(2) > 0)


def true_matches(batch: Batch, centres: PatchCentres, patch: int = 14) -> Tensor:
    """For each patch of view i, the patch of view j that shows its centre.

    Returns:
        [B, V, V, P] index into view j's patches; −1 where it is out of the picture, hidden, or j = i.
    """
    height, width = batch.depth.shape[-2:]
    views = batch.depth.shape[1]
    camera_from_world = torch.linalg.inv(batch.world_from_camera)[:, None]
    local = centres.points[:, :, None] @ camera_from_world[..., :3, :3].mT + camera_from_world[..., None, :3, 3]
    z = local[..., 2]
    image = local @ batch.image_from_camera[:, None].mT
    x, y = (image[..., :2] / z.clamp_min(1e-3)[..., None]).unbind(-1)
    seen = (z > 0.02) & (x > 0) & (x < width) & (y > 0) & (y < height) & centres.known[:, :, None]
    column, row = x.clamp(0, width - 1).long(), y.clamp(0, height - 1).long()
    flat = batch.depth.flatten(2)[:, None].expand(-1, views, -1, -1)
    seen &= (flat.gather(-1, row * width + column) - z).abs() < 0.05 * z
    seen &= ~torch.eye(views, dtype=torch.bool, device=seen.device)[..., None]
    return torch.where(seen, row // patch * (width // patch) + column // patch, -1)


def match_loss(query: Tensor, key: Tensor, matches: Tensor) -> Tensor:
    """Cross entropy of one head's attention from each patch into each other view, against the true match.

    Args:
        query: [B, V, P, D] of the patches.
        key: [B, V, P, D].
        matches: [B, V, V, P] from `true_matches`.
    """
    known = matches >= 0
    if not bool(known.any()):
        return query.new_zeros(())
    logits = torch.einsum("bipd,bjqd->bijpq", query, key) * query.shape[-1] ** -0.5
    return functional.cross_entropy(logits[known], matches[known])


def lookup_loss(query: Tensor, key: Tensor, matches: Tensor) -> Tensor:
    """Cross entropy of one head's whole attention, from source patches, against the match in the reference view.

    What the head then hands on is the place of the match: with the patch's own place, all that a camera needs.

    Args:
        query: [B, V, 1 + P, D] of all tokens, camera tokens first.
        key: [B, V, 1 + P, D].
        matches: [B, V, V, P] from `true_matches`.
    """
    wanted = matches[:, 1:, 0].flatten(1)
    known = wanted >= 0
    if not bool(known.any()):
        return query.new_zeros(())
    logits = query[:, 1:, 1:].flatten(1, 2) @ key.flatten(1, 2).mT * query.shape[-1] ** -0.5
    return functional.cross_entropy(logits[known], 1 + wanted[known])


def picture_places(depth: Tensor, patch: int) -> Tensor:
    """[P, 2] centres of all patches of pictures [..., H, W], −1 to 1 across them."""
    height, width = depth.shape[-2:]
    centres = pixel_centres((height // patch, width // patch), (height, width), depth)[..., :2].flatten(0, 1)
    return 2 * centres / centres.new_tensor((width, height)) - 1


class Auxiliary(nn.Module):
    """The throw-away heads of one network, and the listeners on its attention; fp32 whatever the network runs in."""

    def __init__(self, network: Network, helpers: Helpers) -> None:
        super().__init__()
        config, self.config = network.config, helpers
        self.patch = config.backbone.patch_size
        self.depth = nn.Linear(config.head.dim_in, CELLS * CELLS)
        self.probes = nn.ModuleList(nn.Linear(config.head.dim_in, 2) for _ in config.backbone.out_layers[1:])
        self.heads = config.backbone.num_heads
        head_dim = config.backbone.embed_dim // self.heads
        self.places = nn.ModuleList(nn.Linear(head_dim, 2) for _ in helpers.lookup_blocks)
        self._heard: dict[tuple[int, str], Tensor] = {}
        blocks = cast("VisionTransformer", network.backbone["pretrained"]).blocks
        for index in sorted({*helpers.match_blocks, *helpers.lookup_blocks}):
            attention = cast("Attention", blocks[index].attn)
            for name in ("q_norm", "k_norm", "qkv"):
                self._listen(cast("nn.Module", getattr(attention, name)), (index, name))

    def _listen(self, module: nn.Module, place: tuple[int, str]) -> None:
        def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self._heard[place] = output

        module.register_forward_hook(keep)

    def _head(self, block: int, name: str, views: Sequence[int]) -> Tensor:
        """[B, V, 1 + P, D] queries, keys or values of head 0 of the last run; `views` is (B, V)."""
        output = self._heard[block, name]
        if name == "qkv":
            output = output.unflatten(-1, (3, self.heads, -1))[:, 2]
        return output[:, 0].unflatten(0, (*views, -1)).float()

    def losses(self, features: Features, batch: Batch) -> dict[str, Tensor]:
        """All terms, weighted; the network must just have run on this batch."""
        centres, weights = patch_centres(batch, self.patch), self.config
        terms = {"patch": weights.patch * self.patch_depth(features, batch)}
        if centres.known.shape[1] == 1:
            return terms
        terms["probe"] = weights.probe * self.probing(features, batch, centres)
        matching = self.matching(batch, centres)
        return terms | {name: getattr(weights, name) * value for name, value in matching.items()}

    def matching(self, batch: Batch, centres: PatchCentres) -> dict[str, Tensor]:
        """Match, look-up and place losses over the listened blocks, of two or more views."""
        views = centres.known.shape[:2]
        matches = true_matches(batch, centres, self.patch)
        match, lookup = [], []
        for block in self.config.match_blocks:
            q, k = (self._head(block, name, views)[:, :, 1:] for name in ("q_norm", "k_norm"))
            match.append(match_loss(q, k, matches))
        for block in self.config.lookup_blocks:
            q, k = (self._head(block, name, views) for name in ("q_norm", "k_norm"))
            lookup.append(lookup_loss(q, k, matches))
        return {
            "match": torch.stack(match).mean(),
            "lookup": torch.stack(lookup).mean(),
            "place": self._placing(batch, views),
        }

    def _placing(self, batch: Batch, views: Sequence[int]) -> Tensor:
        """L1 of linear guesses of each patch's own place from the values that a look-up would hand on."""
        own = picture_places(batch.depth, self.patch)
        values = [self._head(block, "qkv", views)[:, :, 1:] for block in self.config.lookup_blocks]
        return torch.stack([(r(v) - own).abs().mean() for r, v in zip(self.places, values, strict=True)]).mean()

    def probing(self, features: Features, batch: Batch, centres: PatchCentres) -> Tensor:
        """L1 of linear guesses, from each source patch, of its place in the reference picture (−1 to 1)."""
        height, width = batch.depth.shape[-2:]
        x, y, z = (centres.points @ batch.image_from_camera[:, :1].mT).unbind(-1)
        z = z.clamp_min(0.05)
        place = torch.stack((2 * x / z / width - 1, 2 * y / z / height - 1), -1)
        mask = centres.known & (centres.points[..., 2] > 0.05) & (place.abs().amax(-1) < 1.2)
        mask[:, 0] = False
        levels: Sequence[Tensor] = features.patches[0][1:]
        guesses = [probe(level.float()) for probe, level in zip(self.probes, levels, strict=True)]
        return torch.stack([masked_mean((guess - place).abs().mean(-1), mask) for guess in guesses]).mean()

    def patch_depth(self, features: Features, batch: Batch) -> Tensor:
        """L1 of the logarithm of depth at 4 × 4 places of every patch, guessed by one linear layer."""
        guess = self.depth(features.patches[0][-1].float()).unflatten(-1, (CELLS, CELLS))
        step = self.patch / CELLS
        places = ((torch.arange(CELLS, device=guess.device) + 0.5) * step).long()
        cells = batch.depth.unflatten(-1, (-1, self.patch)).unflatten(-3, (-1, self.patch))  # B V rows 14 columns 14
        cells = cells.movedim(-3, -2).flatten(2, 3)[..., places[:, None], places]
        return masked_mean((guess - cells.clamp_min(1e-3).log()).abs(), cells > 0)
