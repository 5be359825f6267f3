"""What was found out of a scene's pictures, by the public pipeline in one of three ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from image_to_scene.core.geometry.cameras import transform_intrinsics
from image_to_scene.core.pipeline import Session
from image_to_scene.core.types import FloatArray, PoseSource, ReconstructedView, Reconstruction, Request, View

from .scene import Pictures

Mode = Literal["camera head", "ray map", "given"]
"""Where cameras come from: the network's camera head, its ray map, or the truth."""
MODES: tuple[Mode, ...] = get_args(Mode)
_SOURCES: Mapping[Mode, PoseSource] = {"camera head": "camera_head", "ray map": "ray_map", "given": "camera_head"}


@dataclass(frozen=True)
class Settings:
    """How pictures are reconstructed, for a whole run of the benchmark."""

    model: str = "nano"
    resolution: int | None = None
    """None: what the model is made for."""
    as_official: bool = False
    """The first view is the reference, and fx and fy are the network's own, as the official benchmark has it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"


@dataclass(frozen=True)
class PredictedView:
    """One view as it was found, in model pixels."""

    depth: FloatArray
    """[H, W] along Z, NaN where unknown."""
    image_from_camera: FloatArray
    """[3, 3] model pixels."""
    world_from_camera: FloatArray
    """[4, 4]."""
    source_from_model: FloatArray
    """[3, 3] affine from model pixels to those of the picture."""
    source_size: tuple[int, int]
    """(width, height) of the picture."""


@dataclass(frozen=True)
class Prediction:
    """All views of a scene as they were found."""

    views: tuple[PredictedView, ...]
    in_true_world: bool
    """The true cameras were given, so that nothing is left to align."""

    @property
    def cameras(self) -> FloatArray:
        """[V, 4, 4] `world_from_camera`."""
        return np.stack([view.world_from_camera for view in self.views]).astype(np.float64)


def reconstruct(session: Session, pictures: Pictures, mode: Mode, settings: Settings) -> Reconstruction:
    """Reconstruct a scene's pictures together; EXIF tells nothing, since the truth is not asked either."""
    views = [View(file) for file in pictures.files]
    if mode == "given":
        cameras = zip(pictures.files, pictures.world_from_camera, pictures.image_from_camera, strict=True)
        views = [View(file, world_from_camera, K) for file, world_from_camera, K in cameras]
    request = Request(
        tuple(views),
        model=settings.model,
        resolution=settings.resolution,
        reference_view="first" if settings.as_official else "saddle_balanced",
        square_pixels=not settings.as_official,
        pose_source=_SOURCES[mode],
        exif_lens=False,
        device=settings.device,
    )
    (reconstruction,) = session.reconstruct(request, lambda step: None)
    return reconstruction


def prediction_of(reconstruction: Reconstruction) -> Prediction:
    """Take what is compared from a reconstruction."""
    return Prediction(tuple(_view(view) for view in reconstruction.views), reconstruction.world == "given")


def truth_as_prediction(pictures: Pictures, depth: FloatArray) -> Prediction:
    """Say the truth itself, with depth [V, H, W] at the pictures' size: the best score that there can be."""
    size = (depth.shape[2], depth.shape[1])
    views = zip(depth, pictures.image_from_camera, pictures.world_from_camera, strict=True)
    return Prediction(tuple(PredictedView(d, K, camera, np.eye(3), size) for d, K, camera in views), True)


def depth_at(view: PredictedView, size: tuple[int, int]) -> FloatArray:
    """Return the depth [H, W] of the model pixel in which each pixel of a picture of another size has its centre.

    The picture shows the same as the source, only of `size` (width, height); outside the model's part of it, NaN.
    """
    model_from_target = np.linalg.inv(_target_from_model(view, size))
    height, width = view.depth.shape
    columns = np.floor(model_from_target[0, 0] * (np.arange(size[0]) + 0.5) + model_from_target[0, 2]).astype(int)
    rows = np.floor(model_from_target[1, 1] * (np.arange(size[1]) + 0.5) + model_from_target[1, 2]).astype(int)
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    depth = view.depth[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    return np.where(inside, depth, np.nan)


def intrinsics_at(view: PredictedView, size: tuple[int, int]) -> FloatArray:
    """Return [3, 3] intrinsics in pixels of the source brought to another size."""
    return transform_intrinsics(_target_from_model(view, size), view.image_from_camera)


def _target_from_model(view: PredictedView, size: tuple[int, int]) -> FloatArray:
    scale = np.diag([size[0] / view.source_size[0], size[1] / view.source_size[1], 1.0])
    return np.asarray(scale @ view.source_from_model)


def _view(view: ReconstructedView) -> PredictedView:
    camera = np.eye(4) if view.world_from_camera is None else np.asarray(view.world_from_camera)
    return PredictedView(view.depth, view.image_from_camera, camera, view.source_from_model, view.source_size)
