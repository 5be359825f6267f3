"""What an artist is told before an installation: the packages that are installed without a known hash."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from .builds import Build, backend_of
from .lockfile import read_pins, torch_version
from .wheel_folder import torch_wheels

TRUST: Final = ("Its hash is not in the add-on's list.", "Install it only if you trust where it comes from.")


@lru_cache(maxsize=8)
def consent_lines(build: Build, wheels: Path | None, lock: Path) -> tuple[str, ...]:
    """Name the torch that is not verified, as far as it is known before it is chosen.

    Looks at the disk once until `cache_clear`, since a dialog is drawn often.

    Args:
        build: What is asked for.
        wheels: A folder to install from; None: from the index.
        lock: The requirement file with every package's hash.

    Returns:
        Lines for a dialog; none: all that is installed is in the lock.
    """
    version = torch_version(read_pins(lock.read_text(encoding="utf-8")))
    if wheels is None:
        return (f"Unverified: {_of_index(build, version)}", *TRUST) if backend_of(build) else ()
    found = torch_wheels(wheels, version)
    if not found:
        return (f"This folder has no wheel of torch {version}.",)
    unverified = [name for name in found if "+" in name]
    more = f" and {len(unverified) - 1} more" if len(unverified) > 1 else ""
    return (f"Unverified: {unverified[0]}{more}", *TRUST) if unverified else ()


def _of_index(build: Build, version: str) -> str:
    kind = "this machine" if build.name == "auto" else build.title
    return f"torch {version} for {kind} from download.pytorch.org"
