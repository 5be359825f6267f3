"""DTU: objects on a table before a robot's camera, in millimetres.

dtu/Rectified/<scene>/rect_001_3_r5000.png        the number counts from 1
dtu/Cameras/00000000_cam.txt                      counts from 0; camera_from_world and intrinsics
dtu/depth_raw/Depths/<scene>/depth_visual_0000.png   above 10 where depth counts
dtu/Points/stl/stl001_total.ply                   scanned points
dtu/SampleSet/mvs_data/ObsMask/{ObsMask1_10,Plane1}.mat   where they count
dtu64/<scene>/image/00000000.png, dtu64/Cameras/  64 pictures a scene, for cameras only
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..fusion import DepthMap, read_points
from ..scene import Scene, TrueView
from ..scores import Scores
from .dtu_points import agreeing_points, all_points, capped, score_points
from .frames import Frame, pictures_of
from .pixels import read_pixels, without_truth

SCENES = (1, 4, 9, 10, 11, 12, 13, 15, 23, 24, 29, 32, 33, 34, 48, 49, 62, 75, 77, 110, 114, 118)
SCENES_64 = (105, 114, 118, 122, 24, 37, 40, 55, 63, 65, 69, 83, 97)
FIRST = 33
"""Index of the picture that comes first."""
COUNTS = 10  # a mask's brightness above which depth counts


class Dtu(Scene):
    """One object."""

    def __init__(self, root: Path, number: int) -> None:
        self._root, self._number = root, number
        files = sorted((root / "Rectified" / f"scan{number}").glob("*.png"))
        frames = [_frame(file, root / "Cameras", int(file.name.split("_")[1]) - 1) for file in files]
        self.pictures = pictures_of(_first_first(frames), f"scan{number}", "dtu")

    def view(self, index: int) -> TrueView:
        """Read the mask; the data set as it is used here has no depth."""
        picture = self.pictures.files[index]
        number = int(picture.name.split("_")[1]) - 1
        folder = self._root / "depth_raw" / "Depths" / f"scan{self._number}"
        kept = read_pixels(folder / f"depth_visual_{number:04}.png") > COUNTS
        return TrueView(np.full(kept.shape, np.nan), kept)

    def score_surface(self, views: Iterable[DepthMap], *, given: bool) -> Scores:
        """Compare points, with given cameras those on which several views agree; see `Scene`."""
        points = capped(np.concatenate(list((agreeing_points if given else all_points)(list(views)))))
        masks = self._root / "SampleSet" / "mvs_data" / "ObsMask"
        true = read_points(str(self._root / "Points" / "stl" / f"stl{self._number:03}_total.ply"))
        return score_points(points, true, masks / f"ObsMask{self._number}_10.mat", masks / f"Plane{self._number}.mat")


class Dtu64(Scene):
    """One object, of which only cameras are compared."""

    def __init__(self, root: Path, number: int) -> None:
        files = sorted((root / f"scan{number}" / "image").glob("*.png"))
        frames = [_frame(file, root / "Cameras", int(file.stem)) for file in files]
        self.pictures = pictures_of(_first_first(frames), f"scan{number}", "dtu64")

    def view(self, index: int) -> TrueView:
        """Say that nothing is known but the picture's size."""
        return without_truth(self.pictures.files[index])

    def score_surface(self, views: Iterable[DepthMap], *, given: bool) -> Scores:
        """Compare nothing; see `Scene`."""
        del views, given
        return {}


def open_dtu(root: Path) -> Iterator[Dtu]:
    """Open the objects that are there."""
    return (Dtu(root, number) for number in SCENES if (root / "Rectified" / f"scan{number}").is_dir())


def open_dtu64(root: Path) -> Iterator[Dtu64]:
    """Open the objects that are there."""
    return (Dtu64(root, number) for number in SCENES_64 if (root / f"scan{number}").is_dir())


def _frame(file: Path, cameras: Path, number: int) -> Frame:
    """Read a camera's file: a title and four rows, a title and three rows, each after an empty line but the first."""
    lines = (cameras / f"{number:08}_cam.txt").read_text(encoding="utf-8").splitlines()
    camera_from_world, K = (
        np.array([[float(value) for value in line.split()] for line in rows]) for rows in (lines[1:5], lines[7:10])
    )
    K[:2, 2] += 0.5  # there, pixel centres are whole numbers
    return Frame(file, camera_from_world, K)


def _first_first(frames: Sequence[Frame]) -> list[Frame]:
    """Put the view that looks at the middle to the front."""
    if len(frames) <= FIRST:
        return list(frames)
    return [frames[FIRST], *frames[:FIRST], *frames[FIRST + 1 :]]
