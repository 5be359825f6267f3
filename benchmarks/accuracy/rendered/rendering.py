"""One scene becomes a folder: eight pictures, the true depth, points of the true surface, and the cameras."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from image_to_scene.core.types import FloatArray

from .cameras import MODES, CrowdedError, Mode, intrinsics, take_cameras
from .chance import Chance
from .facades import make_facade
from .folders import DESCRIPTION, FAMILIES, VERSION, Family, scene_name
from .rays import Rays
from .rooms import make_room
from .shapes import link
from .stage import Stage
from .tabletops import make_tabletop

VIEWS = 8
SAMPLES = 24
BOUNCES = 3
MAKERS: Mapping[Family, Callable[[Chance], Stage]] = {
    "room": make_room,
    "tabletop": make_tabletop,
    "facade": make_facade,
}
ATTEMPTS = 20  # scenes that are made until one has room for cameras


@dataclass(frozen=True)
class Shots:
    """A scene, in Blender now, and what it was made from."""

    family: Family
    stage: Stage
    mode: Mode
    field_of_view: float
    """Radians across the picture's width."""
    world_from_camera: FloatArray
    """[V, 4, 4], OpenCV camera axes, Z up."""


def make_scene(index: int) -> Shots:
    """Build the scene of an index in an empty file: family, way of the cameras, and all else follow from it.

    Raises:
        CrowdedError: No attempt left room for cameras.
    """
    family = FAMILIES[index % len(FAMILIES)]
    mode = MODES[(index // len(FAMILIES)) % len(MODES)]
    for attempt in range(ATTEMPTS):
        chance = Chance(1000 * index + attempt)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        stage = MAKERS[family](chance)
        field_of_view = math.radians(chance.between(52.0, 78.0))
        try:
            cameras = take_cameras(stage, mode, field_of_view, VIEWS, chance)
        except CrowdedError:
            continue
        return Shots(family, stage, mode, field_of_view, cameras)
    raise CrowdedError(f"No scene {index} ({family}) has room for {VIEWS} cameras; give its stage wider bounds.")


def render_scene(index: int, size: tuple[int, int], folder: Path, threads: int = 1) -> None:
    """Write a scene's folder, whole or not at all.

    Args:
        index: Of the scene.
        size: (width, height) of the pictures.
        folder: To make.
        threads: That Cycles may use.
    """
    shots = make_scene(index)
    lens = intrinsics(shots.field_of_view, size)
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    scene = set_up(size, threads)
    for number, camera in enumerate(shots.world_from_camera):
        stand(camera, shots.field_of_view)
        scene.render.filepath = str(beside / f"{number}.png")
        bpy.ops.render.render(write_still=True)
    depth, surface = true_surface(shots.world_from_camera, lens, size)
    np.save(beside / "depth.npy", depth)
    np.save(beside / "surface.npy", surface)
    _describe(index, shots, lens, size, beside / DESCRIPTION)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def stand(world_from_camera: FloatArray, field_of_view: float) -> None:
    """Put the scene's camera where [4, 4] with OpenCV axes says; Blender's looks along −Z with +Y up."""
    scene: Any = bpy.context.scene
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        link(scene.camera)
    data: Any = scene.camera.data
    data.sensor_fit, data.angle, data.clip_start, data.clip_end = "HORIZONTAL", field_of_view, 0.01, 1000.0
    right, down, forward, place = world_from_camera[:3].T
    rows = np.eye(4)
    rows[:3] = np.stack([right, -down, -forward, place], axis=1)
    scene.camera.matrix_world = Matrix(rows.tolist())


def true_surface(cameras: FloatArray, lens: FloatArray, size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return depth [V, H, W] at pixel centres, NaN in the sky, and points [N, 3] that the cameras see.

    Points lie closer than pixels in small pictures, so that a surface does not lose by being seen coarsely.
    """
    rays, finer = Rays(), 3 if size[0] < 300 else 1
    depths, points = [], []
    fine = np.diag([finer, finer, 1.0]) @ lens
    for camera in cameras:
        hits, depth = rays.seen(camera, fine, (finer * size[0], finer * size[1]))
        middle = slice(finer // 2, None, finer)
        depths.append(depth[middle, middle])
        points.append(hits[np.isfinite(depth)])
    return np.stack(depths).astype(np.float32), np.concatenate(points).astype(np.float32)


def set_up(size: tuple[int, int], threads: int) -> Any:
    """Let Cycles draw the scene, in pictures of (width, height)."""
    scene: Any = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_adaptive_sampling = "CPU", SAMPLES, False
    scene.cycles.use_denoising = _can_denoise()
    scene.cycles.max_bounces, scene.cycles.sample_clamp_indirect = BOUNCES, 4.0
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = *size, 100
    render.threads_mode, render.threads, render.use_persistent_data = "FIXED", threads, True
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGB"
    scene.view_settings.view_transform = "AgX"
    return scene


def _can_denoise() -> bool:
    """Tell whether this Blender was built with a denoiser; rendering fails if it is asked for and not there."""
    import _cycles  # type: ignore[import-not-found]

    return bool(_cycles.with_openimagedenoise)


def _describe(index: int, shots: Shots, lens: FloatArray, size: tuple[int, int], file: Path) -> None:
    facts = {
        "version": VERSION,
        "name": scene_name(index),
        "family": shots.family,
        "mode": shots.mode,
        "size": list(size),
        "image_from_camera": lens.tolist(),
        "world_from_camera": shots.world_from_camera.tolist(),
    }
    file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
