"""Batches from the data folder: random views of random scenes, cut, mirrored, recoloured, ready as tensors.

What a step draws depends on the seed and the number of the step alone, so that a resumed run goes on as if it had never
stopped, and no random state needs to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.geometry.cameras import invert_rigid, normalise_for_tokens
from core.model.camera_head import CameraEncoding, encode_cameras
from core.model.prediction import DEVIATION, MEAN

from .config import Lesson, Recipe, TrainingError
from .data import DataFolder

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Batch:
    """Scenes with the same number of views of one size.

    Attributes:
        images: [B, V, 3, H, W] normalised pixels.
        depth: [B, V, H, W] along Z, in units of the scene (see `truth`), 0 where unknown.
        world_from_camera: [B, V, 4, 4], the world is view 0's frame, same unit.
        image_from_camera: [B, V, 3, 3] model pixels.
        given: Cameras as the camera encoder reads them.
    """

    images: Tensor
    depth: Tensor
    world_from_camera: Tensor
    image_from_camera: Tensor
    given: CameraEncoding

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return self._mapped(lambda x: x.to(device))

    @property
    def pictures(self) -> int:
        """B · V."""
        return self.images.shape[0] * self.images.shape[1]

    def of_pictures(self, chosen: Tensor) -> Batch:
        """Some of the B · V pictures, each as a scene of one view, in the world that it was in."""
        return self._mapped(lambda x: x.flatten(0, 1)[chosen, None])

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Change every tensor."""
        images, depth = change(self.images), change(self.depth)
        cameras, K = change(self.world_from_camera), change(self.image_from_camera)
        return Batch(images, depth, cameras, K, CameraEncoding(*map(change, self.given)))


def cut(array: NDArray[Any], size: tuple[int, int], axis: int) -> NDArray[Any]:
    """Take the centred (width, height) of `size` from axes `axis` (rows) and `axis + 1` (columns)."""
    top, left = (array.shape[axis] - size[1]) // 2, (array.shape[axis + 1] - size[0]) // 2
    index: list[slice] = [slice(None)] * array.ndim
    index[axis], index[axis + 1] = slice(top, top + size[1]), slice(left, left + size[0])
    return array[tuple(index)]


def shrink(images: NDArray[np.uint8], depth: Array, K: Array, side: int) -> tuple[NDArray[np.uint8], Array, Array]:
    """Bring square views [V, H, W, ...] to another side: colours averaged, depth taken where pixel centres fall."""
    if (drawn := images.shape[1]) == side:
        return images, depth, K
    planes = torch.from_numpy(images).movedim(-1, 1).float()
    smaller = functional.interpolate(planes, (side, side), mode="bilinear", antialias=True).round().byte()
    places = ((np.arange(side) + 0.5) * drawn / side).astype(int)
    factor = np.diag((side / drawn, side / drawn, 1.0))
    return smaller.movedim(1, -1).numpy(), depth[:, places[:, None], places], factor @ K


def recolour(images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
    """Return [V, H, W, 3] in [0, 1] with other channels, gamma, contrast and noise, the same for all views."""
    channels = random.permutation(3)
    curve = (np.arange(256, dtype=np.float32) / 255) ** np.float32(np.exp(random.normal(0.0, 0.25)))
    gain = random.uniform(0.8, 1.2, 3).astype(np.float32)
    curves = (curve[:, None] - 0.5) * gain + np.float32(0.5 + random.normal(0.0, 0.05))
    planes = [curves[:, place][images[..., channel]] for place, channel in enumerate(channels)]
    x: NDArray[np.float32] = np.stack(planes, -1)
    x += np.float32(random.uniform(0.0, 0.03)) * random.standard_normal(x.shape, dtype=np.float32)
    return x.clip(0.0, 1.0)


def mirror(images: NDArray[Any], depth: Array, cameras: Array) -> tuple[NDArray[Any], Array, Array]:
    """Mirror pictures [V, H, W, ...] left to right, and the world with them, so that cameras stay proper rotations."""
    flip = np.diag((-1.0, 1.0, 1.0, 1.0))
    return images[:, :, ::-1], depth[:, :, ::-1], flip @ cameras @ flip


def mean_distance(depth: Array, cameras: Array, K: Array) -> float:
    """Mean distance of known points from the world's origin: the unit that depth and cameras are divided by.

    Args:
        depth: [V, H, W] along Z, 0 where unknown.
        cameras: [V, 4, 4] world_from_camera; the world is view 0's frame.
        K: [V, 3, 3] image_from_camera, pixels.

    Returns:
        In the unit of `depth`, from every third row and column; 1 where nothing is known.

    Source: arXiv 2511.10647 §3.3 (ground truth is scaled by the mean norm of its valid points).
    """
    height, width = depth.shape[-2:]
    u, v = np.meshgrid(np.arange(0, width, 3) + 0.5, np.arange(0, height, 3) + 0.5)
    pixels = np.stack((u, v, np.ones_like(u)), -1)
    sampled = depth[:, ::3, ::3].astype(np.float64)
    world_from_image = cameras[:, :3, :3] @ np.linalg.inv(K)
    rays = pixels @ world_from_image[:, None].transpose(0, 1, 3, 2)
    points = rays * sampled[..., None] + cameras[:, None, None, :3, 3]
    known = np.linalg.norm(points, axis=-1)[sampled > 0]
    return float(known.mean()) if known.size else 1.0


Odds = tuple[tuple[Any, float], ...]


def pick(odds: Odds, random: np.random.Generator) -> Any:
    """One of the values of a table, as often as its odds say."""
    shares = np.array([share for _, share in odds])
    return odds[int(random.choice(len(odds), p=shares / shares.sum()))][0]


def near_one(cameras: Array, count: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Indices of the `count` cameras of [V, 4, 4] that stand nearest to one of them, which is drawn and among them."""
    centres = cameras[:, :3, 3]
    distance = np.linalg.norm(centres - centres[int(random.integers(len(centres)))], axis=-1)
    return np.argsort(distance, kind="stable")[:count]


def require(data: DataFolder, side: int, views: int) -> None:
    """Tell whether a folder's scenes are large enough.

    Raises:
        TrainingError: Its pictures have fewer than `side` pixels on a side, or its scenes fewer than `views` of them.
    """
    _, its_views, its_side = data.images.shape[:3]
    if its_side < side or its_views < views:
        raise TrainingError(
            f"{data.folder} has {its_views} views of {its_side} pixels a scene and the recipe wants {views} of "
            f"{side}; draw it again with --side {side} --views {views}."
        )


class Sampler:
    """Draws the batch of any step of a run, from each of its folders as often as from any other."""

    def __init__(self, folders: Sequence[DataFolder], recipe: Recipe) -> None:
        self.folders, self.recipe = folders, recipe
        self.ready = self.count()
        if not any(self.ready):
            raise TrainingError("No scene of the data is whole yet; begin again when training.data has drawn some.")
        side = max(max(size) for size, _ in recipe.sizes)
        views = max(count for lesson in recipe.lessons for count, _ in lesson.views)
        for data in folders:
            require(data, side, views)

    def count(self) -> list[int]:
        """How many scenes of each folder are whole by now."""
        return [data.ready() for data in self.folders]

    def draw(self, step: int, progress: float) -> Batch:
        """Draw the batch of a step, about `tokens_per_step` patches, as the lesson at this place in the run says."""
        random = np.random.default_rng((self.recipe.seed, step))
        lesson, size = self.recipe.lesson(progress), pick(self.recipe.sizes, random)
        views = pick(lesson.views, random)
        patch = self.recipe.network.backbone.patch_size
        patches = views * (size[0] // patch) * (size[1] // patch)
        count = max(1, round(self.recipe.tokens_per_step / patches))
        drawn = np.flatnonzero(self.ready)[random.integers(np.count_nonzero(self.ready), size=count)]
        places = [(self.folders[folder], int(random.integers(self.ready[folder]))) for folder in drawn]
        return collate([self._scene(*place, views, size, lesson, random) for place in places])

    def _scene(
        self,
        data: DataFolder,
        scene: int,
        views: int,
        size: tuple[int, int],
        lesson: Lesson,
        random: np.random.Generator,
    ) -> tuple[NDArray[np.float32], Array, Array, Array]:
        cameras = data.world_from_camera[scene]
        around = near_one(cameras, max(views, round(pick(lesson.reach, random) * len(cameras))), random)
        chosen = random.permutation(around)[:views]
        cameras, K = cameras[chosen], data.image_from_camera[scene][chosen].copy()
        images, depth, K = shrink(data.images[scene][chosen], data.depth[scene][chosen], K, max(size))
        images, depth = cut(images, size, 1), cut(depth, size, 1)
        K[:, :2, 2] = size[0] / 2, size[1] / 2
        if random.random() < 0.5:
            images, depth, cameras = mirror(images, depth, cameras)
        return recolour(images, random), depth, cameras, K


def collate(scenes: list[tuple[NDArray[np.float32], Array, Array, Array]]) -> Batch:
    """Make tensors of scenes (images [V, H, W, 3] in [0, 1], depth, world_from_camera, image_from_camera)."""
    rows = [truth(*scene) for scene in scenes]
    images, depth, cameras, K, given = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
    height, width = images.shape[-2:]
    sizes = torch.tensor((float(height), float(width)))
    return Batch(images, depth, cameras, K, encode_cameras(given, K, sizes))


def truth(images: NDArray[np.float32], depth: Array, cameras: Array, K: Array) -> tuple[NDArray[np.float32], ...]:
    """Bring one scene to view 0's frame and unit: images, depth, cameras, intrinsics, cameras for the encoder."""
    cameras = invert_rigid(cameras[0]) @ cameras
    unit = mean_distance(depth, cameras, K)
    given = normalise_for_tokens(cameras)
    cameras[:, :3, 3] /= unit
    pixels = np.moveaxis((images - np.asarray(MEAN, np.float32)) / np.asarray(DEVIATION, np.float32), -1, 1)
    return tuple(
        np.ascontiguousarray(a, np.float32) for a in (pixels, depth.astype(np.float32) / unit, cameras, K, given)
    )
