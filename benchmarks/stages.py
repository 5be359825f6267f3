"""Where the forward pass spends its time, and how far each stage is from what this machine can do.

    .venv/bin/python benchmarks/stages.py [--model base] [--views 2] [--poses rays] [--precision bf16] [--side ours]

Every operation is timed by itself and counted for the stage that called it: a block of the backbone, a part of a head.
On a CPU that is the processor's time on one thread, so that a busy machine changes little; on other devices it is the
clock's, with a wait after each operation. FLOP are those of matrix products, attention and convolutions; bytes are what
operations read and write, each tensor once. The limit is the time that these FLOP and bytes would take at the machine's
own rates in the type that an operation gives, measured in the same run (a large matrix product, a 3 × 3 convolution, a
copy), operation by operation. `--side both` says beside it what the official package takes, and so how many times as
fast as that ours could be at most: every operation at the machine's best.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sides
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from image_to_scene.core.model.products import Linear

KINDS = ("product", "attention", "convolution", "elsewhere")


class Rates(NamedTuple):
    """What the machine does in a second."""

    product: float
    """FLOP of a matrix product."""
    convolution: float
    """FLOP of a 3 × 3 convolution, channels last."""
    copy: float
    """Bytes read and written by a copy."""


@dataclass
class Work:
    """What was done in one stage, or by one operator."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    flop: float = 0.0
    bytes: float = 0.0
    limit: float = 0.0
    """Seconds at the machine's rates."""
    calls: int = 0

    def add(self, kind: str, seconds: float, flop: float, size: float, rates: Rates) -> None:
        """Count one operation."""
        self.seconds[kind] += seconds
        self.flop, self.bytes, self.calls = self.flop + flop, self.bytes + size, self.calls + 1
        rate = rates.convolution if kind == "convolution" else rates.product
        self.limit += max(flop / rate, size / rates.copy)

    @property
    def total(self) -> float:
        """Seconds in all."""
        return sum(self.seconds.values())


class Recorder(TorchDispatchMode):
    """Times operations and counts them for their stage."""

    def __init__(self, rates: Mapping[torch.dtype, Rates], clock: Callable[[], float]) -> None:
        super().__init__()
        self.rates, self.clock, self.modules = rates, clock, ModuleTracker()
        self.stages: dict[str, Work] = defaultdict(Work)
        self.operators: dict[str, Work] = defaultdict(Work)

    def __enter__(self) -> Any:
        self.modules.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.modules.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation between two looks at the clock."""
        started = self.clock()
        result = func(*args, **(kwargs or {}))
        seconds = self.clock() - started
        if func.is_view or func._overloadpacket in VIEWS:
            return result
        flop = FLOP.get(func._overloadpacket)
        count = flop(*args, **(kwargs or {}), out_val=result) if flop else 0.0
        leaves = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        size = sum({leaf.data_ptr(): _bytes(leaf) for leaf in leaves}.values())
        kind, results = _kind(func, args, bool(flop)), [one for one in tree_leaves(result) if isinstance(one, Tensor)]
        rates = self.rates.get(results[0].dtype if results else torch.float32, self.rates[torch.float32])
        for work in (self.stages[_stage(self.modules.parents)], self.operators[str(func._overloadpacket)]):
            work.add(kind, seconds, count, size, rates)
        return result


aten = torch.ops.aten
FLOP = {  # torch's own table lacks the kernel of the CPU
    **flop_registry,
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[aten._scaled_dot_product_flash_attention],
}
SHORT = {
    "DepthAnything3Net.": "",
    "backbone.pretrained": "backbone",
    "VisionTransformer": "backbone",
    "DenseHead": "head",
    "head.scratch": "head",
    "CameraDecoder": "cam_dec",
    "CameraEncoder": "cam_enc",
    "Global": "other",
}
"""Modules as they are called on either side, and how the table names them."""
VIEWS = (aten._unsafe_view, aten._reshape_alias, aten.detach)


def _bytes(tensor: Tensor) -> int:
    """What is read of it: a tensor that is spread out by strides of zero is read once."""
    sizes = (n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    return torch.Size(sizes).numel() * tensor.element_size()


def _kind(func: Any, args: Any, has_flop: bool) -> str:
    name = str(func._overloadpacket)
    if not has_flop:
        return "elsewhere"
    if "convolution" in name and args[1].shape[-2:] == (1, 1):
        return "product"
    return next((kind for kind in ("attention", "convolution") if kind in name), "product")


def _stage(parents: set[str]) -> str:
    """Name the stage by the innermost module whose work is worth a line."""
    path = max(parents, key=len)
    for long, short in SHORT.items():
        path = path.replace(long, short)
    first, *rest = path.split(".")
    return f"{first} block {rest[1]}" if rest[:1] == ["blocks"] else " ".join((first, *rest[:1]))


def measure_rates(device: str, dtype: torch.dtype, clock: Callable[[], float]) -> Rates:
    """Measure this machine; sizes are large enough to be at its best and to leave the nearest caches."""
    scale = 1 if device == "cpu" else 4
    side = 1536 * scale
    layer = Linear(side, side, bias=False, device=device, dtype=dtype)  # by the faster of a CPU's libraries
    a = torch.randn(side, side, device=device, dtype=dtype)
    image = torch.randn(2, 64, 96 * scale, 144 * scale, device=device, dtype=dtype)
    image = image.to(memory_format=torch.channels_last)
    kernel = torch.randn(64, 64, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    flop = 2 * 64 * 64 * 9 * image[:, 0].numel()
    source = torch.randn(scale * (16 << 20), device=device)
    target = torch.empty_like(source)

    def best(work: Callable[[], object]) -> float:
        work()
        times = []
        for _ in range(7):
            started = clock()
            work()
            times.append(clock() - started)
        return min(times)

    return Rates(
        2 * side**3 / best(torch.inference_mode()(lambda: layer(a))),
        flop / best(lambda: functional.conv2d(image, kernel, padding=1)),
        2 * 4 * source.numel() / best(lambda: target.copy_(source)),
    )


def main() -> None:
    """Print rates, stages and operators."""
    options = arguments()
    torch.set_num_threads(1)
    clock = time.thread_time if options.device == "cpu" else sides.wall
    types = {torch.float32, sides.DTYPES[options.precision]}
    rates = {dtype: measure_rates(options.device, dtype, clock) for dtype in types}
    pixels = sides.networks.pictures([tuple(options.size)] * options.views)
    with sides.scratch() as folder:
        checkpoint = sides.write_checkpoint(Path(folder), options.model)
        works = {
            side: sides.BUILD[side](checkpoint, pixels, options.poses, options.device, options.precision)
            for side in (sides.SIDES if options.side == "both" else (options.side,))
        }
        for predict in works.values():
            predict()
        rounds = [{side: record(work, rates, clock) for side, work in works.items()} for _ in range(options.rounds)]
    middle = {side: sorted((r[side] for r in rounds), key=lambda r: _sum(r.stages).total) for side in works}
    chosen = {side: records[len(records) // 2] for side, records in middle.items()}
    report(chosen.get("ours") or chosen["official"], options)
    if options.side == "both":
        print(bound(*(_sum(chosen[side].stages) for side in sides.SIDES)))


def bound(official: Work, ours: Work) -> str:
    """How many times as fast as the official package ours is, and could be."""
    sums = (f"{1e3 * work.total:.0f} ms for {work.flop / 1e9:.0f} GFLOP" for work in (official, ours))
    return (
        f"official {next(sums)}, ours {next(sums)}: {official.total / ours.total:.2f} times as fast; with every\n"
        f"operation at the machine's rates, {1e3 * ours.limit:.0f} ms, {official.total / ours.limit:.2f} times"
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sides.PRESETS, default="small")
    parser.add_argument("--side", choices=(*sides.SIDES, "both"), default="ours")
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=(336, 504), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--poses", choices=sides.POSES, default="head", help="rays: without the way to cameras")
    parser.add_argument("--precision", choices=sides.DTYPES, default="fp32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3, help="the middle one is printed")
    return parser.parse_args()


def record(predict: sides.Side, rates: Mapping[torch.dtype, Rates], clock: Callable[[], float]) -> Recorder:
    """Run once; in inference mode a linear layer would be one operation of unknown size."""
    inference_mode, torch.inference_mode = torch.inference_mode, torch.no_grad  # type: ignore[misc]
    try:
        with Recorder(rates, clock) as recorder:
            predict()
    finally:
        torch.inference_mode = inference_mode  # type: ignore[misc]
    return recorder


def report(record: Recorder, options: argparse.Namespace) -> None:
    """Print one measurement."""
    height, width = options.size
    side = "official" if options.side == "official" else "ours"
    print(
        f"{side}, {options.model}, {options.views} views at {width} × {height}, {options.precision} on {options.device}"
    )
    for dtype, rates in record.rates.items():
        print(
            f"{str(dtype).removeprefix('torch.')}: products {rates.product / 1e9:.0f} GFLOP/s, convolutions "
            f"{rates.convolution / 1e9:.0f} GFLOP/s, copies {rates.copy / 1e9:.1f} GB/s"
        )
    print()
    everything = _sum(record.stages)
    for title, works in (("stage", record.stages), ("operator", record.operators)):
        print(f"{title:32}{'ms':>8} {'share':>6}" + "".join(f"{kind:>12}" for kind in KINDS), end="")
        print(f"{'GFLOP':>9}{'MB':>8}{'limit ms':>10}{'× limit':>9}")
        rows = works.items() if title == "stage" else sorted(works.items(), key=lambda row: -row[1].total)[:16]
        for name, work in (*rows, ("all", everything)):
            print(f"{name:32}{1e3 * work.total:8.1f} {work.total / everything.total:6.1%}", end="")
            print("".join(f"{1e3 * work.seconds[kind]:12.1f}" for kind in KINDS), end="")
            print(f"{work.flop / 1e9:9.2f}{work.bytes / 1e6:8.0f}{1e3 * work.limit:10.1f}", end="")
            print(f"{work.total / work.limit if work.limit else 0:9.2f}")
        print()


def _sum(works: dict[str, Work]) -> Work:
    result = Work()
    for work in works.values():
        for kind in KINDS:
            result.seconds[kind] += work.seconds[kind]
        result.flop, result.bytes = result.flop + work.flop, result.bytes + work.bytes
        result.limit += work.limit
    return result


if __name__ == "__main__":
    main()
