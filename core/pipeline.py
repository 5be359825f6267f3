"""The map of a run: pictures → views → network → cameras and geometry.

A `Session` lives as long as its worker process and keeps the last model loaded. torch is imported here only when a
run needs it, so that whoever just wants a `Request` or a `Reconstruction` never pays for it.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .assembly import assemble, known_cameras, pose_tokens
from .imaging.preparation import PreparedView, prepare_views
from .imaging.reading import check_pictures, write_upright_copy
from .types import OnProgress, Progress, Reconstruction, Request, View

if TYPE_CHECKING:
    from .model.prediction import Model


class Session:
    """Runs requests one after the other and keeps the model of the last one.

    Upright copies of pictures that Blender would read wrongly live in a temporary folder of the session until the
    reconstruction is saved.
    """

    def __init__(self) -> None:
        self._model: Model | None = None
        self._model_key: tuple[str, str, str] | None = None
        self._copies = tempfile.TemporaryDirectory(prefix="image_to_scene_")

    def reconstruct(self, request: Request, progress: OnProgress) -> tuple[Reconstruction, ...]:
        """Reconstruct the pictures of a request.

        Args:
            request: What to do.
            progress: Told of every step; an exception from it, such as `CancelledError`, ends the run.

        Returns:
            One reconstruction; one per picture where the model gives no cameras and none are given, since nothing
            then says how the pictures lie to each other.

        Raises:
            ImageError: Naming every picture of the request that cannot be read.
            CameraError: The given cameras do not fit the pictures or are not cameras.
            WeightsError: The model is not there or not what its configuration says.
            DeviceError: The chosen device or precision does not exist here.
            OutOfMemoryError: The device is too small for this many views at this resolution.
        """
        started = time.monotonic()
        check_pictures([view.path for view in request.views], progress)
        known_cameras(request.views)
        progress(Progress("Loading model", 0, 1))
        model = self._load(request)
        runs = _split(request, model)
        return tuple(self._run(run, model, started, progress) for run in runs)

    def _load(self, request: Request) -> Model:
        """Return the request's model, from the last run where it is the same."""
        from .model.prediction import load_model

        key = (request.model, request.device, request.precision)
        if self._model is None or self._model_key != key:
            self._model = None  # frees the device before the next model is loaded
            self._model = load_model(request.model, device=request.device, precision=request.precision)
            self._model_key = key
        return self._model

    def _run(self, request: Request, model: Model, started: float, progress: OnProgress) -> Reconstruction:
        views = prepare_views(
            request.views,
            resolution=request.resolution or model.resolution,
            patch_size=model.patch_size,
            mixed_sizes=request.mixed_sizes,
            on_progress=progress,
        )
        tokens = pose_tokens(request.views) if model.has_poses else None
        prediction = model.predict(
            [view.pixels for view in views],
            world_from_camera=tokens,
            image_from_camera=[view.image_from_camera for view in views] if tokens is not None else None,
            reference_view=request.reference_view,
            want_rays=request.pose_source == "ray_map" or request.point_source == "rays",
            head_chunk=request.head_chunk,
            progress=progress,
        )
        progress(Progress("Building geometry", 0, 1))
        textures = [self._texture(view, prepared) for view, prepared in zip(request.views, views, strict=True)]
        metric = model.is_metric and not model.has_poses
        reconstruction = assemble(request, views, textures, prediction, canonical_metric=metric)
        return replace(reconstruction, facts={**reconstruction.facts, "seconds": time.monotonic() - started})

    def _texture(self, view: View, prepared: PreparedView) -> Path:
        return write_upright_copy(view.path, Path(self._copies.name)) if prepared.texture_needs_copy else view.path


def _split(request: Request, model: Model) -> list[Request]:
    """Give every picture a run of its own where the model cannot relate them and no cameras do."""
    if model.has_poses or known_cameras(request.views):
        return [request]
    return [replace(request, views=(view,)) for view in request.views]


def reconstruct(request: Request, progress: OnProgress = lambda step: None) -> tuple[Reconstruction, ...]:
    """Reconstruct once, in this process; see `Session.reconstruct`."""
    return Session().reconstruct(request, progress)
