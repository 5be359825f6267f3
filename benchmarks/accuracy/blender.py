"""A reconstruction through Blender: built, saved as a .blend, opened again and read with Blender's own mathematics.

What is read uses none of the conversions that built it: pixels come from Blender's projection matrices, and depth from
where the meshes' vertices lie before the cameras. So a wrong sign on the way shows as a wrong number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from image_to_scene.core.types import FloatArray, ReconstructedView, Reconstruction
from image_to_scene.operators.scene import BuildOptions, Tuning, build, find_roots, match_render
from image_to_scene.operators.scene.replacement import parts_of

from .prediction import PredictedView, Prediction

UNCUT = BuildOptions(
    point_cloud=False, tuning=Tuning(confidence_percentile=0.0, depth_jump=0.0, remove_sky=False, remove_masked=False)
)
OPENCV_FROM_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])


def through_blender(reconstruction: Reconstruction, file: Path) -> Prediction:
    """Build a reconstruction in an empty file, save it, and read it back; whatever Blender held is gone."""
    write_blend(reconstruction, file)
    return read_blend(reconstruction, file)


def write_blend(reconstruction: Reconstruction, file: Path) -> None:
    """Build a reconstruction as the add-on does, nothing cut away, and save it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene: Any = bpy.context.scene
    build(reconstruction, UNCUT, scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(file), compress=True)


def read_blend(reconstruction: Reconstruction, file: Path) -> Prediction:
    """Open a .blend and read what was built of a reconstruction, of which only the shape of its pictures is used."""
    bpy.ops.wm.open_mainfile(filepath=str(file))
    scene: Any = bpy.context.scene
    (root,) = find_roots(scene)
    parts: Any = parts_of(root)
    views = [
        _read(view, parts[f"camera {index}"], parts[f"mesh {index}"]) for index, view in enumerate(reconstruction.views)
    ]
    return Prediction(tuple(views), reconstruction.world == "given")


def _read(view: ReconstructedView, camera: Any, mesh: Any) -> PredictedView:
    """Read a view's camera and, as depth, its mesh, both as Blender has evaluated them."""
    scene: Any = bpy.context.scene
    match_render(scene, camera)
    graph = bpy.context.evaluated_depsgraph_get()
    world_from_camera = np.array(camera.evaluated_get(graph).matrix_world, dtype=np.float64)
    projection = _projection(scene, camera, graph)
    points = _vertices(mesh.evaluated_get(graph))
    in_camera = np.c_[points, np.ones(len(points))] @ np.linalg.inv(world_from_camera).T
    source = _pixels(in_camera, projection, view.source_size)
    model_from_source = np.linalg.inv(view.source_from_model)
    model = source @ model_from_source[:2, :2].T + model_from_source[:2, 2]
    lens = model_from_source @ _intrinsics(projection, view.source_size)
    depth = _splatted(model, -in_camera[:, 2], (view.depth.shape[1], view.depth.shape[0]))
    return PredictedView(depth, lens, world_from_camera @ OPENCV_FROM_BLENDER, view.source_from_model, view.source_size)


def _projection(scene: Any, camera: Any, graph: Any) -> FloatArray:
    """Return Blender's own projection [4, 4] of a camera: to −1 … 1 across the picture, Y up."""
    render = scene.render
    return np.array(
        camera.calc_matrix_camera(
            graph,
            x=render.resolution_x,
            y=render.resolution_y,
            scale_x=render.pixel_aspect_x,
            scale_y=render.pixel_aspect_y,
        ),
        dtype=np.float64,
    )


def _intrinsics(projection: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Read [3, 3] image_from_camera, pixels and OpenCV axes, off a projection."""
    x, y = 0.5 * size[0], 0.5 * size[1]
    return np.array(
        [
            [x * projection[0, 0], 0.0, x * (1.0 - projection[0, 2])],
            [0.0, y * projection[1, 1], y * (1.0 + projection[1, 2])],
            [0.0, 0.0, 1.0],
        ]
    )


def _vertices(mesh: Any) -> FloatArray:
    """Return the vertices [N, 3] of an evaluated object in the world."""
    points = np.empty(3 * len(mesh.data.vertices), np.float32)
    mesh.data.vertices.foreach_get("co", points)
    matrix = np.array(mesh.matrix_world, dtype=np.float64)
    placed: FloatArray = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    return placed


def _pixels(in_camera: FloatArray, projection: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Project points [N, 4] to continuous pixels [N, 2], rows from the top; NaN behind the camera."""
    clip = in_camera @ projection.T
    ahead = np.where(clip[:, 3:] > 0.0, clip[:, 3:], np.nan)
    x, y = (clip[:, :2] / ahead).T
    return np.stack([0.5 * (1.0 + x) * size[0], 0.5 * (1.0 - y) * size[1]], axis=1)


def _splatted(pixels: FloatArray, depth: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Give each pixel of [H, W] the depth of the point that is nearest to its centre; NaN where there is none in it."""
    image = np.full((size[1], size[0]), np.nan)
    inside = np.isfinite(pixels).all(axis=1) & (pixels >= 0.0).all(axis=1) & (pixels < size).all(axis=1)
    pixels, depth = pixels[inside], depth[inside]
    cells = np.floor(pixels).astype(int)
    order = np.argsort(-np.linalg.norm(pixels - cells - 0.5, axis=1))
    image[cells[order, 1], cells[order, 0]] = depth[order]
    return image
