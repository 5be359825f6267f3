"""ETH3D: buildings and rooms, scanned by laser.

<scene>/images/<name>                           pictures, such as dslr_images_undistorted/DSC_0307.JPG
<scene>/dslr_calibration_jpg/{cameras,images}.txt    of COLMAP
<scene>/ground_truth_depth/dslr_images/DSC_0307.JPG   float32, row by row; 0 and infinity unknown
<scene>/masks_for_images/dslr_images/DSC_0307.png     1 where something stood before what was scanned
<scene>/combined_mesh.ply
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from image_to_scene.core.types import FloatArray

from ..fusion import Protocol, sample_mesh
from ..scene import FusedScene, TrueView
from .colmap import read_colmap
from .frames import Frame, chosen, pictures_of, pinhole
from .pixels import read_pixels, size_of, without_truth

SCENES = (
    *("courtyard", "electro", "kicker", "pipes", "relief", "delivery_area"),
    *("facade", "office", "playground", "relief_2", "terrains"),
)
WRONG: Mapping[str, tuple[int, ...]] = {
    "delivery_area": (*range(711, 715),),
    "electro": (*range(9289, 9294), 9298),
    "playground": (*range(587, 593),),
    "relief": (*range(427, 439),),
    "relief_2": (*range(458, 469),),
}
"""Numbers at the end of names of pictures that are left out."""
OCCLUDED = 1  # in masks


class Eth3d(FusedScene):
    """One place."""

    protocol = Protocol(voxel=20 / 512, truncation=0.2, farthest=1e5, threshold=0.25, spacing=20 / 512)

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / name
        lenses, poses = read_colmap(self._folder / "dslr_calibration_jpg")
        left_out = tuple(f"{number}.JPG" for number in WRONG.get(name, ()))
        frames = []
        for pose in poses:
            file = self._folder / "images" / pose.name
            if file.exists() and pose.lens in lenses and not (left_out and pose.name.endswith(left_out)):
                frames.append(Frame(file, pose.camera_from_world, pinhole(*lenses[pose.lens].parameters[:4])))
        self.pictures = pictures_of(chosen(frames), name, "eth3d")

    def view(self, index: int) -> TrueView:
        """Read depth; where there is none, all that no mask covers is fused."""
        picture = self.pictures.files[index]
        width, height = size_of(picture)
        mask = self._folder / "masks_for_images" / "dslr_images" / picture.name.replace(".JPG", ".png")
        kept = read_pixels(mask) != OCCLUDED if mask.exists() else np.ones((height, width), dtype=bool)
        file = self._folder / "ground_truth_depth" / "dslr_images" / picture.name
        if not file.exists():
            return without_truth(picture, kept)
        depth = np.fromfile(file, dtype="<f4").reshape(height, width)
        kept = kept & np.isfinite(depth) & (depth != 0.0)
        return TrueView(np.where(kept, depth, np.nan), kept)

    def surface(self) -> FloatArray:
        """Draw points from the true mesh."""
        return sample_mesh(str(self._folder / "combined_mesh.ply"), self.protocol.samples)


def open_eth3d(root: Path) -> Iterator[Eth3d]:
    """Open the places that are there."""
    return (Eth3d(root, name) for name in SCENES if (root / name).is_dir())
