"""Saved reconstructions: open one without any network, and save what was just made."""

from pathlib import Path
from typing import Final

import bpy
from bpy.props import BoolProperty, StringProperty

from ..core.errors import ImageToSceneError
from ..core.storage import load, save
from .context import Options, Outcome, manager_of, scene_of, settings_of
from .scene import build, find_roots, root_of
from .session import session
from .settings import build_options_from


class IMAGETOSCENE_OT_open_reconstruction(bpy.types.Operator):
    """Choose the folder of a saved reconstruction and build it; no network is needed"""

    bl_idname = "image_to_scene.open_reconstruction"
    bl_label = "Open Reconstruction"
    bl_options = {"UNDO"}

    directory: StringProperty(name="Folder", subtype="DIR_PATH")  # type: ignore[valid-type]
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for the folder."""
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Build what the sidebar says is to be built."""
        folder = Path(bpy.path.abspath(self.directory))
        try:
            reconstruction = load(folder)
            built = build(reconstruction, build_options_from(settings_of(context)), scene_of(context))
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        session.keep(built.root, reconstruction, folder)
        for warning in built.warnings:
            self.report({"WARNING"}, warning)
        return {"FINISHED"}


class IMAGETOSCENE_OT_save_reconstruction(bpy.types.Operator):
    """Save the active object's reconstruction as a folder that can be opened again, here or elsewhere"""

    bl_idname = "image_to_scene.save_reconstruction"
    bl_label = "Save Reconstruction"
    bl_options: Options = set()  # nothing in the file changes, so there is nothing to undo

    filepath: StringProperty(name="Folder", subtype="FILE_PATH")  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one that was made or opened since Blender was started."""
        cls.poll_message_set("Nothing was reconstructed or opened since Blender was started")
        return saved_folder(context) is not None

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for the folder's name."""
        if not self.filepath:
            self.filepath = bpy.path.abspath("//reconstruction") if bpy.data.filepath else "reconstruction"
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Write it, whole or not at all."""
        source, target = saved_folder(context), Path(bpy.path.abspath(self.filepath))
        try:
            if source is not None:
                save(load(source), target)
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {target}")
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_open_reconstruction, IMAGETOSCENE_OT_save_reconstruction)


def active_root(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the root of the active object's reconstruction, else the last root of the scene."""
    if context.scene is None:
        return None
    return root_of(context.active_object) or next(reversed(find_roots(context.scene)), None)


def saved_folder(context: bpy.types.Context) -> Path | None:
    """Return where the active reconstruction is saved in this session."""
    root = active_root(context)
    return session.folder_of(root) if root else None
