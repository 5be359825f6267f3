"""Requirement files as uv writes them: which packages, and the hashes that their files may have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

LOCK: Final = Path(__file__).with_name("requirements.lock")

_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)")
_ACCELERATED: Final = re.compile(r"torch|triton|nvidia-|cuda-|pytorch-")
"""Packages that differ from one build of torch to another."""
_ORIGIN: Final = re.compile(r"^\s+# from (\S.*)$")


class Pin(NamedTuple):
    """One package in one version, with the lines that say so."""

    name: str
    version: str
    text: str
    origin: str = ""
    """The index that it was found in, where uv was asked to say so; a part of no text, since it may hold secrets."""

    @property
    def is_accelerated(self) -> bool:
        """Whether another build of torch has another one."""
        return _ACCELERATED.match(self.name) is not None

    @property
    def has_hash(self) -> bool:
        """Whether it is known which files may be taken for it."""
        return "--hash=" in self.text


def read_pins(text: str) -> list[Pin]:
    """Read a requirement file; a package can be in it several times, for several Pythons."""
    pins: list[Pin] = []
    for line in text.splitlines():
        if found := _PIN.match(line):
            pins.append(Pin(found[1].lower(), found[2], line))
        elif pins and (found := _ORIGIN.match(line)):
            pins[-1] = pins[-1]._replace(origin=found[1])
        elif pins and line.startswith((" ", "\t")):
            pins[-1] = pins[-1]._replace(text=f"{pins[-1].text}\n{line}")
    return pins


def torch_version(pins: Iterable[Pin]) -> str:
    """Return the version of torch that a lock has."""
    return next(pin.version for pin in pins if pin.name == "torch")


def write_pins(pins: list[Pin]) -> str:
    """Write a requirement file."""
    return "".join(f"{pin.text}\n" for pin in pins)


def fingerprint(text: str) -> str:
    """Name a lock shortly, whatever its line ends are."""
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()[:12]
