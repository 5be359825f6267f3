"""Pictures as upright sRGB: rotation, colour profile and pixel format are settled here, once.

Whatever a file holds, `read_picture` gives [H, W, 3] uint8 in sRGB:

* EXIF rotation and mirroring are applied. (The official code forgets them.)
* Camera raw files are developed, each in the same way (`raw`).
* Alpha is dropped and palettes are resolved, as the official `convert("RGB")` does.
* 16-bit samples are scaled to 8 bits by taking the high byte, floats are clipped to 0..1 and taken as sRGB.
* An embedded colour profile is converted to sRGB; without one, pixels are taken to be sRGB already.
* Of several frames or pages the first counts, of HEIF the primary image; `Picture.unused` says so.
* Images of more pixels than `opening.MOST_WHOLE` are read coarser; `Picture.size` stays the file's own.

The files themselves are never written.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from ..errors import ImageError
from ..types import ByteArray, FloatArray, Mask, OnProgress
from .colours import is_wide, srgb_from_wide
from .flaws import UnreadableError, complaint
from .opening import COARSER, opened, reduced, unused_of
from .threads import in_order

_BLENDER_FORMATS = frozenset({"JPEG", "MPO", "PNG", "TIFF", "WEBP", "JPEG2000", "BMP", "TGA"})
_PROFILE_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
_STRIP = 64  # rows, which stay in the processor's cache
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of sRGB's primaries, ITU-R BT.709
_FILM_DIAGONAL = math.hypot(36.0, 24.0)  # millimetres, of the 35 mm film that EXIF's equivalent focal length refers to


@dataclass(frozen=True)
class Picture:
    """A picture as everything after this module sees it, with what its file says beside the pixels."""

    pixels: ByteArray
    """[H, W, 3] upright, sRGB; not to be written to. Of a very large image, coarser than `size`."""
    size: tuple[int, int]
    """(width, height) upright, source pixels; `pixels` cover exactly the same."""
    focal_length: float | None
    """fx = fy in source pixels, from EXIF; None where the file does not tell."""
    needs_copy: bool
    """Blender would show the file differently from `pixels`, so a texture needs `copies.write_copy`."""
    unused: str | None = None
    """What of the file is not used, as `flaws.remarks` takes it. None: all of it is."""


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


def read_picture(path: Path) -> Picture:
    """Read a picture as upright sRGB, with the focal length its EXIF tells.

    Args:
        path: The picture's file, of any kind named in this module's docstring.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    try:
        with opened(path) as image:
            size = _upright_size(image)
            needs_copy = _needs_copy(image)
            focal_length = _focal_length(image)
            pixels = _pixels(_as_srgb(_upright(image)))
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw
    is_coarser = size != pixels.shape[1::-1]
    unused = unused_of(path) or (COARSER if is_coarser else None)
    return Picture(pixels, size, focal_length, needs_copy or is_coarser, unused)


def read_kept(mask: Mask) -> FloatArray:
    """Read how much of each pixel a mask keeps: grey or half-transparent pixels are kept in part.

    Args:
        mask: The mask; a picture without an alpha channel is opaque.

    Returns:
        [H, W] float32 in 0..1, upright; of a very large mask, fewer pixels than it has.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    if mask.channel == "alpha":
        kept = _read_alpha(mask.path)
    else:
        kept = read_picture(mask.path).pixels @ _LUMINANCE / np.float32(255.0)
    return 1.0 - kept if mask.inverted else kept


def _read_alpha(path: Path) -> FloatArray:
    try:
        with opened(path) as image:
            upright = _upright(image)
            if not upright.has_transparency_data:
                return np.ones(upright.size[::-1], np.float32)
            return np.asarray(upright.convert("RGBA").getchannel("A"), np.float32) / np.float32(255.0)
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw


def upright_size(path: Path) -> tuple[int, int]:
    """Read a picture's (width, height) after EXIF rotation from its header, pixels.

    Raises:
        ImageError: The file is missing, broken or of an unknown kind.
    """
    try:
        with warnings.catch_warnings(action="ignore"), opened(path) as image:
            return _upright_size(image)
    except UnreadableError as flaw:
        raise ImageError(complaint({path: str(flaw)})) from flaw


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    if (tags := getattr(image, "tag_v2", None)) is not None:  # Pillow has turned a TIFF's size already
        width, height = tags.get(ExifTags.Base.ImageWidth, width), tags.get(ExifTags.Base.ImageLength, height)
    is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
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
        with opened(path) as image:
            image.draft("L", (1, 1))  # JPEG decodes eight times smaller, but still to the last byte
            image.load()
    except UnreadableError as flaw:
        return str(flaw)
    return None


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
    return not plain or rotated or _profile(image) is not None


def _upright(image: Image.Image) -> Image.Image:
    """Decode an image, a very large one smaller, and turn it as EXIF says."""
    upright = reduced(image)
    ImageOps.exif_transpose(upright, in_place=True)
    return upright


def _as_srgb(image: Image.Image) -> Image.Image:
    """Convert any mode and profile to 8-bit sRGB."""
    profile = _profile(image)
    image = _eight_bits(image)
    if profile is not None:
        return _through_profile(image, profile)
    if (code_points := _code_points(image)) is not None:
        return _through_code_points(image, *code_points)
    return image if image.mode == "RGB" else image.convert("RGB")


def _code_points(image: Image.Image) -> tuple[int, int] | None:
    """Return the primaries and transfer function (ISO/IEC 23091-2) of HEIF's nclx colours, where not those of sRGB."""
    told = image.info.get("nclx_profile") or {}
    points = told.get("color_primaries", 2), told.get("transfer_characteristics", 2)  # 2: unspecified
    return points if is_wide(*points) else None


def _through_code_points(image: Image.Image, primaries: int, transfer: int) -> Image.Image:
    """Convert in strips: light is counted in floats."""
    pixels = _pixels(image.convert("RGB"))
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP]
        strip[:] = srgb_from_wide(strip.astype(np.uint16) * np.uint16(257), primaries, transfer)
    return Image.fromarray(pixels)


def _pixels(image: Image.Image) -> ByteArray:
    """Copy a picture [H, W, 3] in strips: as a whole, Pillow copies it twice, each time into memory yet untouched."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        pixels[top:bottom] = image.crop((0, top, width, bottom))
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring the modes of 16 and 32 bits, which Pillow would clip at 255, to grey of 8 bits."""
    if image.mode.startswith("I"):  # 16-bit samples, in Pillow's 16- or 32-bit modes
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 256).astype(np.uint8))
    if image.mode == "F":
        unit = np.clip(np.nan_to_num(np.asarray(image)), 0.0, 1.0)
        return Image.fromarray(np.rint(unit * 255.0).astype(np.uint8))
    return image


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The profile that has to be applied: None where there is none, where it is sRGB, or where it cannot be meant."""
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    data = image.info.get("icc_profile")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)) if data else None
        applies = profile is not None and _suits(profile, image.mode) and not _is_srgb(profile)
    except (OSError, ImageCms.PyCMSError):  # a damaged profile is no reason to refuse the picture
        return None
    return profile if applies else None


def _suits(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether a profile can describe a picture's mode: grey may carry an RGB profile, CMYK only its own."""
    profile_mode = _profile_mode(profile)
    if "CMYK" in (profile_mode, mode):
        return profile_mode == mode
    return profile_mode == "RGB" or (profile_mode == "L" and Image.getmodebase(mode) == "L")


def _profile_mode(profile: ImageCms.ImageCmsProfile) -> str | None:
    """The mode pixels must be in to pass through the profile."""
    return _PROFILE_MODES.get(profile.profile.xcolor_space.strip())


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile leaves colours as they are: there are too many sRGB profiles to know them by name."""
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    probe = Image.fromarray(cube).convert(_profile_mode(profile))
    before = np.asarray(probe.convert("RGB"), np.int16)
    after = np.asarray(_through_profile(probe, profile), np.int16)
    return int(np.abs(after - before).max()) <= 2


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Take pixels from a profile's space to sRGB."""
    mode = "LAB" if image.mode == "LAB" else _profile_mode(profile)
    image = image if image.mode == mode else image.convert(mode)
    if mode != "L":
        return _transformed(image, profile)
    # Interpolated in between, dark greys of a linear profile are ten levels wrong: convert all 256 exactly instead.
    levels = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    table = np.asarray(_transformed(levels, profile, ImageCms.Flags.NOOPTIMIZE))[0]
    return Image.fromarray(table[np.asarray(image)])


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile, flags: int = 0) -> Image.Image:
    """Transform to sRGB, relative colorimetric with black point compensation."""
    srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    flags |= ImageCms.Flags.BLACKPOINTCOMPENSATION
    transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB", intent, ImageCms.Flags(flags))
    return transform.apply(image)
