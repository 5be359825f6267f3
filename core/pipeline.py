"""The map of a run: pictures → views → network → cameras and geometry.

A `Session` lives as long as its worker process and keeps the last model loaded. torch is imported here only when a
run needs it, so that whoever just wants a `Request` or a `Reconstruction` never pays for it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .assembly import assemble, known_cameras, pose_tokens
from .errors import ImageError
from .imaging.bars import Bars
from .imaging.flaws import remarks
from .imaging.inputs import Inputs, gather
from .imaging.notes import UNIFORM, bar_warnings, comb_warnings, nothing_to_see, uniform_warnings
from .imaging.preparation import PreparedView, prepare_views
from .imaging.uniform import is_uniform
from .types import FloatArray, OnProgress, Progress, Reconstruction, Request, View

if TYPE_CHECKING:
    from .model.config import ModelConfig
    from .model.prediction import Model

Key = tuple[str, str, str]
"""What a loaded model depends on: its name, device and precision."""


class Session:
    """Runs requests one after the other and keeps the model of the last one.

    Frames of movies, and copies of pictures that Blender would read wrongly, live in a temporary folder of the session
    until its next run: save a reconstruction before.
    """

    def __init__(self) -> None:
        self._loaded: tuple[Key, Model] | None = None
        self._copies = _folder_for_copies()

    def reconstruct(self, request: Request, progress: OnProgress) -> tuple[Reconstruction, ...]:
        """Reconstruct the pictures of a request.

        Args:
            request: What to do.
            progress: Told of every step; an exception from it, such as `CancelledError`, ends the run.

        Returns:
            One reconstruction; one per picture where the model gives no cameras and none are given, since nothing
            then says how the pictures lie to each other.

        Raises:
            ImageError: Naming every picture, movie and mask of the request that cannot be read.
            CameraError: The given cameras do not fit the pictures or are not cameras.
            WeightsError: The model is not there or not what its configuration says.
            DeviceError: The chosen device or precision does not exist here.
            OutOfMemoryError: The device is too small for this many views at this resolution.
        """
        started = time.monotonic()
        self._copies.cleanup()
        self._copies = _folder_for_copies()
        inputs = gather(request.views, Path(self._copies.name), progress)
        request = replace(request, views=inputs.views)
        known_cameras(request.views)
        model = self._open(request)
        inputs, found = _judged(inputs, self._read(request, inputs.pictures, model.config, progress))
        request, prepared = replace(request, views=inputs.views), iter(found)
        progress(Progress("Loading model", 0, 1))
        model.load()
        progress(Progress("Loading model", 1, 1))
        self._loaded = (_key(request), model)
        runs = _split(request, model.config)
        results = [_run(run, list(islice(prepared, len(run.views))), model, started, progress) for run in runs]
        return tuple(_told(result, inputs) for result in results)

    def _open(self, request: Request) -> Model:
        """Return the request's model: that of the last run where it is the same, or a new one without weights."""
        from .model.prediction import open_model

        if self._loaded and self._loaded[0] == _key(request):
            return self._loaded[1]
        self._loaded = None  # frees the device before the next model is loaded
        return open_model(request.model, device=request.device, precision=request.precision)

    def _read(
        self, request: Request, pictures: Sequence[View], config: ModelConfig, progress: OnProgress
    ) -> list[PreparedView]:
        """Read the pictures before the model, so that nobody waits for a network to hear of a broken file."""
        return prepare_views(
            pictures,
            resolution=request.resolution or config.resolution,
            patch_size=config.patch_size,
            mixed_sizes=request.mixed_sizes if _are_related(request, config) else "keep",
            exposure=request.exposure,
            copies=Path(self._copies.name),
            on_progress=progress,
        )


def _run(
    request: Request, prepared: Sequence[PreparedView], model: Model, started: float, progress: OnProgress
) -> Reconstruction:
    config = model.config
    tokens = pose_tokens(request.views) if config.takes_poses else None
    prediction = model.predict(
        [view.pixels for view in prepared],
        tokens,
        [_known(view.image_from_camera) for view in prepared] if tokens else None,
        reference_view=request.reference_view,
        want_rays=request.pose_source == "ray_map" or request.point_source == "rays",
        head_chunk=request.head_chunk,
        progress=progress,
    )
    progress(Progress("Building geometry", 0, 1))
    textures = [view.texture for view in prepared]
    metric = config.is_metric and not config.has_poses
    result = assemble(request, prepared, textures, prediction, canonical_metric=metric)
    unchecked = resolution_warnings(config, request.resolution or config.resolution)
    unused = remarks(
        (asked.path, view.unused) for asked, view in zip(request.views, prepared, strict=True) if view.unused
    )
    warnings = [*unused, *unchecked, *prediction.warnings, *result.facts["warnings"]]
    seconds = round(time.monotonic() - started, 3)
    told = {"warnings": warnings, "seconds": seconds, "licence": config.licence}
    return replace(result, facts={**result.facts, **told})


def resolution_warnings(config: ModelConfig, resolution: int) -> list[str]:
    """Say it in a sentence when a model is asked for a resolution that it was never checked at."""
    smallest, largest = config.resolution_range
    if smallest <= resolution <= largest:
        return []
    checked = f"{smallest} pixels" if smallest == largest else f"{smallest} to {largest} pixels"
    return [f"{config.title} was checked at {checked}: at {resolution} expect worse depth and cameras."]


def _folder_for_copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="image_to_scene_", ignore_cleanup_errors=True)


def _judged(inputs: Inputs, prepared: list[PreparedView]) -> tuple[Inputs, list[PreparedView]]:
    """Leave out views of a single colour, in which a network sees what is not there; and say what was found in views.

    Raises:
        ImageError: No view is left.
    """
    uniform = [place for place, view in enumerate(prepared) if is_uniform(view.pixels, view.mask)]
    if len(uniform) == len(prepared):
        raise ImageError(nothing_to_see(inputs.views))
    bars = [Bars() if place in uniform else view.bars for place, view in enumerate(prepared)]
    combed = [place for place, view in enumerate(prepared) if view.is_combed]
    notes = [
        *uniform_warnings(inputs.views, uniform),
        *bar_warnings(inputs.views, bars),
        *comb_warnings(inputs.views, combed),
    ]
    stays = [view for place, view in enumerate(prepared) if place not in set(uniform)]
    return inputs.without(uniform, UNIFORM, notes), stays


def _told(result: Reconstruction, inputs: Inputs) -> Reconstruction:
    """Add what was found out before the run."""
    warnings = [*inputs.warnings, *result.facts["warnings"]]
    left_out = [asdict(item) for item in inputs.left_out]
    return replace(result, facts={**result.facts, "warnings": warnings, "left_out": left_out})


def _key(request: Request) -> Key:
    return (request.model, request.device, request.precision)


def _known(matrix: FloatArray | None) -> FloatArray:
    assert matrix is not None  # noqa: S101 - a view with a pose was checked to have intrinsics, too
    return matrix


def _split(request: Request, config: ModelConfig) -> list[Request]:
    """Give every picture a run of its own where the model cannot relate them and no cameras do."""
    if _are_related(request, config):
        return [request]
    return [replace(request, views=(view,)) for view in request.views]


def _are_related(request: Request, config: ModelConfig) -> bool:
    return config.has_poses or known_cameras(request.views)


def reconstruct(request: Request, progress: OnProgress = lambda step: None) -> tuple[Reconstruction, ...]:
    """Reconstruct once, in this process; see `Session.reconstruct`."""
    return Session().reconstruct(request, progress)
