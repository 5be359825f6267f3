"""The list of pictures: add, remove, order."""

from pathlib import Path
from typing import Final

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, StringProperty

from .context import Outcome, manager_of, settings_of


class IMAGETOSCENE_OT_add_pictures(bpy.types.Operator):
    """Choose photos of one place; several can be selected at once"""

    bl_idname = "image_to_scene.add_pictures"
    bl_label = "Add Pictures"
    bl_options = {"REGISTER", "UNDO"}

    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    files: CollectionProperty(  # type: ignore[valid-type]
        type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for them."""
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Append what was chosen, in the order of its names, without what the list has already."""
        settings = settings_of(context)
        known = {item.path for item in settings.pictures}
        for path in sorted(self._chosen()):
            if str(path) not in known:
                item = settings.pictures.add()
                item.name, item.path = path.name, str(path)
        settings.active_picture = len(settings.pictures) - 1
        return {"FINISHED"}

    def _chosen(self) -> list[Path]:
        if self.files and self.directory:
            return [Path(self.directory) / item.name for item in self.files if item.name]
        return [Path(self.filepath)] if self.filepath else []


class IMAGETOSCENE_OT_remove_picture(bpy.types.Operator):
    """Take the selected picture off the list; its file stays"""

    bl_idname = "image_to_scene.remove_picture"
    bl_label = "Remove Picture"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one."""
        return has_pictures(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Remove it and select its neighbour."""
        settings = settings_of(context)
        settings.pictures.remove(settings.active_picture)
        settings.active_picture = max(0, min(settings.active_picture, len(settings.pictures) - 1))
        return {"FINISHED"}


class IMAGETOSCENE_OT_clear_pictures(bpy.types.Operator):
    """Take all pictures off the list; their files stay"""

    bl_idname = "image_to_scene.clear_pictures"
    bl_label = "Clear Pictures"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There are some."""
        return has_pictures(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Empty the list."""
        settings_of(context).pictures.clear()
        return {"FINISHED"}


class IMAGETOSCENE_OT_move_picture(bpy.types.Operator):
    """Move the selected picture; the first one's camera stands at the origin"""

    bl_idname = "image_to_scene.move_picture"
    bl_label = "Move Picture"
    bl_options = {"REGISTER", "UNDO"}

    direction: EnumProperty(  # type: ignore[valid-type]
        name="Direction", items=(("UP", "Up", "Towards the first"), ("DOWN", "Down", "Towards the last"))
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is something to move."""
        return has_pictures(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Exchange it with its neighbour, if it has one on that side."""
        settings = settings_of(context)
        target = settings.active_picture + (-1 if self.direction == "UP" else 1)
        if 0 <= target < len(settings.pictures):
            settings.pictures.move(settings.active_picture, target)
            settings.active_picture = target
        return {"FINISHED"}


CLASSES: Final = (
    IMAGETOSCENE_OT_add_pictures,
    IMAGETOSCENE_OT_remove_picture,
    IMAGETOSCENE_OT_clear_pictures,
    IMAGETOSCENE_OT_move_picture,
)


def has_pictures(context: bpy.types.Context) -> bool:
    """Tell whether the scene's list has pictures."""
    return context.scene is not None and len(settings_of(context).pictures) > 0
