"""One worker process and the pipes to it: no call in here waits for the other side.

Three daemon threads do the waiting: one writes commands, one reads messages, one keeps the last lines of what the
process and its libraries say on standard error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Final

from ..errors import WorkerError
from ..temporary import OwnedFolder
from .protocol import Command, Message, decode_message, encode
from .runtime.processes import clean_environment, own_group

LOG_LINES: Final = 200
LOG_LINE_BYTES: Final = 2000  # a progress bar without line ends must not grow the log for ever
LONGEST_LINE: Final = 1 << 24  # bytes; far above what the worker says of thousands of pictures: more is no worker

NO_MORE: Final = b""  # ends the writing thread

GROWING: Final = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
"""Torch's memory on a graphics card grows in place where the system (Linux) can do that, and so keeps fewer holes: on
an H100 `small` took 1.2 GiB rather than 1.3 for 32 pictures. An artist's own setting wins, also by the variable's older
name, which torch looks at first."""
NUMPY_ALONE: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Pictures are read on several threads, in which numpy's small products would wait for threads of their own: twice as
long in all. Torch has other ones."""


@dataclass(frozen=True)
class Ended:
    """The last thing that comes from a child: it is gone, and here is how."""

    returncode: int


class Child:
    """A running worker process.

    Args:
        python: Its interpreter.
        script: What it runs: `core/worker/__main__.py`.

    Raises:
        WorkerError: The system cannot run that interpreter.
        MemoryError: There is no memory for the threads that listen to it.
    """

    def __init__(self, python: Path, script: Path) -> None:
        self.python = python
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        # The process may end without a chance to tidy up: what it and its libraries put aside is removed from here.
        try:
            self._scratch = OwnedFolder()
        except OSError as error:
            raise WorkerError(
                f"The worker's folder for temporary files cannot be made ({error}): free disk space and try again."
            ) from error
        # -I: nothing of the artist's own Python set-up; -u and utf8: what libraries say arrives at once and legibly.
        command = [str(python), "-I", "-u", "-X", "utf8", str(script)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        try:
            self._process = subprocess.Popen(command, env=environment(str(self._scratch.path)), **pipes, **own_group())
        except (OSError, ValueError) as error:
            self._scratch.close()
            raise WorkerError(
                f"The worker's Python {python} cannot be started ({getattr(error, 'strerror', None) or error}): "
                "install the runtime, or name a Python that has torch, in the add-on's preferences."
            ) from error
        self.heard = time.monotonic()
        """When it last gave a sign of life."""
        self._commands: SimpleQueue[bytes] = SimpleQueue()
        self._received: SimpleQueue[Message | WorkerError | Ended] = SimpleQueue()
        try:
            logging = _thread(_keep_log, _pipe(self._process.stderr), self.log)
            _thread(_write, self._commands, _pipe(self._process.stdin))
            _thread(self._read, _pipe(self._process.stdout), logging)
        except RuntimeError as error:  # the system has no memory for a thread's stack
            self._process.kill()
            self._scratch.close()
            raise MemoryError(str(error)) from error

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def send(self, command: Command) -> None:
        """Queue a command; one that the process never reads is lost with it."""
        self._commands.put(encode(command))

    def received(self) -> Iterator[Message | WorkerError | Ended]:
        """What came since the last call; `Ended` is the last of all, an error stands for a line that is no message."""
        with suppress(Empty):
            while True:
                yield self._received.get_nowait()

    def kill(self) -> None:
        """End the process whatever it does; it owns nothing but the folder it writes to."""
        self._process.kill()

    def _read(self, messages: IO[bytes], logging: threading.Thread) -> None:
        with messages:
            for line in iter(lambda: messages.readline(LONGEST_LINE), b""):
                self.heard = time.monotonic()
                if not line.strip():
                    continue
                try:
                    self._received.put(decode_message(line))
                except WorkerError as error:
                    self._received.put(error)
        returncode = self._process.wait()
        self._commands.put(NO_MORE)
        self._scratch.close()
        logging.join(0.5)  # its last words are the reason; a grandchild may hold that pipe open for longer
        self._received.put(Ended(returncode))


def environment(scratch: str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The child's environment: the parent's, cleaned as `runtime.processes.clean_environment` says.

    Where it does not say how many threads numpy takes, that is one, and how torch takes memory of a card, in segments
    that grow.

    Args:
        scratch: The folder for temporary files.
        inherited: The parent's environment.
    """
    scratches = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)
    ours = NUMPY_ALONE | (GROWING if sys.platform == "linux" else {})
    return ours | clean_environment(inherited) | scratches


def _write(commands: SimpleQueue[bytes], pipe: IO[bytes]) -> None:
    with suppress(OSError), pipe:  # an error means that the process is gone: the reading side tells
        while (line := commands.get()) != NO_MORE:
            pipe.write(line)
            pipe.flush()


def _keep_log(pipe: IO[bytes], log: deque[str]) -> None:
    with pipe:
        while line := pipe.readline(LOG_LINE_BYTES):
            log.append(line.decode("utf-8", errors="replace").rstrip())


def _thread(target: Any, *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - all three were asked for
    return stream
