"""What a scene tells of itself to those who photograph it."""

from __future__ import annotations

from dataclasses import dataclass

from .shapes import Place


@dataclass(frozen=True)
class Stage:
    """Where cameras may stand in a scene, and what they look at. Lengths are metres, angles radians; Z is up."""

    focus: Place
    """The middle of what is worth seeing."""
    spread: Place
    """How far around it cameras aim."""
    distance: tuple[float, float]
    """Of cameras from the focus, along the ground."""
    eye: tuple[float, float]
    """Height of cameras."""
    azimuth: tuple[float, float]
    """Between which directions from the focus cameras stand; 0 is +X, π/2 is +Y."""
    bounds: tuple[float, float, float, float] = (-1e3, -1e3, 1e3, 1e3)
    """Smallest x and y, largest x and y of a camera."""
