"""Reconstruct, and cancel: modal when pressed in the window, waiting when called from a script or `blender -b`."""

import logging
import time
from collections.abc import Callable
from typing import Final

import bpy

from ..core.errors import CancelledError, ImageToSceneError
from . import inputs
from .context import Outcome, manager_of, scene_of, settings_of
from .scene import BuildOptions, BuiltScene, build
from .scene.transaction import all_or_nothing
from .runtime import worker_python
from .session import Run, session
from .settings import build_options_from, request_from

log = logging.getLogger(__name__)

TICK: Final = 0.05
"""Seconds between two looks at the worker."""

DEFECT: Final = "Image to Scene met an error of its own: details are in the system console."


class IMAGETOSCENE_OT_reconstruct(bpy.types.Operator):
    """Turn the pictures of the list into cameras, points and meshes"""

    bl_idname = "image_to_scene.reconstruct"
    bl_label = "Reconstruct"
    bl_options = {"UNDO"}  # not REGISTER: to adjust the last operation would be to run the network again

    _run: Run | None = None
    _status: str | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One run at a time."""
        cls.poll_message_set("A reconstruction is running")
        return context.scene is not None and session.run is None

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Wait for the run: for scripts and `blender -b`."""
        outcome = self._guarded(self._begin, context)
        while not outcome:
            time.sleep(TICK)
            outcome = self._guarded(self._advance, context)
        return self._end(context, outcome)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Start the run and give the window back."""
        if bpy.app.background:
            return self.execute(context)
        if outcome := self._guarded(self._begin, context):
            return self._end(context, outcome)
        if self._run is not None:
            timer = manager_of(context).event_timer_add(TICK, window=context.window)
            self._run.on_end = lambda: manager_of(bpy.context).event_timer_remove(timer)
        manager_of(context).modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> Outcome:
        """Look at the worker; Esc cancels, everything else goes on to Blender."""
        if self._run is None or session.run is not self._run:  # a file was opened, or the add-on disabled
            return self._end(context, {"CANCELLED"})
        if event.type == "ESC" and event.value == "PRESS":
            self._run.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if outcome := self._guarded(self._advance, context):
            return self._end(context, outcome)
        self._show(context, self._run.status)
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: its window was closed, or another file is opened."""
        self._end(context, {"CANCELLED"})

    def _begin(self, context: bpy.types.Context) -> Outcome:
        settings = settings_of(context)
        given = inputs.views(settings, context)
        self._options = build_options_from(settings)
        self._scene = scene_of(context).session_uid
        self._run = session.start(request_from(settings, given), worker_python(context))
        return set()

    def _advance(self, _context: bpy.types.Context) -> Outcome:
        if self._run is None or not self._run.advance():
            return set()
        built = build_run(self._run, self._options, find_scene(self._scene))
        for warning in (*self._run.warnings, *(text for item in built for text in item.warnings)):
            self.report({"WARNING"}, warning)
        return {"FINISHED"}

    def _end(self, context: bpy.types.Context, outcome: Outcome) -> Outcome:
        """The one way out: the run and the status line go."""
        if self._run is not None:
            session.finish(self._run)
            self._run = None
        self._show(context, None)
        return outcome

    def _show(self, context: bpy.types.Context, status: str | None) -> None:
        """Show a status once."""
        if status != self._status:
            self._status = status
            show_status(context, f"{status} · Esc cancels" if status else None)

    def _guarded(self, step: Callable[[bpy.types.Context], Outcome], context: bpy.types.Context) -> Outcome:
        """Do a step; a failure becomes one sentence and the end of the run, with the scene left as it was."""
        try:
            return step(context)
        except CancelledError as error:
            self.report({"INFO"}, str(error))
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
        except Exception:  # the process boundary: a defect of ours must not take Blender's event loop along
            log.exception(DEFECT)
            self.report({"ERROR"}, DEFECT)
        return {"CANCELLED"}


class IMAGETOSCENE_OT_cancel(bpy.types.Operator):
    """End the running reconstruction; the scene stays as it is"""

    bl_idname = "image_to_scene.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to cancel."""
        return session.run is not None and not session.run.is_cancelling

    def execute(self, _context: bpy.types.Context) -> Outcome:
        """Ask the worker to stop; the run's own timer notices."""
        if session.run is not None:
            session.run.cancel()
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_reconstruct, IMAGETOSCENE_OT_cancel)


def build_run(run: Run, options: BuildOptions, scene: bpy.types.Scene) -> list[BuiltScene]:
    """Build all that a finished run found, or nothing of it.

    Raises:
        ImageToSceneError: The run failed or was cancelled, or its result cannot be read.
    """
    built = []
    with all_or_nothing():
        for folder, reconstruction in zip(run.folders, run.reconstructions(), strict=True):
            built.append(build(reconstruction, options, scene))
            session.keep(built[-1].root, reconstruction, folder)
    return built


def show_status(context: bpy.types.Context, text: str | None) -> None:
    """Write into the status bar and redraw the sidebars, and no more than that; None: give the bar back."""
    if context.workspace is not None:
        context.workspace.status_text_set(text)
    for window in manager_of(context).windows:
        for area in window.screen.areas:
            for region in area.regions:
                if area.type == "VIEW_3D" and region.type == "UI":
                    region.tag_redraw()


def find_scene(session_uid: int) -> bpy.types.Scene:
    """Find the scene that a run is for, since undo and artists replace and delete scenes meanwhile.

    Raises:
        CancelledError: It is gone.
    """
    for scene in bpy.data.scenes:
        if scene.session_uid == session_uid:
            return scene
    raise CancelledError("The scene was deleted during the run, so nothing was built.")
