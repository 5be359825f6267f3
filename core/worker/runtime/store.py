"""Where the worker's environments lie, which of them can be used, and how they go."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...disk import write_problem
from ...errors import InstallError

MARK: Final = "whole.json"
"""Written last: an environment without it is never used."""
_BEAT: Final = "unfinished"
_ABANDONED_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Runtime:
    """A whole environment."""

    folder: Path
    facts: Mapping[str, Any]
    """What was known when it was made: `fingerprint` of the lock, `base` (the Python it stands on), `python` (its
    version), `build`, `packages` (versions), `bytes`, `device`, `unverified` (packages whose files are in no lock)."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return python_in(self.folder)

    @property
    def problem(self) -> str | None:
        """Why it cannot be used any more, as far as a look without running it tells; None: it can."""
        if self.python.is_file() and Path(self.facts["base"]).is_file():
            return None
        return "the Python that it stands on is gone, as after an update of Blender"


class Store:
    """The environments of one user, in `r/1`, `r/2`, ... of a folder.

    Args:
        folder: Where the add-on may write; it and the rest are made when there is something to put there.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder.absolute() / "r"
        self.cache = self.root / "c"

    def runtimes(self) -> list[Runtime]:
        """List the whole ones, newest first."""
        found = (_read(folder) for folder in reversed(self._folders()))
        return [runtime for runtime in found if runtime is not None]

    def current(self) -> Runtime | None:
        """Return the newest that can be used; None: there is none."""
        return next((runtime for runtime in self.runtimes() if not runtime.problem), None)

    def begin(self) -> Path:
        """Make the folder for a new environment; two Blenders at once get two."""
        try:
            self._make_root()
            while True:
                folder = self.root / str(max((int(item.name) for item in self._folders()), default=0) + 1)
                with suppress(FileExistsError):
                    folder.mkdir()
                    self.keep_alive(folder)
                    return folder
        except OSError as error:
            problem = write_problem(error, self.root / "1")
            raise InstallError(
                f"The folder {self.root} cannot be written ({problem}): free disk space or fix its permissions."
            ) from error

    def _make_root(self) -> None:
        """Make the folder, for its owner alone, whatever the umask: what lies in it is run."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(OSError):  # a file system without rights
            self.root.chmod(0o700)

    def keep_alive(self, folder: Path) -> None:
        """Say that an unfinished environment is being worked on, so that nobody sweeps it away."""
        with suppress(OSError):
            (folder / _BEAT).touch()

    def finish(self, folder: Path, facts: Mapping[str, Any]) -> Runtime:
        """Mark an environment as whole: from now on it is used.

        Raises:
            InstallError: The mark cannot be written.
        """
        draft = folder / f"{MARK}.part"
        try:
            draft.write_text(json.dumps(facts, indent=1), encoding="utf-8")
            draft.replace(folder / MARK)
        except OSError as error:
            problem = write_problem(error, draft)
            raise InstallError(f"The folder {folder} cannot be written ({problem}): free disk space.") from error
        (folder / _BEAT).unlink(missing_ok=True)
        return Runtime(folder, facts)

    def sweep(self, keep: Path | None = None) -> None:
        """Remove uv's cache, every environment but one, and none that another Blender is still making."""
        for folder in self._folders():
            if folder != keep and not _is_worked_on(folder):
                self.discard(folder)
        remove_tree(self.cache)

    def discard(self, folder: Path) -> None:
        """Remove an environment, whole or not; what Windows holds fast goes another time, and is not used any more."""
        (folder / MARK).unlink(missing_ok=True)
        remove_tree(folder)

    def remove(self) -> None:
        """Remove everything.

        Raises:
            InstallError: Something is held fast.
        """
        for folder in self._folders():
            (folder / MARK).unlink(missing_ok=True)
        remove_tree(self.root)
        if self.root.exists():
            raise InstallError(
                f"Not all of {self.root} could be removed, since a program uses it: close other Blenders and try again."
            )

    def _folders(self) -> list[Path]:
        try:
            found = [item for item in self.root.iterdir() if item.name.isdecimal()]
        except OSError:
            return []
        return sorted(found, key=lambda item: int(item.name))


def python_in(folder: Path) -> Path:
    """Return where the interpreter of an environment is."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def size_on_disk(folder: Path) -> int:
    """Add up the bytes of all files below a folder, those included that come and go meanwhile."""
    total = 0
    for path, _folders, files in os.walk(_long(folder)):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - many thousands of files
    return total


def remove_tree(folder: Path) -> None:
    """Remove what can be removed of a folder."""
    shutil.rmtree(_long(folder), ignore_errors=True)


def _read(folder: Path) -> Runtime | None:
    try:
        facts = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return Runtime(folder, facts) if isinstance(facts["base"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_worked_on(folder: Path) -> bool:
    try:
        return time.time() - (folder / _BEAT).stat().st_mtime < _ABANDONED_SECONDS
    except OSError:
        return False


def _long(folder: Path) -> str:
    """Name a folder so that Windows also follows paths of more than 260 characters below it."""
    return f"\\\\?\\{folder.absolute()}" if sys.platform == "win32" else str(folder)
