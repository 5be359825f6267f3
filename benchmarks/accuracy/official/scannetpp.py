"""ScanNet++: rooms filmed with a telephone and scanned by laser.

    <scene>/merge_dslr_iphone/colmap/sparse_render_rgb/   cameras and poses of COLMAP
    <scene>/merge_dslr_iphone/images/<name>               pictures; those with "iphone" in their name take part
    <scene>/merge_dslr_iphone/render_depth/<name>.png     16 bit, millimetres; 0 unknown
    <scene>/scans/mesh_aligned_0.05.ply

A lens with distortion is taken, as upstream does, for the pinhole camera that shows all of the straightened picture,
though pictures are not straightened.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from image_to_scene.core.types import FloatArray

from ..fusion import Protocol, sample_mesh
from ..scene import FusedScene, TrueView
from .colmap import Lens, read_colmap
from .frames import Frame, chosen, pictures_of, pinhole
from .pixels import read_pixels

SCENES = (
    *("09c1414f1b", "1ada7a0617", "40aec5fffa", "3e8bba0176", "acd95847c5", "578511c8a9", "5f99900f09"),
    *("c4c04e6d6c", "f3d64c30f8", "7bc286c1b6", "c5439f4607", "286b55a2bf", "fb5a96b1a2", "7831862f02"),
    *("38d58a7a31", "bde1e479ad", "9071e139d9", "21d970d8de", "bcd2436daf", "cc5237fd77"),
)
SIZE = (1024, 768)
"""(width, height) at which depth is compared."""


class ScanNetPP(FusedScene):
    """One room."""

    protocol = Protocol(voxel=0.02, truncation=0.15, farthest=5.0, threshold=0.05, spacing=0.02, margin=0.1)

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / name
        inputs = self._folder / "merge_dslr_iphone"
        lenses, poses = read_colmap(inputs / "colmap" / "sparse_render_rgb")
        frames = []
        for pose in sorted(poses, key=lambda pose: pose.name):
            file = inputs / "images" / pose.name
            if "iphone" in pose.name and file.exists():
                frames.append(Frame(file, pose.camera_from_world, _straightened(lenses[pose.lens])))
        self.pictures = pictures_of(chosen(frames), name, "scannetpp")

    def view(self, index: int) -> TrueView:
        """Read depth at the size at which it is compared; without a file, all of it is fused."""
        import cv2

        picture = self.pictures.files[index]
        file = self._folder / "merge_dslr_iphone" / "render_depth" / f"{picture.name[:-4]}.png"
        if not file.exists():
            return TrueView(np.full(SIZE[::-1], np.nan), np.ones(SIZE[::-1], dtype=bool))
        metres = cv2.resize(read_pixels(file) / 1000.0, SIZE, interpolation=cv2.INTER_LINEAR)
        known = metres > 0.0
        return TrueView(np.where(known, metres, np.nan).astype(np.float32), known)

    def surface(self) -> FloatArray:
        """Draw points from the true mesh."""
        return sample_mesh(str(self._folder / "scans" / "mesh_aligned_0.05.ply"), self.protocol.samples)


def open_scannetpp(root: Path) -> Iterator[ScanNetPP]:
    """Open the rooms that are there."""
    return (ScanNetPP(root, name) for name in SCENES if (root / name).is_dir())


def _straightened(lens: Lens) -> FloatArray:
    """Return [3, 3] of the pinhole camera that shows all of what a lens shows."""
    import cv2

    K = pinhole(*lens.parameters[:4])
    if lens.model != "OPENCV":
        return K
    half = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])  # OpenCV's pixel centres are whole numbers
    distortion = np.array([*lens.parameters[4:], 0.0])
    straight, _ = cv2.getOptimalNewCameraMatrix(K - half, distortion, lens.size, 1, lens.size)
    return np.asarray(straight + half)
