"""Rotary position embedding in two dimensions: queries and keys turn by an angle that grows with row and column.

Tables are computed once per token grid. Source: RoFormer, arXiv 2104.09864, eq. 34; which token has which position:
upstream `src/depth_anything_3/model/dinov2/layers/rope.py` and `vision_transformer.py` @2c21ea8.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

BASE = 100.0  # rope_freq of every preset


class RotaryTable(NamedTuple):
    """What each token's channels are multiplied with."""

    cos: Tensor
    """[N, head_dim] for the channel itself."""
    sin: Tensor
    """[N, head_dim] for its partner, signed."""


@lru_cache(maxsize=32)
@torch.inference_mode(mode=False)  # a table made while predicting may later be used in training
def patch_table(rows: int, columns: int, head_dim: int, device: torch.device) -> RotaryTable:
    """Angles of one view's tokens: the camera token at (0, 0), the patch of row y and column x at (y + 1, x + 1)."""
    y, x = torch.meshgrid(torch.arange(1, rows + 1), torch.arange(1, columns + 1), indexing="ij")
    patches = torch.stack((y, x), dim=-1).reshape(-1, 2)
    return _table(torch.cat((torch.zeros(1, 2, dtype=torch.long), patches)), head_dim, device)


@lru_cache(maxsize=8)
@torch.inference_mode(mode=False)
def camera_table(head_dim: int, device: torch.device) -> RotaryTable:
    """Angles of a camera token among the patches of all views: one step back in row and column.

    Differs: upstream puts camera tokens at (0, 0) and every patch at (1, 1) and turns both. Attention only sees
    differences of angles, so patches can stay as they are and camera tokens stand at (−1, −1).
    """
    return _table(torch.tensor([[-1, -1]]), head_dim, device)


def _table(positions: Tensor, head_dim: int, device: torch.device) -> RotaryTable:
    """Cosine and sine for positions [N, 2] (row, column)."""
    half = head_dim // 2
    frequencies = 1.0 / (BASE ** (torch.arange(0, half, 2).float() / half))
    angles = positions[:, :, None].float() * frequencies  # [N, 2, F]
    cos, sin = torch.stack((angles.cos(),) * 2, dim=2), torch.stack((-angles.sin(), angles.sin()), dim=2)
    return RotaryTable(cos.flatten(1).to(device), sin.flatten(1).to(device))


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Turn the channel pairs (i, i + F) of each axis' half by the token's angles.

    Args:
        x: [N, heads, head_dim], channels laid out as (row axis, column axis) × (first, second of pair) × F.
        table: Angles of the N tokens, or of one position for all of them.
    """
    first, second = x.unflatten(-1, (2, 2, -1)).unbind(-2)
    turned = torch.stack((second, first), dim=-2).flatten(-3)
    return turned.mul_(table.sin[:, None]).addcmul_(x, table.cos[:, None])
