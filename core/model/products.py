"""Linear layers and attention by the faster of the two libraries that torch has for a CPU.

In fp32 torch hands matrix products to MKL and convolutions to oneDNN. MKL knows the processors of its own maker best:
on one core of an AMD Zen 5 it does 110 GFLOP a second where oneDNN does 250. A product is a convolution of 1 × 1, so
where that is clearly faster it is done as one; results differ in their last digits. Both ways are tried once on the
machine, so that no processor is taken to be slow or fast by its name.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

_CLEARLY = 1.1  # below, chance would choose
_SCORES = 9 << 18  # floats of attention between tokens that are held at a time: as many as small's widest layer makes
_ROWS = (256, 1024)  # fewest and most tokens that look at all others at a time: fewer are slow, more leave the cache


class Linear(nn.Linear):
    """torch's, with the same tensors."""

    def forward(self, x: Tensor) -> Tensor:
        """Map channels [..., C] to [..., D]."""
        if _is_choice(x) and convolves_faster(torch.get_num_threads()):
            return _convolve(x, self.weight, self.bias)
        return super().forward(x)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention of [B, heads, N, head_dim], all of one type.

    What a CPU learns from is fp32: torch's way back through bf16 takes it three times as long.
    """
    if v.requires_grad and v.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):
            return functional.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(v.dtype)
    fewest, most = _ROWS
    rows = min(most, v.shape[-2], _SCORES // v.shape[-2])
    if rows >= fewest and _is_choice(v) and attends_faster(torch.get_num_threads()):
        return _attend_by_rows(q, k, v, rows)
    return functional.scaled_dot_product_attention(q, k, v)


def _is_choice(x: Tensor) -> bool:
    """Whether a product is one of those that torch has two libraries for; what learns is left alone."""
    is_full = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return x.device.type == "cpu" and is_full and not torch.is_grad_enabled()


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """[..., D] of [..., C] and weights [D, C]."""
    pixels = x.reshape(1, -1, 1, x.shape[-1]).movedim(-1, 1)  # in memory as it was
    # On one thread torch asks oneDNN only where there is dilation, which 1 × 1 does not feel.
    convolved = functional.conv2d(pixels, weight[..., None, None], bias, dilation=2)
    return convolved.movedim(1, -1).reshape(*x.shape[:-1], -1)


def _attend_by_rows(q: Tensor, k: Tensor, v: Tensor, rows: int) -> Tensor:
    """Attention of [B, heads, N, head_dim], head by head and so many tokens at a time."""
    attended = torch.empty_like(v.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)
    for place in itertools.product(*map(range, v.shape[:2])):
        keys, values = k[place] * k.shape[-1] ** -0.5, v[place].t().contiguous()
        for start in range(0, q.shape[-2], rows):
            some = slice(start, start + rows)
            scores = _convolve(q[place][some], keys)
            torch.softmax(scores, -1, out=scores)
            attended[place][some] = _convolve(scores, values)
    return attended


@lru_cache(maxsize=4)
@torch.inference_mode()
def convolves_faster(threads: int) -> bool:
    """Whether oneDNN is clearly faster at linear layers.

    Args:
        threads: Those that torch has now; the answer is remembered for each number.
    """
    x, weight = torch.rand(768, 384), torch.rand(1152, 384)
    return _is_faster(lambda: _convolve(x, weight), lambda: functional.linear(x, weight))


@lru_cache(maxsize=4)
@torch.inference_mode()
def attends_faster(threads: int) -> bool:
    """Whether oneDNN is clearly faster at attention, for a number of threads as in `convolves_faster`."""
    torch.empty(_SCORES)  # glibc keeps what is smaller for the next once it was freed, as a block's layers do
    x = torch.rand(1, 2, 1024, 64)
    return _is_faster(lambda: _attend_by_rows(x, x, x, 1024), lambda: functional.scaled_dot_product_attention(x, x, x))


def _is_faster(way: Callable[[], object], usual: Callable[[], object], tries: int = 4) -> bool:
    times = [(_seconds(way), _seconds(usual)) for _ in range(tries)]
    mine, other = map(min, zip(*times, strict=True))
    return other > _CLEARLY * mine


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
