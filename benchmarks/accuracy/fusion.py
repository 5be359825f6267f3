"""Depth maps of many views become one surface, by a truncated signed distance field (Open3D's)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import open3d as o3d  # type: ignore[import-not-found, unused-ignore]

from image_to_scene.core.types import FloatArray

SEED = 42


@dataclass(frozen=True)
class Protocol:
    """How surfaces of one collection of scenes are fused and compared; lengths in the unit of its true cameras."""

    voxel: float
    """Edge of a cell of the distance field."""
    truncation: float
    """How far from a surface its distance is known."""
    farthest: float
    """Depth beyond which nothing is fused."""
    threshold: float
    """Distance up to which a point counts as right."""
    spacing: float
    """Points nearer than this to each other count once."""
    samples: int = 1_000_000
    """Points drawn from the fused surface."""
    margin: float | None = None
    """Predicted points farther than this outside the box around the true ones are left out. None: all count."""


@dataclass(frozen=True)
class DepthMap:
    """One view to fuse."""

    depth: FloatArray
    """[H, W] along Z; NaN or 0 where unknown."""
    image_from_camera: FloatArray
    """[3, 3] in pixels of `depth`, the image's centre at (W/2, H/2)."""
    world_from_camera: FloatArray
    """[4, 4] rigid."""


def fuse(views: Iterable[DepthMap], protocol: Protocol) -> FloatArray:
    """Fuse views and draw points [N, 3] evenly from the surface; none where nothing was fused.

    Source: Depth-Anything-3/src/depth_anything_3/bench/utils.py@2c21ea8 `fuse_depth_to_tsdf`, which hands intrinsics
    to Open3D as they are. Differs: there pixel centres are whole numbers, so half a pixel is taken off first.
    """
    volume = o3d.pipelines.integration.ScalableTSDFVolume(
        voxel_length=protocol.voxel,
        sdf_trunc=protocol.truncation,
        color_type=o3d.pipelines.integration.TSDFVolumeColorType.NoColor,
    )
    for view in views:
        height, width = view.depth.shape
        K = view.image_from_camera
        lens = o3d.camera.PinholeCameraIntrinsic(width, height, K[0, 0], K[1, 1], K[0, 2] - 0.5, K[1, 2] - 0.5)
        volume.integrate(_picture(view.depth, protocol.farthest), lens, np.linalg.inv(view.world_from_camera))
    return _sampled(volume.extract_triangle_mesh(), protocol.samples)


def sample_mesh(path: str, count: int) -> FloatArray:
    """Draw points [N, 3] evenly from a mesh in a file."""
    return _sampled(o3d.io.read_triangle_mesh(path), count)


def read_points(path: str) -> FloatArray:
    """Read the points [N, 3] of a .ply."""
    return np.asarray(o3d.io.read_point_cloud(path).points)


def _picture(depth: FloatArray, farthest: float) -> o3d.geometry.RGBDImage:
    known = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0)
    picture = o3d.geometry.RGBDImage()
    picture.depth = o3d.geometry.Image(np.where(known < farthest, known, 0.0).astype(np.float32))
    return picture


def _sampled(mesh: o3d.geometry.TriangleMesh, count: int) -> FloatArray:
    if not len(mesh.triangles):
        return np.empty((0, 3))
    o3d.utility.random.seed(SEED)
    return np.asarray(mesh.sample_points_uniformly(number_of_points=count).points)
