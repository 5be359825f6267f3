"""Wide and high dynamic range colours of movies and images brought to sRGB.

Samples become light by their transfer function, 1.0 being diffuse white (203 cd/m², ITU-R BT.2408); a matrix
takes them to the primaries of sRGB; what is brighter than white is rolled off instead of cut, since sky and windows are
brighter in every HDR shot; sRGB's own function encodes them. Without HDR, greys stay as they are.

Source: SMPTE ST 2084 (PQ), ARIB STD-B67 and ITU-R BT.2100 (HLG, its display of 1000 cd/m² and gamma 1.2), IEC 61966-2-1
(sRGB), Adobe RGB (1998) Color Image Encoding; the matrices from the primaries of ITU-R BT.2020, SMPTE RP 431-2 with
white D65 and Adobe RGB, between whites by the Bradford transform (ICC.1, annex E).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..types import ByteArray, FloatArray

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""(x, y) of red, green and blue."""

# Code points of ISO/IEC 23091-2.
_LINEAR, _PQ, _HLG = 8, 16, 18
ADOBE_RGB: Final = 1998
"""Stands for Adobe RGB among both primaries and transfer functions, where no standard has a code point for it."""
SRGB: Final[Chromaticities] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_CHROMATICITIES: Final[dict[int, Chromaticities]] = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # DCI-P3, taken with white D65
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
    ADOBE_RGB: ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
}
D65: Final = (0.3127, 0.3290)
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE: Final = 203.0  # cd/m²
_KNEE: Final = 0.8  # of white: up to here, HDR stays as it is


def is_hdr(transfer: int) -> bool:
    """Return whether samples of this transfer function (ISO/IEC 23091-2) may be brighter than diffuse white."""
    return transfer in (_PQ, _HLG)


def is_wide(primaries: int, transfer: int) -> bool:
    """Tell whether pixels with these code points (ISO/IEC 23091-2) are not to be taken for sRGB as they are."""
    return primaries in _CHROMATICITIES or transfer in (_LINEAR, _PQ, _HLG)


def srgb_from_wide(samples: NDArray[np.uint16], primaries: int, transfer: int) -> ByteArray:
    """Convert RGB of wide colours to sRGB.

    Args:
        samples: [H, W, 3] of 16 bits.
        primaries: Their code point (ISO/IEC 23091-2) or `ADOBE_RGB`; unknown ones are taken for sRGB's.
        transfer: Its code point or `ADOBE_RGB`; unknown ones are taken for sRGB's.

    Returns:
        [H, W, 3] of 8 bits.
    """
    light = _light(transfer)[samples] @ _srgb_from_code(primaries).T
    if is_hdr(transfer):
        light = rolled_off(light)
    levels: ByteArray = np.rint(255.0 * encoded(np.clip(light, 0.0, 1.0))).astype(np.uint8)
    return levels


def rolled_off(light: FloatArray, peak: float = np.inf) -> FloatArray:
    """Compress what is brighter than `_KNEE`, with no corner there, so that `peak` just reaches white.

    With u and p, light and peak above the knee in parts of what lies between it and white, u becomes
    (1 - exp(-a u)) / a, whose slope at the knee is 1, and a solves a = 1 - exp(-a p). It is 1 for a boundless peak and
    approaches 0, where light stays as it is, for a peak that is white itself.

    Args:
        light: In parts of diffuse white, not negative.
        peak: The brightest that occurs.
    """
    if peak <= 1.0:
        return light
    rate = _roll_off_rate((peak - _KNEE) / (1.0 - _KNEE))
    over = np.maximum(light - _KNEE, 0.0) / (1.0 - _KNEE)
    return np.where(light <= _KNEE, light, _KNEE + (1.0 - _KNEE) * -np.expm1(-rate * over) / rate)


def _roll_off_rate(peak: float) -> float:
    """Solve a = 1 - exp(-a p) for a > 0, where p > 1: Newton's method, which comes down to it from 1."""
    if peak > 40.0:  # then exp(-a p) is nothing beside 1
        return 1.0
    rate = 1.0
    for _ in range(64):
        decay = math.exp(-rate * peak)
        rate = max(rate - (rate - 1.0 + decay) / (1.0 - peak * decay), 1e-6)
    return rate


def encoded(light: FloatArray) -> FloatArray:
    """Encode light in 0..1 by sRGB's curve (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1.0 / 2.4) - 0.055)


def srgb_from(primaries: Chromaticities, white: tuple[float, float] = D65) -> FloatArray:
    """Return [3, 3] from light of some primaries and white, both (x, y), to that of sRGB's."""
    to_xyz = _adapted(white) @ xyz_from(primaries, white)
    return (np.linalg.inv(xyz_from(SRGB, D65)) @ to_xyz).astype(np.float32)


@cache
def _light(transfer: int) -> FloatArray:
    """Return [65536] light, in parts of diffuse white, by sample."""
    curves = {_LINEAR: _light_of_linear, _PQ: _light_of_pq, _HLG: _light_of_hlg, ADOBE_RGB: _light_of_adobe_rgb}
    signal = np.linspace(0.0, 1.0, 1 << 16)
    return np.asarray(curves.get(transfer, _light_of_srgb)(signal), np.float32)


def _light_of_linear(signal: FloatArray) -> FloatArray:
    return signal


def _light_of_srgb(signal: FloatArray) -> FloatArray:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _light_of_adobe_rgb(signal: FloatArray) -> FloatArray:
    return np.asarray(signal ** (563 / 256))


def _light_of_pq(signal: FloatArray) -> FloatArray:
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal ** (1.0 / m2)
    return np.asarray((np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1.0 / m1) * (10000.0 / _WHITE))


def _light_of_hlg(signal: FloatArray) -> FloatArray:
    """The display's gamma belongs to the luminance; by channel it keeps greys and deepens colours a little."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)
    return np.asarray(scene**1.2 * (1000.0 / _WHITE))


@cache
def _srgb_from_code(primaries: int) -> FloatArray:
    """Return [3, 3] from light of primaries, given by code point, to that of sRGB's."""
    return srgb_from(_CHROMATICITIES.get(primaries, SRGB))


def xyz_from(primaries: Chromaticities, white: tuple[float, float]) -> FloatArray:
    """Return [3, 3] from RGB to XYZ, by the chromaticities (x, y) of its primaries and white."""
    columns = np.array([_xyz(point) for point in primaries]).T
    return np.asarray(columns * np.linalg.solve(columns, _xyz(white)))


def _adapted(white: tuple[float, float]) -> FloatArray:
    """Return [3, 3] that takes XYZ seen under a white to XYZ seen under D65."""
    scale = (_BRADFORD @ _xyz(D65)) / (_BRADFORD @ _xyz(white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD)


def _xyz(point: tuple[float, float]) -> FloatArray:
    """Return [3] XYZ of luminance 1 at a chromaticity (x, y)."""
    x, y = point
    y = y or 1e-9
    return np.array([x / y, 1.0, (1.0 - x - y) / y])
