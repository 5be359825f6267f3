"""Download and remove models, and see what the device has, in a worker of its own beside whatever else runs.

Pressed in the window an operator returns at once and a timer follows; called from a script it waits. The panels read
`errands`.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import bpy
from bpy.props import BoolProperty, StringProperty

from ..core.errors import CancelledError, ImageToSceneError, WeightsError, WorkerError
from ..core.model.presets import PRESETS, preset_name
from ..core.types import Device, Progress
from ..core.worker.client import Worker, error_from
from ..core.worker.protocol import DeviceMessage, ErrorMessage, Message, ProgressMessage, ResultMessage
from . import models
from .consent import consent
from .context import Outcome, manager_of, settings_of
from .devices import devices
from .runtime import worker_python
from .session import session

log = logging.getLogger(__name__)

TICK: Final = 0.1
"""Seconds between two looks at the worker."""


class Errand:
    """One task of a worker that is started for it and ended after it.

    Args:
        subject: A model's name, or a device's.
        worker: Does it.
        begin: Hands the task over.

    Raises:
        WorkerError: The worker cannot be started.
    """

    def __init__(self, subject: str, worker: Worker, begin: Callable[[Worker], int]) -> None:
        self.subject = subject
        self.progress = Progress("Starting", 0, 1)
        self.error: ImageToSceneError | None = None
        self.device: DeviceMessage | None = None
        self.is_done = False
        self._worker = worker
        begin(worker)

    @property
    def status(self) -> str:
        """How far it is, for the artist."""
        step = self.progress
        is_counted = step.total > 1
        return f"{step.stage} {step.done / 1e6:.0f} of {step.total / 1e6:.0f} MB" if is_counted else step.stage

    def advance(self) -> bool:
        """Take what the worker said since the last call; return whether it is over. Never waits."""
        for message in self._worker.poll():
            self._take(message)
        if self.is_done:
            self._worker.close()
        return self.is_done

    def cancel(self) -> None:
        """Ask it to end, which it does within a second; what a download has brought stays for the next one."""
        self._worker.cancel()

    def close(self) -> None:
        """End it at once."""
        self._worker.close()
        self.is_done = True

    def _take(self, message: Message) -> None:
        if isinstance(message, ProgressMessage):
            self.progress = message.progress
        elif isinstance(message, DeviceMessage):
            self.device = message
        elif isinstance(message, ResultMessage):
            self.is_done = True
        elif isinstance(message, ErrorMessage):
            self.error, self.is_done = error_from(message), True
            log.log(logging.ERROR if isinstance(self.error, WorkerError) else logging.DEBUG, message.trace)


class Errands:
    """What goes on, and what came of it; changed by operators only."""

    def __init__(self) -> None:
        self.errand: Errand | None = None
        """The one that runs."""
        self.failure: tuple[str, str] = ("", "")
        """Which model or device the last failure was about, and its sentence."""

    def start(self, errand: Errand) -> None:
        """Begin to follow an errand; `advance` ends it."""
        self.errand, self.failure = errand, ("", "")

    def advance(self) -> bool:
        """Look whether it is over; return whether it is, with all that follows from it."""
        errand = self.errand
        if errand is None:
            return True
        if not errand.advance():
            return False
        self.errand = None
        if errand.device is not None:
            devices[errand.subject] = errand.device
        if errand.error is not None and not isinstance(errand.error, CancelledError):
            self.failure = (errand.subject, str(errand.error))
        models.catalogue.refresh()
        return True

    def close(self) -> None:
        """End what runs."""
        if self.errand is not None:
            self.errand.close()
            self.errand = None


errands: Final = Errands()


def subject_title(subject: str) -> str:
    """Return what to call a model or a device that an errand is about."""
    return models.title(subject) if subject in PRESETS else "Device"


class _Follows:
    """Start an errand, then wait or give the window back."""

    _is_pressed = False

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One errand at a time."""
        cls.poll_message_set("Wait until the download, or the look at the device, is over")  # type: ignore[attr-defined]
        return errands.errand is None

    def _follow(self, context: bpy.types.Context, subject: str, begin: Callable[[Worker], int]) -> Outcome:
        try:
            errand = Errand(subject, Worker(worker_python(context)), begin)
        except ImageToSceneError as error:
            return self._failed(error)
        errands.start(errand)
        if self._is_pressed:
            bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)
            return {"FINISHED"}
        while not errands.advance():
            time.sleep(TICK)
        return self._failed(errand.error) if errand.error is not None else {"FINISHED"}

    def _failed(self, error: ImageToSceneError) -> Outcome:
        self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
        return {"CANCELLED"}


class IMAGETOSCENE_OT_download_model(_Follows, bpy.types.Operator):
    """Bring a model's weights from the Hugging Face hub to this machine, where other programs find them, too"""

    bl_idname = "image_to_scene.download_model"
    bl_label = "Download Model"
    bl_options = {"INTERNAL"}

    model: StringProperty(name="Model", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    accepts_non_commercial: BoolProperty(  # type: ignore[valid-type]
        name="I Use It Non-Commercially",
        description="What comes of these weights must not be sold; the answer is kept in the preferences",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask where a licence has conditions, once."""
        self._is_pressed = not bpy.app.background
        if not self._is_pressed or not self._must_ask():
            return self.execute(context)
        return manager_of(context).invoke_props_dialog(self, width=420, title=self.bl_label, confirm_text="Download")

    def draw(self, _context: bpy.types.Context) -> None:
        """Name the licence, the size and the source."""
        layout: Any = self.layout
        layout.label(text=f"{models.title(self.model)}: {models.size_text(self.model)}", icon="IMPORT", translate=False)
        column = layout.column(align=True)
        column.label(text=f"Licence of the weights: {models.licence(self.model)}", icon="ERROR", translate=False)
        column.label(text="They must not be used commercially, nor what comes of them.", icon="BLANK1")
        layout.prop(self, "accepts_non_commercial")

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Download."""
        model = preset_name(self.model)
        try:
            check_online()
            self._check_consent()
        except WeightsError as error:
            return self._failed(error)
        return self._follow(context, model, lambda worker: worker.download(model))

    def _must_ask(self) -> bool:
        return models.is_non_commercial(self.model) and not consent.is_given

    def _check_consent(self) -> None:
        if self._must_ask():
            models.chosen(self.model, accepts_non_commercial=self.accepts_non_commercial)
            consent.give()


class IMAGETOSCENE_OT_cancel_download(bpy.types.Operator):
    """End the download; what has arrived is kept for the next one"""

    bl_idname = "image_to_scene.cancel_download"
    bl_label = "Cancel Download"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to cancel."""
        return errands.errand is not None

    def execute(self, _context: bpy.types.Context) -> Outcome:
        """Ask it to end; its timer notices."""
        if errands.errand is not None:
            errands.errand.cancel()
        return {"FINISHED"}


class IMAGETOSCENE_OT_remove_model(_Follows, bpy.types.Operator):
    """Delete a model's weights from this machine, for other programs, too; they can be downloaded again"""

    bl_idname = "image_to_scene.remove_model"
    bl_label = "Remove Model"
    bl_options = {"INTERNAL"}

    model: StringProperty(name="Model", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Nothing uses the weights."""
        cls.poll_message_set("Wait until the reconstruction or the download is over")
        return session.run is None and super().poll(context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Outcome:
        """Ask."""
        self._is_pressed = not bpy.app.background
        if not self._is_pressed:
            return self.execute(context)
        return manager_of(context).invoke_confirm(
            self,
            event,
            title=f"Remove {models.title(self.model)}?",
            message=f"Frees {models.size_text(self.model)}; other programs that use the weights lose them, too.",
            confirm_text="Remove",
        )

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Remove; a worker that has the model loaded ends first, since Windows deletes no file that is open."""
        session.close_worker()
        model = preset_name(self.model)
        return self._follow(context, model, lambda worker: worker.remove(model))


class IMAGETOSCENE_OT_check_device(_Follows, bpy.types.Operator):
    """See what the chosen device is and how much memory it has"""

    bl_idname = "image_to_scene.check_device"
    bl_label = "Check Device"
    bl_options = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Look without waiting."""
        self._is_pressed = not bpy.app.background
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Look."""
        device: Device = settings_of(context).device
        return self._follow(context, device, lambda worker: worker.describe(device))


CLASSES: Final = (
    IMAGETOSCENE_OT_download_model,
    IMAGETOSCENE_OT_cancel_download,
    IMAGETOSCENE_OT_remove_model,
    IMAGETOSCENE_OT_check_device,
)


def check_online() -> None:
    """See whether Blender may use the network.

    Raises:
        WeightsError: It may not; the sentence says how to allow it.
    """
    if bpy.app.online_access:
        return
    if bpy.app.online_access_override:
        raise WeightsError("Blender was started in offline mode: start it without --offline-mode to download.")
    raise WeightsError("Blender's online access is off: allow it in Preferences > System > Network.")


def unregister() -> None:
    """End what runs."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    errands.close()


def _tick() -> float | None:
    """Redraw where it shows, as long as something is at work."""
    is_over = errands.advance()
    for window in manager_of(bpy.context).windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
    return None if is_over else TICK
