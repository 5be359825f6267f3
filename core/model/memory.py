"""How much memory a model will take, before it is loaded: for the window, and for saying what would fit.

Weights are counted exactly. What a run takes beside them is linear in patches, with factors that were fitted to the
largest resident memory of a process on a CPU in fp32: nano to large, 1 to 64 views, 126 to 1008 pixels, within 10 %
(`benchmarks/growth.py` measures that again). For graphics cards it is what the tensors of a run take at its worst
moment, counted on tensors without memory (`tests/core/model/test_memory.py`), and something for gaps: an H100 took from
10 % less to 7 % more (docs/growth.md). Numpy-free and torch-free, since the process of Blender asks, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..types import Device, Precision
from .config import BackboneConfig, HeadConfig, ModelConfig, NetworkConfig
from .presets import megabytes

Size = tuple[int, int]
"""(width, height) of a picture as the network sees it, pixels."""

PROGRAM: Mapping[Device, int] = {"cpu": 258_000_000, "cuda": 500 << 20, "mps": 258_000_000}
"""Bytes that torch takes of each kind of device by itself."""
HEAD_CHUNK: Mapping[Device, int] = {"cpu": 1, "cuda": 8, "mps": 8}
"""Views that pass through the head at once unless told otherwise: as many as make it fastest."""
CARD_ROWS = 1 << 14
"""Tokens that pass through a block's linear layers at once on a graphics card: as few as keep it fast."""
SHARE = 0.85
"""The part that advice goes by of what is free, or of what did not fit though it should have: estimates err."""

_FLOAT = 4
_SLACK = 32e6  # allocators keep some of what was freed
_CONVERSIONS = 1.2  # a CPU widens what it computes with
_SLICED = 4.0  # floats per channel and token in a block of a CPU, where linear layers see some tokens at a time
_HELD = (5.0, 80e6)  # what its allocator holds of blocks that are over: floats per channel and token, bytes at most
_KEPT = (4.0, 2.5)  # as `_SLICED` on other devices, in fp32 and in half precision
_PASSING = {"mlp": (5.5, 5.5), "swiglu": (10.8, 6.5)}  # and for the tokens that pass through a block at once
_HALF = (0.5, 0.9)  # of features and of the head's maps where a card's head is in half precision: its end is not
_GAPS = 1.08  # a graphics card's allocator rounds up and keeps holes
_PICTURE = {"cpu": 18, "cuda": 12, "mps": 12}  # bytes per pixel of every view: floats, and what they are made of


@dataclass(frozen=True)
class Setup:
    """Where and how a run is done."""

    device: Device = "cpu"
    """Never `auto`."""
    precision: Precision = "fp32"
    """Of matrix products, never `auto`."""
    want_rays: bool = False
    """Whether rays are asked for."""
    with_poses: bool = False
    """Whether cameras are given."""


CPU: Final = Setup()


@dataclass(frozen=True)
class Plan:
    """How a run is to go."""

    head_chunk: int
    """Views that pass through the head at once."""
    need: Need
    fits: bool
    """As far as it is known what there is."""


@dataclass(frozen=True)
class Need:
    """Bytes."""

    weights: int
    run: int
    """Beside the weights, at the worst moment."""
    program: int
    """Of torch itself."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.run + self.program


def plan(model: ModelConfig, sizes: Sequence[Size], setup: Setup = CPU, *, total: int = 0, free: int = 0) -> Plan:
    """Choose as many views at once for the head as make it fastest, or as fit.

    Args:
        model: Which one.
        sizes: One for every view.
        setup: Where and how.
        total: Bytes of the device, where nothing is loaded yet; 0: unknown.
        free: Bytes that are left, where the weights are loaded; 0: unknown.
    """
    chunk = HEAD_CHUNK[setup.device]
    while True:
        size = need(model, sizes, setup, head_chunk=chunk)
        fits = (not total or size.total <= total) and (not free or size.run <= free)
        if fits or chunk == 1:
            return Plan(chunk, size, fits)
        chunk = (chunk + 1) // 2


def need(model: ModelConfig, sizes: Sequence[Size], setup: Setup = CPU, *, head_chunk: int | None = None) -> Need:
    """Estimate what a run takes.

    Args:
        model: Which one.
        sizes: One for every view.
        setup: Where and how.
        head_chunk: Views that pass through the head at once. None: `HEAD_CHUNK`.
    """
    chunk = head_chunk or HEAD_CHUNK[setup.device]
    networks = [network for network in (model.network, model.metric_network) if network is not None]
    parts = {"want_rays": setup.want_rays, "with_poses": setup.with_poses}
    floats = sum(count_weights(network, **parts) for network in networks)
    halves = sum(_count_backbone(network.backbone) for network in networks) if setup.precision == "mixed" else floats
    is_low = setup.precision != "fp32"
    run = max(_run(network, sizes, chunk, setup) for network in networks)
    run *= _GAPS if setup.device != "cpu" else _CONVERSIONS if is_low else 1.0
    weights = _FLOAT * floats - (2 * halves if is_low else 0)
    return Need(weights, int(run), PROGRAM[setup.device])


def typical_sizes(model: ModelConfig, views: int, resolution: int | None) -> list[Size]:
    """Sizes of so many pictures of the shape 4:3, for where nobody has opened them yet."""
    patch = model.patch_size
    width = max(1, round((resolution or model.resolution) / patch)) * patch
    return [(width, max(1, round(0.75 * width / patch)) * patch)] * views


def advice(model: ModelConfig, sizes: Sequence[Size], device: str, free: int, setup: Setup = CPU) -> str:
    """Say why a run did not fit and what would.

    Args:
        model: Which one; it is loaded.
        sizes: One for every view.
        device: What to call the device.
        free: Bytes that a run can take; 0: unknown.
        setup: Where and how it was tried.
    """
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    whole = _needed(model, sizes, setup)
    room = SHARE * (min(free, whole) if free else whole)
    views = _most_views(model, sizes, room, setup)
    longest = _longest_side(model, sizes, room, setup)
    remedies = [f"{views} picture{'s' if views > 1 else ''}"] if 0 < views < len(sizes) else []
    remedies += [f"a resolution of {longest}"] if longest else []
    fits = f"choose at most {' or '.join(remedies)}, or a smaller model" if remedies else "choose a smaller model"
    pictures = f"{len(sizes)} pictures" if len(sizes) > 1 else "One picture"
    return (
        f"{pictures} of {width} × {height} pixels and the model {model.title!r} do not fit into the memory of this "
        f"device ({device}{f', {megabytes(free)} free' if free else ''}): {fits}."
    )


def count_weights(network: NetworkConfig, *, want_rays: bool = False, with_poses: bool = False) -> int:
    """Count the numbers of a network that are read from its checkpoint for such a run."""
    count = _count_backbone(network.backbone) + _count_head(network.head)
    if network.cam_dec is not None:
        dim = network.cam_dec.dim_in
        count += 2 * _linear(dim, dim) + _linear(dim, 3 + 4 + 2)
    if want_rays and network.head.type == "dual_dpt":
        count += _count_rays(network.head)
    if with_poses and network.cam_enc is not None:
        dim = network.cam_enc.dim
        count += _linear(9, dim // 2) + _linear(dim // 2, dim) + 4 * dim
        count += network.cam_enc.trunk_depth * _count_block(dim, _mlp(dim))
    return count


def head_bytes(network: NetworkConfig, patches: int, maps: float = 1.0, *, want_rays: bool = False) -> float:
    """What the dense head takes for the views that pass through it at once.

    Args:
        network: The network.
        patches: Of all those views together.
        maps: What its maps take of fp32.
        want_rays: Whether its ray branch runs, too.
    """
    own = maps * _head_floats(network.head, network.backbone.patch_size, want_rays=want_rays)
    weights = 0.9 * _count_head(network.head)  # convolutions lay theirs out anew
    return _FLOAT * (own * patches + weights)


def _needed(model: ModelConfig, sizes: Sequence[Size], setup: Setup) -> int:
    """What a run takes beside the weights when it takes as little as it can."""
    return need(model, sizes, setup, head_chunk=1).run


def _most_views(model: ModelConfig, sizes: Sequence[Size], room: float, setup: Setup) -> int:
    """How many of the largest views fit; all count where views do not see one another."""
    ordered = sorted(sizes, reverse=True)
    fitting = (n for n in range(len(sizes), 0, -1) if _needed(model, ordered[:n], setup) <= room)
    return next(fitting, 0)


def _longest_side(model: ModelConfig, sizes: Sequence[Size], room: float, setup: Setup) -> int:
    """The highest resolution in whole patches at which all views fit; 0: none."""
    patch, longest = model.patch_size, max(max(size) for size in sizes)
    for side in range(longest - patch, patch - 1, -patch):
        scaled = [(_whole(w * side / longest, patch), _whole(h * side / longest, patch)) for w, h in sizes]
        if _needed(model, scaled, setup) <= room:
            return side
    return 0


def _whole(length: float, patch: int) -> int:
    """Whole patches, rounded up: a picture may become a little longer, but what is advised must fit."""
    return math.ceil(length / patch) * patch


def _run(network: NetworkConfig, sizes: Sequence[Size], chunk: int, setup: Setup) -> float:
    """Bytes beside the weights: the worse of the last block and the head, which reads four layers of all views."""
    backbone = network.backbone
    patches = sorted((w // backbone.patch_size) * (h // backbone.patch_size) for w, h in sizes)
    some = sum(patches[-chunk:])
    together = sum(patches) if network.joins_views else some
    is_half = setup.precision in ("bf16", "fp16") and setup.device != "cpu"
    features, maps = _HALF if is_half else (1.0, 1.0)
    layers = features * len(backbone.out_layers) * (2 if backbone.cat_token else 1) * backbone.embed_dim
    head = _FLOAT * layers * together + head_bytes(network, some, maps, want_rays=setup.want_rays)
    pictures = _PICTURE[setup.device] * backbone.patch_size**2 * sum(patches)
    held = min(_FLOAT * _HELD[0] * backbone.embed_dim * together, _HELD[1]) if setup.device == "cpu" else 0.0
    return _SLACK + pictures + held + max(_FLOAT * _block(backbone, layers, together, setup), head)


def _block(backbone: BackboneConfig, layers: float, tokens: int, setup: Setup) -> float:
    """Floats at the worst moment of the last block, of which on a card the worst may be the joining of two layers."""
    dim, is_low = backbone.embed_dim, setup.precision != "fp32"
    if setup.device == "cpu":
        return (_SLICED * dim + layers) * tokens
    passing = _PASSING[backbone.ffn][is_low] * dim * min(tokens, CARD_ROWS)
    return max((0.75 * layers + _KEPT[is_low] * dim) * tokens + passing, (layers + 3 * dim) * tokens)


def _head_floats(head: HeadConfig, patch: int, *, want_rays: bool) -> int:
    """Floats per patch at the end of the head: the last fusion at 8 × 8 a patch, the last convolutions at full size."""
    rays = 2 * 64 * head.features if want_rays and head.type == "dual_dpt" else 0
    return round(64 * head.features + patch**2 * (0.8 * head.features / 2 + 3.2 * 32)) + rays


def _count_backbone(backbone: BackboneConfig) -> int:
    dim, patch = backbone.embed_dim, backbone.patch_size
    grid = (backbone.img_size // patch) ** 2
    ffn = _mlp(dim) if backbone.ffn == "mlp" else _swiglu(dim)
    normalised = sum(0 <= backbone.qknorm_start <= i for i in range(backbone.depth))
    return (
        dim * (1 + 2 * (backbone.alt_start >= 0) + 1 + grid + 2)
        + _linear(3 * patch**2, dim)
        + backbone.depth * _count_block(dim, ffn)
        + normalised * 4 * (dim // backbone.num_heads)
    )


def _count_block(dim: int, ffn: int) -> int:
    """Two norms, two scales, attention, feed-forward."""
    return 4 * dim + 2 * dim + _linear(dim, 3 * dim) + _linear(dim, dim) + ffn


def _count_head(head: HeadConfig) -> int:
    features, (first, second, _, fourth) = head.features, head.out_channels
    count = sum(_linear(head.dim_in, channels) + 9 * channels * features for channels in head.out_channels)
    count += _conv(first, first, 4) + _conv(second, second, 2) + _conv(fourth, fourth, 3)
    count += _count_fusion(features) + _conv(features, features // 2, 3)
    if head.type == "dpt":
        return count + 2 * _count_last(features // 2, 1)
    return count + 2 * head.dim_in + _count_last(features // 2, 2)


def _count_rays(head: HeadConfig) -> int:
    """The ray branch's finest level."""
    features, half = head.features, head.features // 2
    convolutions = 3 * _conv(features, half, 3) + 2 * _conv(half, features, 3)
    return _count_fusion(features) + convolutions + 2 * 32 + _count_last(half, 7)


def _count_fusion(features: int) -> int:
    """Seven residual units of two convolutions, four of 1 × 1."""
    return 14 * _conv(features, features, 3) + 4 * _linear(features, features)


def _count_last(channels: int, outputs: int) -> int:
    return _conv(channels, 32, 3) + _linear(32, outputs)


def _conv(inputs: int, outputs: int, side: int) -> int:
    return side * side * inputs * outputs + outputs


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _mlp(dim: int) -> int:
    return _linear(dim, 4 * dim) + _linear(4 * dim, dim)


def _swiglu(dim: int) -> int:
    hidden = -(-int(dim * 4 * 2 / 3) // 8) * 8
    return _linear(dim, 2 * hidden) + _linear(hidden, dim)
