"""Pictures as upright sRGB: rotation, colour profile and pixel format are settled here, once.

Whatever a file holds, `read_picture` gives [H, W, 3] uint8 in sRGB:

* EXIF rotation and mirroring are applied. (The official code forgets them.)
* Alpha is dropped and palettes are resolved, as the official `convert("RGB")` does.
* 16-bit samples are scaled to 8 bits by taking the high byte.
* Scene-linear light of EXR, Radiance and floating-point TIFF is exposed and encoded for display (`linear`).
* An embedded colour profile, or an encoding that the file names by code points (PQ, HLG, Adobe RGB; `encodings`), is
  converted to sRGB; without one, pixels are taken to be sRGB already.
* Of several frames or pages the first counts.

The files themselves are never written.
"""

from __future__ import annotations

import functools
import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import ImageError
from ..types import ByteArray, FloatArray, Mask, OnProgress
from .encodings import apply_encoding, encoding_of
from .exr import ExrImage
from .flaws import UnreadableError, complaint, refuse_non_files
from .float_tiff import FloatTiffImage
from .linear_files import expose
from .profiles import profile_of, through_profile
from .radiance import RadianceImage
from .threads import in_order

# Only formats that Pillow decodes itself: EPS, for one, would start another program.
_FORMATS = (
    *(
        ExrImage.format,
        RadianceImage.format,
        FloatTiffImage.format,
    ),  # floats before Pillow's own TIFF, which takes them for levels
    *("JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000", "BMP", "TGA", "GIF", "PPM", "PSD", "SGI"),
)
_BLENDER_FORMATS = frozenset({"JPEG", "MPO", "PNG", "TIFF", "WEBP", "JPEG2000", "BMP", "TGA"})
# What Pillow's decoders let through on damaged files, beside the OSError they promise.
_DECODING_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RuntimeError,  # AVIF
    struct.error,
    zlib.error,
)
_STRIP = 64  # rows, which stay in the processor's cache
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of sRGB's primaries, ITU-R BT.709
_FILM_DIAGONAL = math.hypot(36.0, 24.0)  # millimetres, of the 35 mm film that EXIF's equivalent focal length refers to


@dataclass(frozen=True)
class Picture:
    """A picture as everything after this module sees it, with what its file says beside the pixels."""

    pixels: ByteArray
    """[H, W, 3] upright, sRGB; not to be written to."""
    focal_length: float | None
    """fx = fy in source pixels, from EXIF; None where the file does not tell."""
    needs_copy: bool
    """Blender would show the file differently from `pixels`, so a texture needs `copies.write_copy`."""


def check_pictures(
    paths: Sequence[Path], on_progress: OnProgress | None = None, flaws: Mapping[Path, str] | None = None
) -> None:
    """Make sure that every picture can be read to its end; where one is known not to be, this finds the others.

    Args:
        paths: The pictures' files.
        on_progress: Called after each picture.
        flaws: What is already known to be wrong with other files, to be named together.

    Raises:
        ImageError: At least one cannot; the sentence names every such file and what is wrong with it.
    """
    largest = max(map(pixel_count, paths), default=0)
    found = in_order(_flaw, paths, largest, "Checking pictures", on_progress)
    flaws = {**(flaws or {}), **{path: flaw for path, flaw in zip(paths, found, strict=True) if flaw}}
    if flaws:
        raise ImageError(complaint(flaws))


def read_picture(path: Path, exposure: float | None = 0.0) -> Picture:
    """Read a picture as upright sRGB, with the focal length its EXIF tells.

    Args:
        path: The picture's file, of any kind named in this module's docstring.
        exposure: In stops, of scene-linear images. None: their samples are taken as they are, as a mask's.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    try:
        with _opened(path) as image:
            encoding = encoding_of(image)
            needs_copy = _needs_copy(image) or (encoding is not None and not encoding.changes_nothing)
            focal_length = _focal_length(image)
            expose(image, exposure)
            if encoding is not None:
                apply_encoding(image, encoding)
            ImageOps.exif_transpose(image, in_place=True)
            pixels = _pixels(_as_srgb(image))
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw
    return Picture(pixels, focal_length, needs_copy)


def read_kept(mask: Mask) -> FloatArray:
    """Read how much of each pixel a mask keeps: grey or half-transparent pixels are kept in part.

    Args:
        mask: The mask; a picture without an alpha channel is opaque.

    Returns:
        [H, W] float32 in 0..1, upright.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    if mask.channel == "alpha":
        kept = _read_alpha(mask.path)
    else:
        kept = read_picture(mask.path, exposure=None).pixels @ _LUMINANCE / np.float32(255.0)
    return 1.0 - kept if mask.inverted else kept


def _read_alpha(path: Path) -> FloatArray:
    try:
        with _opened(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if not image.has_transparency_data:
                return np.ones(image.size[::-1], np.float32)
            return np.asarray(image.convert("RGBA").getchannel("A"), np.float32) / np.float32(255.0)
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw


def upright_size(path: Path) -> tuple[int, int]:
    """Read a picture's (width, height) after EXIF rotation from its header, pixels.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    try:
        with warnings.catch_warnings(action="ignore"), _opened(path) as image:
            width, height = image.size
            is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw
    return (height, width) if is_turned else (width, height)


def pixel_count(path: Path) -> int:
    """How many pixels a picture has by its header; 0 where it cannot be read."""
    try:
        return math.prod(upright_size(path))
    except ImageError:
        return 0


def same_shape(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether two (width, height) have the same ratio, within one percent."""
    return abs(first[0] * second[1] / (first[1] * second[0]) - 1.0) <= 0.01


def _flaw(path: Path) -> str | None:
    """What keeps the picture from being read, or None."""
    try:
        with _opened(path) as image:
            image.draft("L", (1, 1))  # JPEG decodes eight times smaller, but still to the last byte
            image.load()
    except UnreadableError as flaw:
        return str(flaw)
    return None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture and turn every failure of its decoder, until it is closed, into `UnreadableError`."""
    try:
        refuse_non_files(path)
        with Image.open(path, formats=_formats()) as image:
            yield image
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UnreadableError(f"has more than {limit} million pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableError("is not a picture of a known kind") from error
    except _DECODING_ERRORS as error:
        # Only the system's own errors, such as a missing permission, have a number.
        system = isinstance(error, OSError) and error.errno is not None and error.strerror
        raise UnreadableError(f"cannot be opened ({system})" if system else "is cut off or damaged") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """The formats this Pillow has of those we read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _focal_length(image: Image.Image) -> float | None:
    """The focal length in pixels from EXIF's 35 mm equivalent, which compares diagonals (CIPA DC-008, tag A405).

    It holds for the whole picture that the camera took: not for one that was cut to another shape since.
    """
    exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
    millimetres = exif.get(ExifTags.Base.FocalLengthIn35mmFilm)
    if not isinstance(millimetres, int) or millimetres <= 0:  # 0 means unknown
        return None
    taken = [exif.get(tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)]
    sides = sorted(side for side in taken if isinstance(side, int) and side > 0)  # turned or not, both are in use
    if len(sides) == 2 and not same_shape(sides, sorted(image.size)):
        return None
    return millimetres * math.hypot(*image.size) / _FILM_DIAGONAL


def _needs_copy(image: Image.Image) -> bool:
    """Tell whether Blender, which heeds neither EXIF rotation nor profiles, shows the file differently from us.

    Plain 8-bit grey and RGB, and 16-bit RGB, it reads as we do. Alpha would darken what we show whole.
    """
    plain = image.format in _BLENDER_FORMATS and image.mode in {"L", "RGB"} and "transparency" not in image.info
    rotated = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    return not plain or rotated or profile_of(image) is not None


def _as_srgb(image: Image.Image) -> Image.Image:
    """Convert any mode and profile to 8-bit sRGB."""
    profile = profile_of(image)
    image = _eight_bits(image)
    if profile is not None:
        return through_profile(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _pixels(image: Image.Image) -> ByteArray:
    """Copy a picture [H, W, 3] in strips: as a whole, Pillow copies it twice, each time into memory yet untouched."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        pixels[top:bottom] = image.crop((0, top, width, bottom))
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring the modes of 16 bits, which Pillow would clip at 255, to grey of 8 bits."""
    if image.mode.startswith("I"):  # 16-bit samples, in Pillow's 16- or 32-bit modes
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 256).astype(np.uint8))
    return image
