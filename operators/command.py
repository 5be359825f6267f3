"""The command line: the same run, builders and exporter as the window's, from arguments to a finished file.

`main` turns every failure into one sentence and an exit code of its own. What it makes is written beside its place and
renamed.
"""

import logging
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

import bpy

from ..core import errors
from ..core.errors import ImageToSceneError
from ..core.types import Progress, Reconstruction, Request, View
from . import models
from .accounting import account
from .arguments import build_options_from, named_files, parse, placement_from, request_from, targets_from
from .context import scene_of
from .ending import ending
from .given_cameras import views_with_cameras
from .input_arguments import items_from
from .inputs import Inputs, views_from
from .output import deliver, failure, say, take_output
from .own_folders import remember_own
from .runtime import worker_python
from .scene import BuildSteps, BuiltScene, export_glb, match_render, run_through
from .scene.clips import scene_rate
from .session import Run, count_points, session
from .targets import opened_files, view_files
from .usage import UsageError
from .work import MEMORY, Order, work

log = logging.getLogger(__name__)

DEFECT: Final = "Image to Scene met an error of its own: please report it with the lines above."
COMMAND: Final = "image_to_scene"
TICK: Final = 0.05
"""Seconds between two looks at the worker."""

_handle: Any = None

EXIT_CODES: Final[dict[type[ImageToSceneError], int]] = {
    UsageError: 2,
    errors.ImageError: 3,
    errors.CameraError: 4,
    errors.WeightsError: 5,
    errors.DeviceError: 6,
    errors.OutOfMemoryError: 7,
    errors.StorageError: 8,
    errors.WorkerError: 9,
    errors.CancelledError: 130,
}


def main(arguments: Sequence[str], out: TextIO, program: str) -> int:
    """Do what the command line says.

    Args:
        arguments: Those for us.
        out: Gets one line of JSON, or the help.
        program: What help calls this.

    Returns:
        The exit code: 0 only when the output is there and whole.
    """
    ending.listen(out)  # Blender may have taken the signals since
    ending.tidy.append(session.close)
    try:
        summary, code = run(parse(arguments, out, program)), 0
    except SystemExit:  # --help was asked for
        with suppress(OSError):
            out.flush()
        return 0
    except ImageToSceneError as error:
        summary, code = failure(type(error).__name__, str(error)), EXIT_CODES.get(type(error), 1)
    except MemoryError:
        log.debug(MEMORY, exc_info=True)
        summary, code = failure(errors.OutOfMemoryError.__name__, MEMORY), EXIT_CODES[errors.OutOfMemoryError]
    except Exception:  # the process boundary: a farm gets a sentence and a code for a defect, too
        log.exception(DEFECT)
        summary, code = failure("InternalError", DEFECT), 1
    ending.claim()
    session.close()
    deliver(out, summary)
    return code


def register() -> None:
    """Make `blender --command image_to_scene` known."""
    global _handle  # noqa: PLW0603 - Blender's handle lives from registration to unregistration
    _handle = bpy.utils.register_cli_command(  # type: ignore[func-returns-value]
        COMMAND, lambda arguments: main(arguments, take_output(), f"blender --command {COMMAND}")
    )


def unregister() -> None:
    """Take it back."""
    bpy.utils.unregister_cli_command(_handle)


def run(arguments: Namespace) -> dict[str, Any]:
    """Reconstruct, build and write; return the summary.

    Raises:
        ImageToSceneError: A step failed; no output was written.
    """
    started = time.monotonic()
    ending.check()
    targets = targets_from(arguments)
    targets.check_inputs(named_files(arguments))
    targets.check()
    new_file()
    given = inputs_from(arguments)
    timing = _timing(scene_of(bpy.context)) if arguments.images is None else {}
    new_file()  # cameras may have come from another one; to open a file while a run lasts would end it
    _set_timing(scene_of(bpy.context), timing)
    model = models.chosen(arguments.model, accepts_non_commercial=arguments.accept_non_commercial)
    request = request_from(arguments, given.views, model)
    targets.check_folders(_count_results(request))
    running = session.start(request, arguments.python or worker_python(bpy.context))
    follow(running)
    options = replace(build_options_from(arguments), without_camera=given.without_camera, clip_start=given.clip_start)
    order = Order(options, request, placement=placement_from(arguments))
    built = run_through(_stoppable(work(running, order, scene_of(bpy.context))))
    reconstructions = running.reconstructions()
    unsaid: list[str] = []
    saved = targets.write(
        reconstructions, lambda place: unsaid.extend(write(built, place)), _commit, session.name_beside
    )
    for folder in saved:
        remember_own(folder)
    in_scene = [text for item in built for text in item.warnings]
    warnings = [*given.warnings, *running.warnings, *in_scene, *unsaid]
    for text in warnings:
        say(f"warning: {text}")
    return {
        "ok": True,
        "output": str(arguments.output),
        "reconstructions": [str(folder) for folder in saved],
        **_facts(reconstructions),
        "inputs": account(given, reconstructions),
        "seconds": round(time.monotonic() - started, 3),
        "warnings": warnings,
    }


def follow(running: Run) -> None:
    """Wait for a run and say on standard error how far it is."""
    said: Progress | None = None
    silence = 0.0
    while not running.advance():
        ending.check()
        if running.progress != said:
            said = running.progress
            say(f"{said.stage} {said.done}/{said.total}")
        if running.silence > 2 * silence:  # said ever more seldom
            silence = running.silence
            say(running.status)
        silence = min(silence, running.silence)
        time.sleep(TICK)


def _stoppable(steps: BuildSteps) -> BuildSteps:
    """Go through steps until the run is asked to end."""
    while True:
        ending.check()
        try:
            yield next(steps)
        except StopIteration as end:
            built: list[BuiltScene] = end.value
            return built


def _commit() -> None:
    """Decide, when everything is written, that the run counts as done: what asks it to end later is too late."""
    ending.claim()
    ending.check()


def new_file() -> None:
    """Start an empty file that shows photos in their own colours; Blender's default view transform would not."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene_of(bpy.context).view_settings.view_transform = "Standard"  # type: ignore[union-attr]


def write(built: Sequence[BuiltScene], output: Path) -> Sequence[str]:
    """Write what was built; return sentences on what the format cannot express.

    Args:
        built: All of it goes into one file.
        output: Lies in the folder where it stays, since a .blend names other files as seen from there.

    Raises:
        OSError, RuntimeError, StorageError: It cannot be written.
    """
    if output.suffix.lower() == ".glb":
        return export_glb(_common_root(built), output)
    _write_blend(built, output)
    return ()


def inputs_from(arguments: Namespace) -> Inputs:
    """List the views, with their cameras where a file names them; a .blend of them replaces the open file.

    Raises:
        ImageToSceneError: An entry gives no picture, or a camera cannot be used.
    """
    targets = targets_from(arguments)
    found = items_from(arguments, scene_rate(scene_of(bpy.context)))
    paths = [Path(bpy.path.abspath(item.path)) for item in found.items if item.path]
    targets.check_inputs([*paths, *opened_files()])
    given = replace(views_from(found.items, bpy.context), left_out=found.left_out, warnings=found.warnings)
    targets.check_inputs(view_files(given.views))
    if arguments.images is None:
        return replace(given, without_camera=())  # they are in another file than the one that is written
    if arguments.cameras is None:
        return given
    known = views_with_cameras([view.path for view in given.views], arguments.cameras)
    targets.check_inputs(opened_files())
    views = [_with_camera(view, camera) for view, camera in zip(given.views, known, strict=True)]
    return replace(given, views=tuple(views))


def _with_camera(view: View, camera: View) -> View:
    """Give a view what is known of its camera; a lens that was named otherwise holds where none is."""
    knows_lens = camera.image_from_camera is not None or camera.lens is not None
    source = camera if knows_lens else view
    return replace(
        view,
        world_from_camera=camera.world_from_camera,
        image_from_camera=source.image_from_camera,
        lens=source.lens,
    )


def _timing(scene: bpy.types.Scene) -> dict[str, Any]:
    """Tell how a scene counts time, so that views keep their frames in another file."""
    values = {key: getattr(scene, key) for key in ("frame_start", "frame_end")}
    return values | {f"render.{key}": getattr(scene.render, key) for key in ("fps", "fps_base")}


def _set_timing(scene: bpy.types.Scene, timing: Mapping[str, Any]) -> None:
    for key, value in timing.items():
        setattr(scene.render if key.startswith("render.") else scene, key.removeprefix("render."), value)


def _count_results(request: Request) -> int:
    """Tell how many reconstructions will come of a request, as far as that is known before its model is loaded."""
    config = models.config_of(request.model)
    is_related = config is None or config.has_poses or any(view.world_from_camera is not None for view in request.views)
    return 1 if is_related else len(request.views)


def _common_root(built: Sequence[BuiltScene]) -> bpy.types.Object:
    """Return the one root, or a new parent of all: models without cameras make a reconstruction per picture."""
    if len(built) == 1:
        return built[0].root
    parent = bpy.data.objects.new("Reconstructions", None)
    scene_of(bpy.context).collection.objects.link(parent)
    for item in built:
        item.root.parent = parent
    return parent


def _write_blend(built: Sequence[BuiltScene], output: Path) -> None:
    cameras = [camera for item in built for camera in item.cameras]
    if cameras:
        match_render(scene_of(bpy.context), cameras[0])
    # The first save of a file also makes its paths relative.
    bpy.ops.wm.save_as_mainfile(filepath=str(output), check_existing=False, relative_remap=True, compress=True)


def _facts(reconstructions: Sequence[Reconstruction]) -> dict[str, Any]:
    first = reconstructions[0]
    return {
        "model": first.model,
        "views": sum(len(item.views) for item in reconstructions),
        "points": sum(count_points(item) for item in reconstructions),
        "world": first.world,
        "units": first.units,
        "device": first.facts.get("device"),
        "precision": first.facts.get("precision"),
    }
