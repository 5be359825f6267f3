"""What the worker and its libraries said, for a bug report."""

from typing import Final

import bpy

from .context import Outcome, manager_of
from .session import session


class IMAGETOSCENE_OT_copy_log(bpy.types.Operator):
    """Copy the last lines that the worker wrote, for a bug report"""

    bl_idname = "image_to_scene.copy_log"
    bl_label = "Copy Worker's Log"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Copy them to the clipboard."""
        manager_of(context).clipboard = session.log
        self.report({"INFO"}, "Copied the worker's log")
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_copy_log,)
