"""The worker as Blender sees it: give it a task, poll for messages, never wait.

    worker = Worker()
    number = worker.submit(request, folder)
    ...                                 # in a timer, until the answer is among them:
    for message in worker.poll(): ...
    result = worker.wait(number)        # or, in a script, wait here for the same

The process is started when it is needed and again after it died, and it keeps the model loaded in between. Every
task is answered by exactly one `ResultMessage` or `ErrorMessage`, also when the process was killed, never
started or hangs. Standard library and numpy only: this runs inside Blender's process.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from .. import errors
from ..errors import CancelledError, ImageToSceneError, WorkerError
from ..types import Device, OnProgress, Request
from .child import Child, Ended
from .protocol import (
    INTERNAL_ERROR,
    Answer,
    CancelCommand,
    DescribeCommand,
    DownloadCommand,
    ErrorMessage,
    Message,
    NoiseError,
    ProgressMessage,
    ReadyMessage,
    ReconstructCommand,
    RemoveCommand,
    ResultMessage,
    Task,
    cancelled_sentence,
)

SCRIPT: Final = Path(__file__).with_name("__main__.py")
PYTHON_VARIABLE: Final = "IMAGE_TO_SCENE_PYTHON"
CANCEL_SECONDS: Final = 0.8
"""How long a cancelled task may take to answer by itself; with a timer's tick on top it stays within a second."""

SILENCE_SECONDS: Final = 10.0
"""For how long a worker may give no sign of life before it is said: a library may hold the interpreter's lock."""

_REMEDY: Final = f"install it, or name a Python that has torch, in the add-on's preferences or in {PYTHON_VARIABLE}"
_CRASHES: Final = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT", "SIGFPE"})
_WINDOWS_CRASH: Final = 0xC0000000  # exit codes from here on are exceptions, access violations for example


class Worker:
    """A worker process, one task at a time.

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
        self._pending: Task | None = None
        self._last = 0
        self._deadline: float | None = None
        self._asked = 0.0
        self._is_unheard = False
        self._log: deque[str] = deque()

    @property
    def log(self) -> str:
        """The last lines on standard error of the process that runs, or ran last."""
        return "\n".join(self._log)

    @property
    def is_busy(self) -> bool:
        """Whether a task is not answered yet."""
        return self._pending is not None

    @property
    def silence(self) -> float:
        """For how many seconds a busy worker gave no sign of life, once that is unusually long; else 0."""
        if self._child is None or self._pending is None:
            return 0.0
        seconds = time.monotonic() - max(self._child.heard, self._asked)
        return seconds if seconds >= SILENCE_SECONDS else 0.0

    @property
    def pid(self) -> int | None:
        """The process's number; None where there is none."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the process unless it runs; every task does it, too.

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
            WorkerError: There is no usable interpreter, or a task is not done yet.
        """
        folder = output.absolute()
        return self._begin(lambda number: ReconstructCommand(number, request, folder))

    def download(self, model: str) -> int:
        """Have a preset's checkpoint downloaded; as `submit`."""
        return self._begin(lambda number: DownloadCommand(number, model))

    def remove(self, model: str) -> int:
        """Have a preset's checkpoint deleted; as `submit`."""
        return self._begin(lambda number: RemoveCommand(number, model))

    def describe(self, device: Device = "auto") -> int:
        """Ask for a `DeviceMessage`; as `submit`."""
        return self._begin(lambda number: DescribeCommand(number, device))

    def _begin(self, make: Callable[[int], Task]) -> int:
        if self._pending is not None:
            raise WorkerError("The worker is already running something: wait until it is done, or cancel it first.")
        self.poll()  # notices a process that died since the last task
        is_reused = self._child is not None
        self._last += 1
        task = make(self._last)
        self._send(task)
        self._pending, self._is_unheard = task, is_reused
        self._asked = time.monotonic()
        return self._last

    def _send(self, task: Task) -> None:
        self.start()
        assert self._child is not None  # noqa: S101 - start() either made it or raised
        self._child.send(task)

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
        """Ask the running task to end; a process that does not answer soon is ended by `poll`."""
        if self._child is not None and self._pending is not None and self._deadline is None:
            self._child.send(CancelCommand(self._pending.id))
            self._deadline = time.monotonic() + CANCEL_SECONDS

    def close(self) -> None:
        """End the process at once; a task that was running is answered by nothing any more."""
        self._discard()
        self._forget()

    def wait(self, number: int, on_progress: OnProgress | None = None, poll_interval: float = 0.05) -> ResultMessage:
        """Wait for the answer to a task: for scripts and `blender -b`, where nothing else is to be done.

        Args:
            number: What `submit`, `download`, `remove` or `describe` returned.
            on_progress: Called with every step; may raise `CancelledError` to end the run.
            poll_interval: Seconds between looks.

        Raises:
            ImageToSceneError: The class that the worker names; `WorkerError` for a defect. Its notes hold the trace.
        """
        while self._pending is not None and self._pending.id == number:
            for message in self.poll():
                if isinstance(message, ResultMessage):
                    return message
                if isinstance(message, ErrorMessage):
                    raise error_from(message)
                if isinstance(message, ProgressMessage) and on_progress is not None:
                    self._report(message, on_progress)
            time.sleep(poll_interval)
        raise WorkerError(f"Task {number} is not running: submit it first.")

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
        if self._pending is None or item.id != self._pending.id:
            return []
        self._is_unheard = False
        return self._answered(item)

    def _lost(self, reason: WorkerError | Ended) -> list[Message]:
        """A child that ended, or talks nonsense, is of no more use; the next task starts another."""
        text = self._ending(reason)
        self._discard()
        if self._pending is not None and self._is_unheard and self._deadline is None:
            return self._sent_again(self._pending)
        return self._failed(WorkerError.__name__, text)

    def _sent_again(self, task: Task) -> list[Message]:
        """Give a new process the task that an older one, dying, never heard of."""
        self._is_unheard = False
        try:
            self._send(task)
        except WorkerError as error:
            return self._failed(WorkerError.__name__, str(error))
        return []

    def _answered(self, message: Answer) -> list[Message]:
        if isinstance(message, ErrorMessage):
            return self._failed_by(message)
        return self._finished(message) if isinstance(message, ResultMessage) else [message]

    def _finished(self, result: ResultMessage) -> list[Message]:
        if self._deadline is not None:  # it was faster than the cancel, which still counts
            return self._failed(CancelledError.__name__, "")
        self._forget()
        return [result]

    def _failed_by(self, error: ErrorMessage) -> list[Message]:
        if error.kind == INTERNAL_ERROR:  # after a defect, a broken CUDA context say, a fresh process is the safe one
            self._discard()
        return self._failed(error.kind, error.text, error.trace)

    def _failed(self, kind: str, text: str, trace: str = "") -> list[Message]:
        """The one error that ends the pending task, if there is one; after a cancel, whatever happened is that."""
        task, is_cancelled = self._pending, self._deadline is not None
        self._forget()
        if task is None:
            return []
        if is_cancelled:
            kind, text = CancelledError.__name__, cancelled_sentence(task)
        return [ErrorMessage(task.id, kind, text, trace or self.log)]

    def _forget(self) -> None:
        self._pending = self._deadline = None
        self._is_unheard = False

    def _discard(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ending(self, reason: WorkerError | Ended) -> str:
        if self.ready or self._child is None:
            return death_sentence(reason.returncode) if isinstance(reason, Ended) else str(reason)
        if isinstance(reason, NoiseError):
            return f'The worker\'s Python {self._child.python} is none, it says "{reason.said}": {_REMEDY}.'
        if isinstance(reason, WorkerError):
            return str(reason)
        last = re.sub(r"^\w+(Error|Exception): ", "", self._log[-1]) if self._log else f"exit code {reason.returncode}"
        return f"The worker's Python {self._child.python} cannot run the worker ({last}): {_REMEDY}."


def find_python(
    preference: Path | None = None,
    variables: Mapping[str, str] = os.environ,
    private: Path | None = None,
    running: str | None = sys.executable,
) -> Path:
    """The interpreter for the worker: the first of these that is there.

    Args:
        preference: The one that the preferences name.
        variables: The environment, in which IMAGE_TO_SCENE_PYTHON may name one.
        private: That of the worker's own environment, when it is whole.
        running: The one that runs Blender as a module; None in the application, whose Python has no torch.

    Raises:
        WorkerError: What was named is no Python, or there is none at all.
    """
    named = preference or variables.get(PYTHON_VARIABLE) or private or running
    if not named:
        raise WorkerError(f"The worker needs its runtime, which is not installed yet: {_REMEDY}.")
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
