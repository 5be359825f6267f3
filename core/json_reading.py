"""JSON that comes from outside, read with bounds: whatever a file holds, it is plain finite data or one sentence.

Python's reader alone takes NaN, whole numbers of any length, keys twice, and nesting until the stack ends.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from .imaging.flaws import UnreadableError, refuse_non_files

LONGEST: Final = 64 << 20
"""Bytes of a file: ten thousands of views."""
DEEPEST: Final = 64
"""Lists and objects inside each other."""
MOST_DIGITS: Final = 300
"""Of a whole number: every one of them can become a float."""
_UTF16_32: Final = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


class JSONError(ValueError):
    """Why bytes are not JSON that can be used, as the end of a sentence that starts with a file's name."""


def read_json(path: Path, most: int = LONGEST) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        JSONError: It is missing, no regular file, too large, not UTF-8, or not JSON within the bounds of this module.
    """
    try:
        refuse_non_files(path)
        with path.open("rb") as file:
            return parse_json(file.read(most + 1), most)
    except UnreadableError as flaw:
        raise JSONError(str(flaw)) from flaw
    except OSError as error:
        raise JSONError(f"cannot be opened ({error.strerror})") from error


def parse_json(content: bytes, most: int = LONGEST, *, finite: bool = True) -> Any:
    """Read JSON in UTF-8, with or without a byte order mark.

    Args:
        content: All of it.
        most: Bytes that it may have.
        finite: Refuse NaN and Infinity, which JSON does not have but Python writes.

    Raises:
        JSONError: It is longer, or not JSON within the bounds of this module.
    """
    if len(content) > most:
        raise JSONError(f"is larger than {most >> 20 or 1} MB")
    if content.startswith(_UTF16_32):
        raise JSONError("is not UTF-8 but UTF-16 or UTF-32: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
        data = json.loads(
            text,
            parse_int=_whole,
            parse_float=_number if finite else float,
            parse_constant=_refused if finite else float,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise JSONError(f"is not UTF-8 (at byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise JSONError(f"is not whole JSON ({error})") from error
    except RecursionError as error:
        raise JSONError(_TOO_DEEP) from error
    _refuse_deep(data)
    return data


_TOO_DEEP: Final = f"is nested more than {DEEPEST} deep"


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise JSONError(f"holds a whole number of {len(digits)} digits, which is too large")
    return int(digits)


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise JSONError(f"holds the number {text[:20]}, which is too large")
    return number


def _refused(name: str) -> float:
    raise JSONError(f"holds {name}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise JSONError(f"has the key {twice[:40]!r} twice in one object")
    return found


def _refuse_deep(data: Any) -> None:
    """Count levels without recursion."""
    level = [data]
    for _ in range(DEEPEST):
        level = [item for parent in level if isinstance(parent, dict | list) for item in _items(parent)]
        if not level:
            return
    if any(isinstance(item, dict | list) for item in level):
        raise JSONError(_TOO_DEEP)


def _items(parent: dict[str, Any] | list[Any]) -> Any:
    return parent.values() if isinstance(parent, dict) else parent
