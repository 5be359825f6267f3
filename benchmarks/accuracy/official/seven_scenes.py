"""7Scenes: rooms filmed with a Kinect.

7Scenes/<scene>/seq-01/frame-000000.color.png    seq-02 of the stairs
7Scenes/<scene>/seq-01/frame-000000.depth.png    16 bit, millimetres; 0 and 65535 unknown
7Scenes/<scene>/seq-01/frame-000000.pose.txt     world_from_camera
7Scenes/meshes/<scene>.ply
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from image_to_scene.core.types import FloatArray

from ..fusion import Protocol, sample_mesh
from ..scene import FusedScene, TrueView
from .frames import Frame, chosen, pictures_of, pinhole
from .pixels import read_depth, without_truth

SCENES = ("chess", "fire", "heads", "office", "pumpkin", "redkitchen", "stairs")
LENS = pinhole(585.0, 585.0, 320.0, 240.0)


class SevenScenes(FusedScene):
    """One room."""

    protocol = Protocol(voxel=4 / 512, truncation=0.04, farthest=1e6, threshold=0.05, spacing=4 / 512)

    def __init__(self, root: Path, name: str) -> None:
        sequence, count = ("seq-02", 500) if name == "stairs" else ("seq-01", 1000)
        self._mesh = root / "7Scenes" / "meshes" / f"{name}.ply"
        frames = []
        for index in range(count):
            start = root / "7Scenes" / name / sequence / f"frame-{index:06}"
            file, pose = start.with_suffix(".color.png"), start.with_suffix(".pose.txt")
            if file.exists() and pose.exists():
                frames.append(Frame(file, np.linalg.inv(np.loadtxt(pose)), LENS))
        self.pictures = pictures_of(chosen(frames), name, "7scenes")

    def view(self, index: int) -> TrueView:
        """Read depth."""
        picture = self.pictures.files[index]
        file = picture.with_name(picture.name.replace(".color.", ".depth."))
        if not file.exists():
            return without_truth(picture)
        depth = read_depth(file, 1e-3, 65535)
        return TrueView(depth, np.isfinite(depth))

    def surface(self) -> FloatArray:
        """Draw points from the true mesh."""
        return sample_mesh(str(self._mesh), self.protocol.samples)


def open_seven_scenes(root: Path) -> Iterator[SevenScenes]:
    """Open the rooms that are there."""
    return (SevenScenes(root, name) for name in SCENES if (root / "7Scenes" / name).is_dir())
