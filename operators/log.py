"""What a bug report needs, on the clipboard: versions, device, the worker's environment, and its last words."""

import platform
import sys
import tomllib
from pathlib import Path
from typing import Final

import bpy

from ..core.errors import ImageToSceneError
from ..core.worker.runtime.masking import masked
from .context import Outcome, manager_of
from .runtime import setup, worker_python
from .session import session

LOG_LINES: Final = 60


class IMAGETOSCENE_OT_copy_report(bpy.types.Operator):
    """Copy versions, device and the last lines of the log for a bug report, without your name and home folder"""

    bl_idname = "image_to_scene.copy_report"
    bl_label = "Copy Report"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Copy it to the clipboard."""
        manager_of(context).clipboard = report_text(context)
        self.report({"INFO"}, "Copied the report")
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_copy_report,)


def report_text(context: bpy.types.Context) -> str:
    """Return the report; it needs no worker."""
    lines = [
        f"Image to Scene {_version()}",
        f"Blender {bpy.app.version_string} ({'module' if bpy.app.module else 'application'}), {platform.platform()}",
        f"Blender's Python {platform.python_version()} at {sys.executable}",
        f"Worker's Python: {_worker(context)}",
        f"{setup.line}; online access {'on' if bpy.app.online_access else 'off'}",
    ]
    if (runtime := setup.runtime) is not None:
        packages = ", ".join(f"{name} {version}" for name, version in runtime.facts["packages"].items())
        lines.append(f"Packages: Python {runtime.facts['python']}, {packages}; build {runtime.facts['build']}")
    if setup.check is not None:
        lines.append(f"Check of {setup.check.python}: {setup.check.text}")
    if setup.error:
        lines.append(f"Last error of the installation: {setup.error}")
    for title, log in (("Worker", session.log.splitlines()), ("Installation", setup.log)):
        lines += [f"-- {title}, last lines", *log[-LOG_LINES:]] if log else []
    return masked("\n".join(lines)) + "\n"


def _worker(context: bpy.types.Context) -> str:
    try:
        return str(worker_python(context))
    except ImageToSceneError as error:
        return str(error)


def _version() -> str:
    manifest = Path(__file__).resolve().parents[1] / "blender_manifest.toml"
    return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])
