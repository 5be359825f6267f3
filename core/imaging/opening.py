"""Image files of every kind as Pillow images, recognised by their content.

What comes out has the file's own orientation, colours and bits: `reading` settles these. HEIF comes upright, as its
container says, and camera raw files come developed (`raw`). Very large images are decoded smaller.
"""

from __future__ import annotations

import functools
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from . import raw
from .exr import ExrImage
from .flaws import UnreadableError, refuse_non_files
from .float_tiff import FloatTiffImage
from .headers import has_sound_checksums
from .kinds import content_of, kind_of
from .linear_files import register
from .radiance import RadianceImage

MOST_PIXELS: Final = 500_000_000
"""Pixels of an image that is read at all: Pillow takes 4 bytes for each, and as many again at the widest."""
MOST_WHOLE: Final = 180_000_000
"""Pixels up to which an image is used at full size; a larger one is used at a half, quarter or eighth."""
COARSER: Final = f"used at a lower resolution, having more than {MOST_WHOLE // 1_000_000} million pixels"
"""What `flaws.remarks` says of such images."""
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow refuses above twice this number

# Only formats that are decoded in this process: EPS, for one, would start another program. TIFF of floats
# comes before Pillow's own TIFF, which takes them for levels.
_FORMATS: Final = (
    *(ExrImage.format, RadianceImage.format, FloatTiffImage.format),
    *("JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000", "BMP", "TGA", "GIF", "PPM", "PSD", "SGI"),
)
# What Pillow's decoders let through on damaged files, beside the OSError they promise.
_DECODING_ERRORS: Final = (
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
_ANIMATED: Final = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
_PAGED: Final = frozenset({"TIFF", "MPO"})
_PACKAGES: Final = {"HEIF": ("a HEIC photo", "pillow-heif"), raw.FORMAT: ("a camera raw file", "rawpy")}


@contextmanager
def opened(path: Path, *, for_pixels: bool = False) -> Iterator[Image.Image]:
    """Open an image and turn every failure of its decoder, until it is closed, into `UnreadableError`.

    Args:
        path: The image's file.
        for_pixels: Also refuse damage that the decoder would not see: Pillow skips the checksums of a PNG's pixels.
    """
    try:
        refuse_non_files(path)
        with Image.open(path, formats=_formats_of(path)) as image:
            if for_pixels and image.format == "PNG" and not has_sound_checksums(path):
                raise UnreadableError("is damaged")
            yield image
    except Image.DecompressionBombError as error:
        raise UnreadableError(
            f"has more than {MOST_PIXELS // 1_000_000} million pixels, the most that is read (save a smaller copy)"
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableError(_unidentified(path)) from error
    except MemoryError as error:
        raise UnreadableError("needs more memory than there is (save a smaller copy)") from error
    except _DECODING_ERRORS as error:
        # Only the system's own errors, such as a missing permission, have a number.
        system = isinstance(error, OSError) and error.errno is not None and error.strerror
        raise UnreadableError(f"cannot be opened ({system})" if system else "is cut off or damaged") from error


def reduced(image: Image.Image) -> Image.Image:
    """Decode an image of more than `MOST_WHOLE` pixels at a half, quarter or eighth of its sides.

    Returns:
        An image that covers exactly the same, of a mode that may differ; the image itself where it is small enough.
    """
    width, height = image.size
    factor = next((factor for factor in (1, 2, 4) if width * height <= MOST_WHOLE * factor**2), 8)
    if factor == 1:
        return image
    size = (math.ceil(width / factor), math.ceil(height / factor))
    image.draft(image.mode, (width // factor, height // factor))  # JPEG and raw decode that much smaller themselves
    image.load()
    part = round(width / image.size[0])
    if image.mode in {"1", "P", "PA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # Blocks of decoded pixels at the right and bottom may reach beyond the image.
    covered = (min(width / part, image.size[0]), min(height / part, image.size[1]))
    return image.resize(size, Image.Resampling.HAMMING, box=(0, 0, *covered))


def unused_of(path: Path) -> str | None:
    """Say what of a readable file is not used, as `flaws.remarks` takes it; None: nothing is left unused."""
    try:
        with Image.open(path, formats=_formats_of(path)) as image:
            if kind_of(path) == "raw" and image.format != raw.FORMAT:
                size = f"{image.size[0]} × {image.size[1]}"
                return f"only the image of {size} pixels stored in it is used, as it has no raw data to develop"
            return _unused_frames(image)
    except (Image.DecompressionBombError, UnidentifiedImageError, MemoryError, *_DECODING_ERRORS):
        return None  # whoever reads the file says what is wrong with it


def _unused_frames(image: Image.Image) -> str | None:
    """Name frames and pages beside the first; previews and gain maps, which are smaller, are not missed."""
    count, size = getattr(image, "n_frames", 1), image.size
    if count < 2:
        return None
    if image.format in _ANIMATED:
        return "only the first frame of the animation is used; save it as a movie to use others"
    if image.format == "HEIF":
        return "only the primary image of several is used; save the others as files of their own to use them"
    if image.format in _PAGED:
        image.seek(1)
        if image.size == size:
            return "only the first image of several is used; save the others as files of their own to use them"
    return None


def _formats_of(path: Path) -> tuple[str, ...]:
    """List the formats to try: none where the package is missing that reads the file's."""
    content = content_of(path)
    if kind_of(path) == "raw":  # may look like a TIFF with a thumbnail: the raw data first
        found = (raw.FORMAT, "TIFF") if content == "TIFF" else (raw.FORMAT,)
        return found if raw.register() else ()
    if content == "HEIF":
        return ("HEIF",) if _register_heif() else ()
    register(ExrImage, RadianceImage, FloatTiffImage)
    return _formats()


@functools.cache
def _formats() -> tuple[str, ...]:
    """List the formats this Pillow has of those we read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@functools.cache
def _register_heif() -> bool:
    """Let Pillow open HEIF; return whether the package for it is there."""
    try:
        import pillow_heif
    except ImportError:
        return False
    # Without thumbnails: a check of the whole file would be content with a small one.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return True


def _unidentified(path: Path) -> str:
    """Say what a file is that no decoder took."""
    kind, package = _PACKAGES.get("RAW" if kind_of(path) == "raw" else content_of(path) or "", ("", ""))
    if package and not _formats_of(path):
        return f'is {kind}, and the worker\'s Python lacks the package {package} to open it ("pip install {package}")'
    return f"is {kind}, damaged or of a kind that is not known" if kind else "is not a picture of a known kind"
