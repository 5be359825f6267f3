"""Clips: one camera that moves as the clip's did, and geometry that is shown only at its frame.

Scene frames are `start + time · frames per second`; between the frames of a clip the moving camera goes straight on
(linear keys), and a clip's geometry is shown from half way to its neighbours. All of it works in files that may run no
scripts.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix

from ...core.geometry.cameras import blender_from_opencv
from ...core.geometry.surfaces import camera_or_origin
from ...core.types import FloatArray
from .cameras import LENS, build_camera, lens_values
from .clips import Clip, show_clip
from .collection import Place
from .compat import new_curve
from .pictures import Picture

ONLY_AT_FRAME: Final = "only_at_frame"
"""Custom property of a root: whether each frame's geometry is shown at its frame only."""
LINEAR: Final = 1
"""How Blender stores a key's interpolation."""
UNCHANGED: Final = 1e-5
"""Part of its size by which a lens's value may vary without being keyed."""
ALWAYS: Final = 1e6
"""A frame before or after all others."""


def build_clip_camera(
    clip: Clip, pictures: Sequence[Picture], reach: tuple[float, float], size: float, place: Place
) -> bpy.types.Object:
    """Add one camera that takes the place of each frame's camera at its frame.

    Lens and shift are keyed only where they change. The picture behind is the clip itself where Blender shows its
    frames at the right scene frames, else that of the nearest view.

    Args:
        clip: Which views, and when.
        pictures: Of all views, in the axes of the root.
        reach: Near and far clip distance, as for `build_camera`.
        size: The scene's size, as for `build_camera`.
        place: Where it goes.
    """
    frames = [pictures[index] for index in clip.views]
    camera = build_camera(frames[0], reach, size, place, name=f"{clip.name} camera")
    data: Any = camera.data
    _key_path(camera, [blender_from_opencv(camera_or_origin(item.view)) for item in frames], clip.frames)
    lenses = np.array([lens_values(item.view) for item in frames])
    for name, values in zip(LENS, lenses.T, strict=True):
        if np.ptp(values) > UNCHANGED * max(1.0, float(np.abs(values).max())):
            _key(data, name, 0, clip.frames, values)
    if not show_clip(data.background_images[0], clip, [item.view for item in frames]):
        _show_nearest(data, [item.image for item in frames], clip.frames)
    return camera


def _key_path(camera: bpy.types.Object, places: Sequence[FloatArray], frames: Sequence[float]) -> None:
    """Key location and rotation; each quaternion is on the side of the one before, so that none turns the long way."""
    camera.rotation_mode = "QUATERNION"
    rotations = [Matrix(place[:3, :3].tolist()).to_quaternion() for place in places]
    for before, rotation in pairwise(rotations):
        if before.dot(rotation) < 0.0:
            rotation.negate()
    for axis in range(3):
        _key(camera, "location", axis, frames, [place[axis, 3] for place in places])
    for axis in range(4):
        _key(camera, "rotation_quaternion", axis, frames, [rotation[axis] for rotation in rotations])
    camera.rotation_quaternion = rotations[0]


def _show_nearest(data: Any, images: Sequence[bpy.types.Image], frames: Sequence[float]) -> None:
    """Lay every frame's picture behind the view, each shown only while it is the nearest."""
    template = data.background_images[0]
    for image in images[1:]:
        background = data.background_images.new()
        background.image = image
        for name in ("alpha", "display_depth", "frame_method"):
            setattr(background, name, getattr(template, name))
    for index, (first, last) in enumerate(_shown(frames)):
        driver = data.driver_add(f"background_images[{index}].show_background_image").driver
        driver.expression = f"{first:.9g} <= frame < {last:.9g}"


def _key(owner: Any, path: str, index: int, frames: Sequence[float], values: Iterable[float]) -> None:
    """Key a property linearly; a value at whole and broken frames alike."""
    curve = new_curve(owner, path, index)
    curve.keyframe_points.add(len(frames))
    curve.keyframe_points.foreach_set("co", np.column_stack((frames, list(values))).astype(np.float32).reshape(-1))
    curve.keyframe_points.foreach_set("interpolation", [LINEAR] * len(frames))
    curve.update()


def show_at_frames(clip: Clip, items: Sequence[bpy.types.Object], root: bpy.types.Object) -> None:
    """Let geometry follow the root's switch: all of it is shown, or at each frame what is nearest to it.

    Args:
        clip: When each is shown.
        items: What is shown, one of each of the clip's views.
        root: Has the switch, or gets it.
    """
    switch: Any = root
    if ONLY_AT_FRAME not in switch:
        switch[ONLY_AT_FRAME] = False
        tooltip = "Show each frame's points and mesh only at its frame; off: all at once"
        switch.id_properties_ui(ONLY_AT_FRAME).update(description=tooltip, default=False)
    for item, (first, last) in zip(items, _shown(clip.frames), strict=True):
        for path in ("hide_viewport", "hide_render"):
            driver: Any = item.driver_add(path).driver  # type: ignore[union-attr]
            driver.expression = f"only and not {first:.9g} <= frame < {last:.9g}"
            variable = driver.variables.new()
            variable.name = "only"
            variable.targets[0].id, variable.targets[0].data_path = root, f'["{ONLY_AT_FRAME}"]'


def _shown(frames: Sequence[float]) -> list[tuple[float, float]]:
    """Return from which scene frame on, and until which, each of a clip's frames is the nearest."""
    middles = [0.5 * (one + other) for one, other in pairwise(frames)]
    return list(zip([-ALWAYS, *middles], [*middles, ALWAYS], strict=True))


def has_switch(root: Any) -> bool:
    """Tell whether a root has frames to show one at a time."""
    return ONLY_AT_FRAME in root
