"""From a task to a scene, step by step: the same steps for the window, where pauses lie in between, and for scripts.

While the worker runs a step only listens to it; after that each builds a slice. Everything appears with the last step,
or nothing does.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import bpy

from ..core.errors import CancelledError, ImageToSceneError
from ..core.names import readable
from ..core.types import Progress, Reconstruction, Request
from .accounting import sentence
from .context import Outcome, manager_of
from .memory import remember_folder, remember_request
from .scene import BuildOptions, BuildSteps, BuiltScene, Plan, Shelf, build_steps
from .scene.placement import Placement, apply_placement
from .session import POINTS_KEY, Run, Task, session

log = logging.getLogger(__name__)

TICK: Final = 0.05
"""Seconds between two looks at the worker."""
SLICE: Final = 0.1
"""Seconds of building after which Blender gets its turn."""

SEVERAL: Final = (
    "This model does not relate pictures: the first one's reconstruction is in the old one's place, the others are new."
)
DEFECT: Final = "Image to Scene met an error of its own: details are in the system console."
MEMORY: Final = "Memory ran out: build fewer parts, use fewer images or a lower resolution, or raise the memory limit."


@dataclass(frozen=True)
class Order:
    """What is to come of a task."""

    options: BuildOptions
    """`without_camera` counts the views of the whole request."""
    request: Request | None = None
    """What was asked of the worker, for roots to remember. None: nothing was, a folder is opened."""
    root: int | None = None
    """Identity of the root whose parts are replaced. None: the result gets a root of its own."""
    saved: bool = False
    """Whether the folder is the artist's own and stays."""
    placement: Placement | None = None
    """Of a root of its own. None: as it is built."""


def work(task: Task, order: Order, scene: bpy.types.Scene) -> BuildSteps:
    """Wait for a task and build all that comes of it, or nothing.

    Args:
        task: Started.
        order: What to build.
        scene: Where it goes.

    Yields:
        How far it is, at every pause.

    Raises:
        ImageToSceneError: The task failed or was cancelled, its result cannot be read, or the scene is gone.
    """
    with Shelf(scene) as shelf:
        while not task.advance():
            yield task.progress
            _ = shelf.scene  # without it there is nothing to wait for
        plans = _plans(task.reconstructions(), order)
        if order.root is not None and len(plans) > 1:
            task.warnings.append(SEVERAL)
        built = yield from _watched(build_steps([plan for plan, _ in plans], shelf), task)
        for item, (plan, request), folder in zip(built, plans, task.folders, strict=True):
            item.root[POINTS_KEY] = item.points
            session.keep(item.root, folder)
            if request is not None:
                remember_request(item.root, request, plan.options)
            if order.saved:
                remember_folder(item.root, folder)
            if plan.root is None and order.placement and order.placement != Placement():
                task.warnings += apply_placement(item.root, order.placement, shelf.scene)
        return built


def _watched(steps: BuildSteps, task: Task) -> BuildSteps:
    """Go through steps until the task is cancelled."""
    while True:
        try:
            task.progress = next(steps)
        except StopIteration as end:
            built: list[BuiltScene] = end.value
            return built
        yield task.progress
        if task.is_cancelling:
            raise CancelledError("The reconstruction was cancelled.")


def _plans(reconstructions: Sequence[Reconstruction], order: Order) -> list[tuple[Plan, Request | None]]:
    """Divide an order among reconstructions, which have the request's views in order, without those left out.

    The first takes the place of what is replaced.
    """
    gone = {index for item in reconstructions[:1] for index in _left_out(item)}
    total = sum(len(item.views) for item in reconstructions) + len(gone)
    kept = iter([index for index in range(total) if index not in gone])
    plans = []
    for number, item in enumerate(reconstructions):
        asked = [next(kept) for _ in item.views]
        without = tuple(place for place, index in enumerate(asked) if index in order.options.without_camera)
        plan = Plan(item, replace(order.options, without_camera=without), None if number else order.root)
        views = tuple(order.request.views[index] for index in asked) if order.request else ()
        plans.append((plan, order.request and replace(order.request, views=views)))
    return plans


def _left_out(result: Reconstruction) -> list[int]:
    """Return which of the request's views a result has not; earlier versions saved their indices alone."""
    named = [entry.get("view") for entry in result.facts.get("left_out", ())]
    return [*(view for view in named if isinstance(view, int)), *result.facts.get("dropped_views", ())]


class SteppedOperator:
    """An operator whose work goes in steps: modal when pressed in the window, waiting when called from a script.

    What inherits from it and from `bpy.types.Operator` only says how the work begins.
    """

    _task: Task | None = None
    _steps: Generator[Progress, None, list[BuiltScene]]
    _status: str | None = None

    def begin(self, context: bpy.types.Context) -> tuple[Task, Order, bpy.types.Scene]:
        """Start the task and say what is to come of it.

        Raises:
            ImageToSceneError: It cannot be started.
        """
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Do everything: for scripts and `blender -b`."""
        outcome = self._guarded(self._begin, context)
        while not outcome:
            if self._task is not None and not self._task.is_done:
                time.sleep(TICK)
            outcome = self._guarded(self._advance, context)
        return self._end(context, outcome)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Begin and give the window back."""
        return self.execute(context) if bpy.app.background else self.go_modal(context)

    def go_modal(self, context: bpy.types.Context) -> Outcome:
        """Begin; the rest goes on between the artist's own doings."""
        if outcome := self._guarded(self._begin, context):
            return self._end(context, outcome)
        if self._task is not None:
            timer = manager_of(context).event_timer_add(TICK, window=context.window)
            self._task.at_end.callback(lambda: manager_of(bpy.context).event_timer_remove(timer))
        manager_of(context).modal_handler_add(self)  # type: ignore[arg-type]
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> Outcome:
        """Do the next steps; Esc cancels, everything else goes on to Blender."""
        if self._task is None or session.run is not self._task:  # a file was opened, or the add-on disabled
            return self._end(context, {"CANCELLED"})
        if event.type == "ESC" and event.value == "PRESS":
            self._task.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if outcome := self._guarded(self._advance, context):
            return self._end(context, outcome)
        self._show(context, self._task.status)
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: its window was closed, or another file is opened."""
        self._end(context, {"CANCELLED"})

    def _begin(self, context: bpy.types.Context) -> Outcome:
        task, order, scene = self.begin(context)
        self._task, self._steps = task, work(task, order, scene)
        task.at_end.callback(self._steps.close)
        return set()

    def _advance(self, context: bpy.types.Context) -> Outcome:
        """Listen to the worker once, or build until Blender is to have its turn."""
        deadline = time.monotonic() + SLICE
        try:
            next(self._steps)
            while self._task is not None and self._task.is_done and time.monotonic() < deadline:
                next(self._steps)
        except StopIteration as end:
            show_in_local_views(context, end.value)
            self._tell(end.value)
            return {"FINISHED"}
        return set()

    def _tell(self, built: list[BuiltScene]) -> None:
        """Say what was worth a warning."""
        warnings = self._task.warnings if self._task is not None else []
        for warning in (*warnings, *(text for item in built for text in item.warnings)):
            self.report({"WARNING"}, readable(warning))  # type: ignore[attr-defined]
        if isinstance(self._task, Run) and (text := sentence(self._task.reconstructions())):
            self.report({"INFO"}, text)  # type: ignore[attr-defined]

    def _end(self, context: bpy.types.Context, outcome: Outcome) -> Outcome:
        """The one way out: the task and the status line go."""
        if self._task is not None:
            session.finish(self._task)
            self._task = None
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
            self.report({"INFO"}, str(error))  # type: ignore[attr-defined]
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
        except MemoryError:
            log.debug(MEMORY, exc_info=True)
            self.report({"ERROR"}, MEMORY)  # type: ignore[attr-defined]
        except Exception:  # the process boundary: a defect of ours must not take Blender's event loop along
            log.exception(DEFECT)
            self.report({"ERROR"}, DEFECT)  # type: ignore[attr-defined]
        return {"CANCELLED"}


def show_status(context: bpy.types.Context, text: str | None) -> None:
    """Write into the status bar and redraw the sidebars, and no more than that; None: give the bar back."""
    if context.workspace is not None:
        context.workspace.status_text_set(text)
    for region in _sidebars(context):
        region.tag_redraw()


def show_in_local_views(context: bpy.types.Context, built: Iterable[BuiltScene]) -> None:
    """Let viewports that show some objects only show new ones, too, as they do with all that an artist adds."""
    items = {item for one in built for item in (one.root, *one.cameras, *one.clouds, *one.meshes)}
    for window, area in _viewports(context):
        space: Any = area.spaces.active
        if space.local_view is not None:
            for item in items.intersection(window.view_layer.objects):
                item.local_view_set(space, True)


def _sidebars(context: bpy.types.Context) -> Iterator[bpy.types.Region]:
    for _, area in _viewports(context):
        yield from (region for region in area.regions if region.type == "UI")


def _viewports(context: bpy.types.Context) -> Iterator[tuple[bpy.types.Window, bpy.types.Area]]:
    for window in manager_of(context).windows:
        yield from ((window, area) for area in window.screen.areas if area.type == "VIEW_3D")
