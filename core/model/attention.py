"""The transformer block of backbone and camera encoder: x + attention, x + feed-forward, each scaled per channel.

Source: DINOv2, arXiv 2304.07193; upstream `src/depth_anything_3/model/dinov2/layers/` @2c21ea8. Attribute names are
those of the official checkpoints.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .memory import CARD_ROWS
from .products import Linear, attend

Rotate = Callable[[Tensor, int], Tensor]
"""Turns queries or keys [n, heads, head_dim] by their positions; they are those of the tokens of [B · N] from the given
one on. May change them."""

ROWS = 1536
"""Tokens that pass through a block's linear layers at a time on a CPU; what lies between them is then small."""


class Attention(nn.Module):
    """Multi-head self-attention, with queries and keys normalised and rotated where the block asks for it."""

    def __init__(self, dim: int, heads: int, normalise: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // heads) if normalise else nn.Identity()
        self.k_norm = nn.LayerNorm(dim // heads) if normalise else nn.Identity()
        self.proj = Linear(dim, dim)

    def prepare(self, x: Tensor, rotate: Rotate | None, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Make queries, keys and values [n, heads, head_dim] of tokens [n, C], those from `start` on."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        q, k = self.q_norm(q), self.k_norm(k)
        if rotate is not None:
            q, k = rotate(q.float(), start), rotate(k.float(), start)
        return q.to(v.dtype), k.to(v.dtype), v


class Mlp(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, dim_in: int, hidden: int, dim_out: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim_in, hidden)
        self.fc2 = Linear(hidden, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map channels [..., dim_in] to [..., dim_out]."""
        hidden = self.fc1(x)
        # In place where nothing has to be remembered: fresh memory is a CPU's slowest.
        return self.fc2(functional.gelu(hidden) if torch.is_grad_enabled() else torch.ops.aten.gelu_(hidden))


class SwiGlu(nn.Module):
    """Gated feed-forward layer of the giant network: w3(silu(a) · b) with [a, b] = w12(x)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = -(-int(dim * 4 * 2 / 3) // 8) * 8  # two thirds of an MLP's width, rounded up to a multiple of 8
        self.w12 = Linear(dim, 2 * hidden)
        self.w3 = Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map channels [..., C] to [..., C]."""
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)


class LayerScale(nn.Module):
    """A learned factor per channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Scale channels [..., C]."""
        return x * self.gamma


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(
        self, dim: int, heads: int, *, eps: float, normalise: bool = False, ffn: Literal["mlp", "swiglu"] = "mlp"
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, normalise)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp: nn.Module = SwiGlu(dim) if ffn == "swiglu" else Mlp(dim, 4 * dim, dim)
        self.ls2 = LayerScale(dim)

    def forward(self, x: Tensor, rotate: Rotate | None = None) -> Tensor:
        """Refine tokens [B, N, C]."""
        mixed = attend(*self._prepare(x, rotate)).transpose(1, 2).flatten(2)
        if torch.is_grad_enabled():
            return self._refine(x, mixed)
        refined = torch.empty_like(x)
        for parts in zip(*map(_slices, (x, mixed, refined)), strict=True):
            self._refine(*parts)
        return refined

    def _prepare(self, x: Tensor, rotate: Rotate | None) -> Iterator[Tensor]:
        """Make queries, keys and values [B, heads, N, head_dim]."""
        slices = _slices(x)
        parts = (self.attn.prepare(self.norm1(part), rotate, i * len(slices[0])) for i, part in enumerate(slices))
        joined = _heads_first(parts, x.shape[:2].numel())
        return (whole.unflatten(1, x.shape[:2]).transpose(0, 1) for whole in joined)

    def _refine(self, x: Tensor, mixed: Tensor, into: Tensor | None = None) -> Tensor:
        """Add both branches to tokens, in memory that is there already if any is given."""
        x = torch.addcmul(x, self.attn.proj(mixed), self.ls1.gamma, out=into)
        return torch.addcmul(x, self.mlp(self.norm2(x)), self.ls2.gamma, out=into)


def _slices(x: Tensor) -> Sequence[Tensor]:
    """Cut tokens [B, N, C] into [n, C] where that pays; what is done to each slice concerns each token alone."""
    tokens = x.flatten(0, 1)
    if torch.is_grad_enabled():
        return (tokens,)
    return tokens.chunk(-(-len(tokens) // ROWS)) if x.device.type == "cpu" else tokens.split(CARD_ROWS)


def _heads_first(parts: Iterable[Sequence[Tensor]], tokens: int) -> list[Tensor]:
    """Join slices [n, heads, head_dim] of queries, keys and values as [heads, B · N, head_dim], one after another.

    Each head's tokens lie beside one another: attention reads them many times, a fifth faster so on a CPU.
    """
    joined: list[Tensor] = []
    start = 0
    for part in parts:
        if len(part[0]) == tokens:
            return [x.transpose(0, 1).contiguous() for x in part]
        joined = joined or [x.new_empty(x.shape[1], tokens, x.shape[2]) for x in part]
        for whole, x in zip(joined, part, strict=True):
            whole[:, start : start + len(x)] = x.transpose(0, 1)
        start += len(part[0])
        del part, x  # before the next ones are made
    return joined
