"""The add-on's preferences: where the network runs."""

from typing import Any, Final

import bpy
from bpy.props import StringProperty

from ..operators.session import session
from ..operators.settings import PACKAGE

LOG_LINES: Final = 12


class ImageToScenePreferences(bpy.types.AddonPreferences):
    """Shown below the add-on in Edit > Preferences."""

    bl_idname = PACKAGE

    worker_python: StringProperty(  # type: ignore[valid-type]
        name="Worker's Python",
        description="The program python of an environment that has torch; empty: the environment variable "
        "IMAGE_TO_SCENE_PYTHON, else the Python that runs Blender",
        subtype="FILE_PATH",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Show the interpreter, and the last words of the worker."""
        layout: Any = self.layout
        layout.prop(self, "worker_python")
        lines = session.log.splitlines()
        if not lines:
            layout.label(text="The worker has not said anything yet", icon="INFO")
            return
        layout.operator("image_to_scene.copy_log", icon="COPYDOWN")
        box = layout.box().column(align=True)
        for line in lines[-LOG_LINES:]:
            box.label(text=line)


CLASSES: Final = (ImageToScenePreferences,)
