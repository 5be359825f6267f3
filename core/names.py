"""Names of files, which may be longer than others built from them may be, and on Linux need not be Unicode."""

from __future__ import annotations

import os
from typing import Final

LONGEST: Final = 120
"""Bytes of a name that others are built from: most file systems allow 255 for all of it."""


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


def brief(value: object) -> str:
    """Return what a file holds, for a sentence that says what is wrong with it: as Python writes it, the beginning."""
    text = repr(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"
