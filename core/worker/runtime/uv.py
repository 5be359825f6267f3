"""The program uv: found where Blender unpacked its wheel, checked, copied to where it may run, and how it is called."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ...disk import write_problem
from ...errors import InstallError
from .indexes import KEPT
from .processes import clean_environment

LOCK: Final = Path(__file__).with_name("uv.json")
"""Its version, and the sha256 of its program per platform."""
PROGRAM: Final = "uv.exe" if sys.platform == "win32" else "uv"

_SYSTEMS: Final = {"linux": "linux", "win32": "windows", "darwin": "macos"}
_MACHINES: Final = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}


def platform_name() -> str:
    """Return this machine's platform as Blender's extensions name it."""
    machine = platform.machine().lower()
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{_MACHINES.get(machine, machine)}"


def uv_environment(cache: Path, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return uv's environment: indexes, proxies and certificates of the artist's, a cache of ours."""
    clean = clean_environment(inherited)
    kept = {name: value for name, value in clean.items() if not name.startswith("UV_") or KEPT.fullmatch(name)}
    return kept | {"UV_CACHE_DIR": str(cache), "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}


def install_uv(folder: Path, places: Iterable[Path] | None = None) -> Path:
    """Copy uv to a folder and make it executable, which Blender leaves it not.

    Args:
        folder: Where to.
        places: Where it may be; None: where Blender unpacks wheels, and beside the running Python.

    Raises:
        InstallError: It is nowhere, it is not the one whose hash is in the lock, or the folder cannot be written.
    """
    expected = _expected_hash()
    found = [place for place in (_places() if places is None else places) if place.is_file()]
    fitting = next((place for place in found if _hash_of(place) == expected), None)
    if fitting is None:
        raise InstallError(_refusal(found))
    draft, target = folder / f"{PROGRAM}.part", folder / PROGRAM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fitting, draft)
        draft.chmod(0o755)
        draft.replace(target)
    except OSError as error:
        problem = write_problem(error, target)
        with suppress(OSError):  # else a full disk stays full
            draft.unlink()
        raise InstallError(f"The folder {folder} cannot be written ({problem}): free disk space.") from error
    if _hash_of(target) != expected:  # what is run is what was checked
        raise InstallError(_refusal([target]))
    return target


def _places() -> Iterator[Path]:
    scripts = f"uv-{_lock()['version']}.data/scripts"
    yield from (Path(entry) / scripts / PROGRAM for entry in sys.path)
    yield Path(sysconfig.get_path("scripts")) / PROGRAM


def _refusal(found: list[Path]) -> str:
    if not found:
        return (
            "This build of the add-on came without the program uv that installs its runtime: install the zip made for "
            f"{platform_name()}, or name a Python that has torch in the add-on's preferences."
        )
    return f"The program {found[0]} is not the uv that this add-on was made with: install the add-on again."


def _expected_hash() -> str | None:
    hashes: dict[str, str] = _lock()["sha256"]
    return hashes.get(platform_name())


def _lock() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(LOCK.read_text(encoding="utf-8"))
    return content


def _hash_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
