"""The child's loop: commands in, messages out, one task at a time.

Tasks run on the main thread and the commands are read beside it, so that a cancel is seen while torch computes
and the end of standard input, which is also what a crashed Blender leaves behind, ends the process at once.

The worker is ready before it has imported torch: that takes seconds and may fail, so it is the first stage of the first
request, `Starting`, where progress, cancel and errors have an id to answer to. The session, and with it the loaded
model, is kept from then on.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Final, Protocol

from ..errors import CancelledError, ImageToSceneError, OutOfMemoryError, WorkerError
from ..model.out_of_memory import is_out_of_memory, release_memory
from ..types import Device, OnProgress, Progress, Reconstruction, Request
from .protocol import (
    INTERNAL_ERROR,
    CancelCommand,
    Command,
    DescribeCommand,
    DeviceMessage,
    DownloadCommand,
    ErrorMessage,
    ExitCommand,
    Message,
    ProgressMessage,
    ReadyMessage,
    ReconstructCommand,
    ResultMessage,
    Task,
    WarningMessage,
    cancelled_sentence,
    decode_command,
    encode,
    request_id,
)

PACKAGES: Final = ("torch", "numpy", "pillow", "av", "safetensors", "huggingface-hub")
"""What the network needs of the worker's interpreter, as distributions."""


class Session(Protocol):
    """Reconstructs, and keeps the model loaded between calls."""

    def reconstruct(self, request: Request, progress: OnProgress) -> tuple[Reconstruction, ...]:
        """One reconstruction per set of views that share a world."""


BEAT: Final = 2.0
"""Seconds between two empty lines, the worker's signs of life while it computes."""

Send = Callable[[Message], None]
OpenSession = Callable[[], Session]


def open_session() -> Session:
    """The real thing; importing torch by name makes a missing torch the first thing to be missed."""
    importlib.import_module("torch")
    from ..pipeline import Session as PipelineSession

    return PipelineSession()


class Server:
    """Answers commands: `take` them on any thread, `run` on the main one."""

    def __init__(self, send: Send, open_session: OpenSession = open_session) -> None:
        self._send = send
        self._open_session = open_session
        self._session: Session | None = None
        self._commands: SimpleQueue[Task | ExitCommand] = SimpleQueue()
        self._cancelled: set[int] = set()

    def take(self, command: Command) -> None:
        """Queue a command; a cancel takes effect at the next step of its task."""
        if isinstance(command, CancelCommand):
            self._cancelled.add(command.id)
        else:
            self._commands.put(command)

    def run(self) -> None:
        """Do every task that was taken, until an exit is."""
        while not isinstance(command := self._commands.get(), ExitCommand):
            self._answer(command)

    def _answer(self, task: Task) -> None:
        try:
            self._send(self._do(task, self._reporter(task)))
        except Exception as error:  # noqa: BLE001 - the process boundary: a defect is an answer, too
            self._send(failure(task.id, error))
        # Only now is the error gone, and with its trace the tensors that filled the device.
        release_memory()

    def _do(self, task: Task, report: OnProgress) -> ResultMessage:
        report(Progress("Starting", 0, 1))
        if isinstance(task, ReconstructCommand):
            return self._reconstruct(task, report)
        if isinstance(task, DescribeCommand):
            return self._describe(task.id, task.device)
        from ..model.download import Hub

        if isinstance(task, DownloadCommand):
            return ResultMessage(task.id, (Hub().download(task.model, report),))
        return ResultMessage(task.id, facts=({"freed": Hub().remove(task.model)},))

    def _reconstruct(self, command: ReconstructCommand, report: OnProgress) -> ResultMessage:
        self._session = self._session or self._open_session()
        report(Progress("Starting", 1, 1))
        if "torch" in sys.modules:
            self._describe(command.id, command.request.device)
        reconstructions = self._session.reconstruct(command.request, report)
        folders = save_all(reconstructions, command.output, report)
        self._warn(command.id, reconstructions)
        return ResultMessage(command.id, folders, tuple(item.facts for item in reconstructions))

    def _describe(self, number: int, device: Device) -> ResultMessage:
        """Tell of the device that a request would run on."""
        from ..model.device import describe_device

        facts = describe_device(device)
        self._send(DeviceMessage(number, facts.kind, facts.name, facts.total, facts.free))
        return ResultMessage(number)

    def _reporter(self, task: Task) -> OnProgress:
        def report(progress: Progress) -> None:
            if task.id in self._cancelled:
                raise CancelledError(cancelled_sentence(task))
            self._send(ProgressMessage(task.id, progress.stage, progress.done, progress.total))

        return report

    def _warn(self, number: int, reconstructions: tuple[Reconstruction, ...]) -> None:
        texts = [text for item in reconstructions for text in item.facts.get("warnings", ())]
        for text in dict.fromkeys(texts):
            self._send(WarningMessage(number, text))


def save_all(reconstructions: tuple[Reconstruction, ...], output: Path, report: OnProgress) -> tuple[Path, ...]:
    """Save each as a numbered folder of `output`, which the client owns and removes whatever happens."""
    from ..storage import save

    folders = []
    for number, reconstruction in enumerate(reconstructions):
        report(Progress("Saving", number, len(reconstructions)))
        folders.append(output / f"{number:03d}")
        save(reconstruction, folders[-1])
    report(Progress("Saving", len(reconstructions), len(reconstructions)))
    return tuple(folders)


def failure(number: int, error: Exception) -> ErrorMessage:
    """What the artist reads of an error; its trace is for the log.

    Returns:
        The error's own sentence if it was written for the artist. Memory, packages and files, which torch and the
        system report in their own words, get one here, and anything else is told as the defect it is.
    """
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, ImageToSceneError):
        return ErrorMessage(number, type(error).__name__, str(error), trace)
    if is_out_of_memory(error):
        text = "The device ran out of memory: use fewer pictures, a lower resolution or a smaller model."
        return ErrorMessage(number, OutOfMemoryError.__name__, text, trace)
    if isinstance(error, ImportError) and not _is_own(error.name):
        return ErrorMessage(number, WorkerError.__name__, _import_sentence(error), trace)
    if isinstance(error, OSError):
        text = f"The system refused the worker a file ({error}): check that it may be used and that the disk has room."
        return ErrorMessage(number, WorkerError.__name__, text, trace)
    text = f"The worker stopped on a defect ({type(error).__name__}): see the log and please report it."
    return ErrorMessage(number, INTERNAL_ERROR, text, trace)


def serve(open_session: OpenSession = open_session) -> None:
    """Be the worker until told to exit or until standard input ends. Does not return."""
    faulthandler.enable()
    commands, messages = take_channels()
    writing = threading.Lock()

    def write(line: bytes) -> None:
        with writing:
            messages.write(line)
            messages.flush()

    def send(message: Message) -> None:
        write(encode(message))

    send(ReadyMessage(sys.executable, os.getpid(), package_versions()))
    server = Server(send, open_session)
    threading.Thread(target=_read_commands, args=(commands, server, send), daemon=True).start()
    threading.Thread(target=_beat, args=(write,), daemon=True).start()
    server.run()
    os._exit(0)  # what torch and its libraries do at a regular exit is neither needed nor always brief


def take_channels() -> tuple[BinaryIO, BinaryIO]:
    """Keep standard input and output for the protocol alone.

    From here on descriptor 1 is standard error and descriptor 0 is empty, so nothing that a library prints, in Python
    or in C, and nothing that it reads can reach the protocol. Both channels are binary on every system.
    """
    commands, messages = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(commands, os.O_BINARY)
        msvcrt.setmode(messages, os.O_BINARY)
    return os.fdopen(commands, "rb"), os.fdopen(messages, "wb")


def package_versions() -> dict[str, str]:
    """Versions of `PACKAGES` by their metadata, importing none of them; what is missing is left out."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _read_commands(commands: BinaryIO, server: Server, send: Send) -> None:
    for line in filter(bytes.strip, commands):
        try:
            server.take(decode_command(line))
        except WorkerError as error:
            send(failure(request_id(line), error))
    # The other end is gone. The main thread may be deep in a computation: nothing less than this ends it now. (torch
    # lets go of the interpreter's lock while it computes; a library that does not would delay this until it returns.)
    os._exit(0)


def _beat(write: Callable[[bytes], None]) -> None:
    """Show that the process is alive: torch lets go of the interpreter's lock while it computes."""
    with suppress(OSError):  # the other end is gone
        while True:
            time.sleep(BEAT)
            write(b"\n")


def _is_own(module: str | None) -> bool:
    return (module or "").split(".")[0] == __name__.split(".")[0]


def _import_sentence(error: ImportError) -> str:
    remedy = (
        f"install {', '.join(PACKAGES)} there, or name another Python in the add-on's preferences "
        "or in IMAGE_TO_SCENE_PYTHON"
    )
    module = (error.name or "torch").split(".")[0]
    if isinstance(error, ModuleNotFoundError):
        return f"The worker's Python {sys.executable} has no {module}: {remedy}."
    return f"The worker's Python {sys.executable} cannot load {module} ({error}): {remedy}."
