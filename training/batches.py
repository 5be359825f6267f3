"""Batches from the data folder: random views of random scenes, cut, mirrored, recoloured, ready as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.geometry.cameras import invert_rigid, normalise_for_tokens
from core.model.camera_head import CameraEncoding, encode_cameras

from .config import NEIGHBOURS, PICTURE_SIZES, VIEW_COUNTS
from .data import VIEWS, DataFolder

Array = NDArray[np.floating[Any]]
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)


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

    def of_pictures(self, chosen: Tensor) -> Batch:
        """Some of the B · V pictures, each as a scene of one view, in the world that it was in."""

        def pick(x: Tensor) -> Tensor:
            return x.flatten(0, 1)[chosen, None]

        return Batch(
            pick(self.images),
            pick(self.depth),
            pick(self.world_from_camera),
            pick(self.image_from_camera),
            CameraEncoding(*map(pick, self.given)),
        )


def cut(array: NDArray[Any], size: tuple[int, int], axis: int) -> NDArray[Any]:
    """Take the centred (width, height) of `size` from axes `axis` (rows) and `axis + 1` (columns)."""
    top, left = (array.shape[axis] - size[1]) // 2, (array.shape[axis + 1] - size[0]) // 2
    index: list[slice] = [slice(None)] * array.ndim
    index[axis], index[axis + 1] = slice(top, top + size[1]), slice(left, left + size[0])
    return array[tuple(index)]


def recolour(images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
    """Return [V, H, W, 3] in [0, 1] with other channels, gamma, contrast and noise, the same for all views."""
    x = images[..., random.permutation(3)].astype(np.float32) / 255
    x = x ** np.float32(np.exp(random.normal(0.0, 0.25)))
    gain = random.uniform(0.8, 1.2, 3).astype(np.float32)
    x = (x - 0.5) * gain + np.float32(0.5 + random.normal(0.0, 0.05))
    x += np.float32(random.uniform(0.0, 0.03)) * random.standard_normal(x.shape, dtype=np.float32)
    return np.clip(x, 0.0, 1.0)


def mirror(images: NDArray[Any], depth: Array, cameras: Array) -> tuple[NDArray[Any], Array, Array]:
    """Mirror pictures [V, H, W, ...] left to right, and the world with them, so that cameras stay proper rotations."""
    flip = np.diag((-1.0, 1.0, 1.0, 1.0))
    return images[:, :, ::-1], depth[:, :, ::-1], flip @ cameras @ flip


def mean_distance(depth: Array, cameras: Array, K: Array) -> float:
    """Mean distance of all known points from view 0's centre: the unit that depth and cameras are divided by.

    Source: arXiv 2511.10647 §3.3 (ground truth is scaled by the mean norm of its valid points).
    """
    height, width = depth.shape[-2:]
    u, v = np.meshgrid(np.arange(0, width, 3) + 0.5, np.arange(0, height, 3) + 0.5)
    pixels = np.stack((u, v, np.ones_like(u)), -1)
    sampled = depth[:, ::3, ::3].astype(np.float64)
    rays = np.einsum("vij,vjk,hwk->vhwi", cameras[:, :3, :3], np.linalg.inv(K), pixels)
    points = rays * sampled[..., None] + cameras[:, None, None, :3, 3]
    return float(np.linalg.norm(points, axis=-1)[sampled > 0].mean())


class Sampler:
    """Draws batches; the sequence depends on the seed and on how many scenes are ready."""

    def __init__(self, data: DataFolder, seed: int) -> None:
        self.data, self.random = data, np.random.default_rng(seed)
        self.ready = data.ready()

    def draw(self, images: int) -> Batch:
        """Draw a batch of about `images` pictures."""
        counts, odds = zip(*VIEW_COUNTS, strict=True)
        views = int(self.random.choice(counts, p=odds))
        sizes, odds = zip(*PICTURE_SIZES, strict=True)
        size = sizes[int(self.random.choice(len(sizes), p=odds))]
        scenes = self.random.choice(self.ready, max(1, round(images / views)), replace=False)
        return collate([self._scene(int(scene), views, size) for scene in scenes])

    def _scene(self, scene: int, views: int, size: tuple[int, int]) -> tuple[NDArray[np.float32], Array, Array, Array]:
        window = max(views, VIEWS // 2) if self.random.random() < NEIGHBOURS else VIEWS
        first = int(self.random.integers(VIEWS - window + 1))
        chosen = first + self.random.permutation(window)[:views]
        images, depth = cut(self.data.images[scene][chosen], size, 1), cut(self.data.depth[scene][chosen], size, 1)
        cameras, K = self.data.world_from_camera[scene][chosen], self.data.image_from_camera[scene][chosen].copy()
        K[:, :2, 2] = size[0] / 2, size[1] / 2
        if self.random.random() < 0.5:
            images, depth, cameras = mirror(images, depth, cameras)
        return recolour(images, self.random), depth, cameras, K


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
    pixels = np.moveaxis((images - MEAN) / DEVIATION, -1, 1)
    return tuple(
        np.ascontiguousarray(a, np.float32) for a in (pixels, depth.astype(np.float32) / unit, cameras, K, given)
    )
