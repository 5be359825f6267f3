"""A floor, a wall and the sky as one camera sees them, for tests of placing and picking."""

import bpy
import numpy as np

from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, build

PITCH, HEIGHT = np.radians(20.0), 1.5  # of the camera above the floor
WIDTH, LENGTH = 48, 36
K = np.array([[40.0, 0.0, 24.0], [0.0, 40.0, 18.0], [0.0, 0.0, 1.0]])


def make_floor_view(make_view, name="floor", **changes):
    """A camera that is pitched down over a floor, with a wall 4 before it and sky above that; noise where masked."""
    u, v = np.meshgrid((np.arange(WIDTH) + 0.5 - 24) / 40, (np.arange(LENGTH) + 0.5 - 18) / 40)
    down = v * np.cos(PITCH) + np.sin(PITCH)  # per unit of depth, as is `ahead`
    ahead = np.cos(PITCH) - v * np.sin(PITCH)
    floor, wall = np.where(down > 0, HEIGHT / np.maximum(down, 1e-9), np.inf), 4.0 / ahead
    depth = np.minimum(floor, wall)
    mask = (u < -0.4) & (v > 0)
    depth[mask] = np.random.default_rng(0).uniform(1.0, 9.0, mask.sum())
    sky = (v < -0.35).astype(np.float32)
    return make_view(
        name,
        size=(WIDTH, LENGTH),
        K=K,
        depth=np.where(sky > 0, 50.0, depth).astype(np.float32),
        sky=sky,
        mask=mask,
        confidence=np.ones(depth.shape, np.float32),
        **changes,
    )


def place_in_scene(floor_view, world_from_camera=None, options=None, **changes):
    view = floor_view(world_from_camera=np.eye(4) if world_from_camera is None else world_from_camera)
    values = {"views": (view,), "model": "nano", "facts": {}} | changes
    result = build(Reconstruction(**values), options or BuildOptions(), bpy.context.scene)
    bpy.context.view_layer.update()
    return result


def true_up():
    """Up in the axes of the root, where the camera looks along +Y."""
    return np.array([0.0, -np.sin(PITCH), np.cos(PITCH)])  # pitched down: up leans backward
