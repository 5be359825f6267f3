"""The tuning comes back to what a reconstruction was built with; all else is done by the settings themselves."""

from typing import Final

import bpy

from .context import Options, Outcome, is_in_object_mode
from .reconstructions import active_root
from .scene.tuning import controls_of, first_tuning, set_tuning


class IMAGETOSCENE_OT_reset_tuning(bpy.types.Operator):
    """Show the reconstruction as it was when it was built"""

    bl_idname = "image_to_scene.reset_tuning"
    bl_label = "Reset"
    bl_options: Options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is something to tune."""
        if not is_in_object_mode(cls, context):
            return False
        cls.poll_message_set("There is nothing to tune")
        root = active_root(context)
        return root is not None and bool(controls_of(root))

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Change the settings."""
        root = active_root(context)
        if root is not None:
            set_tuning(root, first_tuning(root))
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_reset_tuning,)
