"""The process that owns the network: gone, stuck, talking nonsense, or none at all."""

import subprocess
import sys

import bpy

from image_to_scene.operators.session import session

from . import Case

STAGES = (
    *("Starting", "Taking frames", "Reading pictures", "Loading model"),
    *("Predicting", "Building geometry", "Saving"),
)


def everything(desk):
    """List a picture and two frames of a movie: with them a run has all stages."""
    desk.list(desk.bring("good.png"))
    values = {"clip_last": 25, "clip_rate": 25.0, "frame_end": 25, "count": 2}
    desk.entry(kind="MOVIE", name="walk.mp4", path=str(desk.bring("walk.mp4")), **values)


def stumbling(stage, act, value=None):
    """Let the worker stumble at a stage of a good run."""

    def spoil(desk):
        everything(desk)
        desk.stumble(stage, act, value)

    return spoil


def cancelled(stage):
    """Cancel a good run at a stage."""

    def spoil(desk):
        everything(desk)
        desk.once(stage, bpy.ops.image_to_scene.cancel)

    return spoil


def without_torch(desk):
    """Begin with a process that cannot import it."""
    session.close_worker()
    stumbling("Starting", "miss torch")(desk)


def hung_and_cancelled(desk):
    """Cancel a worker that hears nothing any more."""
    everything(desk)
    desk.stumble("Predicting", "hang")
    desk.due = "Predicting", bpy.ops.image_to_scene.cancel


def python(make):
    """Name another Python for the worker."""

    def spoil(desk):
        desk.list(desk.bring("good.png"))
        desk.preferences.worker_python = str(make(desk))

    return spoil


def program(script, name="tool"):
    """Make a program that is no Python."""

    def make(desk):
        path = desk.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def silent_and_cancelled(desk):
    """Cancel a program that never answers."""
    python(program("exec sleep 600"))(desk)
    desk.due = "Starting", bpy.ops.image_to_scene.cancel


def a_text(desk):
    path = desk.folder / "letter.txt"
    path.write_text("Dear artist")
    path.chmod(0o755)
    return path


def bare_python(desk):
    """Make one that has nothing installed."""
    place = desk.folder.parent / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def refused(name, spoil, says, cause="", error="WorkerError"):
    return Case(name, spoil, error, says, cause=cause)


def ended(name, spoil):
    return refused(name, spoil, r"^The reconstruction was cancelled\.$", "cancelled", "CancelledError")


KILLED = r"The worker was killed from outside, most often because memory ran out: use fewer"
NO_PROGRAM = r"The worker's Python .*{} is not a program that can be run: install"

CASES = [
    refused("torch missing", without_torch, r"has no torch: install torch, .* there, or name"),
    *(refused(f"killed at {stage}", stumbling(stage, "kill"), KILLED, "killed") for stage in STAGES),
    refused("crashed", stumbling("Predicting", "crash"), r"The worker crashed \(SIG\w+\): try again"),
    refused("left", stumbling("Predicting", "leave", 3), r"ended without an answer \(exit code 3\): see the log"),
    refused("noise", stumbling("Predicting", "say", "hello\n"), r'is not a JSON object \("hello"\): try', "noise"),
    refused("bytes", stumbling("Predicting", "say", "\udcff\udcfe\n"), r"is not a JSON object \(.*\): try", "noise"),
    refused("another version", stumbling("Predicting", "say", '{"version": 99}\n'), r"different versions .*restart"),
    refused("unknown message", stumbling("Predicting", "answer", {"type": "song"}), r"unknown type 'song': restart"),
    refused(
        "misshapen", stumbling("Predicting", "answer", {"type": "warning", "text": 1}), r"warning\.text cannot be 1"
    ),
    refused(
        "a result that is none",
        stumbling("Predicting", "answer", {"type": "result", "folders": ["/nowhere/000"], "facts": [{}]}),
        r"/nowhere/000 is not a reconstruction, it has no reconstruction\.json: choose",
        error="StorageError",
    ),
    *(ended(f"cancelled at {stage}", cancelled(stage)) for stage in ("Starting", "Predicting", "Saving", "Building")),
    ended("hung", hung_and_cancelled),
    ended("silent", silent_and_cancelled),
    refused("python missing", python(lambda desk: desk.folder / "lost"), NO_PROGRAM.format("lost"), "no program"),
    refused("python is a folder", python(lambda desk: desk.folder), NO_PROGRAM.format("artist's"), "no program"),
    refused("python is a picture", python(lambda desk: desk.bring("good.png")), NO_PROGRAM.format("g"), "no program"),
    refused("python is a text", python(a_text), r"letter\.txt cannot be started \(.*\): install"),
    refused("python without numpy", python(bare_python), r"cannot run the worker \(No module named 'numpy'\): install"),
    refused(
        "python that says hello", python(program("echo hello")), r'Python .*tool is none, it says "hello": install'
    ),
    refused(
        "python that never ends a line", python(program("exec tr '\\0' x </dev/zero")), r'none, it says "x+": inst'
    ),
    refused("python that says nothing", python(program("exit 7")), r"tool cannot run the worker \(exit code 7\): inst"),
    refused("python is Blender", python(program("exit 0", "blender")), r"blender is Blender, not a Python .*: install"),
]
