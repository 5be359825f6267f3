"""Which way is up, and where the floor is.

Nothing here is random: the same points always give the same plane. Every function works in any frame and unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..types import BoolArray, FloatArray

LEVEL_HAND = 0.01  # how far from level cameras are held: squared sine of 6°
MAX_TILT = float(np.cos(np.radians(50.0)))  # cosine of the largest angle between the floor's normal and up
THICKNESS = 0.03  # of a point's distance from its camera: how far from the floor it may lie and still be of it
LEAST_SHARE = 0.04  # of all points: where fewer lie on the best plane, there is no floor
STANDS_OUT = 1.2  # times as many points as in an equally thick layer on top of it: fewer are a heap, not a floor
HYPOTHESES = 20_000  # planes tried, each through three points
ROUNDS = ((300, 100), (5000, 1))  # so many points judge them, and so many planes remain
TIGHT = 3.0  # times the median distance from the floor: what is farther off does not refine it
THINNER = 0.7  # the layer that refines a floor becomes thinner by this at most, or it would shrink onto a line
REFINEMENTS = 12
SEED = 0


@dataclass(frozen=True)
class Ground:
    """A floor: the plane normal · point + offset = 0."""

    normal: FloatArray
    """[3] of length 1, pointing up: to the side of the cameras."""
    offset: float
    share: float
    """Part of the points, by weight, that lies on it, in (0, 1]."""

    def heights(self, points: FloatArray) -> FloatArray:
        """Return how high points [..., 3] lie above it."""
        above: FloatArray = points @ self.normal + self.offset
        return above


def mean_up(world_from_camera: FloatArray) -> FloatArray:
    """Tell which way is up from how cameras are held: level, but pitched as the picture wants it.

    Up is at right angles to the cameras' right axes, in so far as these differ, and otherwise the mean of the cameras'
    own ups. So a half circle of cameras that all look down still has the true up, and one camera has its own.

    Args:
        world_from_camera: [V, 4, 4] rigid, OpenCV axes, V ≥ 1.

    Returns:
        [3] of length 1; where the ups cancel out, the first camera's.

    Source: nerfstudio's `auto_orient_and_center_poses` has both ways as two methods and a switch between. Differs: one
    ridge regression, that is, right axes are level to within `LEVEL_HAND`.
    """
    right, up = world_from_camera[:, :3, 0], -world_from_camera[:, :3, 1]
    spread = right.T @ right / len(right)
    found = np.linalg.solve(spread + LEVEL_HAND * np.eye(3), up.mean(axis=0))
    length = float(np.linalg.norm(found))
    return np.asarray(found / length if length > 1e-6 else up[0], dtype=np.float64)


def find_ground(
    points: FloatArray, reach: FloatArray, weight: FloatArray, up: FloatArray, centres: FloatArray
) -> Ground | None:
    """Find the floor: the plane that carries most of the points, roughly level, below the cameras.

    Of planes through three points, those that are level to 50° and below the cameras are judged by the weight on them
    less the weight beneath them: nothing lies under a floor, so a table does not take its place. The best is refined
    by least squares. Walls never count, however large, nor does a heap without a surface.

    Args:
        points: [N, 3] positions; leave out sky and what is masked.
        reach: [N] distance of each from its camera, to which its error is proportional, > 0.
        weight: [N] ≥ 0, such as confidence.
        up: [3] roughly up, of any length; see `mean_up`.
        centres: [V, 3] camera centres, may be none.

    Returns:
        None where no such plane carries a part of `LEAST_SHARE` and stands out.

    Source: RANSAC, Fischler & Bolles 1981, with a fixed seed; thickness and squares relative to the distance.
    """
    if len(points) < 3 or not weight.sum() > 0.0:
        return None
    up = up / np.linalg.norm(up)
    best = _best_plane(points, reach, weight, up, centres)
    best = best and _refined(best, points, reach, weight, up)
    if best is None or not _allowed(best[0][None], np.array([best[1]]), up, centres)[0]:
        return None
    heights = _heights(points, reach, *best)
    on, above = (float(weight[part].sum()) for part in (np.abs(heights) <= 1.0, (heights > 1.0) & (heights <= 3.0)))
    share = on / float(weight.sum())
    return Ground(*best, share) if share >= LEAST_SHARE and on >= STANDS_OUT * above else None


def _best_plane(
    points: FloatArray, reach: FloatArray, weight: FloatArray, up: FloatArray, centres: FloatArray
) -> tuple[FloatArray, float] | None:
    """Return normal [3] and offset of the best hypothesis."""
    chance = np.random.default_rng(SEED)
    corners = points[chance.integers(len(points), size=(HYPOTHESES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 0.0] / lengths[lengths > 0.0, None]
    normals *= np.sign(normals @ up)[:, None]
    offsets = -np.einsum("ij,ij->i", normals, corners[lengths > 0.0, 0])
    allowed = _allowed(normals, offsets, up, centres)
    normals, offsets = normals[allowed], offsets[allowed]
    for judges, remaining in ROUNDS:
        some = chance.integers(len(points), size=min(judges, 10 * len(points)))
        heights = _heights(points[some], reach[some], normals.T, offsets)
        score = weight[some] @ (np.maximum(1.0 - heights**2, 0.0) - (heights < -1.0))
        best = np.argsort(-score, kind="stable")[:remaining]
        normals, offsets = normals[best], offsets[best]
    return (normals[0], float(offsets[0])) if len(normals) else None


def _refined(
    plane: tuple[FloatArray, float], points: FloatArray, reach: FloatArray, weight: FloatArray, up: FloatArray
) -> tuple[FloatArray, float] | None:
    """Fit a plane anew to the points on it, in a layer that becomes as thin as the middle ones are."""
    limit = 1.0
    for _ in range(REFINEMENTS):
        heights = np.abs(_heights(points, reach, *plane))
        near = heights <= limit
        if np.count_nonzero(near) < 3:
            return None
        plane = _fitted(points[near], weight[near] / reach[near] ** 2, up)
        heights = np.abs(_heights(points[near], reach[near], *plane))
        limit = min(limit, max(THINNER * limit, TIGHT * float(np.median(heights))))
    return plane


def _allowed(normals: FloatArray, offsets: FloatArray, up: FloatArray, centres: FloatArray) -> BoolArray:
    """Return which planes [P] are roughly level and have more than half of the camera centres above them."""
    level = normals @ up >= MAX_TILT
    if not len(centres):
        return np.asarray(level)
    return np.asarray(level & (np.median(centres @ normals.T + offsets, axis=0) > 0.0))


def _heights(points: FloatArray, reach: FloatArray, normal: FloatArray, offset: Any) -> FloatArray:
    """Return how high points [N, 3] are above planes [3] or [3, P], in units of the floor's half thickness there."""
    height = points @ normal + offset
    return np.asarray(height / (THICKNESS * (reach if height.ndim == 1 else reach[:, None])))


def _fitted(points: FloatArray, weight: FloatArray, up: FloatArray) -> tuple[FloatArray, float]:
    """Return normal [3] and offset of the plane with the least squared distances from points [N, 3]."""
    centre = np.average(points, axis=0, weights=weight)
    from_centre = points - centre
    normal = np.linalg.eigh((weight[:, None] * from_centre).T @ from_centre)[1][:, 0]
    normal = normal * np.sign(normal @ up)
    return normal, float(-normal @ centre)


def levelling(up: FloatArray) -> FloatArray:
    """Return the smallest rotation [3, 3] that takes a direction [3], of any length, to +Z."""
    x, y, z = np.asarray(up, dtype=np.float64) / np.linalg.norm(up)
    aside = x * x + y * y
    if z < 0.0 and aside < 1e-24:
        return np.diag((1.0, -1.0, -1.0))
    cross = np.array([[0.0, 0.0, -x], [0.0, 0.0, -y], [x, y, 0.0]])  # of up × Z
    return np.asarray(np.eye(3) + cross + cross @ cross * ((1.0 - z) / aside if z < 0.0 else 1.0 / (1.0 + z)))
