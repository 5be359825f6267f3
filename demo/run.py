"""Reconstruct the demo pictures without and with their cameras, and say how good the result is: `make demo`.

Everything goes through the command line that artists use; the saved reconstructions are then compared with the truth
that came with the pictures (`demo/make_pictures.py`). Fails when the result is no better than knowing nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PICTURES, OUT = ROOT / "demo" / "pictures", ROOT / "demo" / "out"
sys.path.insert(0, str(ROOT))

from core.storage import load  # noqa: E402 - the path had to be set first
from core.types import Reconstruction  # noqa: E402
from training.metrics import absolute_relative, area_under_curve, delta1, pair_errors  # noqa: E402

Figures = dict[str, float]


def main() -> int:
    """Reconstruct, render, compare; return the exit code."""
    pictures = sorted(PICTURES.glob("*.png"))
    cameras = PICTURES / "cameras.json"
    batch(pictures, "scene.blend", "--save-reconstruction", OUT / "without_cameras")
    batch(pictures, "scene.glb")
    known = ("--cameras", cameras, "--save-reconstruction", OUT / "with_cameras")
    batch(pictures, "scene_with_known_cameras.blend", *known)
    preview = OUT / "preview.png"
    scenes = (OUT / "scene.blend", OUT / "scene_with_known_cameras.blend")
    subprocess.run(
        [sys.executable, ROOT / "demo" / "preview.py", preview, *scenes], check=True, stdout=subprocess.DEVNULL
    )

    with np.load(PICTURES / "depth.npz") as depths:
        true_depth = np.stack([depths[picture.name] for picture in pictures])
    true_cameras = np.array([view["world_from_camera"] for view in json.loads(cameras.read_text())["views"]])
    without = compare(load(OUT / "without_cameras"), true_depth, true_cameras)
    given = compare(load(OUT / "with_cameras"), true_depth, true_cameras)
    nothing = score(
        [np.ones_like(depth) for depth in true_depth],
        np.tile(np.eye(4), (len(pictures), 1, 1)),
        true_depth,
        true_cameras,
    )
    report({"cameras found": without, "cameras given": given, "knowing nothing": nothing})
    better = without["δ1"] > nothing["δ1"] and without["AUC30"] > nothing["AUC30"] and given["δ1"] > nothing["δ1"]
    print(f"\nOpen {OUT / 'scene.blend'}, {OUT / 'scene.glb'} or {preview}.")
    return 0 if better else "The reconstruction is no better than knowing nothing."


def batch(pictures: Sequence[Path], output: str, *options: object) -> None:
    """Run the command line once."""
    command = [sys.executable, ROOT / "batch.py", "--images", *pictures, "--model", "nano", "--output", OUT / output]
    OUT.mkdir(exist_ok=True)
    subprocess.run([str(word) for word in (*command, *options)], check=True, stderr=subprocess.DEVNULL)


def compare(result: Reconstruction, true_depth: np.ndarray, true_cameras: np.ndarray) -> Figures:
    """Score a saved reconstruction against the truth."""
    cameras = np.stack([np.asarray(view.world_from_camera) for view in result.views])
    return score([np.asarray(view.depth) for view in result.views], cameras, true_depth, true_cameras)


def score(
    depth: Sequence[np.ndarray], cameras: np.ndarray, true_depth: np.ndarray, true_cameras: np.ndarray
) -> Figures:
    """Mean depth figures over views and the pose figure over pairs."""
    views = list(zip(depth, true_depth, strict=True))
    return {
        "δ1": float(np.mean([delta1(p, t) for p, t in views])),
        "AbsRel": float(np.mean([absolute_relative(p, t) for p, t in views])),
        "AUC30": area_under_curve(pair_errors(cameras, true_cameras), 30),
    }


def report(rows: dict[str, Figures]) -> None:
    """Print one line per way of working; the cameras of the second are the truth itself."""
    print("\n" + " " * 16 + "".join(f"{name:>9}" for name in next(iter(rows.values()))))
    for title, figures in rows.items():
        print(f"{title:<16}" + "".join(f"{value:9.3f}" for value in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
