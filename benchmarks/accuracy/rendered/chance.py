"""The random numbers of one scene, by the words that scenes are made with."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Colour = tuple[float, float, float]
"""Linear red, green and blue."""
HELD_OUT_SEED = 77_000_000
"""Of the first scene; training begins a hundred million later (`training/compose.py`)."""


class Chance:
    """Random numbers of a seed; the same seed makes the same scene."""

    def __init__(self, seed: int) -> None:
        self.numbers = np.random.default_rng(HELD_OUT_SEED + seed)

    def between(self, low: float, high: float) -> float:
        """Draw evenly."""
        return float(self.numbers.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number from `low` to `high`, both included."""
        return int(self.numbers.integers(low, high + 1))

    def near(self, middle: float, spread: float) -> float:
        """Draw from the normal distribution."""
        return float(self.numbers.normal(middle, spread))

    def pick(self, items: Sequence[Item]) -> Item:
        """Choose one."""
        return items[int(self.numbers.integers(len(items)))]

    def happens(self, part: float) -> bool:
        """Tell whether something happens that does so in this part of all cases."""
        return bool(self.numbers.random() < part)

    def colour(
        self,
        hue: tuple[float, float] = (0.0, 1.0),
        saturation: tuple[float, float] = (0.2, 0.8),
        value: tuple[float, float] = (0.15, 0.8),
    ) -> Colour:
        """Draw a colour; hues from red (0) over yellow (1/6), green (1/3) and blue (2/3) to red again."""
        red, green, blue = colorsys.hsv_to_rgb(
            self.between(*hue) % 1.0, self.between(*saturation), self.between(*value)
        )
        return red**2.2, green**2.2, blue**2.2

    def like(self, colour: Colour, spread: float = 0.25) -> Colour:
        """Make a colour lighter or darker, and a little different."""
        brightness = float(np.exp(self.numbers.normal(0.0, spread)))
        red, green, blue = (min(1.0, max(0.004, channel * brightness * self.between(0.92, 1.08))) for channel in colour)
        return red, green, blue
