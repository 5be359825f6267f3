"""Embedded ICC profiles: whether they apply, and the way through them to sRGB."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

from ..types import FloatArray
from .colours import encoded

_PROFILE_MODES: Final = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}


def profile_of(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the profile to apply; None where there is none, where it is sRGB, or where it cannot be meant."""
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    data = image.info.get("icc_profile")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)) if data else None
        applies = profile is not None and _suits(profile, image.mode) and not _is_srgb(profile)
    except (OSError, ImageCms.PyCMSError):  # a damaged profile is no reason to refuse the picture
        return None
    return profile if applies else None


def matrix_of_linear(data: bytes | None) -> FloatArray | None:
    """Return [3, 3] from the light of a linear RGB profile to that of sRGB.

    Args:
        data: The profile as it is embedded.

    Returns:
        None: there is no profile, it is damaged, or the samples it describes are not linear.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)) if data else None
        is_matrix = profile is not None and profile.profile.red_colorant is not None
        if profile is None or not is_matrix or _profile_mode(profile) != "RGB" or not _is_linear(profile):
            return None
    except (OSError, ImageCms.PyCMSError):
        return None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    matrix: FloatArray = np.linalg.solve(_colorants(srgb), _colorants(profile))
    return matrix


def _is_linear(profile: ImageCms.ImageCmsProfile) -> bool:
    levels = np.array([32, 64, 128, 192, 224], np.uint8)
    greys = Image.fromarray(np.repeat(levels[None, :, None], 3, axis=2))
    shown = np.asarray(_transformed(greys, profile, ImageCms.Flags.NOOPTIMIZE), np.float32)
    return bool(np.abs(shown - 255.0 * encoded(levels / 255.0)[None, :, None]).max() <= 4.0)


def _colorants(profile: ImageCms.ImageCmsProfile) -> FloatArray:
    """Return [3, 3] from RGB to the connection space's XYZ."""
    tags: Any = profile.profile
    return np.array([each[0] for each in (tags.red_colorant, tags.green_colorant, tags.blue_colorant)]).T


def _suits(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Return whether a profile can describe a picture's mode: grey may carry an RGB profile, CMYK only its own."""
    profile_mode = _profile_mode(profile)
    if "CMYK" in (profile_mode, mode):
        return profile_mode == mode
    return profile_mode == "RGB" or (profile_mode == "L" and Image.getmodebase(mode) == "L")


def _profile_mode(profile: ImageCms.ImageCmsProfile) -> str | None:
    """Return the mode pixels must be in to pass through the profile."""
    return _PROFILE_MODES.get(profile.profile.xcolor_space.strip())


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Return whether the profile leaves colours as they are: there are too many sRGB profiles to know them by name."""
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    probe = Image.fromarray(cube).convert(_profile_mode(profile))
    before = np.asarray(probe.convert("RGB"), np.int16)
    after = np.asarray(through_profile(probe, profile), np.int16)
    return int(np.abs(after - before).max()) <= 2


def through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
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
