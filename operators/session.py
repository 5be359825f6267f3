"""What one running Blender keeps between two clicks: the worker, the run that occupies it, the results of earlier runs.

Nothing here is in the .blend and nothing here draws: the panels read it, operators change it. A run is advanced by
whoever started it, in a timer or in a loop, so that the window and `blender -b` share every line of it.
"""

import logging
import shutil
import tempfile
import threading
import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import bpy
import numpy as np
from bpy.app.handlers import persistent

from ..core import temporary
from ..core.disk import write_problem
from ..core.errors import ImageToSceneError, StorageError, WorkerError
from ..core.outside import NOTHING, Chosen, absolute, unopened_warning
from ..core.types import Progress, Reconstruction, Request
from ..core.worker.client import Worker, error_from
from ..core.worker.protocol import (
    DeviceMessage,
    ErrorMessage,
    Message,
    ProgressMessage,
    ResultMessage,
    WarningMessage,
)
from .devices import devices

log = logging.getLogger(__name__)

RECONSTRUCTION_KEY: Final = "image_to_scene_folder"
"""Custom property of a root empty: names the saved reconstruction it was built from, for `Session.folder_of`."""
POINTS_KEY: Final = "image_to_scene_points"
"""Custom property of a root empty: how many pixels have a place in space."""


class Task:
    """What occupies the session and ends in saved reconstructions: a run of the worker, or a folder to open.

    Args:
        stage: What it does first, for the artist.
        folders: Where its reconstructions are saved, if they are already.
        chosen: Which photos outside those folders may be opened.
    """

    def __init__(self, stage: str, folders: tuple[Path, ...] = (), chosen: Chosen = NOTHING) -> None:
        self.progress = Progress(stage, 0, 1)
        self.warnings: list[str] = []
        self.folders = folders
        self.chosen = chosen
        self.error: ImageToSceneError | None = None
        self.is_done = bool(folders)
        """Whether its reconstructions are saved, or it failed."""
        self.is_cancelling = False
        self.at_end = ExitStack()
        """What is to be undone when the session is done with it, however it ends."""

    @property
    def status(self) -> str:
        """How far it is, for the artist."""
        step = self.progress
        silence = f" · The worker has not answered for {self.silence:.0f} seconds" if self.silence else ""
        return "Cancelling" if self.is_cancelling else f"{step.stage} {step.done}/{step.total}{silence}"

    @property
    def silence(self) -> float:
        """For how many seconds nothing was heard of it, where that is unusually long; else 0."""
        return 0.0

    def advance(self) -> bool:
        """Take what was said since the last call; return whether the run is over. Never waits."""
        return self.is_done

    def cancel(self) -> None:
        """Ask it to stop."""
        self.is_cancelling = True

    def reconstructions(self) -> list[Reconstruction]:
        """Load what was saved; pixels are read when they are used.

        Raises:
            ImageToSceneError: The run failed or was cancelled.
            StorageError: What was saved cannot be read.
        """
        from ..core.storage import load

        if self.error is not None:
            raise self.error
        found = [load(folder, self.chosen) for folder in self.folders]
        self.warnings += [text for item in found if (text := unopened_warning(item)) and text not in self.warnings]
        return found

    def discard(self) -> None:
        """Remove what it made."""


class Run(Task):
    """One request in the worker, from submission to its answer.

    Args:
        worker: Takes the request.
        request: What to do.
        folder: Where the worker saves reconstructions; the caller's.

    Raises:
        WorkerError: The worker cannot be started, or another run occupies it.
    """

    def __init__(self, worker: Worker, request: Request, folder: Path) -> None:
        files = frozenset(absolute(file) for view in request.views for file in view.files)
        super().__init__("Starting", chosen=Chosen(files, outside=True, network=True))  # the folder is our own worker's
        self._worker = worker
        self._device = request.device
        self._folder = folder
        try:
            worker.submit(request, folder)
        except WorkerError:
            self.discard()
            raise

    def advance(self) -> bool:
        """Take what the worker said since the last call; return whether the run is over. Never waits."""
        for message in self._worker.poll():
            self._take(message)
        return self.is_done

    @property
    def silence(self) -> float:
        """For how many seconds the worker gave no sign of life, where that is unusually long; else 0."""
        return self._worker.silence

    def cancel(self) -> None:
        """Ask the worker to stop; the run is over within a second, with a `CancelledError`."""
        super().cancel()
        self._worker.cancel()

    def discard(self) -> None:
        """Remove what was saved, whole or not."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take(self, message: Message) -> None:
        if isinstance(message, ProgressMessage):
            self.progress = message.progress
        elif isinstance(message, DeviceMessage):
            devices[self._device] = message
        elif isinstance(message, WarningMessage):
            self.warnings.append(message.text)
        elif isinstance(message, ResultMessage):
            self.folders, self.is_done = message.folders, True
        elif isinstance(message, ErrorMessage):
            self.error, self.is_done = error_from(message), True
            level = logging.ERROR if isinstance(self.error, WorkerError) else logging.DEBUG
            log.log(level, "%s\n%s", message.text, message.trace)


class Session:
    """The worker and its results, from registration to unregistration."""

    def __init__(self) -> None:
        self.run: Task | None = None
        self._worker: Worker | None = None
        self._python: Path | None = None
        self._results: dict[str, Path] = {}
        self._chosen: frozenset[Path] = frozenset()
        self._scratch: temporary.OwnedFolder | None = None

    @property
    def log(self) -> str:
        """What the worker last said on its standard error."""
        return self._worker.log if self._worker else ""

    def start(self, request: Request, python: Path | None = None) -> Run:
        """Start a run; the worker stays from the last one unless its interpreter changed.

        Args:
            request: What to do.
            python: The worker's interpreter; None: see `core.worker.client.find_python`.

        Raises:
            WorkerError: The worker cannot be started, or a run is not over yet.
        """
        if self._worker is None or (python != self._python and self.run is None):
            self.close_worker()
            self._worker, self._python = Worker(python), python
        run = Run(self._worker, request, self._new_folder())
        self.run = run
        self._chosen |= run.chosen.files
        return run

    def open(self, folder: Path, chosen: Chosen = NOTHING) -> Task:
        """Occupy the session with a folder to build from.

        Args:
            folder: The saved reconstruction.
            chosen: Which photos outside of it may be opened, beside those that a run of this session used.

        Raises:
            WorkerError: A run is not over yet.
        """
        if self.run is not None:
            raise WorkerError("A reconstruction is already running: wait for it or cancel it first.")
        self.run = Task("Opening", (folder,), replace(chosen, files=chosen.files | self._chosen))
        return self.run

    def finish(self, task: Task) -> None:
        """Forget a task that is over, or end one that is not: its worker is closed and nothing comes of it."""
        if self.run is task:
            self.run = None
            task.at_end.close()
            if not task.is_done:
                self.close_worker()
            if not set(task.folders) & set(self._results.values()):
                task.discard()

    def close_worker(self) -> None:
        """End the worker's process, which frees the GPU."""
        if self._worker is not None:
            self._worker.close()

    def close(self) -> None:
        """End everything and remove what was not saved."""
        if self.run is not None:
            self.finish(self.run)
        self.close_worker()
        self._worker = None
        self._results.clear()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def keep(self, root: bpy.types.Object, folder: Path) -> None:
        """Remember which saved reconstruction a root was built from; the .blend never learns the path."""
        key = uuid.uuid4().hex
        root[RECONSTRUCTION_KEY] = key
        self._results[key] = folder

    def folder_of(self, root: bpy.types.Object) -> Path | None:
        """Return the saved reconstruction an object was built from; None when it was built in another session."""
        return self._results.get(root.get(RECONSTRUCTION_KEY, ""))

    def folder(self, name: str) -> Path:
        """Return the folder of that name for files that go when the session closes."""
        folder = self._scratch_folder().path / name
        folder.mkdir(exist_ok=True)
        return folder

    def holds(self, path: Path) -> bool:
        """Tell whether a file goes when the session closes."""
        return self._scratch is not None and path.is_relative_to(self._scratch.path)

    def name_beside(self, target: Path) -> Path:
        """Return a new name in a target's folder for what is not complete yet; it is swept if Blender is killed.

        Raises:
            StorageError: There is no folder for temporary files.
        """
        return self._scratch_folder().name_beside(target)

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._scratch_folder().path))

    def _scratch_folder(self) -> temporary.OwnedFolder:
        if self._scratch is None:
            threading.Thread(target=temporary.sweep, daemon=True).start()
            try:
                self._scratch = temporary.OwnedFolder()
            except OSError as error:
                place = Path(tempfile.gettempdir())
                problem = write_problem(error, place / "new")
                raise StorageError(f"The folder for temporary files {place} cannot be used ({problem}).") from error
        return self._scratch


session: Final = Session()


def went(path: Path) -> bool:
    """Tell whether a file was made in a session's scratch folder and went with it."""
    return not path.exists() and any(part.startswith(temporary.PREFIX) for part in path.parts[:-1])


def count_points(reconstruction: Reconstruction) -> int:
    """Count the pixels of all views whose depth is known."""
    return sum(int(np.isfinite(view.depth).sum()) for view in reconstruction.views)


def register() -> None:
    """End the run when another file is opened."""
    bpy.app.handlers.load_pre.append(_end_run)


def unregister() -> None:
    """End everything."""
    bpy.app.handlers.load_pre.remove(_end_run)
    session.close()


@persistent  # type: ignore[untyped-decorator]
def _end_run(*_arguments: object) -> None:
    if session.run is not None:
        session.finish(session.run)
