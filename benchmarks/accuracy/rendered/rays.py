"""What lies along rays through the scene, as exactly as its meshes are."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from image_to_scene.core.types import FloatArray


class Rays:
    """Casts rays at all meshes of the scene as they are now; one tree for all of them, as there are hundreds."""

    def __init__(self) -> None:
        layer: Any = bpy.context.view_layer
        layer.update()
        vertices: list[FloatArray] = []
        triangles: list[NDArray[np.int32]] = []
        count = 0
        scene: Any = bpy.context.scene
        for item in scene.objects:
            if isinstance(item.data, bpy.types.Mesh):
                points, corners = _triangles(item.data)
                matrix = np.array(item.matrix_world)
                vertices.append(points @ matrix[:3, :3].T + matrix[:3, 3])
                triangles.append(corners + count)
                count += len(points)
        polygons = np.concatenate(triangles).tolist()
        self._tree: Any = BVHTree.FromPolygons(np.concatenate(vertices).tolist(), polygons, all_triangles=True)

    def hits(self, origin: FloatArray, directions: FloatArray) -> FloatArray:
        """Return the first point [N, 3] that is met along each direction [N, 3]; NaN where there is none."""
        found = np.full(directions.shape, np.nan)
        cast, start = self._tree.ray_cast, Vector(origin.tolist())
        for index, way in enumerate(directions.tolist()):
            place = cast(start, way)[0]
            if place is not None:
                found[index] = place
        return found

    def seen(self, camera: FloatArray, lens: FloatArray, size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """Return the point [H, W, 3] and depth [H, W] that a camera sees at each pixel centre, NaN in the sky.

        Args:
            camera: world_from_camera, [4, 4].
            lens: image_from_camera, [3, 3].
            size: (width, height).
        """
        directions = pixel_rays(camera, lens, size)
        hits = self.hits(camera[:3, 3], directions.reshape(-1, 3)).reshape(directions.shape)
        return hits, (hits - camera[:3, 3]) @ camera[:3, 2]


def _triangles(mesh: bpy.types.Mesh) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the vertices [N, 3] of a mesh and the corners [T, 3] of its triangles."""
    points, corners = np.empty(3 * len(mesh.vertices), np.float32), np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.vertices.foreach_get("co", points)
    mesh.loop_triangles.foreach_get("vertices", corners)
    return points.reshape(-1, 3), corners.reshape(-1, 3)


def pixel_rays(world_from_camera: FloatArray, image_from_camera: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Return the directions [H, W, 3] of pixel centres, each as long as one unit of depth."""
    u, v = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    x = (u - image_from_camera[0, 2]) / image_from_camera[0, 0]
    y = (v - image_from_camera[1, 2]) / image_from_camera[1, 1]
    rays: FloatArray = np.stack([x, y, np.ones_like(x)], axis=-1) @ world_from_camera[:3, :3].T
    return rays
