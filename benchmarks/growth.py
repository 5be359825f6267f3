"""How time and memory grow with views and resolution, the laws of it, and what thousands of views would need on paper.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/growth.py [--quick]

Every run is a process of its own on a CPU, in fp32, on random weights. Time is the processor's, of the prediction
alone; memory is the largest that the process ever had, beside what `core.model.memory.plan` had said it would be. The
law of time is fitted to patches (linear layers, convolutions), to patches of a view squared (attention within views)
and to all patches squared (attention over all views). Plots and numbers go to `build/bench/growth.svg` and `.json`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import conftest  # noqa: E402, F401 - makes the checkout importable as `image_to_scene`
from machine import RESULTS, facts, say  # noqa: E402

from image_to_scene.core.model.memory import Setup, need, plan  # noqa: E402
from image_to_scene.core.model.presets import PRESETS  # noqa: E402

CHILD = ROOT / "tests/core/model/limited_run.py"
Case = tuple[str, int, tuple[int, int]]
"""Model, views, (width, height)."""
VIEWS = (1, 2, 4, 8, 16, 32, 64)
CASES: list[Case] = [
    *(("small", views, (252, 168)) for views in VIEWS),
    *(("nano", views, (126, 84)) for views in VIEWS),
    *(("small", 2, (width, 2 * width // 3)) for width in (126, 378, 504, 756, 1008)),
    *(("nano", 8, (width, 2 * width // 3)) for width in (252, 504)),
]
QUICK: list[Case] = [*(("nano", views, (126, 84)) for views in (1, 4, 16, 64)), ("nano", 8, (252, 168))]
PAPER, CARDS = 4000, (8, 16, 24, 80)  # views; GB
CARD = Setup("cuda", "bf16")


def run(case: Case) -> dict[str, Any]:
    """Predict in a process of its own."""
    model, views, size = case
    arguments = json.dumps({"model": model, "views": views, "size": size, "chunk": None})
    command = [sys.executable, str(CHILD), str(RESULTS / "checkpoints"), arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    planned = plan(PRESETS[model], [size] * views).need.total
    named = {"model": model, "views": views, "size": size}
    return named | {"seconds": told["seconds"], "peak": told["peak"], "planned": planned}


def fit(rows: Sequence[dict[str, Any]]) -> tuple[Any, float]:
    """Fit factors of 1, n·p, n·p², (n·p)², none below zero, to seconds; return them and the largest relative error."""
    patches = np.array([row["size"][0] * row["size"][1] / 196 for row in rows])
    views, seconds = (np.array([row[key] for row in rows]) for key in ("views", "seconds"))
    terms = np.stack([np.ones_like(patches), views * patches, views * patches**2, (views * patches) ** 2], axis=1)
    relative, best, least = terms / seconds[:, None], np.zeros(4), np.inf
    for kept in itertools.chain.from_iterable(itertools.combinations(range(4), count) for count in range(1, 5)):
        factors = np.linalg.lstsq(relative[:, kept], np.ones(len(rows)), rcond=None)[0]
        error = float(np.abs(relative[:, kept] @ factors - 1).mean())
        if (factors >= 0).all() and error < least:
            best, least = np.zeros(4), error
            best[list(kept)] = factors
    return best, float(np.abs(relative @ best - 1).max())


def flop(model: str, views: int, patches: int) -> tuple[float, float]:
    """Count 10¹² operations of the backbone for that many views: linear layers, and all attention."""
    backbone = PRESETS[model].network.backbone
    joint = sum(i % 2 == 1 and i >= backbone.alt_start >= 0 for i in range(backbone.depth))
    tokens, hidden = views * (patches + 1), 12 * backbone.embed_dim**2
    own = 4 * backbone.embed_dim * tokens * (patches + 1) * (backbone.depth - joint)
    return 2 * hidden * backbone.depth * tokens / 1e12, (own + 4 * backbone.embed_dim * tokens**2 * joint) / 1e12


def most_views(model: str, card: int) -> int:
    """How many views at 504 × 336 fit into so many GB of a graphics card, in bf16, by the estimate."""
    low, high = 0, 1 << 15
    while high - low > 1:
        middle = (low + high) // 2
        fits = plan(PRESETS[model], [(504, 336)] * middle, CARD, total=int(card * 0.95e9)).fits
        low, high = (middle, high) if fits else (low, middle)
    return low


def report_paper() -> None:
    """Print what thousands of views would need."""
    say(f"\non paper, never measured: {PAPER} views at 504 × 336 in bf16, and the most views that fit")
    say(f"{'model':8}{'memory':>9}{'linear':>10}{'attention':>11}  " + "".join(f"{f'{c} GB':>8}" for c in CARDS))
    for model in ("small", "base", "large", "giant"):
        total = need(PRESETS[model], [(504, 336)] * PAPER, CARD, head_chunk=1).total
        linear, attention = flop(model, PAPER, 864)
        views = "".join(f"{most_views(model, card):8}" for card in CARDS)
        say(f"{model:8}{total / 1e9:6.0f} GB{linear:5.0f} TFLOP{attention / 1e3:6.0f} PFLOP  {views}")


# --- a plot without another library


def svg(panels: Sequence[tuple[str, str, dict[str, list[tuple[float, float]]]]]) -> str:
    """Draw panels: each a title, the name of what lies across, and series of (x, y), both logarithmic."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{400 * len(panels)}" height="330" font-size="12">']
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for number, (title, across, series) in enumerate(panels):
        parts.append(f'<g transform="translate({400 * number},0)">{_panel(title, across, series)}</g>')
    return "\n".join([*parts, "</svg>"])


def _panel(title: str, across: str, series: dict[str, list[tuple[float, float]]]) -> str:
    points = np.log10([point for line in series.values() for point in line])
    low, high = np.floor(points.min(axis=0) * 2) / 2, np.ceil(points.max(axis=0) * 2 + 1e-9) / 2

    def place(x: float, y: float) -> tuple[float, float]:
        part = (np.log10((x, y)) - low) / (high - low)
        return 55 + 320 * part[0], 280 - 240 * part[1]

    parts = [f'<text x="55" y="20">{title}</text><text x="330" y="318">{across}</text>']
    parts += _grid(low, high, place)
    for index, (name, line) in enumerate(series.items()):
        colour, corners = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")[index % 4], [place(*point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        dashes = ' stroke-dasharray="4"' if name.endswith("planned") else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"{dashes}/>')
        parts.append(f'<text x="62" y="{52 + 15 * index}" fill="{colour}">{name}</text>')
    return "".join(parts)


def _grid(low: Any, high: Any, place: Callable[[float, float], tuple[float, float]]) -> list[str]:
    parts = []
    for power, digit in itertools.product(range(-4, 8), (1, 2, 5)):
        value = digit * 10.0**power
        if low[0] <= np.log10(value) <= high[0]:
            x, _ = place(value, 10 ** low[1])
            parts.append(f'<path d="M{x:.1f} 40V280" stroke="#ddd"/><text x="{x - 6:.1f}" y="296">{value:g}</text>')
        if low[1] <= np.log10(value) <= high[1]:
            _, y = place(10 ** low[0], value)
            parts.append(f'<path d="M55 {y:.1f}H375" stroke="#ddd"/><text x="14" y="{y + 4:.1f}">{value:g}</text>')
    return parts


def plot(rows: Sequence[dict[str, Any]]) -> Path:
    """Draw time and memory over views, and time over the longest side."""
    time: dict[str, list[tuple[float, float]]] = {}
    memory: dict[str, list[tuple[float, float]]] = {}
    sides: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        model, (width, height) = row["model"], row["size"]
        if (model, width) in (("small", 252), ("nano", 126)):
            name = f"{model}, {width} × {height}"
            time.setdefault(name, []).append((row["views"], row["seconds"]))
            memory.setdefault(name, []).append((row["views"], row["peak"] / 1e6))
            memory.setdefault(f"{name}, planned", []).append((row["views"], row["planned"] / 1e6))
        if (model, row["views"]) in (("small", 2), ("nano", 8)):
            sides.setdefault(f"{model}, {row['views']} views", []).append((width, row["seconds"]))
    panels = [("processor seconds", "views", time), ("peak memory, MB", "views", memory)]
    panels += [("processor seconds", "longest side, pixels", {k: sorted(v) for k, v in sides.items()})]
    path = RESULTS / "growth.svg"
    path.write_text(svg(panels), encoding="utf-8")
    return path


def main() -> None:
    """Measure, fit, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few sizes of nano")
    parser.add_argument("--paper", action="store_true", help="only what is worked out, nothing measured")
    options = parser.parse_args()
    if options.paper:
        return report_paper()
    RESULTS.mkdir(parents=True, exist_ok=True)
    say(f"{facts('torch')}; fp32, one thread, processor time")
    rows = []
    for case in QUICK if options.quick else CASES:
        row = run(case)
        rows.append(row)
        model, views, (width, height) = case
        say(
            f"{model:6} {views:3} views {width:5} × {height:<4}{row['seconds']:8.2f} s  {row['peak'] / 1e6:6.0f} MB, "
            f"planned {row['planned'] / 1e6:6.0f} MB ({row['planned'] / row['peak'] - 1:+.1%})"
        )
    for model in dict.fromkeys(row["model"] for row in rows):
        (a, b, c, d), error = fit([row for row in rows if row["model"] == model])
        say(f"{model}: {a:.3g} s + {b:.3g} n·p + {c:.3g} n·p² + {d:.3g} (n·p)², within {error:.0%}")
    (RESULTS / "growth.json").write_text(json.dumps(rows), encoding="utf-8")
    say(f"plot: {plot(rows).relative_to(ROOT)}")
    return report_paper()


if __name__ == "__main__":
    main()
