"""Dataclasses as JSON values and back, checked against their own type hints.

Two formats are made of this: the worker's protocol, which is strict because both ends are of one version, and the
request that a file remembers, which other versions of the add-on have to read. Neither knows the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, cast, get_args, get_origin, get_type_hints

import numpy as np

from .types import FloatArray

_MATRIX_SHAPES: Final = {"world_from_camera": (4, 4), "image_from_camera": (3, 3)}


class MismatchError(ValueError):
    """A JSON value does not fit a type; the text starts with where it stands and has no full stop."""


def to_json(value: Any) -> Any:
    """Return a dataclass as JSON types: paths as text, matrices and tuples as lists."""
    if is_dataclass(value):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, Path) else value


def from_json(data: Any, hint: Any, where: str, *, is_strict: bool) -> Any:
    """Build a value of a type from JSON types; matrices arrive as float64.

    Args:
        data: What JSON held.
        hint: The type, of those that this package's dataclasses are made of.
        where: The value's name in an error.
        is_strict: Every field of a dataclass is there and no other; else missing ones take their defaults and unknown
            ones are ignored.

    Raises:
        MismatchError: The value is of another type, or a field without a default is missing.
    """
    if is_dataclass(hint):
        return _dataclass_from_json(data, cast("type", hint), where, is_strict=is_strict)
    origin = get_origin(hint)
    if origin is UnionType:
        return None if data is None else from_json(data, _without_none(hint), where, is_strict=is_strict)
    if hint == FloatArray:  # by equality, since numpy 2 and 1 make different kinds of alias of it
        return _matrix_from_json(data, where)
    if origin is tuple and isinstance(data, list):
        inner = get_args(hint)[0]
        return tuple(from_json(item, inner, f"{where}[{i}]", is_strict=is_strict) for i, item in enumerate(data))
    if not _fits(data, hint):
        raise MismatchError(f"{where} cannot be {json.dumps(data)[:80]}")
    return Path(data) if hint is Path else data


def _dataclass_from_json(data: Any, kind: type, where: str, *, is_strict: bool) -> Any:
    hints = _hints(kind)
    if not isinstance(data, dict):
        raise MismatchError(f"{where} cannot be {json.dumps(data)[:80]}")
    wrong = data.keys() ^ hints.keys() if is_strict else _required(kind) - data.keys()
    if wrong:
        kinds = "missing or unknown" if is_strict else "missing"
        raise MismatchError(f"{where} has {kinds} fields ({', '.join(sorted(wrong))})")
    given = {name: hint for name, hint in hints.items() if name in data}
    return kind(
        **{name: from_json(data[name], hint, f"{where}.{name}", is_strict=is_strict) for name, hint in given.items()}
    )


def _matrix_from_json(data: Any, where: str) -> Any:
    shape = _MATRIX_SHAPES[where.rpartition(".")[2]]
    try:
        matrix = np.array(data)
    except ValueError:  # ragged rows
        matrix = np.empty(0)
    if matrix.shape != shape or matrix.dtype.kind not in "if":
        raise MismatchError(f"{where} must be {shape[0]} rows of {shape[1]} numbers")
    return matrix.astype(np.float64)


def _fits(data: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return data in get_args(hint)
    if hint is float:  # a client in another language may write 1 for 1.0; true and false are no numbers
        return type(data) in (int, float)
    return type(data) is {Path: str, Mapping: dict}.get(origin or hint, hint)


def _without_none(hint: Any) -> Any:
    (inner,) = (item for item in get_args(hint) if item is not NoneType)
    return inner


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


@cache
def _required(kind: type) -> frozenset[str]:
    return frozenset(item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING)
