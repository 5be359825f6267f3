"""Out of Blender: a reconstruction as .glb, and the render settings that show a photo's own frame."""

from pathlib import Path
from typing import Final

import bpy
from bpy.props import BoolProperty, StringProperty

from ..core.errors import ImageToSceneError
from .context import Options, Outcome, manager_of, scene_of
from .reconstructions import active_root, check_window_target
from .scene import export_glb, match_render
from .scene.cameras import is_ours
from .targets import reported


class IMAGETOSCENE_OT_export_gltf(bpy.types.Operator):
    """Write the active object's reconstruction as .glb: unlit textured meshes, coloured points, exact cameras"""

    bl_idname = "image_to_scene.export_gltf"
    bl_label = "Export glTF"
    bl_options: Options = set()  # nothing in the file changes, so there is nothing to undo

    filepath: StringProperty(name="File", subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: StringProperty(default="*.glb", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    check_existing: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction."""
        cls.poll_message_set("There is no reconstruction in this scene")
        return active_root(context) is not None

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for the file."""
        root = active_root(context)
        if not self.filepath and root is not None:
            self.filepath = f"{root.name}.glb"
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, _context: bpy.types.Context) -> bool:
        """Show the name with its suffix in the file browser, so that it asks before it replaces that file."""
        path = self.filepath
        self.filepath = bpy.path.ensure_ext(path, ".glb") if Path(path).name else path
        return bool(self.filepath != path)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Write the file, whole or not at all."""
        root = active_root(context)
        path = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".glb"))
        try:
            if root is not None:
                check_window_target(path, root)
                with reported(path):
                    warnings = export_glb(root, path)
                for warning in warnings:
                    self.report({"WARNING"}, warning)
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Exported {path}")
        return {"FINISHED"}


class IMAGETOSCENE_OT_match_render(bpy.types.Operator):
    """Make this camera the scene's and give the render the size and pixel shape of its photo"""

    bl_idname = "image_to_scene.match_render"
    bl_label = "Match Render to Camera"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a camera of a reconstruction."""
        cls.poll_message_set("Select a camera that Image to Scene made")
        return chosen_camera(context) is not None

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Set it."""
        camera = chosen_camera(context)
        if camera is None:
            return {"CANCELLED"}
        match_render(scene_of(context), camera)
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_export_gltf, IMAGETOSCENE_OT_match_render)


def chosen_camera(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the active object where it is a camera of ours, else the scene's camera where that is."""
    candidates = (context.active_object, context.scene.camera if context.scene else None)
    return next((item for item in candidates if item is not None and is_ours(item)), None)
