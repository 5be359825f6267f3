"""From what the network says to a reconstruction: whose cameras hold, in which world, in which unit.

The decisions of the whole path are taken here, once, from the same few facts; the algebra is in `geometry`. Views go
through it side by side, as lists, since their sizes may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import CameraError
from .geometry.alignment import (
    ScaleFit,
    fill_sky,
    fill_sky_nested,
    metric_depth_from_canonical,
    metric_scale_nested,
    scale_to_given,
)
from .geometry.cameras import (
    check_intrinsics,
    check_rigid,
    intrinsics_from_field_of_view,
    nearest_rigid,
    normalise_for_tokens,
    rebase,
    square_pixels,
    transform_intrinsics,
)
from .geometry.rays import cameras_from_rays, points_from_rays
from .imaging.preparation import PreparedView
from .types import (
    FloatArray,
    IntrinsicsOrigin,
    Prediction,
    ReconstructedView,
    Reconstruction,
    Request,
    Units,
    View,
    ViewPrediction,
)

UNKNOWN_SCALE = "One camera, or cameras in one place, do not tell the scale: the geometry is as large as predicted."
NO_RAYS = "This model gives no rays: points come from its depth and the cameras."
NO_METRES = "Too little of the pictures is not sky to tell metres: the geometry is as large as predicted."


@dataclass
class _Draft:
    """The reconstruction while it is decided; one entry per view in every list."""

    seen: list[FloatArray] | None
    """`world_from_camera` of the network, in its own world and unit; None where it gives no cameras."""
    intrinsics: list[FloatArray]
    origins: list[IntrinsicsOrigin]
    depth: list[FloatArray]
    confidence: list[FloatArray] | None
    scale: ScaleFit = field(default_factory=ScaleFit)
    units: Units = "scene units"
    warnings: list[str] = field(default_factory=list)


def known_cameras(views: Sequence[View]) -> bool:
    """Tell whether cameras are given, after checking them.

    Raises:
        CameraError: Only some pictures have one, one has no intrinsics, or one is not a camera.
    """
    for view in views:
        if view.image_from_camera is not None:
            check_intrinsics(view.image_from_camera, f"The camera of {view.path.name}")
    posed = [view for view in views if view.world_from_camera is not None]
    if not posed:
        return False
    if len(posed) < len(views):
        raise CameraError(f"{len(posed)} of {len(views)} pictures have a camera; give one to every picture or to none.")
    for view in posed:
        check_rigid(np.asarray(view.world_from_camera), f"The camera of {view.path.name}")
        if view.image_from_camera is None:
            raise CameraError(f"The camera of {view.path.name} has no intrinsics; give image_from_camera as well.")
    return True


def pose_tokens(views: Sequence[View]) -> list[FloatArray] | None:
    """Return the given cameras [4, 4] as the camera encoder wants them; None where none are given."""
    return list(normalise_for_tokens(_given(views))) if known_cameras(views) else None


def assemble(
    request: Request,
    prepared: Sequence[PreparedView],
    textures: Sequence[Path],
    prediction: Prediction,
    *,
    canonical_metric: bool = False,
) -> Reconstruction:
    """Make a reconstruction of a prediction.

    Args:
        request: What was asked for.
        prepared: The views as the network saw them.
        textures: Per view the picture that Blender shall use as texture.
        prediction: What the network said.
        canonical_metric: The network's depth is metres at a focal length of 300 pixels.

    Raises:
        CameraError: The given cameras are not cameras, or the ray maps describe none.
    """
    draft = _draft(request, prepared, prediction)
    if canonical_metric:
        draft.depth = _metres(draft.depth, draft)
        draft.units = "metres"
    given = _given(request.views) if known_cameras(request.views) else None
    _scale(draft, given, prediction.views)
    cameras = _placed(draft, given)
    points = _ray_points(request, draft, cameras, prediction.views)
    return Reconstruction(
        views=tuple(
            ReconstructedView(
                source=view.path,
                texture=textures[i],
                source_size=prepared[i].source_size,
                source_from_model=prepared[i].source_from_model,
                image=prepared[i].pixels,
                depth=draft.depth[i],
                image_from_camera=draft.intrinsics[i],
                world_from_camera=None if cameras is None else cameras[i],
                confidence=None if draft.confidence is None else draft.confidence[i],
                sky=prediction.views[i].sky,
                points=None if points is None else points[i],
                intrinsics_origin=draft.origins[i],
            )
            for i, view in enumerate(request.views)
        ),
        world="first_view" if given is None else "given",
        units=draft.units,
        model=request.model,
        settings=_settings(request),
        facts=_facts(prediction, draft),
    )


def _draft(request: Request, prepared: Sequence[PreparedView], prediction: Prediction) -> _Draft:
    """Choose cameras and intrinsics; nothing is scaled or moved yet."""
    seen: list[FloatArray] | None = None
    lenses: list[FloatArray | None] = [view.image_from_camera for view in prediction.views]
    if all(view.world_from_camera is not None for view in prediction.views):
        seen = [np.asarray(view.world_from_camera, dtype=np.float64) for view in prediction.views]
        if request.pose_source == "ray_map":
            solved = [_solve_rays(view) for view in prediction.views]
            lenses, seen = [K for K, _ in solved], [world_from_camera for _, world_from_camera in solved]
    chosen = [_intrinsics(request, view, lens) for view, lens in zip(prepared, lenses, strict=True)]
    confidence = [view.confidence for view in prediction.views if view.confidence is not None]
    return _Draft(
        seen=seen,
        intrinsics=[K for K, _ in chosen],
        origins=[origin for _, origin in chosen],
        depth=[view.depth for view in prediction.views],
        confidence=list(confidence) or None,
    )


def _solve_rays(view: ViewPrediction) -> tuple[FloatArray, FloatArray]:
    assert view.rays is not None  # noqa: S101 - asked for together with ray_map
    assert view.ray_confidence is not None  # noqa: S101
    height, width = view.depth.shape
    return cameras_from_rays(view.rays, view.ray_confidence, (width, height))


def _intrinsics(
    request: Request, view: PreparedView, predicted: FloatArray | None
) -> tuple[FloatArray, IntrinsicsOrigin]:
    """Take what is known best: the given lens, the network's, the one EXIF names, the setting.

    Only the network's own are squared: a given lens is knowledge, and the others are square by construction.
    """
    if view.image_from_camera is not None:
        return view.image_from_camera, "given"
    if predicted is not None:
        predicted = np.asarray(predicted, dtype=np.float64)
        return square_pixels(predicted, view.source_from_model) if request.square_pixels else predicted, "model"
    if view.exif_image_from_camera is not None:
        return view.exif_image_from_camera, "exif"
    source = intrinsics_from_field_of_view(request.field_of_view, view.source_size)
    return transform_intrinsics(np.linalg.inv(view.source_from_model), source), "setting"


def _scale(draft: _Draft, given: FloatArray | None, views: Sequence[ViewPrediction]) -> None:
    """Find the unit: from given cameras, else from a metric network; then put the sky behind everything."""
    if given is not None and draft.seen is not None:
        draft.scale = scale_to_given(np.stack(draft.seen), given)
    metric = [view.metric_depth for view in views if view.metric_depth is not None]
    sky = [view.sky for view in views if view.sky is not None]
    nested = bool(metric and sky and draft.confidence)
    if nested and not draft.scale.known:
        draft.scale = metric_scale_nested(draft.depth, draft.confidence or [], _metres(metric, draft), sky)
        draft.units = "metres" if draft.scale.known else draft.units
        draft.warnings += [] if draft.scale.known else [NO_METRES]
    elif given is not None and not draft.scale.known and draft.units != "metres":
        draft.warnings.append(UNKNOWN_SCALE)
    draft.depth = [(depth * np.float32(draft.scale.scale)).astype(np.float32) for depth in draft.depth]
    if nested:
        draft.depth, draft.confidence = fill_sky_nested(draft.depth, draft.confidence or [], sky)
    elif sky:
        draft.depth = [fill_sky(depth, view) for depth, view in zip(draft.depth, sky, strict=True)]


def _placed(draft: _Draft, given: FloatArray | None) -> FloatArray | None:
    """Return [V, 4, 4] cameras in the reconstruction's world and unit."""
    if given is not None:
        return given
    if draft.seen is None:
        return None
    cameras = rebase(np.stack(draft.seen))
    cameras[:, :3, 3] *= draft.scale.scale
    return cameras


def _ray_points(
    request: Request, draft: _Draft, cameras: FloatArray | None, views: Sequence[ViewPrediction]
) -> list[FloatArray] | None:
    """Return points along the rays, each view's carried from the network's camera to where that camera now stands."""
    if request.point_source != "rays":
        return None
    if draft.seen is None or cameras is None or any(view.rays is None for view in views):
        draft.warnings.append(NO_RAYS)
        return None
    points = []
    for view, seen, camera in zip(views, draft.seen, cameras, strict=True):
        in_network = points_from_rays(view.depth, np.asarray(view.rays), seen)
        in_camera = draft.scale.scale * ((in_network - seen[:3, 3]) @ seen[:3, :3])
        points.append((in_camera @ camera[:3, :3].T + camera[:3, 3]).astype(np.float32))
    return points


def _given(views: Sequence[View]) -> FloatArray:
    return nearest_rigid(np.stack([np.asarray(view.world_from_camera, dtype=np.float64) for view in views]))


def _metres(depths: Sequence[FloatArray], draft: _Draft) -> list[FloatArray]:
    focals = [float(0.5 * (K[0, 0] + K[1, 1])) for K in draft.intrinsics]
    return [metric_depth_from_canonical(depth, focal) for depth, focal in zip(depths, focals, strict=True)]


def _settings(request: Request) -> dict[str, Any]:
    settings = asdict(request)
    del settings["views"]
    return settings


def _facts(prediction: Prediction, draft: _Draft) -> dict[str, Any]:
    return {
        "device": prediction.device,
        "precision": prediction.precision,
        "reference_view": prediction.reference_index,
        "scale": draft.scale.scale,
        "scale_known": draft.scale.known,
        "scale_residual": draft.scale.residual,
        "warnings": draft.warnings,
    }
