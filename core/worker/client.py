"""The worker as Blender sees it: submit a request, poll for messages, never wait.

    worker = Worker()
    number = worker.submit(request, folder)
    ...                                 # in a timer, until the answer is among them:
    for message in worker.poll(): ...
    result = worker.wait(number)        # or, in a script, wait here for the same

The process is started when it is needed and again after it died, and it keeps the model loaded in between. Every
submitted request is answered by exactly one `ResultMessage` or `ErrorMessage`, also when the process was killed, never
started or hangs. Standard library and numpy only: this runs inside Blender's process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .. import errors
from ..errors import CancelledError, ImageToSceneError, WorkerError
from ..types import OnProgress, Request
from .child import Child, Ended
from .protocol import (
    INTERNAL_ERROR,
    CancelCommand,
    ErrorMessage,
    Message,
    ProgressMessage,
    ReadyMessage,
    ReconstructCommand,
    ResultMessage,
    WarningMessage,
)

SCRIPT: Final = Path(__file__).with_name("__main__.py")
PYTHON_VARIABLE: Final = "IMAGE_TO_SCENE_PYTHON"
CANCEL_SECONDS: Final = 0.8
"""How long a cancelled run may take to answer by itself; with a timer's tick on top it stays within a second."""

_REMEDY: Final = f"name a Python that has torch in the add-on's preferences or in {PYTHON_VARIABLE}"
_CRASHES: Final = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT", "SIGFPE"})
_WINDOWS_CRASH: Final = 0xC0000000  # exit codes from here on are exceptions, access violations for example


class Worker:
    """A worker process, one request at a time.

    Args:
        python: The interpreter from the preferences; None: `find_python` looks elsewhere.
        script: What it runs.
    """

    def __init__(self, python: Path | None = None, script: Path = SCRIPT) -> None:
        self._python = python
        self._script = script
        self._child: Child | None = None
        self.ready: ReadyMessage | None = None
        """What the process said of itself when it was up; None before that."""
        self._pending: int | None = None
        self._last = 0
        self._deadline: float | None = None
        self._unheard: ReconstructCommand | None = None
        self._log: deque[str] = deque()

    @property
    def log(self) -> str:
        """The last lines on standard error of the process that runs, or ran last."""
        return "\n".join(self._log)

    @property
    def is_busy(self) -> bool:
        """Whether a submitted request is not answered yet."""
        return self._pending is not None

    @property
    def pid(self) -> int | None:
        """The process's number; None where there is none."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the process unless it runs; `submit` does it, too.

        Raises:
            WorkerError: There is no usable interpreter.
        """
        if self._child is None:
            self._child = Child(find_python(self._python), self._script)
            self._log = self._child.log
            self.ready = None

    def submit(self, request: Request, output: Path) -> int:
        """Hand a request over; its reconstructions are saved in folders of `output`, which stays the caller's.

        Returns:
            The number that its messages carry.

        Raises:
            WorkerError: There is no usable interpreter, or a request is still running.
        """
        if self._pending is not None:
            raise WorkerError("A reconstruction is already running: wait for it or cancel it first.")
        self.poll()  # notices a process that died since the last request
        is_reused = self._child is not None
        self._last += 1
        command = ReconstructCommand(self._last, request, output.absolute())
        self._send(command)
        self._pending = self._last
        self._unheard = command if is_reused else None
        return self._last

    def _send(self, command: ReconstructCommand) -> None:
        self.start()
        assert self._child is not None  # noqa: S101 - start() either made it or raised
        self._child.send(command)

    def poll(self) -> list[Message]:
        """All messages since the last call, in order; never waits."""
        messages: list[Message] = []
        for item in self._child.received() if self._child else ():
            messages += self._judged(item)
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._discard()
            messages += self._failed(WorkerError.__name__, "The worker did not answer.")
        return messages

    def cancel(self) -> None:
        """Ask the running request to end; a process that does not answer soon is ended by `poll`."""
        if self._child is not None and self._pending is not None and self._deadline is None:
            self._child.send(CancelCommand(self._pending))
            self._deadline = time.monotonic() + CANCEL_SECONDS

    def close(self) -> None:
        """End the process at once; a request that was running is answered by nothing any more."""
        self._discard()
        self._pending = self._deadline = self._unheard = None

    def wait(self, number: int, on_progress: OnProgress | None = None, poll_interval: float = 0.05) -> ResultMessage:
        """Wait for the answer to a request: for scripts and `blender -b`, where nothing else is to be done.

        Args:
            number: What `submit` returned.
            on_progress: Called with every step; may raise `CancelledError` to end the run.
            poll_interval: Seconds between looks.

        Raises:
            ImageToSceneError: The class that the worker names; `WorkerError` for a defect. Its notes hold the trace.
        """
        while self._pending == number:
            for message in self.poll():
                if isinstance(message, ResultMessage):
                    return message
                if isinstance(message, ErrorMessage):
                    raise error_from(message)
                if isinstance(message, ProgressMessage) and on_progress is not None:
                    self._report(message, on_progress)
            time.sleep(poll_interval)
        raise WorkerError(f"Request {number} is not running: submit it first.")

    def _report(self, message: ProgressMessage, on_progress: OnProgress) -> None:
        try:
            on_progress(message.progress)
        except CancelledError:
            self.cancel()

    def _judged(self, item: Message | WorkerError | Ended) -> list[Message]:
        """What of a child's item the caller gets to see."""
        if isinstance(item, WorkerError | Ended):
            return self._lost(item)
        if isinstance(item, ReadyMessage):
            self.ready = item
            return [item]
        if item.id != self._pending:
            return []
        self._unheard = None
        return self._answered(item)

    def _lost(self, reason: WorkerError | Ended) -> list[Message]:
        """A child that ended, or talks nonsense, is of no more use; the next request starts another."""
        text = self._ending(reason.returncode) if isinstance(reason, Ended) else str(reason)
        self._discard()
        if self._unheard is not None and self._deadline is None:
            return self._sent_again(self._unheard)
        return self._failed(WorkerError.__name__, text)

    def _sent_again(self, command: ReconstructCommand) -> list[Message]:
        """Give a new process the request that an older one, dying, never heard of."""
        self._unheard = None
        try:
            self._send(command)
        except WorkerError as error:
            return self._failed(WorkerError.__name__, str(error))
        return []

    def _answered(self, message: ProgressMessage | WarningMessage | ResultMessage | ErrorMessage) -> list[Message]:
        if isinstance(message, ErrorMessage):
            return self._failed_by(message)
        return self._finished(message) if isinstance(message, ResultMessage) else [message]

    def _finished(self, result: ResultMessage) -> list[Message]:
        if self._deadline is not None:  # it was faster than the cancel, which still counts
            return self._failed(CancelledError.__name__, "")
        self._pending = None
        return [result]

    def _failed_by(self, error: ErrorMessage) -> list[Message]:
        if error.kind == INTERNAL_ERROR:  # after a defect, a broken CUDA context say, a fresh process is the safe one
            self._discard()
        return self._failed(error.kind, error.text, error.trace)

    def _failed(self, kind: str, text: str, trace: str = "") -> list[Message]:
        """The one error that ends the pending request, if there is one; after a cancel, whatever happened is that."""
        number, is_cancelled = self._pending, self._deadline is not None
        self._pending = self._deadline = self._unheard = None
        if number is None:
            return []
        if is_cancelled:
            kind, text = CancelledError.__name__, "The reconstruction was cancelled."
        return [ErrorMessage(number, kind, text, trace or self.log)]

    def _discard(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ending(self, returncode: int) -> str:
        if self.ready or self._child is None:
            return death_sentence(returncode)
        reason = self._log[-1] if self._log else f"exit code {returncode}"
        return f"The worker's Python {self._child.python} cannot run the worker ({reason}): {_REMEDY}."


def find_python(preference: Path | None = None, variables: Mapping[str, str] = os.environ) -> Path:
    """The interpreter for the worker: the preferences' one, else IMAGE_TO_SCENE_PYTHON, else the running one.

    The running one is right where `bpy` is a module of an environment that also has torch. Inside the Blender
    application it is Blender's own Python, which has none: the worker then starts and says so.

    Raises:
        WorkerError: What was named is no Python, or nothing was named and none is running.
    """
    named = preference or variables.get(PYTHON_VARIABLE) or sys.executable
    if not named:
        raise WorkerError(f"No Python for the worker is known: {_REMEDY}.")
    python = Path(named).expanduser().absolute()  # not resolved: a virtual environment's Python is a link
    if not python.is_file() or not os.access(python, os.X_OK):
        raise WorkerError(f"The worker's Python {python} is not a program that can be run: {_REMEDY}.")
    if python.stem.lower().startswith("blender"):
        raise WorkerError(f"{python} is Blender, not a Python for the worker: {_REMEDY}.")
    return python


def error_from(message: ErrorMessage) -> ImageToSceneError:
    """The exception that an error message stands for: the named class of `core.errors`, else `WorkerError`."""
    kind = getattr(errors, message.kind, None)
    is_ours = isinstance(kind, type) and issubclass(kind, ImageToSceneError)
    error: ImageToSceneError = kind(message.text) if is_ours and kind else WorkerError(message.text)
    if message.trace:
        error.add_note(message.trace)
    return error


def death_sentence(returncode: int) -> str:
    """What to tell an artist whose worker ended without an answer.

    Args:
        returncode: As `subprocess` gives it: minus the signal's number on POSIX, an exception's code on Windows.
    """
    ending = _signal_name(returncode)
    if ending == "SIGKILL":
        return (
            "The worker was killed from outside, most often because memory ran out: "
            "use fewer pictures, a lower resolution or a smaller model, and try again."
        )
    if ending in _CRASHES or returncode >= _WINDOWS_CRASH:
        return (
            f"The worker crashed ({ending or hex(returncode)}): try again, and if it repeats, "
            "update the graphics driver or choose the CPU as device."
        )
    return f"The worker ended without an answer ({ending or f'exit code {returncode}'}): see the log and try again."


def _signal_name(returncode: int) -> str:
    try:
        return signal.Signals(-returncode).name if returncode < 0 else ""
    except ValueError:
        return ""
