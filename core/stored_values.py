"""Values of a saved reconstruction, checked where they are read, so that no builder meets what cannot be built.

A value that makes the folder useless is refused: a size, a camera, a time. A pixel that cannot be is made unknown and
counted: other programs write 0, −1 or infinity where they know no depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from .geometry.cameras import FARTHEST
from .names import brief, readable
from .types import FloatArray

NEAREST: Final = 1e-12
"""Depth below which a pixel is unknown: its inverse is still a float32."""
LONGEST_SIDE: Final = 1_000_000
"""Pixels."""
MOST_VIEWS: Final = 100_000
MOST_PIXELS: Final = 1 << 32
"""Of all views together, padding counted: 25,000 views of 504 × 336."""
LATEST: Final = 1e7
"""Seconds from the start of a clip: four months."""
AFFINE_TOLERANCE: Final = 1e-6
NAMED: Final = 3
"""Views that a warning names."""


@dataclass(frozen=True)
class Pixels:
    """The contents of the arrays for one view."""

    values: Mapping[str, NDArray[Any]]
    """By field of a `ReconstructedView`."""
    changed: int
    """Values that were not possible, and are unknown now."""


def read_size(sides: Any) -> tuple[int, int]:
    """Return (width, height) in pixels.

    Raises:
        ValueError: It is none, or larger than any image.
    """
    width, height = sides
    if not all(type(side) is int and 0 < side <= LONGEST_SIDE for side in (width, height)):
        raise ValueError(f"{brief(sides)} is not a size")
    return width, height


def check_amount(sizes: Sequence[tuple[int, int]]) -> None:
    """Make sure that there are views, and not more pixels than a file may hold.

    Raises:
        ValueError: There are none, or too many.
    """
    if not sizes:
        raise ValueError("it has no views")
    width, height = (max(sides) for sides in zip(*sizes, strict=True))
    if len(sizes) > MOST_VIEWS or len(sizes) * width * height > MOST_PIXELS:
        raise ValueError(f"{len(sizes)} views of {width}×{height} pixels are more than can be opened")


def read_time(seconds: Any) -> float | None:
    """Return a time in seconds, or None of None.

    Raises:
        ValueError: It is none, or beyond the end of any clip.
    """
    if seconds is None:
        return None
    if not _is_finite(seconds) or abs(seconds) > LATEST:
        raise ValueError(f"{brief(seconds)} is not a time")
    return float(seconds)


def read_choice(value: Any, literal: Any) -> Any:
    """Return a value that is one of a literal type's.

    Raises:
        ValueError: It is another.
    """
    if value not in get_args(literal):
        raise ValueError(f"{brief(value)} is not one of {', '.join(get_args(literal))}")
    return value


def read_affine(rows: Any) -> FloatArray:
    """Return `source_from_model` [3, 3]: a scale above zero and an offset.

    Raises:
        ValueError: It is not, or turns, shears or mirrors, which no camera could follow.
    """
    affine = np.array(rows, dtype=np.float64)
    if affine.shape != (3, 3) or not np.isfinite(affine).all():
        raise ValueError("source_from_model is not 3×3")
    plain = affine.copy()
    plain[(0, 1, 2, 2, 2), (1, 0, 0, 1, 2)] = 0.0, 0.0, 0.0, 0.0, 1.0
    scale, offset = affine[(0, 1), (0, 1)], affine[:2, 2]
    if np.abs(affine - plain).max() > AFFINE_TOLERANCE or not (1.0 / LONGEST_SIDE <= scale.min() <= scale.max()):
        raise ValueError("source_from_model is not a scale and an offset")
    if max(scale.max(), np.abs(offset).max()) > LONGEST_SIDE:
        raise ValueError("source_from_model leads beyond any image")
    return affine


def read_facts(facts: Any, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a run found; what the interface shows of it has the types that it shows.

    Args:
        facts: As stored.
        warnings: Are added to its own.

    Raises:
        ValueError: A known fact is of another type.
    """
    if not isinstance(facts, dict):
        raise ValueError("facts is not an object")  # noqa: TRY004 - a damaged file, not a wrong call
    for key, fits in _FACTS.items():
        if facts.get(key) is not None and not fits(facts[key]):
            raise ValueError(f"facts have {brief(facts[key])} for {key}")
    found = {key: _readable(value) for key, value in facts.items() if value is not None or key not in _FACTS}
    return {**found, "warnings": [*found.get("warnings", ()), *warnings]} if warnings else found


def clean_all(pixels: Mapping[str, NDArray[Any]]) -> Pixels:
    """Clean all fields of one view; see `clean`."""
    cleaned = {field: clean(field, values) for field, values in pixels.items()}
    return Pixels({field: values for field, (values, _) in cleaned.items()}, sum(n for _, n in cleaned.values()))


def changed_warnings(names: Sequence[str], pixels: Sequence[Pixels]) -> list[str]:
    """Name the views with values that could not be kept, in one sentence; no sentence where there are none."""
    changed = [name for name, found in zip(names, pixels, strict=True) if found.changed]
    if not changed:
        return []
    count = sum(found.changed for found in pixels)
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return [
        f"{count} stored values of {', '.join(changed[:NAMED])}{more} are not possible (depth that is "
        "zero, negative or infinite, confidence that is NaN): those pixels are unknown or least sure."
    ]


def clean(field: str, values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Make pixels unknown that cannot be: of depth and points NaN, of confidence the least sure, of sky ground.

    Args:
        field: Of a `ReconstructedView`.
        values: [H, W, ...] of one view, without padding; not written to.

    Returns:
        The same array where all is well, else a copy; and how many values were changed.
    """
    if field == "mask":  # bytes other than 0 and 1 are no booleans, whatever numpy makes of them
        stored = values.view(np.uint8)
        odd = int(np.count_nonzero(stored > 1))
        return (stored != 0, odd) if odd else (values, 0)
    if field not in _BOUNDS or not values.size:
        return values, 0
    lowest, highest, unknown = _BOUNDS[field]
    if np.isnan(unknown):
        low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)  # they pass NaN over
        if not (low < lowest or high > highest):
            return values, 0
        wrong = (values < lowest) | (values > highest)
    else:
        if lowest <= values.min() and values.max() <= highest:
            return values, 0
        wrong = ~((values >= lowest) & (values <= highest))
    cleaned = values.copy()
    cleaned[wrong] = unknown
    return cleaned, int(wrong.sum())


_BOUNDS: Final[Mapping[str, tuple[float, float, float]]] = {
    "depth": (NEAREST, FARTHEST, float("nan")),
    "points": (-FARTHEST, FARTHEST, float("nan")),
    "confidence": (-FARTHEST, FARTHEST, 0.0),
    "sky": (-FARTHEST, FARTHEST, 0.0),
}
"""Lowest and highest value of a pixel, and what stands for one beyond them."""


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


def _is_index(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_VIEWS


def _is_centre(value: Any) -> bool:
    return _is_list(_is_finite)(value) and len(value) == 3 and max(map(abs, value)) <= FARTHEST


def _is_residual(value: Any) -> bool:
    if not isinstance(value, dict) or not (_is_text(value.get("name")) and type(value.get("agrees")) is bool):
        return False
    return all(_is_finite(value.get(key)) for key in ("distance", "degrees", "pixels"))


_FACTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "seconds": _is_finite,
    "device": _is_text,
    "precision": _is_text,
    "licence": _is_text,
    "warnings": _is_list(_is_text),
    "dropped_views": _is_list(_is_index),
    "pivot": _is_centre,
    "cameras": _is_list(_is_residual),
}


def _readable(value: Any) -> Any:
    """Return JSON data whose text can be shown."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return readable(value) if isinstance(value, str) else value
