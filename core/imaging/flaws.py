"""What keeps a file from being read as a whole or in part, and the sentences that name every such file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..names import listed, readable
from .kinds import is_movie

_PICTURES = "JPEG, PNG, TIFF or WebP pictures"
_MOVIES = "MP4, MOV, MKV or WebM movies"


class UnreadableError(Exception):
    """Why a file cannot be read, as the end of a sentence that starts with its name.

    Where another file of the same kind would not help, it ends with what to do "instead".
    """


def refuse_non_files(path: Path) -> None:
    """Say of what is no file, or an empty one, what it is, without opening it: a pipe would block for ever.

    Raises:
        UnreadableError: It is a folder, a pipe, a socket or a device, missing, empty or refused by the system.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise UnreadableError("does not exist") from error
    except OSError as error:
        raise UnreadableError(f"cannot be opened ({error.strerror})") from error
    except ValueError as error:  # a NUL in its name
        raise UnreadableError("has a name that no file can have") from error
    if stat.S_ISDIR(found.st_mode):
        raise UnreadableError("is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableError("is not a file but a pipe, a socket or a device")
    if found.st_size == 0:
        raise UnreadableError("is empty")


def is_regular(path: Path) -> bool:
    """Tell whether a path is a file that can be opened without waiting for anyone, or a link to one."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - Path.is_file raises where a name is too long
    except (OSError, ValueError):
        return False


def complaint(flaws: Mapping[Path, str]) -> str:
    """Name every unreadable file in one sentence.

    Args:
        flaws: What is wrong with each file, as `UnreadableError` words it; at least one.
    """
    movies = [is_movie(path) for path in flaws]
    kind = "movie" if all(movies) else "file" if any(movies) else "picture"
    better = {"movie": _MOVIES, "picture": _PICTURES, "file": f"{_PICTURES} or {_MOVIES}"}[kind]
    each = "; ".join(f'"{path}" {flaw}' for path, flaw in flaws.items())
    those = "it" if len(flaws) == 1 else "them"
    count = f"One {kind}" if len(flaws) == 1 else f"{len(flaws)} {kind}s"
    replaces = "" if all(flaw.endswith(" instead") for flaw in flaws.values()) else f"replace {those} with {better} or "
    return f"{count} cannot be read: {each}; {replaces}leave {those} out."


def remarks(notes: Iterable[tuple[Path, str]]) -> list[str]:
    """Write a sentence for each remark, with the names of all files that it is true of.

    Args:
        notes: Files, which may come several times, with clauses that fit one file and several.
    """
    names: dict[str, dict[str, None]] = {}
    for path, note in notes:
        names.setdefault(note, {})[readable(path.name)] = None
    return [f"{listed(list(group))}: {note}." for note, group in names.items()]
