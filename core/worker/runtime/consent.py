"""What an artist is told before an installation: the packages that are installed without a known hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .builds import Build, backend_of
from .lockfile import Pin, torch_version
from .wheel_folder import torch_wheels

TRUST: Final = ("Its hash is not in the add-on's list.", "Install it only if you trust where it comes from.")


def consent_lines(build: Build, wheels: Path | None, pins: Sequence[Pin]) -> list[str]:
    """Name the torch that is not verified, as far as it is known before it is chosen.

    Args:
        build: What is asked for.
        wheels: A folder to install from; None: from the index.
        pins: What the lock has.

    Returns:
        Lines for a dialog; none: all that is installed is in the lock.
    """
    version = torch_version(pins)
    if wheels is None:
        return [f"Unverified: {_of_index(build, version)}", *TRUST] if backend_of(build) else []
    found = torch_wheels(wheels, version)
    if not found:
        return [f"This folder has no wheel of torch {version}."]
    unverified = [name for name in found if "+" in name]
    more = f" and {len(unverified) - 1} more" if len(unverified) > 1 else ""
    return [f"Unverified: {unverified[0]}{more}", *TRUST] if unverified else []


def _of_index(build: Build, version: str) -> str:
    kind = "this machine" if build.name == "auto" else build.title
    return f"torch {version} for {kind} from download.pytorch.org"
