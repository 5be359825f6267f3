"""The plain data that walks through the house: Request → Prediction → Reconstruction.

Conventions, stated once for the whole package:

* Frames are in names: `world_from_camera` [4, 4] takes camera coordinates to world coordinates, `image_from_camera`
  [3, 3] takes camera coordinates to homogeneous pixels.
* A camera looks along +Z, +X is right, +Y is down (OpenCV). Blender's looks along −Z with +Y up; exactly one function
  converts (`geometry.cameras.blender_from_opencv`).
* Pixel coordinates are continuous: pixel (0, 0) spans [0, 1)², its centre is (0.5, 0.5), the image's centre is
  (W/2, H/2).
* Depth is measured along the camera's Z axis, not along the ray. NaN marks what is unknown.
* Array letters: V views, H W pixels, P patches, N points, C channels. Float arrays are float32 for pixels and float64
  for cameras.
* "Source pixels" are those of the picture after its EXIF rotation; "model pixels" those the network saw.

This module needs numpy only: Blender's process and the worker share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .imaging.kinds import is_movie
from .names import readable

FloatArray = NDArray[np.floating[Any]]
ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]

MixedSizes = Literal["auto", "keep", "crop"]
ReferenceView = Literal["saddle_balanced", "saddle_sim_range", "first", "middle"]
PoseSource = Literal["camera_head", "ray_map"]
PointSource = Literal["cameras", "rays"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "mixed"]
World = Literal["first_view", "given"]
Units = Literal["scene units", "metres"]
IntrinsicsOrigin = Literal["model", "given", "exif", "setting"]
DistortionModel = Literal["POLYNOMIAL", "DIVISION", "NUKE", "BROWN"]
MaskChannel = Literal["luminance", "alpha"]
LensUnit = Literal["longer side", "width", "height"]


@dataclass(frozen=True)
class Mask:
    """Which part of a picture takes part: white or opaque is kept, black or transparent is left out."""

    path: Path
    """A picture of the same shape, of any size; the view's own file for its alpha channel."""
    channel: MaskChannel = "luminance"
    inverted: bool = False
    """White or opaque is left out instead."""
    as_stored: bool = False
    """It lies as its view's image is stored in its file, and is turned upright together with it."""


@dataclass(frozen=True)
class Distortion:
    """How a lens bends straight lines, in one of the models that Blender's tracker has.

    It relates pixels of the picture as it was taken to pixels of one without distortion, of the same size and with
    the same `image_from_camera`.
    """

    model: DistortionModel
    coefficients: tuple[float, ...]
    """As many as the model has: POLYNOMIAL k1 k2 k3, DIVISION k1 k2, NUKE k1 k2, BROWN k1 k2 k3 k4 p1 p2."""
    focal_length: tuple[float, float]
    """(x, y) by which pixels are normalised, source pixels, counted as those of `View.image_from_camera`."""
    principal_point: tuple[float, float]
    """(x, y) of no distortion, source pixels, +y down."""


@dataclass(frozen=True)
class Lens:
    """Intrinsics that are known before the size of their image is: lengths are parts of one of its sides.

    They refer to the upright image, of a movie to its frames with square pixels. Whoever reads the image turns them
    into `image_from_camera`, so that one process alone decides how large it is and which way up.
    """

    focal_length: tuple[float, float]
    """(x, y)."""
    principal_point: tuple[float, float] = (0.0, 0.0)
    """(x, y) from the image's centre, +y down."""
    unit: LensUnit = "longer side"
    size: tuple[int, int] | None = None
    """(width, height) of the image that the lens was found for, pixels; others must have its shape. None: any shape."""
    origin: str = "its lens"
    """Its source, such as "the fSpy file room.fspy", for sentences about it."""

    def image_from_camera(self, size: tuple[int, int]) -> FloatArray:
        """Return the intrinsics [3, 3] for an upright image of (width, height) pixels."""
        width, height = size
        side = {"longer side": max(size), "width": width, "height": height}[self.unit]
        fx, fy, x, y = (side * value for value in (*self.focal_length, *self.principal_point))
        return np.array([[fx, 0.0, 0.5 * width + x], [0.0, fy, 0.5 * height + y], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class View:
    """One picture to reconstruct from, with what is known of its camera."""

    path: Path
    """The picture's file, or a movie's, of which `time` chooses the frame."""
    world_from_camera: FloatArray | None = None
    """[4, 4] rigid, camera axes OpenCV, world axes of the scene (Z up); makes the camera token. None: unknown."""
    image_from_camera: FloatArray | None = None
    """[3, 3] pinhole intrinsics in source pixels, of a movie those it stores, upright (as Blender counts them), even
    where they are not square. None: unknown; known intrinsics need no known pose."""
    time: float | None = None
    """Seconds from the start of the clip that the picture belongs to: of a movie, the frame shown then is taken.
    None: a single picture."""
    mask: Mask | None = None
    distortion: Distortion | None = None
    """Taken out of the picture, its mask and its texture before anything else sees them."""
    lens: Lens | None = None
    """The same as `image_from_camera`, where the image's size is not known; `imaging.inputs.gather` replaces it."""
    as_stored: bool = False
    """The image lies as its file stores it, which is how Blender shows it: a stated orientation does not count."""
    passing: bool = False
    """The file goes away with the session, so that a lossless copy of it becomes the texture."""

    @property
    def files(self) -> list[Path]:
        """What it is read from: its picture or movie, and its mask's."""
        return [self.path] if self.mask is None else [self.path, self.mask.path]


@dataclass(frozen=True)
class Request:
    """Everything a reconstruction depends on, so that a run can be repeated from it alone."""

    views: tuple[View, ...]
    model: str = "nano"
    """A preset's name, a checkpoint folder, or a name in the Hugging Face cache."""
    resolution: int | None = None
    """Longest side in model pixels, rounded to whole patches. None: what the checkpoint is made for."""
    mixed_sizes: MixedSizes = "auto"
    """`keep` runs every view whole, `crop` cuts all to the smallest as the official code does; `auto` means `keep`."""
    reference_view: ReferenceView = "saddle_balanced"
    pose_source: PoseSource = "camera_head"
    point_source: PointSource = "cameras"
    square_pixels: bool = True
    """Make fx = fy in source pixels before geometry is built, so that no Blender scene setting is needed."""
    field_of_view: float = float(np.radians(60.0))
    """Radians across the longer side; used where neither model, camera nor EXIF tell the focal length."""
    exif_lens: bool = True
    """Take a focal length that EXIF tells as known, like a given lens; off: only where the model gives none."""
    exposure: float = 0.0
    """Stops by which scene-linear images (EXR, float TIFF) are brightened for display; others stay as they are."""
    device: Device = "auto"
    precision: Precision = "auto"
    head_chunk: int | None = None
    """Views that pass through the head at once; the result does not depend on it, memory does. None: as is fastest."""


@dataclass(frozen=True)
class LeftOut:
    """An input that takes no part in the result, and why."""

    name: str
    """Its file's name, of a frame with its time or number."""
    reason: str
    """Why and what to do, as the end of a sentence that starts with the name."""
    view: int | None = None
    """Its index among the request's views. None: it never became a view."""


@dataclass(frozen=True)
class Progress:
    """One step of a run: `done` of `total` steps of `stage` are behind us."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
"""Called from inside the run; may raise `CancelledError` to end it."""


@dataclass(frozen=True)
class ViewPrediction:
    """What the network says of one view, in model pixels and its own units; geometry has not touched it yet."""

    depth: FloatArray
    """[H, W] along Z, positive."""
    confidence: FloatArray | None = None
    """[H, W] in (1, ∞); None where the model gives none."""
    sky: FloatArray | None = None
    """[H, W] about 0 on ground and 1 on sky; None where the model gives none."""
    rays: FloatArray | None = None
    """[h, w, 6] direction (0:3, unnormalised) and origin (3:6) per ray pixel, in the network's world; when asked."""
    ray_confidence: FloatArray | None = None
    """[h, w] in (1, ∞); when asked."""
    world_from_camera: FloatArray | None = None
    """[4, 4] of the camera head, in the network's world (not yet re-based); None where the model gives none."""
    image_from_camera: FloatArray | None = None
    """[3, 3] of the camera head, model pixels; None where the model gives none."""
    metric_depth: FloatArray | None = None
    """[H, W] canonical metric depth (metres at focal length 300 px) of a nested model's second network."""


@dataclass(frozen=True)
class Prediction:
    """The network's answer for one set of views."""

    views: tuple[ViewPrediction, ...]
    reference_index: int = 0
    """Which view the network took as reference: its world is tied to that view."""
    device: str = "cpu"
    precision: str = "fp32"
    warnings: tuple[str, ...] = ()
    """Sentences for the artist about how it was made."""


@dataclass(frozen=True)
class ReconstructedView:
    """One view of a finished reconstruction, in model pixels."""

    source: Path
    """The picture or movie the artist chose."""
    texture: Path | None
    """Upright sRGB picture to use as texture: `source` itself, or a lossless copy where Blender would read `source`
    wrongly, it is a frame of a movie or goes away, or its distortion was taken out. None: it may not be opened, `image`
    stands in for it."""
    source_size: tuple[int, int]
    """(width, height) of the source after EXIF rotation, pixels."""
    source_from_model: FloatArray
    """[3, 3] affine from model pixels to source pixels."""
    image: ByteArray
    """[H, W, 3] the picture as the network saw it, sRGB."""
    depth: FloatArray
    """[H, W] along Z, in the reconstruction's units; NaN where unknown."""
    image_from_camera: FloatArray
    """[3, 3] intrinsics in model pixels."""
    world_from_camera: FloatArray | None = None
    """[4, 4] rigid, OpenCV camera axes; None: the model gives no camera, the view stands at the origin."""
    confidence: FloatArray | None = None
    """[H, W] in (1, ∞)."""
    sky: FloatArray | None = None
    """[H, W] about 0 on ground and 1 on sky."""
    points: FloatArray | None = None
    """[H, W, 3] world positions when they come from rays; None: unproject `depth`."""
    intrinsics_origin: IntrinsicsOrigin = "model"
    mask: BoolArray | None = None
    """[H, W] True where the artist's mask leaves the picture out. None: no mask."""
    time: float | None = None
    """Seconds from the start of its clip: of a movie, the frame's own presentation time. None: a single picture."""
    may_open_source: bool = True
    """False: a saved folder names `source`, which lies outside of it and which nobody chose; it is only a name."""

    @property
    def name(self) -> str:
        """What to call the view: its file's stem, of a movie's frame with the time; always Unicode."""
        is_frame = self.time is not None and is_movie(self.source)
        return readable(f"{self.source.stem} {self.time:.3f}s" if is_frame else self.source.stem)


@dataclass(frozen=True)
class Reconstruction:
    """Cameras and geometry of one set of views: all that the Blender side needs."""

    views: tuple[ReconstructedView, ...]
    world: World = "first_view"
    """`first_view`: OpenCV axes of picture 0. `given`: the world of the given cameras (Blender's, Z up)."""
    units: Units = "scene units"
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The request's settings, JSON types only."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the run found: `seconds`, `device`, `precision`, `warnings` (list of sentences), ...; JSON types only."""
