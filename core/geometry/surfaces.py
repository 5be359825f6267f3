"""One view as a grid mesh or a point cloud.

A grid has a vertex at every pixel centre and a ring of vertices on the picture's border, so that seen through its own
camera it covers the picture completely. Nothing is cut here: what a cut needs is stored on the vertices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import ByteArray, FloatArray, ReconstructedView
from .cameras import unproject, unproject_at

BORDER_LIMIT = 0.1  # half a pixel beyond the outermost centre changes inverse depth by a tenth at most


GRID_INDEX = "grid_index"
MEASURES = ("confidence", "confidence_rank", "depth", "depth_jump", "sky", "mask")
Measures = Mapping[str, NDArray[np.float32]]
"""What is known of every point [N], of these names:

confidence: in (1, ∞), where the model gives it.
confidence_rank: which part of all pixels of the reconstruction is no surer than this one, in (0, 1].
depth: along the camera's Z axis.
depth_jump: see `depth_jump`; where it exceeds a threshold on all four corners, a quad bridges a discontinuity.
sky: about 0 on ground and 1 on sky, where the model gives it.
mask: 1 where the artist's mask leaves the picture out and 0 elsewhere, where there is a mask.
"""


@dataclass(frozen=True)
class GridSurface:
    """A mesh of one view; the vertex arrays go row by row from the picture's top left."""

    vertices: NDArray[np.float32]
    """[N, 3] positions in the reconstruction's world."""
    quads: NDArray[np.int32]
    """[F, 4] vertex indices, counter-clockwise as the camera sees them: normals face the camera."""
    uv: NDArray[np.float32]
    """[N, 2] position in the source picture, u right and v up, exactly 0 and 1 on its border."""
    shape: tuple[int, int]
    """(rows, columns) of the whole grid: two more than the view has pixels, for the ring."""
    grid_index: NDArray[np.int32]
    """[N] row · columns + column in the whole grid; 0, 1, 2, … where no vertex is missing."""
    measures: Measures


@dataclass(frozen=True)
class PointCloud:
    """The pixels of one view whose depth is known, row by row."""

    positions: NDArray[np.float32]
    """[N, 3] in the reconstruction's world."""
    colours: ByteArray
    """[N, 3] sRGB."""
    measures: Measures


def grid_surface(view: ReconstructedView, rank: FloatArray | None = None) -> GridSurface:
    """Make the uncut mesh of one view.

    Vertices stand at pixel centres, and half a pixel further out on the picture's border, where inverse depth is
    extrapolated linearly (exact on planes) within `BORDER_LIMIT`. Where the view has `points`, they are the vertices
    and the ring keeps its nearest vertex's distance from the unprojected depth. Quads with a corner of unknown depth,
    and vertices that no quad uses, are left out.

    Args:
        view: One view of a reconstruction, `depth` [H, W].
        rank: [H, W] of its confidence, see `ranks.ConfidenceRanks`; where it is known.

    Returns:
        At most (H + 2) · (W + 2) vertices.
    """
    depth = known_depth(view)
    height, width = depth.shape
    columns, rows = _with_border(width), _with_border(height)
    bordered = _extrapolated(depth)
    positions = unproject_at(bordered, columns, rows, view.image_from_camera, camera_or_origin(view))
    if view.points is not None:
        positions += _repeated(view.points - positions[1:-1, 1:-1])
    quads, used = _quads(np.isfinite(positions).all(axis=-1))
    measures = {name: _repeated(pixels) for name, pixels in _measured(view, depth, rank)} | {"depth": bordered}
    return GridSurface(
        vertices=positions.reshape(-1, 3)[used].astype(np.float32, copy=False),
        quads=quads,
        uv=_uv(view, columns, rows).reshape(-1, 2)[used],
        shape=grid_shape(view),
        grid_index=np.arange(bordered.size, dtype=np.int32)[used],
        measures={name: pixels.reshape(-1)[used] for name, pixels in measures.items()},
    )


def grid_shape(view: ReconstructedView) -> tuple[int, int]:
    """Return the (rows, columns) of a view's whole grid."""
    height, width = view.depth.shape
    return height + 2, width + 2


def uv_bounds(view: ReconstructedView) -> tuple[float, float, float, float]:
    """Return the texture coordinates (left, bottom, right, top) of the borders of a view's grid."""
    height, width = view.depth.shape
    (left, top), (right, bottom) = _uv(view, np.array((0.0, width)), np.array((0.0, height)))[(0, 1), (0, 1)].tolist()
    return left, bottom, right, top


def point_cloud(view: ReconstructedView, rank: FloatArray | None = None) -> PointCloud:
    """Gather the pixels of one view whose position is known; `rank` as for `grid_surface`."""
    depth = known_depth(view)
    positions = view_points(view)
    known = np.flatnonzero(np.isfinite(positions[..., 0] + positions[..., 1] + positions[..., 2]))

    def gather(pixels: NDArray[Any]) -> NDArray[Any]:
        flat = np.asarray(pixels).reshape(-1, *pixels.shape[2:])
        return flat if len(known) == len(flat) else flat[known]

    measures = {name: gather(pixels) for name, pixels in _measured(view, depth, rank)} | {"depth": gather(depth)}
    return PointCloud(gather(positions).astype(np.float32, copy=False), gather(view.image), measures)


def _measured(
    view: ReconstructedView, depth: NDArray[np.float32], rank: FloatArray | None
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Go through what is known of a view's pixels [H, W], besides their depth."""
    known = {"confidence": view.confidence, "confidence_rank": rank, "sky": view.sky, "mask": view.mask}
    yield "depth_jump", depth_jump(depth)
    for name, pixels in known.items():
        if pixels is not None:
            yield name, np.asarray(pixels, dtype=np.float32)


def known_depth(view: ReconstructedView) -> NDArray[np.float32]:
    """Return the view's depth [H, W] with NaN for all that is no depth: not finite or not above zero."""
    depth = np.asarray(view.depth, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        valid = (depth > 0.0) & (depth < np.inf)
    return np.where(valid, depth, np.float32(np.nan))


def camera_or_origin(view: ReconstructedView) -> FloatArray:
    """Return the view's `world_from_camera`, or the identity where the model gives none."""
    return np.eye(4) if view.world_from_camera is None else view.world_from_camera


def view_points(view: ReconstructedView) -> FloatArray:
    """Return the world positions [H, W, 3] of the view's pixels, NaN where unknown."""
    depth = known_depth(view)
    if view.points is None:
        return unproject(depth, view.image_from_camera, camera_or_origin(view))
    return np.where(np.isnan(depth)[..., None], np.float32(np.nan), view.points)


def depth_jump(depth: FloatArray) -> NDArray[np.float32]:
    """Measure how far depth leaps around each pixel, free of scale and blind to slanted planes.

    It is the smaller of two: the ratio of the farthest to the nearest of the 3×3 neighbours less one, and the largest
    departure from a plane within two pixels, likewise as a ratio. A floor that runs to the horizon has large ratios
    but no departure, since inverse depth is linear in pixels on a plane; a blurred edge of a few pixels has departures
    at both ends and ratios between them. An edge between depths a < b gives b/a − 1 on both its sides, so a threshold
    that deletes the quads all of whose corners exceed it cuts that edge and nothing beside it.

    Args:
        depth: [H, W] positive; NaN where unknown, which is no leap.

    Returns:
        [H, W] ≥ 0; 0 where unknown.
    """
    near = np.float32(1.0) / depth
    farthest = np.float32(1.0) / _window(near, np.fmin)
    ratio = _window(near, np.fmax) * farthest - np.float32(1.0)
    departure = _bend(near) * farthest
    for _ in range(2):
        departure = _window(departure, np.fmax)
    return np.nan_to_num(np.fmin(ratio, departure)).astype(np.float32, copy=False)


def _bend(near: FloatArray) -> FloatArray:
    """Return the larger second difference of inverse depth [H, W] along rows and columns; 0 at the border."""
    bend = np.zeros_like(near)
    np.fmax(bend[1:-1], np.abs(near[:-2] - 2 * near[1:-1] + near[2:]), out=bend[1:-1])
    np.fmax(bend[:, 1:-1], np.abs(near[:, :-2] - 2 * near[:, 1:-1] + near[:, 2:]), out=bend[:, 1:-1])
    return bend


def _window(values: FloatArray, extreme: np.ufunc) -> FloatArray:
    """Take the extreme of the 3×3 neighbours of every pixel [H, W], ignoring NaN, one axis after the other."""
    for axis in (0, 1):
        lines = np.swapaxes(values, 0, axis)
        found = lines.copy()
        extreme(found[1:], lines[:-1], out=found[1:])
        extreme(found[:-1], lines[1:], out=found[:-1])
        values = np.swapaxes(found, 0, axis)
    return values


def _with_border(length: int) -> FloatArray:
    """Return the pixel centres of a side and its two ends [length + 2]."""
    return np.concatenate(([0.0], np.arange(length) + 0.5, [float(length)]))


def _repeated(pixels: FloatArray) -> FloatArray:
    """Repeat the outermost pixels of [H, W, ...] once on every side."""
    return np.pad(pixels, [(1, 1), (1, 1)] + [(0, 0)] * (pixels.ndim - 2), mode="edge")


def _extrapolated(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Continue depth [H, W] to the picture's border [H + 2, W + 2], linearly in its inverse."""
    near = _repeated(np.float32(1.0) / depth)
    for axis in (0, 1):
        lines = np.swapaxes(near, 0, axis)
        if len(lines) > 3:
            lines[0] = _half_step(lines[1], lines[2])
            lines[-1] = _half_step(lines[-2], lines[-3])
    return (np.float32(1.0) / near).astype(np.float32, copy=False)


def _half_step(outer: FloatArray, inner: FloatArray) -> FloatArray:
    """Continue half a step from `inner` through `outer`; where `inner` is unknown, stay."""
    step = np.nan_to_num(0.5 * (outer - inner))
    limit = BORDER_LIMIT * outer
    border: FloatArray = outer + np.clip(step, -limit, limit)
    return border


def _quads(known: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.bool_] | slice]:
    """Join a grid [R, C] of vertices to quads, and say which vertices they use, to which their indices refer."""
    rows, columns = known.shape
    index = np.arange(known.size, dtype=np.int32).reshape(rows, columns)
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    quads = np.stack(corners, axis=-1).reshape(-1, 4)
    if known.all():
        return quads, slice(None)
    quads = quads[known.reshape(-1)[quads].all(axis=1)]
    used = np.zeros(known.size, dtype=bool)
    used[quads] = True
    renumbered = np.cumsum(used, dtype=np.int32) - 1
    return renumbered[quads].astype(np.int32, copy=False), used


def _uv(view: ReconstructedView, columns: FloatArray, rows: FloatArray) -> NDArray[np.float32]:
    """Return the place [R, C, 2] in the source picture of model pixels `rows` [R] × `columns` [C]."""
    affine, (width, height) = view.source_from_model, view.source_size
    u = (affine[0, 0] * columns + affine[0, 2]) / width
    v = 1.0 - (affine[1, 1] * rows + affine[1, 2]) / height
    uv = np.empty((len(rows), len(columns), 2), dtype=np.float32)
    uv[..., 0], uv[..., 1] = _snapped(u), _snapped(v)[:, None]
    return uv


def _snapped(coordinate: FloatArray) -> FloatArray:
    """Round what differs from 0 or 1 by rounding alone."""
    whole = np.round(coordinate)
    return np.where(np.abs(coordinate - whole) < 1e-6, whole, coordinate)
