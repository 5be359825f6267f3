"""What a Python can do for the worker, and what it lacks: asked by running it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import ImageToSceneError, InstallError
from .probing import BEGIN
from .processes import Runner, clean_environment

SCRIPT: Final = Path(__file__).with_name("probing.py")
PACKAGES: Final = {
    "av": "av",
    "huggingface_hub": "huggingface-hub",
    "numpy": "numpy",
    "OpenEXR": "openexr",
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "rawpy": "rawpy",
    "safetensors": "safetensors",
    "torch": "torch",
}
"""What the worker imports, and what to install for it."""
OLDEST: Final = (3, 11)


@dataclass(frozen=True)
class Findings:
    """What is known of a Python."""

    python: Path
    version: tuple[int, int, int]
    packages: Mapping[str, str]
    """Versions by the name that is imported."""
    problems: tuple[str, ...]
    """What it lacks, a phrase each; none: the worker can run on it."""
    damaged: Mapping[str, int]
    """How many files of which packages are gone or cut off."""
    device: str
    """What torch computes on, for example "CPU"; empty where there is no torch."""
    base: str
    """The Python that a virtual environment stands on, else the Python itself."""

    @property
    def is_fit(self) -> bool:
        """Whether the worker can run on it and no file is damaged."""
        return not self.problems and not self.damaged

    @property
    def summary(self) -> str:
        """All of it in one line for the artist."""
        if self.is_fit:
            return f"Python {self._version}, torch {self.packages['torch']}, {self.device}"
        damage = [f"{count} files of {name} are damaged" for name, count in self.damaged.items()]
        return f"Python {self._version}: {'; '.join((*self.problems, *damage))}"

    @property
    def _version(self) -> str:
        return ".".join(map(str, self.version))


def examine(python: Path, runner: Runner | None = None) -> Findings:
    """Run a Python and say what it has; importing torch takes some seconds.

    Args:
        python: The interpreter.
        runner: Ends it on a cancel, and keeps what it said.

    Raises:
        InstallError: It cannot be run, or is no Python.
        CancelledError: The runner was cancelled.
    """
    runner = runner or Runner()
    words: list[str | Path] = [python, "-I", SCRIPT, *PACKAGES]
    returncode, lines = runner.run(words, clean_environment(), SCRIPT.parent)
    found = [line for line in lines if line.startswith(BEGIN)]
    if not found:
        said = lines[-1] if lines else f"exit code {returncode}"
        raise InstallError(f"{python} is not a Python that can be used ({said}): name another one.")
    findings = _findings(python, json.loads(found[-1].removeprefix(BEGIN)))
    runner.log[-1] = findings.summary  # the answer itself is for programs
    return findings


class Check(threading.Thread):
    """Examines a Python without making anybody wait."""

    def __init__(self, python: Path) -> None:
        super().__init__(daemon=True)
        self.python = python
        self.findings: Findings | None = None
        self.error: ImageToSceneError | None = None
        self._runner = Runner()

    @property
    def text(self) -> str:
        """How far it is, or what came of it."""
        if self.findings is not None:
            return self.findings.summary
        return str(self.error) if self.error is not None else "Looking…"

    def cancel(self) -> None:
        """End it."""
        self._runner.cancel()

    def run(self) -> None:
        """Examine."""
        try:
            self.findings = examine(self.python, self._runner)
        except ImageToSceneError as error:
            self.error = error


def _findings(python: Path, found: dict[str, Any]) -> Findings:
    problems = [f"{PACKAGES[name]} {what}" for name, what in found["problems"].items()]
    major, minor, micro = found["version"]
    if (major, minor) < OLDEST:
        problems = [f"Python {'.'.join(map(str, OLDEST))} or newer is needed"]
    return Findings(
        python=python,
        version=(major, minor, micro),
        packages=found["packages"],
        problems=tuple(problems),
        damaged=found["damaged"],
        device=found["device"],
        base=found["base"],
    )
