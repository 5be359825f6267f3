"""The worker's environment: install, repair, remove, and check another Python.

All of it happens in threads: pressed in the window an operator returns at once and a timer redraws, called from a
script it waits. The panels read `setup`.
"""

import site
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import bpy
from bpy.props import EnumProperty, StringProperty

from ..core.errors import CancelledError, ImageToSceneError, InstallError
from ..core.model.presets import megabytes
from ..core.worker.client import find_python
from ..core.worker.runtime import lockfile
from ..core.worker.runtime.builds import BUILDS, size_of
from ..core.worker.runtime.check import Check
from ..core.worker.runtime.consent import consent_lines
from ..core.worker.runtime.installation import Installation, Removal, Source
from ..core.worker.runtime.store import Runtime, Store
from .context import PACKAGE, Outcome, manager_of
from .session import session

TICK: Final = 0.25
"""Seconds between two redraws."""

BUILD_ITEMS: Final = tuple((build.name, build.title, build.description) for build in BUILDS.values())


class Setup:
    """What goes on with the environment; changed by operators only."""

    def __init__(self) -> None:
        self.lock = lockfile.LOCK
        """Which packages an environment gets."""
        self.job: Installation | Removal | None = None
        """What runs now."""
        self.check: Check | None = None
        """The last look at a Python, running or done."""
        self.error = ""
        """Why the last job failed; empty after a success."""
        self.log: list[str] = []
        """What the last job said."""
        self.runtimes: list[Runtime] = []
        """The whole environments as they were at the last `refresh`."""

    @property
    def store(self) -> Store:
        """Where environments lie."""
        return Store(user_folder())

    def refresh(self) -> None:
        """Look at the disk, which drawing does not."""
        self.runtimes = self.store.runtimes()

    @property
    def runtime(self) -> Runtime | None:
        """The environment that the worker would use."""
        return next((runtime for runtime in self.runtimes if not runtime.problem), None)

    @property
    def line(self) -> str:
        """How things are, in one line."""
        if self.job is not None:
            return f"Runtime: {self.job.text}"
        if (runtime := self.runtime) is not None:
            facts = runtime.facts
            about = f"torch {facts['packages']['torch']}, {facts['device']}, {megabytes(facts['bytes'])}"
            about += f"; unverified: {', '.join(facts['unverified'])}" if facts.get("unverified") else ""
            return f"Runtime: ready, {about}" + (", of an older version of the add-on" if self.is_outdated else "")
        return f"Runtime: {self.runtimes[0].problem}: repair it" if self.runtimes else "Runtime: not installed"

    @property
    def is_outdated(self) -> bool:
        """Whether it was made from another lock than this version of the add-on has."""
        runtime = self.runtime
        return runtime is not None and runtime.facts["fingerprint"] != lockfile.fingerprint(
            self.lock.read_text(encoding="utf-8")
        )

    def start(self, job: Installation | Removal) -> None:
        """Start a job; `advance` ends it."""
        self.job, self.error, self.log = job, "", []
        job.start()

    def advance(self) -> bool:
        """Look whether the job is over; return whether it is, with all that follows from it."""
        job = self.job
        if job is None:
            return True
        if not job.is_done or session.run is not None:  # what a run uses is not swept away
            return False
        self.job, self.log = None, list(job.log)
        self.error = "" if job.error is None or isinstance(job.error, CancelledError) else str(job.error)
        if isinstance(job, Installation) and job.runtime is not None:
            session.close_worker()
            threading.Thread(target=job.tidy, daemon=True).start()
        self.refresh()
        return True

    def close(self) -> None:
        """End what runs; what is half made is removed by its thread or, later, by the next installation."""
        for task in (self.job, self.check):
            if task is not None:
                task.cancel()
                task.join(2.0)
        self.job = self.check = None


setup: Final = Setup()


class _Working:
    """Start a job, then wait or give the window back."""

    _is_pressed = False

    def _follow(self, job: Installation | Removal) -> Outcome:
        setup.start(job)
        if self._is_pressed:
            _redraw_meanwhile()
            return {"FINISHED"}
        while not setup.advance():
            time.sleep(TICK)
        if job.error is not None:
            self.report({"ERROR"}, str(job.error))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return {"FINISHED"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One thing at a time."""
        cls.poll_message_set("The runtime or a reconstruction is at work")  # type: ignore[attr-defined]
        return setup.job is None and session.run is None


class _Installing(_Working):
    """Ask, then install; an operator cannot be the base of another one, so this is that of two."""

    build: EnumProperty(name="Torch", description="Which build of torch to install", items=BUILD_ITEMS)  # type: ignore[valid-type]
    wheels: StringProperty(  # type: ignore[valid-type]
        name="Folder of Wheels",
        description="Install from this folder, without network; empty: from the package index",
        subtype="DIR_PATH",
    )
    is_repair = False

    def invoke(self: Any, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Say what it costs and ask."""
        if bpy.app.background:
            outcome: Outcome = self.execute(context)
            return outcome
        self._take_preferences(context)
        consent_lines.cache_clear()
        self._is_pressed = True
        return manager_of(context).invoke_props_dialog(self, width=420, title=self.bl_label, confirm_text="Install")

    def draw(self: Any, context: bpy.types.Context) -> None:
        """Name the size, the source and the place."""
        layout: Any = self.layout
        size = size_of(BUILDS[self.build])
        text = f"about {size.disk_text}" if self.wheels else size
        layout.label(text=f"Torch and its packages: {text}", icon="INFO", translate=False)
        wheels = Path(bpy.path.abspath(self.wheels)) if self.wheels else None
        where = wheels or "the internet: pypi.org and pytorch.org"
        layout.label(text=f"From {where}", icon="IMPORT", translate=False)
        for number, line in enumerate(consent_lines(BUILDS[self.build], wheels, setup.lock)):
            layout.label(text=line, icon="BLANK1" if number else "ERROR", translate=False)
        layout.label(text="Only this add-on uses it. It can be removed in the preferences.", icon="BLANK1")
        if not self.wheels and not bpy.app.online_access and context.preferences:
            layout.label(text="Blender's online access is off", icon="ERROR")
            layout.prop(context.preferences.system, "use_online_access")
        layout.use_property_split = True
        layout.prop(self, "build")
        layout.prop(self, "wheels")

    def execute(self: Any, context: bpy.types.Context) -> Outcome:
        """Install."""
        if self.is_repair:
            session.close_worker()  # it may run in what is repaired
        try:
            if not self._is_pressed:
                self._take_preferences(context)
            outcome: Outcome = self._follow(self._job())
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return outcome

    def _job(self: Any) -> Installation:
        wheels = Path(bpy.path.abspath(self.wheels)) if self.wheels else None
        if wheels is not None and not wheels.is_dir():
            raise InstallError(f"The folder of wheels {wheels} is not there: choose another one.")
        if wheels is None and not bpy.app.online_access:
            raise InstallError(
                "Blender's online access is off: allow it in Preferences > System, or name a folder of wheels."
            )
        source = Source(BUILDS[self.build], wheels)
        return Installation(setup.store, source, Path(sys.executable), lock=setup.lock, is_repair=self.is_repair)

    def _take_preferences(self: Any, context: bpy.types.Context) -> None:
        """Let the preferences say what the caller did not."""
        chosen = preferences_of(context)
        for name, preference in (("build", "runtime_build"), ("wheels", "runtime_wheels")):
            if chosen is not None and not self.properties.is_property_set(name):
                setattr(self, name, getattr(chosen, preference))


class IMAGETOSCENE_OT_install_runtime(_Installing, bpy.types.Operator):
    """Create the environment that the network runs in: torch and what it needs, for this add-on alone"""

    bl_idname = "image_to_scene.install_runtime"
    bl_label = "Install Runtime"
    bl_options = {"INTERNAL"}


class IMAGETOSCENE_OT_repair_runtime(_Installing, bpy.types.Operator):
    """Make the environment whole again: without network where only Blender's Python moved, else by a new one"""

    bl_idname = "image_to_scene.repair_runtime"
    bl_label = "Repair Runtime"
    bl_options = {"INTERNAL"}
    is_repair = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one."""
        return super().poll(context) and bool(setup.runtimes)


class IMAGETOSCENE_OT_remove_runtime(_Working, bpy.types.Operator):
    """Remove the environment from the disk; Reconstruct needs it, so it must be installed again for that"""

    bl_idname = "image_to_scene.remove_runtime"
    bl_label = "Remove Runtime"
    bl_options = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Outcome:
        """Ask."""
        self._is_pressed = not bpy.app.background
        if not self._is_pressed:
            return self.execute(context)
        freed = sum(runtime.facts["bytes"] for runtime in setup.runtimes)
        return manager_of(context).invoke_confirm(
            self,
            event,
            title="Remove Runtime?",
            message=f"Frees {megabytes(freed)}; without it the network cannot run.",
            confirm_text="Remove",
        )

    def execute(self, _context: bpy.types.Context) -> Outcome:
        """Remove."""
        session.close_worker()
        return self._follow(Removal(setup.store))


class IMAGETOSCENE_OT_cancel_runtime(bpy.types.Operator):
    """End the installation; nothing of it is used"""

    bl_idname = "image_to_scene.cancel_runtime"
    bl_label = "Cancel Installation"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to cancel."""
        return isinstance(setup.job, Installation)

    def execute(self, _context: bpy.types.Context) -> Outcome:
        """Ask it to end; its timer notices."""
        if setup.job is not None:
            setup.job.cancel()
        return {"FINISHED"}


class IMAGETOSCENE_OT_check_python(bpy.types.Operator):
    """Run the worker's Python and say what it has and what it lacks"""

    bl_idname = "image_to_scene.check_python"
    bl_label = "Check"
    bl_options = {"INTERNAL"}

    _is_pressed = False

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One look at a time."""
        return setup.check is None or not setup.check.is_alive()

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Look without waiting."""
        self._is_pressed = not bpy.app.background
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Look."""
        try:
            setup.check = Check(worker_python(context))
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        setup.check.start()
        if self._is_pressed:
            _redraw_meanwhile()
            return {"FINISHED"}
        setup.check.join()
        is_fit = setup.check.findings is not None and setup.check.findings.is_fit
        self.report({"INFO"} if is_fit else {"ERROR"}, setup.check.text)
        return {"FINISHED"} if is_fit else {"CANCELLED"}


CLASSES: Final = (
    IMAGETOSCENE_OT_install_runtime,
    IMAGETOSCENE_OT_repair_runtime,
    IMAGETOSCENE_OT_remove_runtime,
    IMAGETOSCENE_OT_cancel_runtime,
    IMAGETOSCENE_OT_check_python,
)


def user_folder() -> Path:
    """Return where the add-on may write, which updates of it leave alone."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE))
    except ValueError:  # not installed as an extension: a development checkout
        return Path(bpy.utils.user_resource("CONFIG", path=PACKAGE))


def preferences_of(context: bpy.types.Context) -> Any:
    """Return the add-on's preferences; None where the package is used without being enabled."""
    addon = context.preferences.addons.get(PACKAGE) if context.preferences else None
    return addon.preferences if addon else None


def worker_python(context: bpy.types.Context) -> Path:
    """Return the worker's interpreter: the preferences', the environment variable's, the private one, or this one.

    Raises:
        WorkerError: There is none, or what was named is no Python.
    """
    named = getattr(preferences_of(context), "worker_python", "")
    runtime = setup.store.current()
    return find_python(
        Path(bpy.path.abspath(named)) if named else None,
        private=runtime.python if runtime else None,
        running=sys.executable if _has_torch() else None,
    )


def is_needed(context: bpy.types.Context) -> bool:
    """Tell whether a reconstruction would fail for want of an interpreter."""
    if setup.runtime is not None:
        return False
    try:
        worker_python(context)
    except ImageToSceneError:
        return True
    return False


def register() -> None:
    """See what is there."""
    setup.refresh()


def unregister() -> None:
    """End what runs."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    setup.close()


def _has_torch() -> bool:
    """Tell whether the Python that runs Blender has torch of its own, as those of Linux distributions may."""
    return any((Path(folder) / "torch").is_dir() for folder in site.getsitepackages())


def _redraw_meanwhile() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def _tick() -> float | None:
    """Redraw where it shows, as long as something is at work."""
    is_over = setup.advance() and not (setup.check and setup.check.is_alive())
    for window in manager_of(bpy.context).windows:
        for area in window.screen.areas:
            if area.type in {"PREFERENCES", "VIEW_3D"}:
                area.tag_redraw()
    return None if is_over else TICK
