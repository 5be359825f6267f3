"""The add-on's preferences: where the network runs."""

from typing import Any, Final

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..core.worker.runtime.builds import BUILDS, size_of
from ..operators.context import PACKAGE
from ..operators.runtime import BUILD_ITEMS, setup
from ..operators.session import session
from .text import draw_sentence

LOG_LINES: Final = 8


class ImageToScenePreferences(bpy.types.AddonPreferences):
    """Shown below the add-on in Edit > Preferences."""

    bl_idname = PACKAGE

    runtime_build: EnumProperty(  # type: ignore[valid-type]
        name="Torch", description="Which build of torch the runtime gets", items=BUILD_ITEMS
    )
    runtime_wheels: StringProperty(  # type: ignore[valid-type]
        name="Folder of Wheels",
        description="Install the runtime from this folder, without network; empty: from the package index",
        subtype="DIR_PATH",
    )
    accepts_non_commercial: BoolProperty(  # type: ignore[valid-type]
        name="Allow Models for Non-Commercial Use Only",
        description="Weights licensed CC BY-NC 4.0 may be downloaded and used; what comes of them must not be sold",
    )
    worker_python: StringProperty(  # type: ignore[valid-type]
        name="Use This Python Instead",
        description="The program python of an environment that has torch; empty: the environment variable "
        "IMAGE_TO_SCENE_PYTHON, else the runtime, else the Python that runs Blender",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Show the runtime, the interpreter, and the last words of both."""
        layout: Any = self.layout
        _draw_runtime(layout.box().column(), context, self)
        column = layout.box().column()
        column.label(text="Use this Python instead:")
        row = column.split(factor=0.8, align=True)
        row.prop(self, "worker_python", text="")
        row.operator("image_to_scene.check_python", text="Check", icon="VIEWZOOM")
        if setup.check is not None:
            draw_sentence(column, context, setup.check.text, _check_icon())
        layout.prop(self, "accepts_non_commercial")
        _draw_log(layout)


CLASSES: Final = (ImageToScenePreferences,)


def draw_runtime(layout: Any, context: bpy.types.Context) -> None:
    """Ask for the runtime where there is none, or show how far its installation is."""
    if setup.job is not None:
        _draw_job(layout)
        return
    column = layout.box().column(align=True)
    needed = f"First the network's runtime is needed, {size_of(BUILDS['auto']).download_text}"
    draw_sentence(column, context, needed, "INFO")
    if setup.error:
        draw_sentence(column, context, setup.error, "ERROR")
    column.operator("image_to_scene.install_runtime", text="Install Runtime…", icon="IMPORT")


def _draw_job(layout: Any) -> None:
    row = layout.row(align=True)
    row.progress(factor=setup.job.progress, text=setup.job.text)  # type: ignore[union-attr]
    row.operator("image_to_scene.cancel_runtime", text="", icon="X")


def _draw_runtime(layout: Any, context: bpy.types.Context, preferences: Any) -> None:
    is_there = bool(setup.runtimes)
    if setup.job is not None:
        layout.label(text="Runtime", icon="SORTTIME")
        _draw_job(layout)
        return
    draw_sentence(layout, context, setup.line, "CHECKMARK" if setup.runtime else "INFO")
    if setup.error:
        draw_sentence(layout, context, setup.error, "ERROR")
    row = layout.row(align=True)
    row.operator("image_to_scene.install_runtime", text="Install Again…" if is_there else "Install…", icon="IMPORT")
    if is_there:
        row.operator("image_to_scene.repair_runtime", text="Repair…", icon="TOOL_SETTINGS")
        row.operator("image_to_scene.remove_runtime", text="Remove…", icon="TRASH")
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(preferences, "runtime_build")
    column.prop(preferences, "runtime_wheels")
    if not is_there:
        column.label(text=f"Takes {size_of(BUILDS[preferences.runtime_build])}", translate=False)


def _draw_log(layout: Any) -> None:
    layout.operator("image_to_scene.copy_report", icon="COPYDOWN")
    lines = list(setup.job.log) if setup.job is not None else session.log.splitlines() or setup.log
    if lines:
        box = layout.box().column(align=True)
        box.label(text="Last lines of the log", icon="TEXT")
        for line in lines[-LOG_LINES:]:
            box.label(text=line, translate=False)


def _check_icon() -> str:
    if setup.check is not None and setup.check.is_alive():
        return "SORTTIME"
    findings = setup.check.findings if setup.check else None
    return "CHECKMARK" if findings is not None and findings.is_fit else "ERROR"
