"""Bars that were burnt into images: letterbox and pillarbox, of one colour, wide on both sides or on one.

A bar is no part of the place: it is cut off before the network sees the image, and the affine map back to source
pixels keeps camera, texture and background whole. Bars left in are worse than geometry in the wrong place: on three
letterboxed images the bundled model found a focal length 18 % longer and rotations 10° to 14° off.

One dark floor is no bar: what one image has is a `Border`, and only borders that images of the same size share, along
a straight edge with content all along it, are bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..names import listed
from ..types import BoolArray, ByteArray, FloatArray

Level = TypeVar("Level", bound=np.generic)

_LEVELS: Final = 14  # of 255: noise and compression within a bar
_CONTENT: Final = 24  # levels from the bar's colour that are content for certain; also how bright black may be
_FILLED: Final = 0.75  # part of a line that has the bar's colour: timecodes and subtitles lie in bars
_DRIFT: Final = 6  # levels by which a line's median may differ from the first line's
_WIDEST: Final = 0.42  # of a side: an upright phone's clip in a 21:9 frame has bars of 0.38
_NARROWEST: Final = 2  # pixels
_BLURRED: Final = 16  # lines; how far blocks of half-resolution colour carry content into a bar
_SAMPLES: Final = 256  # pixels of a line that are looked at
_BINS: Final = 64  # into which the line along a border is divided
_ALONG: Final = 0.6  # part of a bar's edge with content behind it in one image or another
_ALONG_ALONE: Final = 0.9  # the same where one image alone shows the bar


@dataclass(frozen=True)
class Bars:
    """Widths of the bars along an image's sides, pixels."""

    above: int = 0
    below: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any(astuple(self))

    def without(self, pixels: NDArray[Level]) -> NDArray[Level]:
        """Return the part [H, W, ...] of an image between its bars."""
        height, width = pixels.shape[:2]
        return pixels[self.above : height - self.below, self.left : width - self.right]

    def blacken(self, pixels: FloatArray) -> None:
        """Set the bars of an image [H, W] to 0."""
        whole = pixels.copy()
        pixels[:] = 0.0
        self.without(pixels)[:] = self.without(whole)

    def scaled(self, x: float, y: float) -> Bars:
        """Return the bars of the same image at `x` times its width and `y` times its height."""
        return Bars(round(self.above * y), round(self.below * y), round(self.left * x), round(self.right * x))

    def __str__(self) -> str:
        """Say them in the middle of a sentence: `34 px above and below`."""
        sides = {name: width for name, width in asdict(self).items() if width}
        if len(sides) > 1 and len(set(sides.values())) == 1:
            return f"{next(iter(sides.values()))} px {listed(list(sides))}"
        return listed([f"{width} px {name}" for name, width in sides.items()])


@dataclass(frozen=True)
class Border:
    """The lines of one colour along one side of an image."""

    width: int
    """Pixels; 0 where there is none."""
    limit: int
    """The image's own width or height, pixels."""
    colour: tuple[int, int, int]
    content: BoolArray
    """[64] True where the image differs clearly from the colour right behind the border, along the side."""


Borders = tuple[Border, Border, Border, Border]
"""Above, below, left, right."""


def find_borders(pixels: ByteArray) -> Borders:
    """Find the lines of one colour along an image's sides.

    Args:
        pixels: [H, W, 3], whole.
    """
    columns = pixels.swapaxes(0, 1)
    return _border(pixels), _border(pixels[::-1]), _border(columns), _border(columns[::-1])


def agree_on_bars(borders: Sequence[Borders]) -> list[Bars]:
    """Decide which borders are bars.

    Args:
        borders: Of images of one size.

    Returns:
        The bars of every image: those that images share, where the image has them.
    """
    widths = [_agreed([image[side] for image in borders], _opposite(borders, side)) for side in range(4)]
    return [
        Bars(*(width if image[side].width >= width - _slack(image[side]) else 0 for side, width in enumerate(widths)))
        for image in borders
    ]


def _border(lines: ByteArray) -> Border:
    """Measure the border along the first of some lines [N, M, 3]."""
    lines = lines[:, :: max(1, lines.shape[1] // _SAMPLES)]
    colour, count = np.median(lines[0], axis=0), len(lines)
    most = int(_WIDEST * count) + 1
    width = next((index for index in range(most) if not _has_colour(lines[index], colour)), most)
    if width == most and all(_has_colour(lines[index], colour) for index in (count // 2, 3 * count // 4, count - 1)):
        width = 0  # the whole image has one colour
    behind = lines[width : width + _BLURRED + count // 300]
    differs = (np.abs(behind - colour) >= _CONTENT).any(axis=2)
    edge = np.flatnonzero(differs.mean(axis=1) >= 1.0 - _FILLED)
    if width and len(edge):  # a blurred edge belongs to the bar
        width, differs = width + int(edge[0]), differs[edge[0] :]
    along = np.array_split(differs.any(axis=0), _BINS)
    content = np.array([not len(part) or bool(part.mean() >= 0.5) for part in along])
    red, green, blue = map(int, colour)
    return Border(width, count, (red, green, blue), content)


def _has_colour(line: ByteArray, colour: FloatArray) -> bool:
    apart = np.abs(line - colour)
    return bool(
        (np.abs(np.median(line, axis=0) - colour) <= _DRIFT).all() and (apart <= _LEVELS).all(axis=1).mean() >= _FILLED
    )


def _opposite(borders: Sequence[Borders], side: int) -> list[Border]:
    return [image[side ^ 1] for image in borders]


def _agreed(borders: Sequence[Border], opposite: Sequence[Border]) -> int:
    """Return the width of the bar along one side of several images, 0 for none.

    A bar of another colour than black, or seen in one image alone, needs its like on the opposite side: a clipped sky
    over a level horizon and a black floor have none.
    """
    width, backers = _backed(borders)
    _, other_backers = _backed(opposite)
    if not backers or not _is_straight(backers):
        return 0
    is_black = max(backers[0].colour) <= _CONTENT
    if is_black and len(backers) > 1:
        return width
    is_mirrored = other_backers and _is_straight(other_backers) and _alike(backers[0], other_backers[0])
    return width if is_mirrored else 0


def _backed(borders: Sequence[Border]) -> tuple[int, list[Border]]:
    """Return the width that most images have, and their borders; none where most of those that could disagree."""
    possible = [item for item in borders if _NARROWEST <= item.width <= _WIDEST * item.limit]
    groups = [[item for item in possible if abs(item.width - one.width) <= _slack(one)] for one in possible]
    backers = max(groups, key=len, default=[])
    backers = [item for item in backers if _alike(item, backers[0])]
    wider = [item for item in borders if item.width > max((one.width for one in backers), default=0)]
    if len(backers) < len(wider):
        return 0, []
    return max((item.width for item in backers), default=0), backers


def _is_straight(backers: Sequence[Border]) -> bool:
    """Return whether content begins right behind the border, all along it."""
    content = np.any([item.content for item in backers], axis=0).mean()
    return bool(content >= (_ALONG if len(backers) > 1 else _ALONG_ALONE))


def _alike(one: Border, other: Border) -> bool:
    return bool(np.abs(np.subtract(one.colour, other.colour)).max() <= _LEVELS)


def _slack(border: Border) -> int:
    """Return by how many pixels the images of a clip may differ in where they see its bar end."""
    return 2 + border.limit // 200
