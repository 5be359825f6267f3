"""Lenses that bend straight lines, and pictures made straight: the four models of Blender's motion tracker.

A pixel is normalised about the principal point, n = (p − c) / f, and r = |n|. With `u` without distortion, `d` with:

* POLYNOMIAL: d = u (1 + k1 r² + k2 r⁴ + k3 r⁶), r of u (Brown 1971, radial part)
* DIVISION:   d = u / (1 + k1 r² + k2 r⁴), r of u
* NUKE:       u = d / (1 + k1 r² + k2 r⁴), r of d, normalised by half the longer side instead of the focal length
* BROWN:      d = u (1 + k1 r² + k2 r⁴ + k3 r⁶ + k4 r⁸) + t, t = p1 (r² + 2 x², 2 x y) + p2 (2 x y, r² + 2 y²), r of u

One direction of each is closed, the other is solved by Newton's method. Both hold out to where the closed one stops
growing with r: beyond, a formula folds back and describes no lens.

Source: checked against Blender 4.5.15 and 5.2.3, whose compositor's Movie Distortion node agrees within 3e-4 pixels
(square pixels; apart from a whole or half pixel by which the node moves its result). Blender's y axis goes up: from
there, p2 arrives with its sign changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import CameraError
from ..types import Distortion, FloatArray

Size = tuple[int, int]
_Cell = tuple[tuple[int, ...], tuple[float, ...]]  # a box, and where its corners are taken from

_CELL: Final = 8  # pixels, at least; inside a cell the map is taken as bilinear, wrong by about a hundredth of a pixel
_STEPS: Final = 30  # of Newton's method, which mostly needs four
_EPSILON: Final = 1e-6  # of the normalised plane, for slopes
_WIDEST: Final = 20.0  # of the normalised plane: all that a lens of 174° sees
_SOLVED: Final = 1e-9  # of the normalised plane


def check_distortion(distortion: Distortion, what: str) -> None:
    """Make sure that a lens can be one.

    Args:
        distortion: The lens.
        what: What to call it, at the start of a sentence.

    Raises:
        CameraError: Its numbers are too few, too many or not finite, or it has no focal length.
    """
    wanted = {"POLYNOMIAL": 3, "DIVISION": 2, "NUKE": 2, "BROWN": 6}[distortion.model]
    if len(distortion.coefficients) != wanted:
        raise CameraError(
            f"{what} has {len(distortion.coefficients)} coefficients; the model {distortion.model} takes {wanted}."
        )
    numbers = (*distortion.coefficients, *distortion.focal_length, *distortion.principal_point)
    if len(numbers) != wanted + 4 or not np.isfinite(numbers).all() or min(distortion.focal_length) <= 0.0:
        raise CameraError(
            f"{what} must be finite numbers, with a positive focal length and a principal point in x and y."
        )


def distort(points: FloatArray, distortion: Distortion, size: Size) -> FloatArray:
    """Take pixels of the picture without distortion to pixels of the picture as it was taken.

    Args:
        points: [..., 2] pixels.
        distortion: The lens.
        size: (width, height) of the picture.

    Returns:
        [..., 2] pixels; NaN where the lens sees no such point.
    """
    return _through(_solved if distortion.model == "NUKE" else _closed, points, distortion, size)


def undistort(points: FloatArray, distortion: Distortion, size: Size) -> FloatArray:
    """Take pixels of the picture as it was taken to pixels without distortion; the way back from `distort`."""
    return _through(_closed if distortion.model == "NUKE" else _solved, points, distortion, size)


def straighten(values: NDArray[Any], distortion: Distortion) -> FloatArray:
    """Take a lens's distortion out of a picture of the same size and the same `image_from_camera`.

    Args:
        values: [H, W, C] colours or [H, W] weights of the picture as it was taken.
        distortion: The lens, in pixels of the picture.

    Returns:
        float32 of the same shape: what a pinhole would have seen; 0 where the picture does not reach. Colours are
        interpolated bicubic and may overshoot, weights bilinear.
    """
    height, width = values.shape[:2]
    cell = max(_CELL, max(width, height) // 240)
    xs, ys = (np.unique([*range(0, side, cell), side]) for side in (width, height))
    corners = distort(np.stack(np.meshgrid(xs, ys), axis=-1).astype(np.float64), distortion, (width, height))
    cells = list(_cells(xs, ys, corners))
    if values.ndim == 2:
        return _resampled(values, cells, Image.Resampling.BILINEAR)
    return np.dstack([_resampled(values[..., c], cells, Image.Resampling.BICUBIC) for c in range(values.shape[2])])


def _resampled(values: NDArray[Any], cells: list[_Cell], resample: Image.Resampling) -> FloatArray:
    """Resample one channel as floats: of bytes, Pillow cuts the fractions off."""
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.transform(image.size, Image.Transform.MESH, cells, resample))


def scaled(distortion: Distortion, x: float, y: float) -> Distortion:
    """The same lens for a picture whose pixels are so many times as many along x and y."""
    (fx, fy), (cx, cy) = distortion.focal_length, distortion.principal_point
    return replace(distortion, focal_length=(fx * x, fy * y), principal_point=(cx * x, cy * y))


def _cells(xs: FloatArray, ys: FloatArray, corners: FloatArray) -> Iterator[_Cell]:
    """Yield each cell's box and the four corners it is taken from, in Pillow's order, but for those the lens misses."""
    quads = np.concatenate([corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]], axis=-1)
    for row, column in zip(*np.isfinite(quads).all(axis=-1).nonzero(), strict=True):
        box = int(xs[column]), int(ys[row]), int(xs[column + 1]), int(ys[row + 1])
        yield box, tuple(quads[row, column].tolist())


# --- the normalised plane ---


def _through(
    bend: Callable[[FloatArray, Distortion], FloatArray], points: FloatArray, distortion: Distortion, size: Size
) -> FloatArray:
    """Normalise, bend, and go back to pixels."""
    centre, unit = np.array(distortion.principal_point), np.array(distortion.focal_length)
    if distortion.model == "NUKE":
        unit = unit / unit[0] * max(size[0], size[1] * unit[0] / unit[1]) / 2.0
    return np.asarray(centre + unit * bend((np.asarray(points, dtype=np.float64) - centre) / unit, distortion))


def _closed(n: FloatArray, distortion: Distortion) -> FloatArray:
    """Bend [..., 2] by the model's own formula; NaN beyond its reach."""
    inside = np.hypot(n[..., 0], n[..., 1]) <= _reach(distortion)
    return np.where(inside[..., None], _formula(n, distortion), np.nan)


def _solved(n: FloatArray, distortion: Distortion) -> FloatArray:
    """Find what the model's formula bends to [..., 2]; NaN where there is no such thing within its reach."""
    radii, bent = _table(distortion)
    r = np.hypot(n[..., 0], n[..., 1])
    found = n * (np.interp(r, bent, radii) / np.where(r > 0.0, r, 1.0))[..., None]  # all but the tangential part
    with np.errstate(all="ignore"):  # where there is no solution, the search runs away
        for _ in range(_STEPS):
            missed = _formula(found, distortion) - n
            if not (np.abs(missed) > _SOLVED / 100.0).any():
                break
            along_x, along_y = (_slope(found, distortion, axis) for axis in (0, 1))
            area = along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0]
            step_x = (missed[..., 0] * along_y[..., 1] - missed[..., 1] * along_y[..., 0]) / area
            step_y = (missed[..., 1] * along_x[..., 0] - missed[..., 0] * along_x[..., 1]) / area
            found = found - np.stack([step_x, step_y], axis=-1)
        solved = (np.abs(_formula(found, distortion) - n) <= _SOLVED).all(axis=-1)
    solved &= np.hypot(found[..., 0], found[..., 1]) <= _reach(distortion)
    return np.where(solved[..., None], found, np.nan)


def _slope(n: FloatArray, distortion: Distortion, axis: int) -> FloatArray:
    step = _EPSILON * np.eye(2)[axis]
    return (_formula(n + step, distortion) - _formula(n - step, distortion)) / (2.0 * _EPSILON)


def _formula(n: FloatArray, distortion: Distortion) -> FloatArray:
    x, y = n[..., 0], n[..., 1]
    bent = n * _radial(np.hypot(x, y), distortion)[..., None]
    if distortion.model == "BROWN":
        p1, p2 = distortion.coefficients[4:6]
        r2, xy = x * x + y * y, 2.0 * x * y
        bent += np.stack([p1 * (r2 + 2.0 * x * x) + p2 * xy, p1 * xy + p2 * (r2 + 2.0 * y * y)], axis=-1)
    return bent


def _radial(r: FloatArray, distortion: Distortion) -> FloatArray:
    """What a model multiplies a normalised point by, at a radius."""
    polynomial = np.ones_like(r)
    power = polynomial
    for coefficient in distortion.coefficients[:4]:
        power = power * r * r
        polynomial = polynomial + coefficient * power
    return 1.0 / polynomial if distortion.model in ("DIVISION", "NUKE") else polynomial


def _reach(distortion: Distortion) -> float:
    """Return the radius at which the closed formula stops growing."""
    radii, _ = _table(distortion)
    return float(radii[-1]) if radii[-1] < _WIDEST else math.inf


@lru_cache(maxsize=16)
def _table(distortion: Distortion) -> tuple[FloatArray, FloatArray]:
    """Return radii and what the closed formula makes of them, as far as that grows."""
    radii = np.linspace(0.0, _WIDEST, 1 << 14)
    with np.errstate(divide="ignore"):
        bent = radii * _radial(radii, distortion)
    folds = (np.diff(bent) <= 0.0).nonzero()[0]
    end = folds[0] + 1 if len(folds) else len(radii)
    return radii[:end], bent[:end]
