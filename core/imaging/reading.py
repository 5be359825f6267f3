"""Pictures as upright sRGB: rotation, colour profile and pixel format are settled here, once.

Whatever a file holds, `read_picture` gives [H, W, 3] uint8 in sRGB:

* EXIF rotation and mirroring are applied. (The official code forgets them.)
* Camera raw files are developed, each in the same way (`raw`).
* Alpha is dropped and palettes are resolved, as the official `convert("RGB")` does.
* 16-bit samples are scaled to 8 bits by taking the high byte.
* Scene-linear light of EXR, Radiance and floating-point TIFF is exposed and encoded for display (`linear`).
* An embedded colour profile, or an encoding that the file names by code points (PQ, HLG, Adobe RGB; `encodings`), is
  converted to sRGB; without one, pixels are taken to be sRGB already.
* Of several frames or pages the first counts, of HEIF the primary image; `Picture.unused` says so.
* Images of more pixels than `opening.MOST_WHOLE` are read coarser; `Picture.size` stays the file's own.

The files themselves are never written.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import ImageError
from ..types import ByteArray, FloatArray, OnProgress, View
from . import metadata
from .encodings import Encoding, apply_encoding, encoding_of
from .flaws import UnreadableError, complaint
from .linear_files import expose
from .opening import COARSER, opened, reduced, unused_of
from .profiles import profile_of, through_profile
from .threads import in_order

_BLENDER_FORMATS = frozenset({"JPEG", "MPO", "PNG", "TIFF", "WEBP", "JPEG2000", "BMP", "TGA"})
_STRIP = 64  # rows, which stay in the processor's cache
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of sRGB's primaries, ITU-R BT.709


@dataclass(frozen=True)
class Picture:
    """A picture as everything after this module sees it, with what its file says beside the pixels."""

    pixels: ByteArray
    """[H, W, 3] upright, sRGB; not to be written to. Of a very large image, coarser than `size`."""
    size: tuple[int, int]
    """(width, height) upright, source pixels; `pixels` cover exactly the same."""
    focal_length: float | None
    """fx = fy in source pixels, from the file's metadata; None where it does not tell."""
    needs_copy: bool
    """Blender would show the file differently from `pixels`, so a texture needs `copies.write_copy`."""
    up: FloatArray | None = None
    """[3] away from gravity in camera axes, from the file's metadata; None where it does not tell."""
    lens_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """See `metadata.Metadata`."""
    unused: str | None = None
    """The part of the file that is not used, as `flaws.remarks` takes it. None: all of it is used."""


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


def read_picture(path: Path, exposure: float | None = 0.0, *, as_stored: bool = False) -> Picture:
    """Read a picture as upright sRGB, with what its metadata tell.

    Args:
        path: The picture's file, of any kind named in this module's docstring.
        exposure: In stops, of scene-linear images. None: their samples are taken as they are, as a mask's.
        as_stored: Leave it as the file stores it, which is how Blender shows it.

    Raises:
        ImageError: The file is missing, broken, of an unknown kind or a panorama.
    """
    with _read(path, for_pixels=True) as image:
        expose(image, exposure)
        encoding = encoding_of(image)  # before EXIF, for which Pillow may decode the pixels
        found = metadata.read(image, as_stored=as_stored)
        _refuse_panoramas(found)
        size = metadata.size_of(image, as_stored=as_stored)
        needs_copy = _needs_copy(image, encoding) or metadata.turns(image, as_stored=as_stored)
        pixels = _pixels(_srgb(image, encoding, as_stored=as_stored))
    is_coarser = size != pixels.shape[1::-1]
    return Picture(
        pixels=pixels,
        size=size,
        focal_length=None if found.focal_length is None else found.focal_length * math.hypot(*size),
        needs_copy=needs_copy or is_coarser,
        up=found.up,
        lens_notes=found.lens_notes,
        notes=found.notes,
        unused=unused_of(path) or (COARSER if is_coarser else None),
    )


def _refuse_panoramas(found: metadata.Metadata) -> None:
    if found.panorama is not None:
        raise UnreadableError(metadata.PANORAMA.format(found.panorama))


def read_kept(view: View) -> FloatArray:
    """Read how much of each pixel a view's mask keeps: grey or half-transparent pixels are kept in part.

    Args:
        view: A view with a mask; a picture without an alpha channel is opaque.

    Returns:
        [H, W] float32 in 0..1, lying as the view's picture does; of a very large mask, fewer pixels than it has.

    Raises:
        ImageError: A file is missing, broken or of an unknown kind.
    """
    mask = view.mask
    assert mask is not None  # noqa: S101 - the caller has looked
    if mask.channel == "alpha":
        kept = _read_alpha(mask.path, as_stored=view.as_stored)
    else:
        kept = read_picture(mask.path, exposure=None).pixels @ _LUMINANCE / np.float32(255.0)
    if mask.as_stored and not view.as_stored:
        with _read(view.path) as image:
            kept = metadata.turned_like(kept, image)
    return 1.0 - kept if mask.inverted else kept


def _read_alpha(path: Path, *, as_stored: bool) -> FloatArray:
    with _read(path, for_pixels=True) as image:
        lying = metadata.laid(image, as_stored=as_stored)
        if not lying.has_transparency_data:
            return np.ones(lying.size[::-1], np.float32)
        return np.asarray(lying.convert("RGBA").getchannel("A"), np.float32) / np.float32(255.0)


@contextmanager
def _read(path: Path, *, for_pixels: bool = False) -> Iterator[Image.Image]:
    """Open a picture and turn every failure of its decoder, until it is closed, into an error that names it."""
    try:
        with opened(path, for_pixels=for_pixels) as image:
            yield image
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw


def upright_size(path: Path, *, as_stored: bool = False) -> tuple[int, int]:
    """Read a picture's (width, height) after EXIF rotation, or `as_stored`, from its header, pixels.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    with warnings.catch_warnings(action="ignore"), _read(path) as image:
        return metadata.size_of(image, as_stored=as_stored)


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
        with opened(path, for_pixels=True) as image:
            _refuse_panoramas(metadata.read(image))
            image.draft("L", (1, 1))  # JPEG decodes eight times smaller, but still to the last byte
            image.load()
    except UnreadableError as flaw:
        return str(flaw)
    return None


def _needs_copy(image: Image.Image, encoding: Encoding | None) -> bool:
    """Tell whether Blender, which heeds no profiles, shows the file's colours differently from us.

    Plain 8-bit grey and RGB, and 16-bit RGB, it reads as we do. Alpha would darken what we show whole.
    """
    plain = image.format in _BLENDER_FORMATS and image.mode in {"L", "RGB"} and "transparency" not in image.info
    is_converted = encoding is not None and not encoding.changes_nothing
    return not plain or is_converted or profile_of(image) is not None


def _srgb(image: Image.Image, encoding: Encoding | None, *, as_stored: bool) -> Image.Image:
    """Decode an image, turn it as its file or `as_stored` says, and convert it to 8-bit sRGB."""

    def decode(stored: Image.Image) -> Image.Image:
        if encoding is not None:
            apply_encoding(stored, encoding)
        return reduced(stored)

    return _as_srgb(metadata.laid(image, as_stored=as_stored, decode=decode))


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
