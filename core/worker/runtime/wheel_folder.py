"""A folder of wheels that an artist names: looked through before uv opens anything in it."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from ...errors import InstallError
from .lockfile import Pin

_NAME: Final = re.compile(r"([\w.]+)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl", re.IGNORECASE)
"""Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention"""
_BROKEN: Final = (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error)


def torch_wheels(folder: Path, version: str) -> list[str]:
    """List the wheels of torch in one version, of whichever build; none where the folder cannot be read."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
    return [name for name in names if _package(name)[0] == "torch" and _public(_package(name)[1]) == version]


def check_wheels(folder: Path, pins: Sequence[Pin]) -> None:
    """See that each wheel is a file, and that those which may be installed write into their environment only.

    uv would wait for a pipe without end, and leave a file out in silence whose path leads elsewhere.

    Args:
        folder: It is there.
        pins: What the lock has.

    Raises:
        InstallError: A wheel is not fit, or the folder cannot be read.
    """
    locked = {(pin.name, pin.version) for pin in pins}
    try:
        for wheel in sorted(path for path in folder.iterdir() if path.suffix.lower() == ".whl"):
            if not wheel.is_file():
                raise InstallError(f"{wheel} is not a regular file: replace it by the wheel itself.")
            if _may_be_chosen(wheel.name, locked):
                _check_paths(wheel)
    except OSError as error:
        name = error.filename or folder
        raise InstallError(f"{name} cannot be read ({error.strerror or error}): check its permissions.") from error


def _may_be_chosen(file_name: str, locked: set[tuple[str, str]]) -> bool:
    name, version = _package(file_name)
    is_in_lock = (name, _public(version)) in locked
    return is_in_lock or (Pin(name, version, "").is_accelerated and name not in {known for known, _ in locked})


def _check_paths(wheel: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as content:
            outside = next(_leading_outside(content.infolist()), None)
    except _BROKEN as error:
        raise InstallError(f"{wheel} is broken ({error}): fetch it again.") from error
    if outside is not None:
        raise InstallError(
            f"{wheel} contains {outside!r}, which is outside the environment, so nothing was installed: take this "
            "package from elsewhere."
        )


def _leading_outside(entries: Sequence[zipfile.ZipInfo]) -> Iterator[str]:
    """List entries that are links or whose path is absolute or leads upwards, on any system."""
    for entry in entries:
        path = PureWindowsPath(entry.orig_filename)
        is_absolute = bool(path.drive or path.root) or PurePosixPath(entry.orig_filename).is_absolute()
        if is_absolute or ".." in path.parts or stat.S_ISLNK(entry.external_attr >> 16):
            yield entry.orig_filename


def _package(file_name: str) -> tuple[str, str]:
    """Return name and version of a wheel's package by the wheel's name; empty: it is no wheel's name."""
    found = _NAME.fullmatch(file_name)
    return (re.sub(r"[-_.]+", "-", found[1]).lower(), found[2].lower()) if found else ("", "")


def _public(version: str) -> str:
    """Return a version without what tells its build: 2.13.0 of 2.13.0+cu130."""
    return version.partition("+")[0]
