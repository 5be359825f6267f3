"""Names of files, which may be longer than others built from them may be, and on Linux need not be Unicode."""

from __future__ import annotations

import os
from typing import Final

LONGEST: Final = 120
"""Bytes of a name that others are built from: most file systems allow 255 for all of it."""


def readable(text: str) -> str:
    """Return a text that can be shown and stored: what of a file's name is no Unicode becomes question marks."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def short(name: str) -> str:
    """Return the beginning of a name, so that another file's can be built from it; what is no Unicode goes."""
    return os.fsencode(name)[:LONGEST].decode("utf-8", errors="ignore")
