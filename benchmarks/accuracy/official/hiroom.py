"""HiRoom: rendered rooms.

data/<scene>/image/*            pictures
data/<scene>/depth/*.png        16 bit, 0 … 100 m
data/<scene>/pose/*.npy         camera_from_world
data/<scene>/aliasing_mask/*.png   above 0 where depth is not fused
data/<scene>/cam_K.npy          one for all pictures
fused_pcd/<last three parts of the scene's name, with hyphens>.ply
selected_scene_list_val.txt     a scene a line
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from image_to_scene.core.types import FloatArray

from ..fusion import Protocol, read_points
from ..scene import FusedScene, TrueView
from .frames import Frame, chosen, pictures_of
from .pixels import read_depth, read_pixels, without_truth

STEP = 100.0 / 65535.0  # metres


class HiRoom(FusedScene):
    """One room."""

    protocol = Protocol(voxel=4 / 512, truncation=0.04, farthest=1e4, threshold=0.05, spacing=4 / 512)

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / "data" / name
        self._points = root / "fused_pcd" / f"{'-'.join(name.split('/')[-3:])}.ply"
        lens = np.load(self._folder / "cam_K.npy")
        frames = []
        for file in sorted((self._folder / "image").iterdir()):
            pose = self._folder / "pose" / f"{_stem(file)}.npy"
            if pose.exists():
                frames.append(Frame(file, np.load(pose), lens))
        self.pictures = pictures_of(chosen(frames), name, "hiroom")

    def view(self, index: int) -> TrueView:
        """Read depth, unknown where the mask says that it is aliased."""
        picture = self.pictures.files[index]
        file = self._folder / "depth" / f"{_stem(picture)}.png"
        if not file.exists():
            return without_truth(picture)
        depth, mask = read_depth(file, STEP), self._folder / "aliasing_mask" / file.name
        if mask.exists():
            depth[read_pixels(mask) > 0] = np.nan
        return TrueView(depth, np.isfinite(depth))

    def surface(self) -> FloatArray:
        """Read the fused true depth."""
        return read_points(str(self._points))


def open_hiroom(root: Path) -> Iterator[HiRoom]:
    """Open the rooms of the list that are there."""
    for name in (root / "selected_scene_list_val.txt").read_text(encoding="utf-8").split():
        if (root / "data" / name).is_dir():
            yield HiRoom(root, name)


def _stem(file: Path) -> str:
    return file.name.split(".")[0]
