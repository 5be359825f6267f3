"""How far geometry reaches, view by view: what the sizes of a whole reconstruction are worked out from.

`Extent` keeps a few thousand numbers of a view, so that a builder looks at the pixels of one view at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import FloatArray, ReconstructedView
from .surfaces import camera_or_origin, known_depth, view_points

SAMPLES = 20_000  # pixels a view from which sizes are measured
ALL_SAMPLES = 200_000  # of all views together: sorting millions would be felt
NEAREST_CLIP = 1e-6  # of the far clip: a depth buffer cannot tell more apart


@dataclass(frozen=True)
class Extent:
    """What the sizes of the whole need to know of one view."""

    centre: FloatArray
    """[3] where the camera stands."""
    bounds: FloatArray
    """[2, 3] lowest and highest coordinates of its points; [0, 3] where none is known."""
    nearest: float
    """Its smallest depth; infinite where none is known."""
    known: int
    """How many of its pixels have a depth."""
    points: FloatArray
    """[N, 3] an even sample of its points, without sky."""
    widths: FloatArray
    """[N] an even sample of depth / focal length, the width of a pixel where its point lies, without sky."""


def extent(view: ReconstructedView) -> Extent:
    """Measure one view."""
    depth, points = known_depth(view), view_points(view)
    focal = np.sqrt(view.image_from_camera[0, 0] * view.image_from_camera[1, 1])
    return Extent(
        centre=camera_or_origin(view)[:3, 3],
        bounds=_bounds(points),
        nearest=float(np.fmin.reduce(depth, axis=None, initial=np.inf)),
        known=int(np.isfinite(depth).sum()),
        points=_sample(view, points),
        widths=_sample(view, depth) / focal,
    )


def clip_range(extents: Sequence[Extent]) -> tuple[float, float]:
    """Return the (near, far) clip distances within which every camera sees all of the reconstruction.

    Near is half the smallest depth, far a tenth more than any camera's distance to the box around everything; near is
    raised to `NEAREST_CLIP` of far where one depth buffer could not hold both.
    """
    centres = np.array([item.centre for item in extents])
    corners = _corners(np.concatenate([item.bounds for item in extents] + [centres]))
    far = 1.1 * max(float(np.linalg.norm(corners - centre, axis=1).max()) for centre in centres)
    nearest = min(item.nearest for item in extents)
    near = 0.5 * nearest if np.isfinite(nearest) else 0.1
    far = max(far, 10.0 * near)
    return max(near, NEAREST_CLIP * far), far


def scene_size(extents: Sequence[Extent]) -> float:
    """Return the diagonal of the box that holds all cameras and the middle nine tenths of the points per axis.

    Sky is left out; 1 where nothing is known. For sizes of things shown, not for measuring.
    """
    places = np.array([item.centre for item in extents])
    points = _thinned(np.concatenate([item.points for item in extents]))
    if len(points):
        places = np.concatenate([places, np.percentile(points, (5.0, 95.0), axis=0)])
    return float(np.linalg.norm(np.ptp(places, axis=0))) or 1.0


def point_radius(extents: Sequence[Extent]) -> float:
    """Return the radius at which the points of a typical pixel and its neighbours just close the gaps between them.

    That is the median over all pixels of depth / focal length times √½; sky is left out.
    """
    widths = _thinned(np.concatenate([item.widths for item in extents]))
    return float(np.sqrt(0.5) * np.median(widths)) if widths.size else 0.01


def _bounds(points: FloatArray) -> FloatArray:
    """Return the lowest and highest coordinates [2, 3] of points [H, W, 3], or [0, 3] where none is known."""
    planes = np.moveaxis(points, -1, 0)
    known = np.isfinite(planes[0] + planes[1] + planes[2])
    if not known.any():
        return np.empty((0, 3))
    low = [plane.min(where=known, initial=np.inf) for plane in planes]  # by planes: ten times faster than triples
    return np.array([low, [plane.max(where=known, initial=-np.inf) for plane in planes]])


def _corners(points: FloatArray) -> FloatArray:
    """Return the eight corners [8, 3] of the box around points [N, 3]."""
    low, high = points.min(axis=0), points.max(axis=0)
    corners: FloatArray = np.stack(np.meshgrid(*zip(low, high, strict=True)), axis=-1).reshape(-1, 3)
    return corners


def _thinned(values: FloatArray) -> FloatArray:
    """Take every so many of values [N, ...], so that hardly more than `ALL_SAMPLES` are left."""
    thinned: FloatArray = values[:: max(1, len(values) // ALL_SAMPLES)]
    return thinned


def _sample(view: ReconstructedView, pixels: FloatArray) -> FloatArray:
    """Take an even sample [N, ...] of the known pixels [H, W, ...] that are not sky."""
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / SAMPLES)))
    sample: FloatArray = pixels[::step, ::step]
    known = np.isfinite(sample) if sample.ndim == 2 else np.isfinite(sample).all(axis=-1)
    if view.sky is not None:
        known &= view.sky[::step, ::step] < 0.5
    chosen: FloatArray = sample[known]
    return chosen
