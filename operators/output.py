"""Standard output for one line of ours only. Knows no Blender, which writes to it while it is being imported."""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO


def take_output() -> TextIO:
    """Keep standard output for the summary: whatever Blender prints goes to standard error from here on.

    Descriptors that are closed are taken by nothing, so that no file that is opened later gets their numbers and with
    them what is printed.
    """
    is_closed = sys.stdout is None or not _is_open(1)
    for number in range(3):
        if not _is_open(number):
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
    if is_closed:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives as long as the process
    with suppress(OSError):
        sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def deliver(out: TextIO, summary: Mapping[str, Any]) -> None:
    """Write the summary as one line; where standard output takes none, standard error gets it."""
    line = json.dumps(summary)
    try:
        out.write(f"{line}\n")
        out.flush()
    except (OSError, ValueError) as error:
        say(f"standard output takes no summary ({error}): {line}")


def failure(kind: str, sentence: str) -> dict[str, Any]:
    """Say a failure on standard error and return its summary."""
    say(f"error: {sentence}")
    return {"ok": False, "kind": kind, "error": sentence}


def say(text: str) -> None:
    """Write a line to standard error, if there is any."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
