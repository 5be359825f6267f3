"""Cameras: frames, intrinsics, projection, and Blender's way of saying the same.

The conventions are those of `core.types`: camera axes OpenCV (+X right, +Y down, +Z forward), continuous pixels whose
centres lie at +0.5. Every function works on one camera or on a batch: leading dimensions `...` broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import CameraError
from ..types import FloatArray

SensorFit = Literal["AUTO", "HORIZONTAL", "VERTICAL"]

RIGID_TOLERANCE = 1e-3  # cameras typed by hand or stored with four digits still count as rigid
FARTHEST = 1e12  # units from the origin: squares of it are float32, and no survey's coordinates are larger
FOCAL_LENGTHS = (1e-2, 1e9)  # pixels: beyond, matrices with it have no inverse, or its products no float32
WIDEST = 36.0  # widths of the image in focal lengths: 173°; Blender's lenses end at 1 mm on a sensor of 36 mm
NARROWEST = 1e6  # focal lengths in widths of the image: a thousandth of an arc minute
FARTHEST_SHIFT = 1e3  # widths of the image from its middle to the principal point
COINCIDENT = 1e-6  # centres nearer than this part of their distance from the origin are one (float32 noise)

BLENDER_FROM_FIRST_VIEW: FloatArray = np.array(
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
"""[4, 4] rotation of the world: OpenCV axes of picture 0 to Z up; that camera then looks along +Y, its up is +Z."""
BLENDER_FROM_FIRST_VIEW.setflags(write=False)


@dataclass(frozen=True)
class CameraLens:
    """A Blender camera's lens together with the scene's render settings that it depends on."""

    lens: float
    """Focal length, millimetres."""
    width: int
    """Render width, pixels."""
    height: int
    """Render height, pixels."""
    sensor_width: float = 36.0
    """Millimetres; spans the width, or the longer side for AUTO."""
    sensor_height: float = 24.0
    """Millimetres; only VERTICAL uses it."""
    shift_x: float = 0.0
    """Part of the fitted side; positive moves the view to the right."""
    shift_y: float = 0.0
    """Part of the fitted side; positive moves the view up."""
    aspect_x: float = 1.0
    """Width of a pixel, at least 1 in Blender; only aspect_y / aspect_x matters."""
    aspect_y: float = 1.0
    """Height of a pixel, at least 1 in Blender."""
    sensor_fit: SensorFit = "HORIZONTAL"

    @property
    def fits_width(self) -> bool:
        """The sensor spans the width of the render; else its height."""
        if self.sensor_fit == "AUTO":
            return self.width * self.aspect_x >= self.height * self.aspect_y
        return self.sensor_fit == "HORIZONTAL"


def invert_rigid(matrix: FloatArray) -> FloatArray:
    """Invert rigid transforms [..., 4, 4] by transposing their rotation."""
    rotation = np.swapaxes(matrix[..., :3, :3], -1, -2)
    inverse = np.zeros_like(matrix)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -(rotation @ matrix[..., :3, 3:])[..., 0]
    inverse[..., 3, 3] = 1.0
    return inverse


def check_rigid(world_from_camera: FloatArray, name: str = "The camera") -> FloatArray:
    """Return rigid transforms [..., 4, 4] as float64 after checking that they are.

    Args:
        world_from_camera: Anything that numpy reads as an array.
        name: Begins the sentence of the error, such as "The camera of photo.jpg".

    Raises:
        CameraError: Wrong shape, not finite, scaled, sheared, mirrored, farther than `FARTHEST` from the origin, or
            with a last row other than 0 0 0 1.
    """
    matrix = _numbers(world_from_camera, name, "world_from_camera", (4, 4))
    rotation, last = matrix[..., :3, :3], matrix[..., 3, :]
    if np.abs(last - (0.0, 0.0, 0.0, 1.0)).max() > RIGID_TOLERANCE:
        raise CameraError(f"{name} has a world_from_camera whose last row is not 0 0 0 1; pass a rigid 4×4 matrix.")
    is_large = np.abs(rotation).max() > 2.0  # and its square perhaps no float
    if is_large or np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max() > RIGID_TOLERANCE:
        raise CameraError(f"{name} is scaled or sheared; pass a world_from_camera of rotation and position only.")
    if np.linalg.det(rotation).min() < 0.0:
        raise CameraError(f"{name} is mirrored; pass a world_from_camera with a right-handed rotation.")
    if np.abs(matrix[..., :3, 3]).max() > FARTHEST:
        raise CameraError(f"{name} is more than {FARTHEST:.0e} units from the origin; pass a world nearer to it.")
    return matrix


def nearest_rigid(transform: FloatArray) -> FloatArray:
    """Return the rigid transforms nearest to [..., 4, 4], so that a camera given with few digits is exactly one."""
    left, _, right = np.linalg.svd(transform[..., :3, :3])
    rigid = np.array(transform, dtype=np.float64)
    rigid[..., :3, :3], rigid[..., 3, :] = left @ right, (0.0, 0.0, 0.0, 1.0)
    return rigid


def check_intrinsics(image_from_camera: FloatArray, name: str = "The camera") -> FloatArray:
    """Return pinhole intrinsics [..., 3, 3] as float64 after checking that they are.

    Raises:
        CameraError: Wrong shape, not finite, skewed, a focal length not above zero or out of `FOCAL_LENGTHS`, or a last
            row other than 0 0 1.
    """
    K = _numbers(image_from_camera, name, "image_from_camera", (3, 3))
    if np.abs(K[..., 2, :] - (0.0, 0.0, 1.0)).max() > RIGID_TOLERANCE:
        raise CameraError(f"{name} has an image_from_camera whose last row is not 0 0 1; pass intrinsics in pixels.")
    if min(K[..., 0, 0].min(), K[..., 1, 1].min()) <= 0.0:
        raise CameraError(f"{name} has a focal length that is not above zero; pass intrinsics in pixels.")
    shortest, longest = FOCAL_LENGTHS
    if min(K[..., 0, 0].min(), K[..., 1, 1].min()) < shortest or np.abs(K[..., :2, :]).max() > longest:
        raise CameraError(
            f"{name} has a focal length or principal point beyond {shortest:g} to {longest:.0e} pixels; pass "
            "intrinsics in pixels."
        )
    if np.abs(K[..., (0, 1), (1, 0)]).max() > RIGID_TOLERANCE:
        raise CameraError(f"{name} has skew, which Blender's cameras cannot show; pass intrinsics without skew.")
    return K


def check_lens(image_from_camera: FloatArray, size: tuple[int, int], name: str = "The camera") -> FloatArray:
    """Return pinhole intrinsics [3, 3] as `check_intrinsics` does, after checking that Blender's cameras can show them.

    Args:
        image_from_camera: Intrinsics in pixels of an image of that size.
        size: (width, height), pixels.
        name: Begins the sentence of the error.

    Raises:
        CameraError: They are no pinhole intrinsics, the field of view is too wide or too narrow, or the principal point
            too far off.
    """
    K = check_intrinsics(image_from_camera, name)
    width, height = size
    longest = max(size) * NARROWEST
    if not (width / WIDEST <= K[0, 0] <= longest and height / NARROWEST <= K[1, 1] <= longest):
        raise CameraError(
            f"{name} has focal lengths of {K[0, 0]:.3g} and {K[1, 1]:.3g} pixels for {width}×{height} pixels, which no "
            "camera of Blender has; pass intrinsics in pixels of this image."
        )
    if np.abs(K[:2, 2] - 0.5 * np.array(size)).max() > FARTHEST_SHIFT * max(size):
        raise CameraError(
            f"{name} has a principal point far outside its image; pass intrinsics in pixels of this image."
        )
    return K


def _numbers(values: FloatArray, name: str, key: str, shape: tuple[int, int]) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise CameraError(f"{name} has a {key} that is not a matrix of numbers; pass {shape[0]}×{shape[1]}.") from error
    if array.shape[-2:] != shape or not array.size:
        raise CameraError(f"{name} has a {key} of shape {array.shape}; pass {shape[0]}×{shape[1]}.")
    if not np.isfinite(array).all():
        raise CameraError(f"{name} has a {key} with values that are not finite; pass a camera that was solved.")
    return array


def rebase(world_from_camera: FloatArray, index: int = 0) -> FloatArray:
    """Express cameras [V, 4, 4] in the frame of camera `index`, which becomes exactly the identity."""
    rebased = invert_rigid(world_from_camera[index]) @ world_from_camera
    rebased[index] = np.eye(4)
    return rebased


def normalise_for_tokens(world_from_camera: FloatArray) -> FloatArray:
    """Bring given cameras into the frame and unit that the camera encoder was trained on.

    The frame is the first view's, the unit the lower median over all views of the distance to the first view's centre,
    its own 0 counted. Where that median is 0, as always with two views, the zeros are left out of it; where all centres
    coincide, as with one view, the unit stays. Scaling the given world about its origin never changes the result.

    Args:
        world_from_camera: [V, 4, 4] rigid, any world and unit.

    Returns:
        [V, 4, 4] float64; the first is the identity.

    Source: Depth-Anything-3/src/depth_anything_3/api.py@2c21ea8 `_normalize_extrinsics`. Equal to it where the median
    is at least 0.1 of the given unit. Differs: upstream clamps the median to 0.1, so that its tokens depend on the
    unit below that, and with two views always (median of {0, d} = 0).
    """
    cameras = np.asarray(world_from_camera, dtype=np.float64)
    centres = cameras[:, :3, 3]
    distance = np.linalg.norm(centres - centres[0], axis=1)
    apart = distance > COINCIDENT * np.linalg.norm(centres, axis=1).max()
    median = _lower_median(np.where(apart, distance, 0.0)) or _lower_median(distance[apart])
    rebased = rebase(cameras)
    rebased[:, :3, 3] /= median or 1.0
    return rebased


def _lower_median(values: FloatArray) -> float:
    """Return the middle of the sorted values, the lower of two; 0 where there is none."""
    return float(np.sort(values)[(values.size - 1) // 2]) if values.size else 0.0


def mean_focal_length(image_from_camera: FloatArray) -> float:
    """Return the mean of fx and fy, pixels."""
    return float(0.5 * (image_from_camera[0, 0] + image_from_camera[1, 1]))


def intrinsics_from_field_of_view(field_of_view: float, size: tuple[int, int]) -> FloatArray:
    """Make centred intrinsics with square pixels.

    Args:
        field_of_view: Radians across the longer side, in (0, π).
        size: (width, height), pixels.

    Returns:
        [3, 3] in pixels of a picture of that size.
    """
    width, height = size
    focal = 0.5 * max(size) / np.tan(0.5 * field_of_view)
    return np.array([[focal, 0.0, 0.5 * width], [0.0, focal, 0.5 * height], [0.0, 0.0, 1.0]])


def transform_intrinsics(affine: FloatArray, image_from_camera: FloatArray) -> FloatArray:
    """Carry intrinsics [..., 3, 3] through an affine [..., 3, 3] of pixels, such as `source_from_model`."""
    transformed: FloatArray = np.asarray(affine, dtype=np.float64) @ image_from_camera
    return transformed


def square_pixels(image_from_camera: FloatArray, source_from_model: FloatArray) -> FloatArray:
    """Make fx = fy in source pixels, so that a Blender camera needs no pixel aspect.

    Both become their geometric mean, which keeps the solid angle of a pixel; the principal point stays.

    Args:
        image_from_camera: [..., 3, 3] in model pixels.
        source_from_model: [..., 3, 3] affine of scale and offset from model pixels to source pixels.

    Returns:
        [..., 3, 3] in model pixels; fx and fy differ there where the picture was resized unevenly.
    """
    K = np.array(image_from_camera, dtype=np.float64)
    scale_x, scale_y = source_from_model[..., 0, 0], source_from_model[..., 1, 1]
    focal = np.sqrt(K[..., 0, 0] * scale_x * K[..., 1, 1] * scale_y)
    K[..., 0, 0], K[..., 1, 1] = focal / scale_x, focal / scale_y
    return K


def blender_from_opencv(world_from_camera: FloatArray) -> FloatArray:
    """Turn camera axes from OpenCV's (+Z forward, +Y down) to Blender's (−Z forward, +Y up); its own inverse.

    The only place that does so. The world stays: see `BLENDER_FROM_FIRST_VIEW` for that.

    Args:
        world_from_camera: [..., 4, 4] rigid.

    Returns:
        [..., 4, 4] the same cameras with the other axes.
    """
    blender: FloatArray = np.asarray(world_from_camera) * np.array([1.0, -1.0, -1.0, 1.0])
    return blender


def lens_from_intrinsics(
    image_from_camera: FloatArray, size: tuple[int, int], sensor_width: float = 36.0
) -> CameraLens:
    """Say in Blender's terms what intrinsics are; exact for portrait, off-centre and fx ≠ fy.

    Args:
        image_from_camera: [3, 3] without skew, in pixels of a picture of that size.
        size: (width, height) to render, pixels.
        sensor_width: Millimetres, free to choose.

    Returns:
        A lens with a HORIZONTAL sensor fit and both pixel aspects ≥ 1, as Blender demands.
    """
    width, height = size
    fx, fy = float(image_from_camera[0, 0]), float(image_from_camera[1, 1])
    cx, cy = float(image_from_camera[0, 2]), float(image_from_camera[1, 2])
    aspect = fx / fy
    return CameraLens(
        lens=fx / width * sensor_width,
        width=width,
        height=height,
        sensor_width=sensor_width,
        shift_x=(0.5 * width - cx) / width,
        shift_y=(cy - 0.5 * height) / width * aspect,
        aspect_x=max(1.0, 1.0 / aspect),
        aspect_y=max(1.0, aspect),
    )


def intrinsics_from_lens(lens: CameraLens) -> FloatArray:
    """Read [3, 3] intrinsics in render pixels off a Blender camera with any sensor fit.

    Source: Blender `source/blender/blenkernel/intern/camera.cc` `BKE_camera_params_compute_viewplane`, in pixels.
    """
    aspect = lens.aspect_y / lens.aspect_x
    sensor = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
    fitted = lens.width if lens.fits_width else lens.height * aspect  # the side that the sensor spans, in pixel widths
    focal = lens.lens / sensor * fitted
    cx = 0.5 * lens.width - lens.shift_x * fitted
    cy = 0.5 * lens.height + lens.shift_y * fitted / aspect
    return np.array([[focal, 0.0, cx], [0.0, focal / aspect, cy], [0.0, 0.0, 1.0]])


def project(
    points: FloatArray, image_from_camera: FloatArray, world_from_camera: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """See points through a camera.

    Args:
        points: [..., N, 3] world positions.
        image_from_camera: [..., 3, 3] pixels.
        world_from_camera: [..., 4, 4] rigid.

    Returns:
        [..., N, 2] continuous pixels, and [..., N] depth along Z; a pixel means something only where depth > 0.
    """
    in_camera = (points - world_from_camera[..., None, :3, 3]) @ world_from_camera[..., :3, :3]
    pixels = in_camera @ np.swapaxes(image_from_camera, -1, -2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return pixels[..., :2] / pixels[..., 2:], in_camera[..., 2]


def unproject(depth: FloatArray, image_from_camera: FloatArray, world_from_camera: FloatArray) -> FloatArray:
    """Lift a depth map to points in the world.

    Args:
        depth: [..., H, W] along the camera's Z axis; NaN where unknown.
        image_from_camera: [..., 3, 3] pixels of that depth map.
        world_from_camera: [..., 4, 4] rigid.

    Returns:
        [..., H, W, 3] positions of pixel centres, computed in float64, in depth's dtype; NaN where `depth` is.

    Source: da3 arXiv 2511.10647 section 3. Differs: pixel centres at +0.5, where upstream's exporters use whole
    numbers with the same intrinsics and so shift everything by half a pixel.
    """
    height, width = depth.shape[-2:]
    return unproject_at(depth, np.arange(width) + 0.5, np.arange(height) + 0.5, image_from_camera, world_from_camera)


def unproject_at(
    depth: FloatArray,
    columns: Sequence[float] | FloatArray,
    rows: Sequence[float] | FloatArray,
    image_from_camera: FloatArray,
    world_from_camera: FloatArray,
) -> FloatArray:
    """Lift depth [..., R, C] at pixel coordinates `rows` [R] × `columns` [C] to the world; see `unproject`."""
    u, v = np.asarray(columns, dtype=np.float64), np.asarray(rows, dtype=np.float64)[:, None]
    world_from_image = world_from_camera[..., :3, :3] @ np.linalg.inv(image_from_camera)
    points = np.empty((*depth.shape, 3), dtype=depth.dtype)
    for axis in range(3):  # whole planes at a time: ten times faster than triples
        across, down, base = (world_from_image[..., axis, column, None, None] for column in range(3))
        directions = across * u + (down * v + base)
        points[..., axis] = directions * depth + world_from_camera[..., axis, 3, None, None]
    return points
