"""Wide and high dynamic range colours of video brought to sRGB.

Samples become light by the video's transfer function, 1.0 being diffuse white (203 cd/m², ITU-R BT.2408); a matrix
takes them to the primaries of sRGB; what is brighter than white is rolled off instead of cut, since sky and windows are
brighter in every HDR shot; sRGB's own function encodes them. Without HDR, greys stay as they are.

Source: SMPTE ST 2084 (PQ), ARIB STD-B67 and ITU-R BT.2100 (HLG, its display of 1000 cd/m² and gamma 1.2), IEC 61966-2-1
(sRGB); the matrices from the primaries of ITU-R BT.2020 and SMPTE RP 431-2 with white D65.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..types import ByteArray, FloatArray

# Code points of ISO/IEC 23091-2.
_PQ, _HLG = 16, 18
_Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_SRGB: Final[_Chromaticities] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_CHROMATICITIES: Final[dict[int, _Chromaticities]] = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # DCI-P3, taken with white D65
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_D65: Final = (0.3127, 0.3290)
_WHITE: Final = 203.0  # cd/m²
_KNEE: Final = 0.8  # of white: up to here, HDR stays as it is


def is_wide(primaries: int, transfer: int) -> bool:
    """Tell whether pixels with these code points (ISO/IEC 23091-2) are not to be taken for sRGB as they are."""
    return primaries in _CHROMATICITIES or transfer in (_PQ, _HLG)


def srgb_from_wide(samples: NDArray[np.uint16], primaries: int, transfer: int) -> ByteArray:
    """Convert RGB of wide colours to sRGB.

    Args:
        samples: [H, W, 3] of 16 bits.
        primaries: Their code point (ISO/IEC 23091-2); unknown ones are taken for sRGB's.
        transfer: Its code point; all but PQ and HLG are taken for sRGB's.

    Returns:
        [H, W, 3] of 8 bits.
    """
    light = _light(transfer)[samples] @ _srgb_from(primaries).T
    if transfer in (_PQ, _HLG):
        light = _rolled_off(light)
    levels: ByteArray = np.rint(255.0 * _encoded(np.clip(light, 0.0, 1.0))).astype(np.uint8)
    return levels


@cache
def _light(transfer: int) -> FloatArray:
    """Return [65536] light, in parts of diffuse white, by sample."""
    signal = np.linspace(0.0, 1.0, 1 << 16)
    light = {_PQ: _light_of_pq, _HLG: _light_of_hlg}.get(transfer, _light_of_srgb)(signal)
    return light.astype(np.float32)


def _light_of_srgb(signal: FloatArray) -> FloatArray:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


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


def _rolled_off(light: FloatArray) -> FloatArray:
    over = np.maximum(light - _KNEE, 0.0) / (1.0 - _KNEE)
    return np.where(light <= _KNEE, light, _KNEE + (1.0 - _KNEE) * (1.0 - np.exp(-over)))


def _encoded(light: FloatArray) -> FloatArray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1.0 / 2.4) - 0.055)


@cache
def _srgb_from(primaries: int) -> FloatArray:
    """Return [3, 3] from light of some primaries to that of sRGB's."""
    to_xyz = _xyz_from(_CHROMATICITIES.get(primaries, _SRGB))
    return (np.linalg.inv(_xyz_from(_SRGB)) @ to_xyz).astype(np.float32)


def _xyz_from(chromaticities: _Chromaticities) -> FloatArray:
    """Return [3, 3] from RGB to XYZ, by the chromaticities (x, y) of its primaries and white D65."""
    columns = np.array([(x / y, 1.0, (1.0 - x - y) / y) for x, y in chromaticities]).T
    x, y = _D65
    white = np.array([x / y, 1.0, (1.0 - x - y) / y])
    return np.asarray(columns * np.linalg.solve(columns, white))
