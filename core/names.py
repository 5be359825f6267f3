"""Names of files, which may be longer than others built from them may be, and on Linux need not be Unicode."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

LONGEST: Final = 120
"""Bytes of a name that others are built from: most file systems allow 255 for all of it."""

NAMED: Final = 8
"""Names in a list for the artist; the others are counted."""


def readable(text: str) -> str:
    """Return a text that can be shown and stored: what of a file's name is no Unicode becomes question marks."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def short(name: str) -> str:
    """Return the beginning of a name, so that another file's can be built from it; what is no Unicode goes."""
    return os.fsencode(name)[:LONGEST].decode("utf-8", errors="ignore")


def listed(names: Sequence[str]) -> str:
    """Join names in a sentence, `a, b and c`; those beyond the first eight are counted."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    words = [*names[:NAMED], *more]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
