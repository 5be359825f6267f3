"""What an image file states beside its pixels: orientation, lens, gravity and projection, read once when it is opened.

EXIF (CIPA DC-008-2024) is asked first, then XMP (ISO 16684-1), whose `exif:` properties carry the names of the EXIF
tags. What is stated and cannot be used becomes a note, never silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from PIL import ExifTags, Image

from ..types import FloatArray
from . import xmp
from .opening import reduced

FILM_DIAGONAL: Final = math.hypot(36.0, 24.0)
"""Millimetres, of the 35 mm film that equivalent focal lengths refer to."""
POSSIBLE: Final = (5.0, 2000.0)
"""Millimetres of 35 mm equivalent focal length: shorter is no rectilinear lens, longer is no photographic one."""
SENSORS: Final = (3.0, 110.0)
"""Millimetres of diagonal, from the smallest camera modules to large digital backs."""
UNITS: Final = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""Millimetres per FocalPlaneResolutionUnit; 4 and 5 are no standard, but in use."""
SQUARE: Final = 0.05
"""How far from square a sensor's pixels may be."""
AGREES: Final = 1.25
"""A calibrated focal length that differs by more than this ratio from the 35 mm equivalent is of another image."""
LARGEST_ZOOM: Final = 100.0
ZOOM_INCLUDED: Final = ("apple", "google")
"""Makers whose 35 mm equivalent already includes the digital zoom; see `_Facts.zoom`."""
PANORAMA_RATIO: Final = 4.0
CONTAINER_TURNS: Final = frozenset({"AVIF", "HEIF"})
"""Formats whose container states the orientation as a part of decoding, which Blender applies, too."""

IMPOSSIBLE = (
    "A focal length of {:g} mm (35 mm equivalent), as the metadata states, is impossible and not used: {{}}. "
    "Set the lens in the image list or with --lens if you know it."
)
CROPPED = (
    "The focal length in the metadata is for an image of {}×{} pixels, which has another shape, and not used: {{}}. "
    "After a crop or a stretch, set the lens in the image list or with --lens if you know it."
)
FISHEYE = (
    "Taken with a fisheye lens: {}. Straight lines bend, and geometry towards the edges is wrong: undistort such "
    "images first, or use a solved clip with its lens distortion."
)
LONG = (
    "Of the shape of a panorama, but treated as taken by one flat camera: {}. Use the single photos if it was stitched."
)
NOT_SQUARE = (
    "Pixels that are {:.3g} times as wide as high, as the metadata states, are taken as square: {{}}. "
    "Resize such images to square pixels if they look squeezed."
)
PANORAMA = "is a panorama ({}), which no flat camera can show: use flat (rectilinear) views exported from it instead"

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED_BACK: Final = {**_TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_AXES: Final = {  # upright (x, y) from stored (x, y), +y down
    1: ((1, 0), (0, 1)),
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, -1), (1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, 1), (-1, 0)),
}
_GIMBALS: Final = (
    ("drone-dji:GimbalPitchDegree", "drone-dji:GimbalRollDegree"),
    ("drone:GimbalPitchDegree", "drone:GimbalRollDegree"),  # Autel
    ("drone-parrot:CameraPitchDegree", "drone-parrot:CameraRollDegree"),
    ("drone-skydio:CameraOrientationNED/drone-skydio:Pitch", "drone-skydio:CameraOrientationNED/drone-skydio:Roll"),
)
"""(pitch, roll) in degrees with respect to the horizon."""
_CALIBRATED: Final = (
    "drone-dji:CalibratedFocalLength",
    "drone-skydio:CalibratedFocalLength/drone-skydio:X",
)
"""Focal length in pixels of the image as it was taken."""
_LENS_NAMES: Final = ("exifEX:LensModel", "aux:Lens", "exif:LensModel")
_APPLE_PANORAMA: Final = 6
"""Apple's value of CustomRendered for a panorama."""


@dataclass(frozen=True)
class Metadata:
    """The statements of a file about its image."""

    focal_length: float | None = None
    """Parts of the image's diagonal. None: not stated, or of no use."""
    up: FloatArray | None = None
    """[3] of length 1, the direction away from gravity in the axes of the upright camera (OpenCV). None: not stated."""
    panorama: str | None = None
    """The projection of an image that no flat camera has taken."""
    lens_notes: tuple[str, ...] = ()
    """Sentences about focal lengths that could not be used, each with {} in place of the file's name."""
    notes: tuple[str, ...] = ()
    """The same about what else makes a flat camera with square pixels a poor model."""


def read(image: Image.Image, *, as_stored: bool = False) -> Metadata:
    """Read what a file states of its image, which is open and not yet decoded; see `laid` for `as_stored`."""
    facts = _Facts(image)
    focal_length, notes = _focal_length(facts)
    return Metadata(
        focal_length=focal_length,
        up=_up(facts, 1 if as_stored else orientation_of(image)),
        panorama=_panorama(facts),
        lens_notes=tuple(notes),
        notes=tuple(_oddities(facts)),
    )


def orientation_of(image: Image.Image) -> int:
    """Return the orientation that EXIF, else XMP, else the container states; 1, upright, where none does."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if isinstance(orientation, int) and orientation in _AXES else 1


def size_of(image: Image.Image, *, as_stored: bool = False) -> tuple[int, int]:
    """Return the (width, height) that `laid` gives to an image that is open and not yet decoded."""
    width, height = image.size
    is_upright = image.format == "TIFF"  # Pillow turns these, and states their upright size
    comes_upright = not as_stored or image.format in CONTAINER_TURNS
    return (height, width) if orientation_of(image) > 4 and is_upright != comes_upright else (width, height)


def turns(image: Image.Image, *, as_stored: bool) -> bool:
    """Tell whether `laid` turns or mirrors an image with respect to how Blender shows the file."""
    return orientation_of(image) != 1 and not as_stored


def laid(
    image: Image.Image, *, as_stored: bool = False, decode: Callable[[Image.Image], Image.Image] = reduced
) -> Image.Image:
    """Return an image decoded and upright, or `as_stored` by its file, which is how Blender shows it."""
    orientation = orientation_of(image)
    is_upright = image.format == "TIFF"  # Pillow turns these while it decodes them
    comes_as_stored = as_stored and image.format not in CONTAINER_TURNS
    decoded = decode(image)
    if comes_as_stored:
        return _turned(decoded, _TURNED_BACK.get(orientation)) if is_upright else decoded
    return decoded if is_upright else _turned(decoded, _TURNS.get(orientation))


def turned_like(pixels: FloatArray, image: Image.Image) -> FloatArray:
    """Turn values [H, W] that lie as Blender shows a file as `laid` turns that file's image."""
    how = None if image.format in CONTAINER_TURNS else _TURNS.get(orientation_of(image))
    return np.asarray(_turned(Image.fromarray(pixels), how))


def _turned(image: Image.Image, how: Image.Transpose | None) -> Image.Image:
    return image if how is None else image.transpose(how)


# --- values ---


class _Facts:
    """The EXIF tags and XMP properties of an open file."""

    def __init__(self, image: Image.Image) -> None:
        self.size = image.size
        self.info: Mapping[Any, Any] = image.info
        exif = image.getexif()
        self._tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
        self._xmp = xmp.properties(_packet(image))

    def number(self, tag: ExifTags.Base) -> float | None:
        """Return the value of an EXIF tag or of its XMP property as a number, whatever its type."""
        found = _number(self._tags.get(tag))
        return self.stated(f"exif:{tag.name}") if found is None else found

    def stated(self, name: str) -> float | None:
        """Return the value of an XMP property as a number."""
        return _number(self._xmp.get(name))

    def text(self, *names: str | ExifTags.Base) -> str:
        """Return the values of EXIF tags and XMP properties in lower case, one after the other."""
        values = (self._tags.get(name) if isinstance(name, ExifTags.Base) else self._xmp.get(name) for name in names)
        return " ".join(_text(value) for value in values if value).lower().strip()

    @property
    def taken_size(self) -> tuple[float, float] | None:
        """(width, height) of the image as it was taken, pixels."""
        width = self.number(ExifTags.Base.ExifImageWidth) or self.stated("exif:PixelXDimension")
        height = self.number(ExifTags.Base.ExifImageHeight) or self.stated("exif:PixelYDimension")
        return (width, height) if width and height and width > 0 and height > 0 else None

    @property
    def maker(self) -> str:
        """Who made the camera, in lower case."""
        return self.text(ExifTags.Base.Make, "tiff:Make")

    @property
    def zoom(self) -> float:
        """The digital zoom ratio (tag A404), at least 1; 0 means that it was not used.

        The standard does not say whether the 35 mm equivalent (A405) includes it, and makers differ. Apple's does: an
        iPhone of 28 mm writes 55 mm at a ratio of 1.95 (Hugin bug 2064625), and Google's seem to do the same.
        Olympus writes the lens's own focal length beside the ratio (musselwhizzle/Focus-Points issue 253), and Hugin
        needs the product for other phones. So A405 is multiplied by it except for `ZOOM_INCLUDED`. FocalLength (920A)
        never includes it.
        """
        ratio = self.number(ExifTags.Base.DigitalZoomRatio) or 1.0
        return ratio if 1.0 <= ratio <= LARGEST_ZOOM else 1.0


def _packet(image: Image.Image) -> bytes:
    """Return a file's XMP packet; nothing where it has none."""
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or image.getexif().get(ExifTags.Base.XMLPacket)
    packet = found.encode("utf-8", "replace") if isinstance(found, str) else found
    return packet if isinstance(packet, bytes) else b""


def _number(value: Any) -> float | None:
    """Read a number of any EXIF type or in XMP's words ("50/1", "+30.0"); None where there is none that is finite."""
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    if isinstance(value, bytes) and len(value) == 1:
        return float(value[0])
    if isinstance(value, bytes | str):
        value = _text(value).removesuffix("mm").strip()
    try:
        number = float(Fraction(value) if isinstance(value, str) and "/" in value else value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\0", " ").strip()


# --- lens ---


def _focal_length(facts: _Facts) -> tuple[float | None, list[str]]:
    """Find the focal length in parts of the diagonal, which the standard's 35 mm equivalent compares.

    A calibrated one is the best where it agrees with the nominal one, that of the focal plane the last resort, as many
    files have a wrong resolution.
    """
    notes: list[str] = []
    equivalent = _possible(_equivalent(facts), notes)
    calibrated = _possible(_calibrated(facts), [])
    if equivalent and calibrated and not 1.0 / AGREES <= calibrated / equivalent <= AGREES:
        calibrated = None
    found = calibrated or equivalent or _possible(_in_focal_plane(facts), notes)
    if found is None:
        return None, notes
    taken = facts.taken_size
    if taken is not None and not _same_shape(taken, facts.size):
        return None, [*notes, CROPPED.format(*map(round, taken))]
    return found / FILM_DIAGONAL, notes


def _possible(millimetres: float | None, notes: list[str]) -> float | None:
    """Return a 35 mm equivalent that a lens can have; 0 means unknown, all others are noted."""
    if not millimetres:
        return None
    if POSSIBLE[0] <= millimetres <= POSSIBLE[1]:
        return millimetres
    notes.append(IMPOSSIBLE.format(millimetres))
    return None


def _equivalent(facts: _Facts) -> float | None:
    """Return the 35 mm equivalent of tag A405 with the digital zoom."""
    millimetres = facts.number(ExifTags.Base.FocalLengthIn35mmFilm)
    includes_zoom = facts.maker.startswith(ZOOM_INCLUDED)
    return millimetres if millimetres is None or includes_zoom else millimetres * facts.zoom


def _calibrated(facts: _Facts) -> float | None:
    """Return the 35 mm equivalent of a drone's calibrated focal length, which is in pixels of the image as taken."""
    pixels = next(filter(None, map(facts.stated, _CALIBRATED)), None)
    return pixels and pixels * FILM_DIAGONAL / math.hypot(*(facts.taken_size or facts.size))


def _in_focal_plane(facts: _Facts) -> float | None:
    """Return the 35 mm equivalent of the focal length on the sensor that the focal plane's resolution tells.

    Source: CIPA DC-008, tags 920A, A20E, A20F and A210; the resolution is that of the image as it was taken, whose
    size tags A002 and A003 keep when the image is resized.
    """
    focal_length = facts.number(ExifTags.Base.FocalLength)
    across = facts.number(ExifTags.Base.FocalPlaneXResolution)
    down = facts.number(ExifTags.Base.FocalPlaneYResolution) or across
    unit = UNITS.get(round(facts.number(ExifTags.Base.FocalPlaneResolutionUnit) or 2))
    if not (focal_length and across and down and unit) or min(focal_length, across, down) <= 0.0:
        return None
    width, height = facts.taken_size or facts.size
    sensor = math.hypot(width * unit / across, height * unit / down)
    if abs(across / down - 1.0) > SQUARE or not SENSORS[0] <= sensor <= SENSORS[1]:
        return None
    return focal_length * facts.zoom * FILM_DIAGONAL / sensor


def _same_shape(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Tell whether two sizes have one shape, turned or not, within one percent."""
    (a, b), (c, d) = sorted(first), sorted(second)
    return abs(a * d / (b * c) - 1.0) <= 0.01


# --- gravity ---


def _up(facts: _Facts, orientation: int) -> FloatArray | None:
    """Return the direction away from gravity [3] in upright camera axes, from the attitude that a drone has recorded.

    With axes forward, right and down of a level camera, the attitude is yaw about down, then pitch about right
    (nose up is positive), then roll about forward (right side down is positive); yaw tells nothing of gravity.
    DJI, Autel, Parrot and Skydio count pitch from the horizon: -90 looks straight down. The `Camera:` properties of
    senseFly and Pix4D, which older Autel drones write, too, count from straight down with the image's top as
    "forward": 90 looks at the horizon.
    """
    for pitch_name, roll_name in _GIMBALS:
        if (pitch := facts.stated(pitch_name)) is not None:
            p, r = np.radians([pitch, facts.stated(roll_name) or 0.0])
            up = np.array([-np.sin(r) * np.cos(p), -np.cos(r) * np.cos(p), np.sin(p)])
            return _in_upright(up, orientation)
    if (pitch := facts.stated("Camera:Pitch")) is not None:
        p, r = np.radians([pitch, facts.stated("Camera:Roll") or 0.0])
        up = np.array([-np.sin(r) * np.cos(p), -np.sin(p), -np.cos(r) * np.cos(p)])
        return _in_upright(up, orientation)
    return None


def _in_upright(direction: FloatArray, orientation: int) -> FloatArray:
    upright = np.array(direction, dtype=np.float64)
    upright[:2] = np.array(_AXES[orientation]) @ direction[:2]
    return upright


# --- projection ---


def _panorama(facts: _Facts) -> str | None:
    """Return the projection of a panorama, by Google's photo sphere properties or Apple's mark."""
    kind = facts.text("GPano:ProjectionType")
    if kind and kind not in {"fisheye", "rectilinear", "perspective"}:
        return kind
    is_viewed = facts.text("GPano:UsePanoramaViewer") in {"true", "1"} or facts.stated("GPano:FullPanoWidthPixels")
    if not kind and is_viewed:
        return "equirectangular"
    rendered = facts.number(ExifTags.Base.CustomRendered)
    return "cylindrical" if facts.maker.startswith("apple") and rendered == _APPLE_PANORAMA else None


def _oddities(facts: _Facts) -> list[str]:
    """Note what makes a flat camera with square pixels a poor model."""
    names = facts.text(ExifTags.Base.LensModel, "GPano:ProjectionType", *_LENS_NAMES)
    notes = [FISHEYE] if "fisheye" in names.replace("-", "").replace(" ", "") else []
    notes += [LONG] if max(facts.size) >= PANORAMA_RATIO * min(facts.size) else []
    across, down = _density(facts.info)
    return [*notes, NOT_SQUARE.format(down / across)] if abs(down / across - 1.0) > SQUARE else notes


def _density(info: Mapping[Any, Any]) -> tuple[float, float]:
    """Return pixels per length (across, down) where they are stated, else equal ones."""
    unitless = info.get("jfif_density") if info.get("jfif_unit") == 0 else info.get("aspect")
    values = info.get("dpi") or unitless
    across, down = (_number(value) or 0.0 for value in values) if values and len(values) == 2 else (1.0, 1.0)
    return (across, down) if across > 0.0 and down > 0.0 else (1.0, 1.0)
