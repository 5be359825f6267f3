"""Child processes: what they inherit, and how they are ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ...errors import CancelledError, InstallError
from .masking import without_secrets

LOG_LINES: Final = 400

_FOREIGN: Final = ("PYTHON", "CONDA", "VIRTUAL_ENV", "__PYVENV", "_CE_")
"""Which Python, and which environment, the parent was started with: true of it, wrong for the child. On macOS
`__PYVENV_LAUNCHER__` even makes a Python believe that it is another."""
_INJECTED: Final = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES")
"""Libraries pushed into Blender, overlays and allocators for example. LD_LIBRARY_PATH stays: clusters and some systems
find their CUDA and C++ libraries by nothing else."""


def clean_environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """A process's environment without what would change which Python or device its child finds.

    An empty CUDA_VISIBLE_DEVICES, which remote desktops leave behind, hides every GPU. Everything else stays, HF_HOME,
    HF_ENDPOINT, proxies and certificates among it.

    Args:
        inherited: The parent's environment.
    """
    kept = {name: value for name, value in inherited.items() if not _is_foreign(name.upper())}
    if not kept.get("CUDA_VISIBLE_DEVICES", "all").strip():
        del kept["CUDA_VISIBLE_DEVICES"]
    if sys.platform == "win32":
        kept["PATH"] = os.pathsep.join((kept.get("PATH", ""), *map(str, _blender_libraries())))
    return kept


def own_group() -> dict[str, Any]:
    """Out of reach of the terminal's Ctrl-C, which is for Blender, and without a console window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started with `own_group`, and all that it started."""
    if sys.platform == "win32":
        words = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(words, capture_output=True, check=False, **own_group())
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


class Runner:
    """Runs one program after another in the calling thread; any other thread can end that."""

    def __init__(self) -> None:
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        """What they all said, without secrets, newest last."""
        self._cancelled = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End what runs, and let nothing start any more."""
        self._cancelled.set()
        if (process := self._process) is not None:
            kill_group(process)

    def run(self, words: Sequence[str | Path], variables: Mapping[str, str], folder: Path) -> tuple[int, list[str]]:
        """Run a program until it ends.

        Args:
            words: Program and arguments; no shell sees them.
            variables: Its whole environment.
            folder: Its working folder.

        Returns:
            Its exit status and what it said.

        Raises:
            CancelledError: `cancel` was called.
            InstallError: The system cannot run it.
        """
        self.check()
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        try:
            process = subprocess.Popen([*map(str, words)], env=dict(variables), cwd=folder, **pipes, **own_group())
        except (OSError, ValueError) as error:
            raise InstallError(f"{words[0]} cannot be started ({error}): check that it may run programs.") from error
        self._process = process
        if self.is_cancelled:  # asked for between the check and here
            kill_group(process)
        lines = self._lines(process)
        returncode = process.wait()
        self._process = None
        self.check()
        return returncode, lines

    def check(self) -> None:
        """Stop here after a cancel.

        Raises:
            CancelledError: `cancel` was called.
        """
        if self.is_cancelled:
            raise CancelledError("The installation was cancelled.")

    def _lines(self, process: subprocess.Popen[bytes]) -> list[str]:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        lines = []
        with process.stdout as pipe:
            for line in pipe:
                lines.append(line.decode("utf-8", errors="replace").rstrip())
                self.log.append(without_secrets(lines[-1]))
        return lines


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN) or name in _INJECTED


def _blender_libraries() -> list[Path]:
    """Microsoft's C++ runtime as Blender ships it: last on PATH, for machines that have none of their own."""
    folder = Path(sys.base_prefix).parent.parent / "blender.crt"
    return [folder] if folder.is_dir() else []
