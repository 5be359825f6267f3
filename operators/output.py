"""Standard output for one line of ours only. Knows no Blender, which writes to it while it is being imported."""

import os
import sys
from typing import TextIO


def take_output() -> TextIO:
    """Keep standard output for the summary: whatever Blender prints goes to standard error from here on."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out
