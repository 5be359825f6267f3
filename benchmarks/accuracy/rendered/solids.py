"""What shapes are for someone who draws them without meshes: a few kinds of solids, noted on every object.

Edges that are rounded, dents and folds are left out, so that a ray meets each of them by a formula.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

SOLIDS: Final = "solids"
"""The custom property of an object: its solids' seven numbers each, one after the other."""
FLAT: Final = 5e-4
"""Half the height, metres, of what has none."""


class Kind(IntEnum):
    """How a solid is bounded, in the axes of its object."""

    BOX = 0
    CONE = 1
    """The mantle of a part of a cone about the vertical, without its ends."""
    BALL = 2
    GABLE = 3
    """A roof with its ridge along x, standing on its centre."""


class Solid(NamedTuple):
    """One solid, metres."""

    kind: Kind
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    """Half lengths; of a cone its radius below and above, and half its height; of a gable its whole height."""
