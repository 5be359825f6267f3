"""Ray maps: what a camera's pixels look along, and the way back to a camera and to points.

A ray map has six channels: direction (0:3, of any length) and origin (3:6) in the world, one ray for every cell of a
grid that covers the picture; rays belong to the centres of the cells. Sizes are (width, height) throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CameraError
from ..types import FloatArray

Indices = NDArray[np.integer[Any]]

HYPOTHESES = 100  # homographies tried
SAMPLE = 8  # rays each is fitted to
MOST_CONFIDENT = 0.3  # part of the rays that samples are drawn from
INLIER = 0.2  # distance on the plane one unit before the camera within which a ray agrees
SCORED = 4096  # rays that judge a hypothesis
SEED = 0  # the same rays always give the same camera
NO_CAMERA = "The ray map describes no camera; choose the camera head as the source of cameras."


def rays_from_cameras(
    image_from_camera: FloatArray,
    world_from_camera: FloatArray,
    ray_size: tuple[int, int],
    image_size: tuple[int, int],
) -> FloatArray:
    """Make the ray map that a perfect network would give for known cameras.

    Args:
        image_from_camera: [..., 3, 3] pixels of a picture of `image_size`.
        world_from_camera: [..., 4, 4] rigid.
        ray_size: (w, h) of the ray map.
        image_size: (W, H) of the picture, pixels.

    Returns:
        [..., h, w, 6] directions whose camera-Z component is 1, and origins; float64.

    Source: da3 arXiv 2511.10647 section 3.1; channel order of the released weights (direction first).
    """
    width, height = ray_size
    u = (np.arange(width) + 0.5) * (image_size[0] / width)
    v = (np.arange(height) + 0.5) * (image_size[1] / height)
    pixels = np.stack([*np.meshgrid(u, v), np.ones((height, width))], axis=-1)
    world_from_image = world_from_camera[..., :3, :3] @ np.linalg.inv(image_from_camera)
    directions = pixels @ np.swapaxes(world_from_image, -1, -2)[..., None, :, :]
    origins = np.broadcast_to(world_from_camera[..., None, None, :3, 3], directions.shape)
    return np.concatenate([directions, origins], axis=-1)


def cameras_from_rays(
    rays: FloatArray, ray_confidence: FloatArray, image_size: tuple[int, int], samples: Indices | None = None
) -> tuple[FloatArray, FloatArray]:
    """Find the pinhole camera that explains a ray map best.

    A ray map is the homography R·K⁻¹ from the picture to directions. It is found by RANSAC, weighted by confidence,
    and split into the rotation and the upper triangular K⁻¹ by QR. The origin is the mean of the agreeing rays'.

    Args:
        rays: [h, w, 6] direction and origin.
        ray_confidence: [h, w] above zero.
        image_size: (W, H) of the picture, pixels.
        samples: [N, 8] ranks among the most confident rays for each hypothesis. None: drawn, always the same.

    Returns:
        [3, 3] intrinsics in pixels of that picture, without skew, and [4, 4] `world_from_camera`; float64.

    Raises:
        CameraError: The rays describe no camera.

    Source: Depth-Anything-3/src/depth_anything_3/utils/ray_utils.py@2c21ea8 `get_extrinsic_from_camray`. Differs:
    (1) QR instead of a QL factorisation, which is wrong for every principal point off the centre; (2) directions are
    first turned to face +Z, since upstream divides by their world Z, which vanishes for a view turned by 90°;
    (3) the 9×9 normal matrix replaces an SVD of all equations; (4) hypotheses are judged by a fixed subset and the
    last fit takes all inliers, so nothing is random; (5) origins of outliers do not count.
    """
    height, width = rays.shape[:2]
    directions, origins = np.split(np.asarray(rays, dtype=np.float64).reshape(-1, 6), 2, axis=1)
    weight = np.asarray(ray_confidence, dtype=np.float64).reshape(-1)
    weight = np.where(np.isfinite(directions).all(axis=1) & np.isfinite(origins).all(axis=1), weight, 0.0)
    world_from_facing = _facing(directions[weight > 0.0])
    target, ahead = _on_plane(directions @ world_from_facing)
    weight = np.where(ahead, weight, 0.0)
    homography, agrees = _ransac_homography(_canonical_grid(width, height), target, weight, samples)
    rotation, canonical_from_camera = _split_homography(homography)
    image_from_canonical = np.array(
        [[0.5 * image_size[0], 0.0, 0.5 * image_size[0]], [0.0, 0.5 * image_size[1], 0.5 * image_size[1]], [0, 0, 1.0]]
    )
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = world_from_facing @ rotation
    world_from_camera[:3, 3] = np.average(origins[agrees], axis=0, weights=weight[agrees])
    return image_from_canonical @ canonical_from_camera, world_from_camera


def points_from_rays(depth: FloatArray, rays: FloatArray, world_from_camera: FloatArray) -> FloatArray:
    """Lift a depth map to points along a ray map: P = t + D·d.

    The ray map is brought to the depth map's pixels by linear interpolation between cell centres, continued linearly
    over the half cell at the border, which is exact for the rays of a pinhole camera.

    Args:
        depth: [H, W] along the camera's Z axis; NaN where unknown.
        rays: [h, w, 6] direction and origin.
        world_from_camera: [4, 4] rigid, in the rays' world; only its Z axis counts, to give directions length.

    Returns:
        [H, W, 3] positions in the rays' world, in depth's dtype; NaN where `depth` is or where a ray points backward.

    Source: da3 arXiv 2511.10647 section 3.1, P = t + D·d with d of camera-Z component 1, since D is depth along Z.
    """
    rays = np.array(rays, dtype=np.float64)
    along = rays[..., :3] @ np.asarray(world_from_camera)[:3, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        rays[..., :3] /= np.where(along > 0.0, along, np.nan)[..., None]
    height, width = depth.shape
    rays = _resampled(_resampled(rays, height).swapaxes(0, 1), width).swapaxes(0, 1)
    points: FloatArray = rays[..., 3:] + depth[..., None] * rays[..., :3]
    return points.astype(depth.dtype, copy=False)


def _resampled(cells: FloatArray, count: int) -> FloatArray:
    """Interpolate cells [n, ...] along their first axis at the centres of `count` cells over the same span."""
    available = len(cells)
    if available == 1:
        return np.repeat(cells, count, axis=0)
    place = (np.arange(count) + 0.5) * (available / count) - 0.5
    first = np.clip(np.floor(place).astype(int), 0, available - 2)
    part = (place - first).reshape(-1, *[1] * (cells.ndim - 1))
    between: FloatArray = cells[first] * (1.0 - part) + cells[first + 1] * part
    return between


def _canonical_grid(width: int, height: int) -> FloatArray:
    """Return the cell centres [h·w, 2] of a grid over the square [−1, 1]²."""
    x, y = (np.arange(width) + 0.5) * (2.0 / width) - 1.0, (np.arange(height) + 0.5) * (2.0 / height) - 1.0
    grid: FloatArray = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return grid


def _facing(directions: FloatArray) -> FloatArray:
    """Return a rotation [3, 3] whose Z axis is the typical one of directions [N, 3]."""
    length = np.linalg.norm(directions, axis=1)
    units = directions[length > 0.0] / length[length > 0.0, None]
    typical = np.median(units, axis=0) if len(units) else np.zeros(3)
    if not typical.any():
        raise CameraError(NO_CAMERA)
    forward = typical / np.linalg.norm(typical)
    right = np.cross(np.eye(3)[np.argmin(np.abs(forward))], forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def _on_plane(directions: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return where directions [N, 3] meet the plane Z = 1, [N, 2], and which of them point towards it."""
    ahead = directions[:, 2] > 1e-4 * np.linalg.norm(directions, axis=1)
    return directions[:, :2] / np.where(ahead, directions[:, 2], 1.0)[:, None], ahead


def _ransac_homography(
    source: FloatArray, target: FloatArray, weight: FloatArray, samples: Indices | None = None
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Fit a homography [3, 3] of positive determinant from source [N, 2] to target [N, 2], and tell its inliers [N].

    Source: ray_utils.py@2c21ea8 `ransac_find_homography_weighted_fast_batch`, equal to it given the same samples as
    long as there are no more than `SCORED` rays.
    """
    generator = np.random.default_rng(SEED)
    shuffled = generator.permutation(len(weight))  # rays of equal confidence are drawn from all over the picture
    ranked = shuffled[np.argsort(-weight[shuffled], kind="stable")]
    count = max(SAMPLE, int(len(ranked) * MOST_CONFIDENT))
    if samples is None:
        samples = np.stack([generator.choice(count, SAMPLE, replace=False) for _ in range(HYPOTHESES)])
    chosen = ranked[samples]
    hypotheses = _fit_homography(source[chosen], target[chosen], weight[chosen])
    judges = shuffled[:SCORED]
    agree = _error(hypotheses, source[judges], target[judges]) < INLIER
    best = hypotheses[np.argmax(agree @ weight[judges])]
    inliers = (_error(best, source, target) < INLIER) & (weight > 0.0)
    if inliers.sum() < SAMPLE:
        raise CameraError(NO_CAMERA)
    homography = _fit_homography(source[inliers], target[inliers], weight[inliers])
    return homography * np.sign(np.linalg.det(homography)), inliers


def _fit_homography(source: FloatArray, target: FloatArray, weight: FloatArray) -> FloatArray:
    """Solve the weighted direct linear transform from source [..., N, 2] to target [..., N, 2].

    Source: Hartley & Zisserman, Multiple View Geometry, section 4.1. The normal matrix is built of four moments, so
    that its smallest eigenvector costs the same for any number of points.
    """
    p = np.concatenate([source, np.ones((*source.shape[:-1], 1))], axis=-1)
    u, v = target[..., 0], target[..., 1]
    distance: FloatArray = np.square(target).sum(axis=-1)

    def moment(factor: FloatArray) -> FloatArray:
        matrix: FloatArray = np.swapaxes(p * (weight * factor)[..., None], -1, -2) @ p
        return matrix

    normal = np.zeros((*source.shape[:-2], 9, 9))
    normal[..., 0:3, 0:3] = normal[..., 3:6, 3:6] = moment(np.ones(u.shape))
    normal[..., 0:3, 6:9] = normal[..., 6:9, 0:3] = -moment(u)
    normal[..., 3:6, 6:9] = normal[..., 6:9, 3:6] = -moment(v)
    normal[..., 6:9, 6:9] = moment(distance)
    homography: FloatArray = np.linalg.eigh(normal)[1][..., 0].reshape(*source.shape[:-2], 3, 3)
    return homography


def _error(homography: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
    """Return how far homographies [..., 3, 3] miss target [N, 2] from source [N, 2]: [..., N]."""
    mapped = source @ np.swapaxes(homography[..., :2], -1, -2) + homography[..., None, :, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        miss = mapped[..., :2] / mapped[..., 2:] - target
        return np.asarray(np.sqrt((miss * miss).sum(axis=-1)))


def _split_homography(homography: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split R·K⁻¹ (times anything above zero) into the rotation R and intrinsics K without skew."""
    rotation, inverse = np.linalg.qr(homography)
    sign = np.sign(np.diag(inverse))
    rotation, inverse = rotation * sign, inverse * sign[:, None]
    if not np.diag(inverse).min() > 0.0:
        raise CameraError(NO_CAMERA)
    K = np.linalg.inv(inverse / inverse[2, 2])
    K[0, 1] = 0.0
    return rotation, K
