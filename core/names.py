"""Names of files, which may be longer than others built from them may be, and on Linux need not be Unicode."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

LONGEST: Final = 120
"""Bytes of a name that others are built from: most file systems allow 255 for all of it."""

NAMED: Final = 8
"""Names in a list for the artist; the others are counted."""


BRIEF: Final = 60
"""Characters of a wrong value that a sentence repeats."""
CONTROLS: Final = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)}, "?") | dict.fromkeys(map(ord, "\t\n\r"), " ")
"""Characters that move a terminal's cursor, change its colours or end Blender's names, and what stands for them."""


def readable(text: str) -> str:
    """Return a text that can be shown and stored on one line: control characters, and what is no Unicode, become ?."""
    return text.encode("utf-8", errors="replace").decode("utf-8").translate(CONTROLS)


def short(name: str) -> str:
    """Return the beginning of a name, so that another file's can be built from it; what is no Unicode goes."""
    return os.fsencode(name)[:LONGEST].decode("utf-8", errors="ignore")


def listed(names: Sequence[str]) -> str:
    """Join names in a sentence, `a, b and c`; those beyond the first eight are counted."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    words = [*names[:NAMED], *more]
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def brief(value: object) -> str:
    """Return what a file holds, for a sentence that says what is wrong with it: as Python writes it, the beginning."""
    text = repr(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"
