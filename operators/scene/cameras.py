"""Blender cameras that see exactly what the pinhole cameras of a reconstruction see."""

from typing import Any

import bpy
import numpy as np

from ...core.errors import CameraError
from ...core.geometry.cameras import (
    CameraLens,
    blender_from_opencv,
    intrinsics_from_lens,
    lens_from_intrinsics,
    transform_intrinsics,
)
from ...core.geometry.surfaces import camera_or_origin
from ...core.types import FloatArray, ReconstructedView
from .collection import Place, add_object, put
from .pictures import Picture

INTRINSICS_KEY = "image_from_camera"
"""Custom property of a camera: the nine numbers of K in source pixels, row by row."""
SIZE_KEY = "picture_size"
"""Custom property of a camera: width and height of its picture, source pixels."""
LENS = ("lens", "shift_x", "shift_y")
"""What may change from frame to frame of a camera's data."""
CAMERA_PART = 0.04  # of the scene's size: how large a camera is drawn
PHOTO_ALPHA = 0.5


def build_camera(
    picture: Picture, clip: tuple[float, float], size: float, place: Place, name: str = ""
) -> bpy.types.Object:
    """Add the camera of one view, with its photo as background.

    Args:
        picture: A view in the axes of the root.
        clip: Near and far clip distance, in the reconstruction's units.
        size: The scene's size, in the reconstruction's units.
        place: Where it goes; scaling its root scales the clip range.
        name: Empty: the view's, and what it is.
    """
    view = picture.view
    data = bpy.data.cameras.new(name or f"{view.name} camera")
    _set_intrinsics(data, transform_intrinsics(view.source_from_model, view.image_from_camera), view.source_size)
    data.clip_start, data.clip_end = clip
    data.display_size = CAMERA_PART * size
    _show_photo(data, picture.image)
    camera = add_object(data.name, data, place)
    put(camera, blender_from_opencv(camera_or_origin(view)))
    for path in ("clip_start", "clip_end", "display_size"):
        _follow_scale(data, path, place.root)
    return camera


def match_render(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Make a camera the scene's own and render exactly its picture: size in pixels and shape of a pixel.

    Raises:
        CameraError: The camera does not come from a reconstruction.
    """
    lens = _lens(camera)
    scene.camera = camera
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = lens.width, lens.height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = lens.aspect_x, lens.aspect_y


def picture_size(camera: bpy.types.Object) -> tuple[int, int]:
    """Return the (width, height) of the picture that a camera belongs to, source pixels."""
    lens = _lens(camera)
    return lens.width, lens.height


def current_intrinsics(camera: bpy.types.Object) -> FloatArray:
    """Read K [3, 3] in source pixels off a camera as it is now, with all that the artist changed since.

    Raises:
        CameraError: The camera does not come from a reconstruction.
    """
    return intrinsics_from_lens(_lens(camera))


def is_ours(camera: bpy.types.Object) -> bool:
    """Tell whether an object is a camera that a reconstruction made."""
    data: Any = camera.data
    return camera.type == "CAMERA" and SIZE_KEY in data and INTRINSICS_KEY in data


def _lens(camera: bpy.types.Object) -> CameraLens:
    """Return a camera's lens as it is now, with the picture size and pixel aspect that it was made for."""
    if not is_ours(camera):
        raise CameraError(f"{camera.name} is not a camera of a reconstruction; choose one that Image to Scene made.")
    data: Any = camera.data
    width, height = (int(side) for side in data[SIZE_KEY])
    made = lens_from_intrinsics(np.array(data[INTRINSICS_KEY]).reshape(3, 3), (width, height))
    return read_lens(data, (width, height), (made.aspect_x, made.aspect_y))


def read_lens(data: bpy.types.Camera, size: tuple[int, int], pixel_aspect: tuple[float, float]) -> CameraLens:
    """Put a camera's lens as it is now together with a render size and pixel aspect, which Blender keeps in scenes."""
    return CameraLens(
        lens=data.lens,
        width=size[0],
        height=size[1],
        sensor_width=data.sensor_width,
        sensor_height=data.sensor_height,
        shift_x=data.shift_x,
        shift_y=data.shift_y,
        aspect_x=pixel_aspect[0],
        aspect_y=pixel_aspect[1],
        sensor_fit=data.sensor_fit,  # type: ignore[arg-type]
    )


def lens_values(view: ReconstructedView) -> tuple[float, ...]:
    """Return what the camera of a view has of `LENS`."""
    lens = lens_from_intrinsics(transform_intrinsics(view.source_from_model, view.image_from_camera), view.source_size)
    return tuple(getattr(lens, name) for name in LENS)


def _set_intrinsics(data: bpy.types.Camera, image_from_camera: FloatArray, size: tuple[int, int]) -> None:
    lens = lens_from_intrinsics(image_from_camera, size)
    data.sensor_fit = lens.sensor_fit
    data.sensor_width = lens.sensor_width
    data.lens = lens.lens
    data.shift_x, data.shift_y = lens.shift_x, lens.shift_y
    data[INTRINSICS_KEY] = [float(value) for value in image_from_camera.reshape(-1)]
    data[SIZE_KEY] = list(size)


def _show_photo(data: bpy.types.Camera, image: bpy.types.Image) -> None:
    """Lay the photo behind the view.

    With square pixels CROP fits the photo's width to the frame's, also while the scene renders another, wider shape;
    otherwise STRETCH fits it to the frame that `match_render` makes.
    """
    K = data[INTRINSICS_KEY]
    background = data.background_images.new()
    background.image = image
    background.alpha = PHOTO_ALPHA
    background.display_depth = "BACK"
    background.frame_method = "CROP" if np.isclose(K[0], K[4], rtol=1e-6) else "STRETCH"
    data.show_background_images = True


def _follow_scale(data: bpy.types.Camera, path: str, root: bpy.types.Object) -> None:
    """Let a length of a camera grow with the root, since Blender takes it in world units whatever the object's scale.

    The expression is one that Blender evaluates without Python, so it also works in files that may run no scripts.
    """
    curve: Any = data.driver_add(path)
    driver = curve.driver
    driver.expression = f"{getattr(data, path):.9g} * scale"
    variable = driver.variables.new()
    variable.name, variable.type = "scale", "TRANSFORMS"
    target = variable.targets[0]
    target.id, target.transform_type, target.transform_space = root, "SCALE_AVG", "WORLD_SPACE"
