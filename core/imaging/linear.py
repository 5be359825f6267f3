"""Conversion of scene-linear light to display sRGB: the one way for EXR, float TIFF and Radiance images.

1.0 is diffuse white. An image with nothing brighter than white gets sRGB's curve and nothing else, as Blender's
*Standard* view shows it. Where something is brighter, the range above `KNEE` is compressed, so that its brightest value
just reaches white: the brighter, the closer to the curve that HDR movies get (`colours.rolled_off`), and never a step
between two frames of which only one exceeds white.

This module needs numpy only: Blender's process can import it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..types import ByteArray, FloatArray
from .colours import encoded, rolled_off

BRIGHTEST: Final = 65504.0
"""The largest half-precision float: infinite light is taken for this."""
_STRIP: Final = 64  # rows, which stay in the processor's cache


def srgb_from_linear(light: FloatArray, exposure: float = 0.0, matrix: FloatArray | None = None) -> ByteArray:
    """Convert scene-linear light to display sRGB.

    Args:
        light: [H, W, 3] of any float type, or [H, W, 4] with associated (premultiplied) alpha, which is divided out:
            what sees the image drops its alpha. NaN and negative light count as black.
        exposure: In stops; each doubles the light.
        matrix: [3, 3] from the light's primaries to those of sRGB. None: they are sRGB's (Rec. 709).

    Returns:
        [H, W, 3] or, with alpha, [H, W, 4] of 8 bits.
    """
    strips = [slice(top, top + _STRIP) for top in range(0, len(light), _STRIP)]
    peak = max(float(_exposed(light[strip], exposure, matrix).max()) for strip in strips)
    levels = np.empty(light.shape, np.uint8)
    for strip in strips:
        shown = encoded(np.minimum(rolled_off(_exposed(light[strip], exposure, matrix), peak), 1.0))
        levels[strip, :, :3] = np.rint(255.0 * shown)
    if light.shape[2] == 4:
        levels[..., 3] = np.rint(255.0 * _opacity(light))
    return levels


def _exposed(light: FloatArray, exposure: float, matrix: FloatArray | None) -> FloatArray:
    """Return [H, W, 3] finite light of sRGB's primaries, not negative, without alpha."""
    colour = np.nan_to_num(light[..., :3].astype(np.float32), nan=0.0, posinf=BRIGHTEST, neginf=0.0)
    if light.shape[2] == 4:
        alpha = _opacity(light)[..., None]
        colour = np.divide(colour, alpha, out=colour, where=alpha > 0.0)  # light without opacity, such as fire, stays
    if matrix is not None:
        colour = colour @ matrix.T.astype(np.float32)
    exposed: FloatArray = np.clip(colour * np.float32(2.0**exposure), 0.0, BRIGHTEST)
    return exposed


def _opacity(light: FloatArray) -> FloatArray:
    return np.clip(np.nan_to_num(light[..., 3].astype(np.float32), nan=1.0), 0.0, 1.0)
