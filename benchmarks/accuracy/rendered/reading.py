"""A rendered scene read back from its folder, as something to compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from image_to_scene.core.types import FloatArray

from ..fusion import Protocol
from ..scene import FusedScene, Pictures, TrueView
from .folders import DESCRIPTION

PROTOCOLS: Mapping[str, Protocol] = {
    "room": Protocol(voxel=0.02, truncation=0.1, farthest=12.0, threshold=0.05, spacing=0.02, samples=300_000),
    "tabletop": Protocol(voxel=0.01, truncation=0.05, farthest=6.0, threshold=0.025, spacing=0.01, samples=300_000),
    "facade": Protocol(voxel=0.1, truncation=0.5, farthest=40.0, threshold=0.25, spacing=0.1, samples=300_000),
}
"""Rooms are compared as the benchmark's, facades as its ETH3D, tables at half the size of rooms; cells are coarser,
since these pictures are smaller."""


class RenderedScene(FusedScene):
    """A folder that `rendering.render_scene` wrote."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        facts = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.mode: str = facts["mode"]
        cameras = np.array(facts["world_from_camera"])
        self.pictures = Pictures(
            name=facts["name"],
            kind=facts["family"],
            files=tuple(folder / f"{index}.png" for index in range(len(cameras))),
            world_from_camera=cameras,
            image_from_camera=np.repeat(np.array(facts["image_from_camera"])[None], len(cameras), axis=0),
        )
        self.protocol = PROTOCOLS[facts["family"]]

    def view(self, index: int) -> TrueView:
        """Read the true depth; the sky is not fused."""
        depth = self.depth()[index]
        return TrueView(depth, np.isfinite(depth))

    def depth(self) -> FloatArray:
        """Map the true depth [V, H, W] of all views."""
        depth: FloatArray = np.load(self._folder / "depth.npy", mmap_mode="r")
        return depth

    def surface(self) -> FloatArray:
        """Read points [N, 3] of what the cameras see, no farther than depth is fused."""
        points = np.load(self._folder / "surface.npy").astype(np.float64)
        places = self.pictures.world_from_camera[:, :3, 3]
        nearest = np.min([np.linalg.norm(points - place, axis=1) for place in places], axis=0)
        near: FloatArray = points[nearest < self.protocol.farthest]
        return near
