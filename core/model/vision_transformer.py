"""The backbone: a DINOv2 transformer whose odd blocks, from `alt_start` on, attend over all views at once.

Source: arXiv 2511.10647 §3.1; upstream `src/depth_anything_3/model/dinov2/vision_transformer.py` @2c21ea8. Differs:
views of several sizes run together (local blocks by size, global blocks over all tokens), the reference view is marked
instead of moved, patches are not rotated in global blocks (see `rotary.camera_table`), tables are cached.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..types import ReferenceView
from .attention import Block, Rotate
from .config import BackboneConfig
from .reference_view import choose_reference_view
from .rotary import RotaryTable, camera_table, patch_table, rotate

OnStep = Callable[[], None]
"""Called after each finished step; may raise to end the run."""


class ViewGroup(NamedTuple):
    """Views of one size."""

    images: Tensor
    """[B, V, 3, H, W] normalised pixels; H and W are whole patches."""
    indices: tuple[int, ...]
    """Place of each of the V views among all views."""


class Features(NamedTuple):
    """What the backbone says."""

    patches: tuple[tuple[Tensor, ...], ...]
    """Per group and output layer [B, V, P, D] for the dense head; most of what a run keeps."""
    cameras: Tensor
    """[B, V, D] each view's camera token at the last layer, all views in their own order, for the camera decoder."""
    reference: Tensor
    """[B] index of the view that the network's world is tied to."""


class PatchEmbed(nn.Module):
    """Cut pictures into patches and map each to one token."""

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to tokens [B, P, C], row by row."""
        return self.proj(images).flatten(2).mT


class VisionTransformer(nn.Module):
    """The backbone; attribute names are those of the official checkpoints."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        dim, grid = config.embed_dim, config.img_size // config.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        if config.alt_start >= 0:
            self.camera_token = nn.Parameter(torch.zeros(1, 2, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid * grid, dim))
        self.patch_embed = PatchEmbed(dim, config.patch_size)
        self.blocks = nn.ModuleList(
            Block(dim, config.num_heads, eps=1e-6, normalise=0 <= config.qknorm_start <= i, ffn=config.ffn)
            for i in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim)
        self._positions: dict[tuple[object, ...], Tensor] = {}

    def forward(
        self,
        groups: Sequence[ViewGroup],
        camera_tokens: Tensor | None = None,
        *,
        reference_view: ReferenceView = "saddle_balanced",
        dtype: torch.dtype | None = None,
        on_step: OnStep | None = None,
    ) -> Features:
        """Run all blocks.

        Args:
            groups: All views, those of one size together.
            camera_tokens: [B, V, C] from the camera encoder, all views in their own order. None: the learned ones,
                one for the reference view and one for the others.
            reference_view: How the reference view is chosen when `camera_tokens` is None; else it is the first.
            dtype: In which the dense head's features are kept. None: that of the tokens.
            on_step: Called after each block.
        """
        grids = [self._grid(group.images) for group in groups]
        order = [index for group in groups for index in group.indices]
        tokens = [self._embed(group.images, grid) for group, grid in zip(groups, grids, strict=True)]
        local, outputs = tokens, []
        reference = torch.zeros(tokens[0].shape[0], dtype=torch.long, device=tokens[0].device)
        for i, block in enumerate(self.blocks):
            if i == self.config.alt_start - 1 and camera_tokens is None:
                reference = choose_reference_view(_in_order([x[:, :, 0] for x in tokens], order), reference_view)
            if i == self.config.alt_start:
                cameras = self._learned_cameras(reference, len(order)) if camera_tokens is None else camera_tokens
                tokens = _with_cameras(tokens, groups, cameras)
            if self._is_global(i):
                tokens = self._run_global(block, tokens, i)
            else:
                local = tokens  # lets go of the last ones
                tokens = local = self._run_local(block, tokens, grids, i)
            if i in self.config.out_layers:
                outputs.append(self._output(tokens, local, dtype))
            if on_step is not None:
                on_step()
        cameras = _in_order([output[1] for output in outputs[-1]], order)
        patches = tuple(tuple(layer[g][0] for layer in outputs) for g in range(len(groups)))
        return Features(patches, cameras, reference)

    def _grid(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of patches."""
        return images.shape[-2] // self.config.patch_size, images.shape[-1] // self.config.patch_size

    def _is_global(self, i: int) -> bool:
        return 0 <= self.config.alt_start <= i and i % 2 == 1

    def _uses_rotary(self, i: int) -> bool:
        return 0 <= self.config.rope_start <= i

    def _embed(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        """Turn [B, V, 3, H, W] into tokens [B, V, 1 + P, C]."""
        batch, views = images.shape[:2]
        patches = self.patch_embed(images.flatten(0, 1))
        tokens = torch.cat((self.cls_token.expand(batch * views, -1, -1), patches), dim=1)
        return (tokens + self._position_embedding(*grid)).unflatten(0, (batch, views))

    def _position_embedding(self, rows: int, columns: int) -> Tensor:
        """The stored embedding [1, 1 + P, C], resampled to this grid; kept while no gradient is wanted."""
        if torch.is_grad_enabled():
            return self._resample_positions(rows, columns)
        # The version changes with every optimiser step, so a network in training never sees an old table.
        key = (rows, columns, self.pos_embed._version, self.pos_embed.device)
        if key not in self._positions:
            if len(self._positions) >= 16:
                self._positions.clear()
            self._positions[key] = self._resample_positions(rows, columns)
        return self._positions[key]

    def _resample_positions(self, rows: int, columns: int) -> Tensor:
        """Bicubic with scale factors, not sizes: upstream's numbers depend on the 0.1 added here."""
        side = self.config.img_size // self.config.patch_size
        if rows == columns == side:
            return self.pos_embed
        camera, patches = self.pos_embed.float().split((1, side * side), dim=1)
        scale = ((rows + 0.1) / side, (columns + 0.1) / side)
        square = patches.mT.unflatten(-1, (side, side))
        resampled = functional.interpolate(square, scale_factor=scale, mode="bicubic")
        return torch.cat((camera, resampled.flatten(2).mT), dim=1)

    def _run_local(self, block: nn.Module, tokens: list[Tensor], grids: list[tuple[int, int]], i: int) -> list[Tensor]:
        """Attend within each view."""
        results = []
        for x, grid in zip(tokens, grids, strict=True):
            turn = self._rotate_patches(grid, x.device) if self._uses_rotary(i) else None
            results.append(block(x.flatten(0, 1), turn).unflatten(0, x.shape[:2]))
        return results

    def _run_global(self, block: nn.Module, tokens: list[Tensor], i: int) -> list[Tensor]:
        """Attend over all tokens of all views, whatever their sizes."""
        sequences = [x.flatten(1, 2) for x in tokens]
        sequence = sequences[0] if len(sequences) == 1 else torch.cat(sequences, dim=1)
        turn = self._rotate_cameras(tokens) if self._uses_rotary(i) else None
        parts = block(sequence, turn).split([x.shape[1] for x in sequences], dim=1)
        return [part.unflatten(1, x.shape[1:3]) for part, x in zip(parts, tokens, strict=True)]

    def _rotate_patches(self, grid: tuple[int, int], device: torch.device) -> Rotate:
        table = patch_table(*grid, self._head_dim, device)

        def turn(x: Tensor, start: int) -> Tensor:
            tokens = torch.arange(start, start + len(x), device=device) % len(table.cos)
            return rotate(x, RotaryTable(table.cos[tokens], table.sin[tokens]))

        return turn

    def _rotate_cameras(self, tokens: list[Tensor]) -> Rotate:
        """Turn only the camera token of each view, where it stands in the joint sequence."""
        places, start = [], 0
        for x in tokens:
            places += [start + view * x.shape[2] for view in range(x.shape[1])]
            start += x.shape[1] * x.shape[2]
        places = [scene * start + place for scene in range(len(tokens[0])) for place in places]
        where = torch.tensor(places, device=tokens[0].device)
        table = camera_table(self._head_dim, tokens[0].device)

        def turn(x: Tensor, start: int) -> Tensor:
            own = where[bisect_left(places, start) : bisect_left(places, start + len(x))] - start
            put = x.index_copy if torch.is_grad_enabled() else x.index_copy_
            return put(0, own, rotate(x[own], table))

        return turn

    @property
    def _head_dim(self) -> int:
        return self.config.embed_dim // self.config.num_heads

    def _learned_cameras(self, reference: Tensor, views: int) -> Tensor:
        """[B, V, C]: one learned token for the reference view, the other for all others."""
        is_reference = torch.arange(views, device=reference.device) == reference[:, None]
        return torch.where(is_reference[..., None], self.camera_token[:, :1], self.camera_token[:, 1:])

    def _output(
        self, tokens: list[Tensor], local: list[Tensor], dtype: torch.dtype | None
    ) -> list[tuple[Tensor, Tensor]]:
        """Per group the normalised patches [B, V, P, D] and the raw camera tokens [B, V, D]."""
        results = []
        for x, own in zip(tokens, local, strict=True):
            patches, camera = self.norm(x[:, :, 1:]).to(dtype or x.dtype), x[:, :, 0]
            if self.config.cat_token:  # only the joint half is normalised
                patches = torch.cat((own[:, :, 1:].to(patches.dtype), patches), dim=-1)
                camera = torch.cat((own[:, :, 0], camera), dim=-1)
            results.append((patches, camera))
        return results


def _in_order(values: list[Tensor], order: list[int]) -> Tensor:
    """Join per-group [B, V, C] and put all views in their own order."""
    joined = torch.cat(values, dim=1)
    places = sorted(range(len(order)), key=order.__getitem__)
    return joined[:, torch.tensor(places, device=joined.device)]


def _with_cameras(tokens: list[Tensor], groups: Sequence[ViewGroup], cameras: Tensor) -> list[Tensor]:
    """Replace the first token of each view by its camera token (the paper says prepend; the weights expect replace)."""
    results = []
    for x, group in zip(tokens, groups, strict=True):
        own = cameras[:, torch.tensor(group.indices, device=x.device)]
        results.append(torch.cat((own[:, :, None], x[:, :, 1:]), dim=2))
    return results
