"""How a batch run ends when it is asked to: within a second, with one line and one code, and leaving nothing behind.

A signal only sets a flag, at which the run looks wherever it can stop. Where it does not look for too long, in one of
Blender's exporters for example, another thread ends the process: nothing of the results is in place before the run has
claimed the last word. Knows no Blender, so that signals are heard while Blender is being imported.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TextIO

from ..core.errors import CancelledError
from .output import deliver, failure

CANCELLED: Final = 130
"""The exit code of a run that was asked to end."""
GRACE: Final = 0.7
"""Seconds in which a run ends by itself."""
TICK: Final = 0.05
PATIENCE: Final = 2.0
"""Seconds for threads that remove what the worker's process put aside."""
SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
SENTENCE: Final = "The reconstruction was cancelled."


class Ending:
    """The wish to end, and who has the last word. One per process."""

    def __init__(self) -> None:
        self.is_asked = False
        self.tidy: list[Callable[[], None]] = []
        """What is to be done before the process ends, the last first."""
        self._word = threading.Lock()
        self._is_mine = False
        self._watcher: threading.Thread | None = None

    def listen(self, out: TextIO) -> None:
        """Take signals from here on; may be called again where Blender may have taken them back.

        Args:
            out: Gets the summary where the run does not end by itself.
        """
        for number in (getattr(signal, name, None) for name in SIGNALS):
            # A terminal's end is nothing to whoever was started with nohup.
            if number is not None and not (number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                signal.signal(number, self._ask)
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a closed pipe is an error to be told, not an end
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, args=(out,), daemon=True)
            self._watcher.start()

    def check(self) -> None:
        """End the run here if that was asked for.

        Raises:
            CancelledError: It was.
        """
        if self.is_asked:
            raise CancelledError(SENTENCE)

    def claim(self) -> None:
        """Take the last word: from here on no signal changes what is told. Does not return once the watcher has it."""
        if not self._is_mine:
            self._word.acquire()
            self._is_mine = True

    def leave(self, code: int) -> NoReturn:
        """End at once: some versions of Blender's module crash or hang when Python ends it after an export."""
        for step in reversed(self.tidy):
            with suppress(Exception):
                step()
        deadline = time.monotonic() + PATIENCE
        waiting = {threading.current_thread(), threading.main_thread(), self._watcher}
        for thread in set(threading.enumerate()) - waiting:
            thread.join(max(0.0, deadline - time.monotonic()))
        if "bpy" in sys.modules:
            remove_session_folder(Path(sys.modules["bpy"].app.tempdir))
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        os._exit(code)

    def _ask(self, *_arguments: object) -> None:
        self.is_asked = True  # no lock: a second signal may arrive inside this very call

    def _watch(self, out: TextIO) -> None:
        while not self.is_asked:
            time.sleep(TICK)
        time.sleep(GRACE)
        if self._word.acquire(blocking=False):
            deliver(out, failure(CancelledError.__name__, SENTENCE))
            self.leave(CANCELLED)


def remove_session_folder(folder: Path) -> None:
    """Remove the empty folder that Blender makes for each of its sessions, and no other.

    Where Blender cannot make one, it uses the folder for everybody's temporary files itself.
    """
    with suppress(OSError):
        if folder.name.startswith("blender_") and not folder.samefile(tempfile.gettempdir()):
            folder.rmdir()  # refuses what is not empty


ending: Final = Ending()
