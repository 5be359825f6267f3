"""The process that owns the network: gone, stuck, talking nonsense, or out of disk at any stage."""

import subprocess
import sys
from pathlib import Path

import pytest

from . import Case

STAGES = ("Starting", "Loading model", "Predicting", "Building geometry", "Saving")


def stumbling(stage, act, value=None):
    """Let the worker stumble at a stage of a good run."""

    def spoil(desk):
        if sys.platform == "win32":
            pytest.skip("the stumbling worker is a POSIX script")
        desk.list(desk.bring("good.png"), desk.bring("other.png"))
        desk.stumble(stage, act, value)

    return spoil


def python(path):
    """Name another worker's Python."""

    def spoil(desk):
        desk.list(desk.bring("good.png"))
        desk.preferences.worker_python = str(path(desk))

    return spoil


def cancelled_when(stage):
    """Cancel at a stage."""

    def spoil(desk):
        desk.list(desk.bring("good.png"), desk.bring("other.png"))
        desk.meanwhile = lambda task: task.cancel() if task.progress.stage == stage else None

    return spoil


def case(name, spoil, says, cause="", error="WorkerError"):
    return Case(f"worker: {name}", spoil, error, says, cause=cause)


def no_python(desk):
    """A program that is no Python."""
    path = desk.folder / "tool"
    path.write_text("#!/bin/sh\necho hello\n")
    path.chmod(0o755)
    return path


def bare_python(desk):
    """One that has nothing installed."""
    place = desk.folder.parent / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


KILLED = r"The worker was killed from outside, most often because memory ran out: use fewer"
FULL = r"could not be written|refused the worker a file|check (the disk|that)"

CASES = [
    *(case(f"killed at {stage}", stumbling(stage, "kill"), KILLED, "killed") for stage in STAGES),
    case("crashed", stumbling("Predicting", "crash"), r"The worker crashed \(SIG\w+\): try again"),
    case("left", stumbling("Predicting", "leave", 3), r"ended without an answer \(exit code 3\): see the log"),
    case(
        "noise", stumbling("Predicting", "say", "hello\n"), r'is not a JSON object \("hello"\): try again', "nonsense"
    ),
    case("bytes", stumbling("Predicting", "say", "\udcff\udcfe\n"), r"is not a JSON object \(.*\): try", "nonsense"),
    case(
        "another version", stumbling("Predicting", "say", '{"version": 99}\n'), r"different versions .*restart Blender"
    ),
    case("unknown message", stumbling("Predicting", "answer", {"type": "song"}), r"unknown type 'song': restart"),
    case("python without torch", python(bare_python), r"has no \w+: install|cannot run the worker"),
    *(
        case(f"disk full at {stage}", stumbling(stage, "full", 0), FULL, "disk full", error)
        for stage, error in (("Saving", "StorageError"),)
    ),
    *(
        case(
            f"cancelled at {stage}",
            cancelled_when(stage),
            "The reconstruction was cancelled",
            "cancel",
            "CancelledError",
        )
        for stage in ("Starting", "Predicting", "Building")
    ),
    case(
        "python gone", python(lambda desk: desk.folder / "nowhere"), r"is not a program that can be run: ", "no python"
    ),
    case("python is a picture", python(lambda desk: desk.bring("good.png", "p.png")), r"is not a program", "no python"),
    case("python is no Python", python(no_python), r'Python .*tool is none, it says "hello": install'),
    case(
        "python is a folder", python(lambda desk: Path(desk.folder)), r"is not a program that can be run: ", "no python"
    ),
]
