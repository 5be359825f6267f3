"""Procedural textures: what the surfaces of the synthetic scenes are painted with.

Every pattern has sharp parts (perspective and parallax cues) and every surface carries a slow unique noise on top, so
that one tile of a floor can be told from the next.
"""

from __future__ import annotations

import math
from enum import IntEnum

from .compiled import compiled


class Pattern(IntEnum):
    """The kinds of texture; `size` in a material is the pattern's period in scene units."""

    PLAIN = 0
    CHECKER = 1
    BRICKS = 2
    PLANKS = 3
    BLOTCHES = 4
    DOTS = 5
    WINDOWS = 6


@compiled
def lattice(i: int, j: int, seed: int) -> float:
    """Hash a lattice point to [0, 1)."""
    h = (i * 374761393 + j * 668265263 + seed * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1103515245) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 2246822519) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFF) / 65536.0


@compiled
def value_noise(u: float, v: float, seed: int) -> float:
    """Smooth noise of period 1 in [0, 1)."""
    i, j = math.floor(u), math.floor(v)
    a, b = u - i, v - j
    a, b = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b)
    i, j = int(i), int(j)
    low = lattice(i, j, seed) * (1.0 - a) + lattice(i + 1, j, seed) * a
    high = lattice(i, j + 1, seed) * (1.0 - a) + lattice(i + 1, j + 1, seed) * a
    return low * (1.0 - b) + high * b


@compiled
def bricks(u: float, v: float, seed: int) -> float:
    """Mix factor of a running bond twice as wide as high: mortar 0, each brick its own shade."""
    row = math.floor(v * 2.0)
    x = u + 0.5 * (int(row) & 1)
    column = math.floor(x)
    if x - column < 0.06 or v * 2.0 - row < 0.12:
        return 0.0
    return 0.55 + 0.45 * lattice(int(column), int(row), seed)


@compiled
def planks(u: float, v: float, seed: int) -> float:
    """Mix factor of long boards with joints: gaps 0, each board its own shade and grain."""
    row = math.floor(v)
    x = u * 0.2 + lattice(int(row), 7, seed)
    column = math.floor(x)
    if v - row < 0.06 or x - column < 0.01:
        return 0.0
    grain = value_noise(u * 0.7, v * 9.0, seed + 3)
    return 0.35 + 0.4 * lattice(int(column), int(row), seed) + 0.25 * grain


@compiled
def dots(u: float, v: float, seed: int) -> float:
    """Mix factor of one disc per cell, jittered in place and size."""
    i, j = math.floor(u), math.floor(v)
    a = u - i - 0.3 - 0.4 * lattice(int(i), int(j), seed)
    b = v - j - 0.3 - 0.4 * lattice(int(i), int(j), seed + 1)
    radius = 0.12 + 0.16 * lattice(int(i), int(j), seed + 2)
    return 1.0 if a * a + b * b < radius * radius else 0.0


@compiled
def windows(u: float, v: float, seed: int) -> float:
    """Mix factor of a facade: one dark pane per cell, with a bar, some of them lit."""
    i, j = math.floor(u), math.floor(v)
    a, b = u - i, v - j
    if a < 0.25 or a > 0.75 or b < 0.2 or b > 0.8 or abs(a - 0.5) < 0.03:
        return 0.0
    return 0.65 + 0.35 * lattice(int(i), int(j), seed)


@compiled
def pattern_mix(kind: int, u: float, v: float, seed: int) -> float:
    """Mix factor [0, 1] between a material's two colours at (u, v) in pattern periods."""
    mix = 0.0
    if kind == 1:
        mix = float((math.floor(u) + math.floor(v)) & 1)
    elif kind == 2:
        mix = bricks(u, v, seed)
    elif kind == 3:
        mix = planks(u, v, seed)
    elif kind == 4:
        mix = min(1.0, max(0.0, 3.0 * value_noise(u, v, seed) - 1.0))
    elif kind == 5:
        mix = dots(u, v, seed)
    elif kind == 6:
        mix = windows(u, v, seed)
    return mix


@compiled
def surface_tone(u: float, v: float, unit: float, seed: int) -> float:
    """Brightness of the slow noise that makes every place of a surface unique, about 0.75 to 1.25."""
    slow = value_noise(u / unit, v / unit, seed + 11)
    fine = value_noise(4.3 * u / unit, 4.3 * v / unit, seed + 12)
    return 0.75 + 0.32 * slow + 0.18 * fine
