"""The tab **Image to Scene** in the 3D viewport's sidebar."""

from typing import Any, Final

import bpy

from ..operators import models, runtime
from ..operators.context import settings_of
from ..operators.memory import has_request
from ..operators.needs import file_size_of
from ..operators.reconstructions import active_root
from ..operators.scene import description
from ..operators.scene.animation import ONLY_AT_FRAME, has_switch
from ..operators.session import POINTS_KEY, Task, session
from .models import draw_choice
from .pictures import draw_pictures
from .preferences import draw_runtime
from .text import draw_sentence

TAB: Final = "Image to Scene"


class IMAGETOSCENE_PT_main(bpy.types.Panel):
    """Pictures, model, and the button"""

    bl_label = "Image to Scene"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB

    def draw(self, context: bpy.types.Context) -> None:
        """Show what is to be done, and how far it is."""
        settings = settings_of(context)
        layout: Any = self.layout
        draw_pictures(layout, settings)
        layout.use_property_split = True
        layout.use_property_decorate = False
        draw_choice(layout, context)
        column = layout.column(heading="Build", align=True)
        for name in ("makes_cameras", "makes_point_cloud", "makes_meshes"):
            column.prop(settings, name)
        _draw_file_size(layout, context)
        if runtime.is_needed(context) or runtime.setup.job is not None:
            draw_runtime(layout, context)
        if session.run is None:
            row = layout.row()
            row.scale_y = 1.5
            row.operator("image_to_scene.reconstruct", icon="SCENE_DATA")
        else:
            _draw_run(layout, session.run)


class IMAGETOSCENE_PT_advanced(bpy.types.Panel):
    """What most runs leave alone"""

    bl_label = "Advanced"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB
    bl_parent_id = "IMAGETOSCENE_PT_main"
    bl_order = 1  # after all others
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Show all other settings."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for names in (
            ("square_pixels", "mixed_sizes", "reference_view"),
            ("pose_source", "point_source", "exif_lens", "field_of_view"),
            ("exposure",),
            ("device", "precision"),
        ):
            column = layout.column()
            for name in names:
                column.prop(settings_of(context), name)


class IMAGETOSCENE_PT_result(bpy.types.Panel):
    """The active object's reconstruction, and ways out and in"""

    bl_label = "Reconstruction"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB
    bl_parent_id = "IMAGETOSCENE_PT_main"

    def draw(self, context: bpy.types.Context) -> None:
        """Show its facts, and what can be done with it."""
        layout: Any = self.layout
        root = active_root(context)
        if root is not None:
            layout.label(text=root.name, icon="EMPTY_ARROWS", translate=False)
            _draw_facts(layout.column(align=True), context, root)
            if has_switch(root):
                layout.prop(root, f'["{ONLY_AT_FRAME}"]', text="Show Only at Its Frame")
        column = layout.column(align=True)
        column.operator("image_to_scene.run_again", icon="FILE_REFRESH")
        column.operator("image_to_scene.match_render", icon="CAMERA_DATA")
        column.operator("image_to_scene.export_gltf", text="Export glTF…", icon="EXPORT")
        if root is not None and not has_request(root):
            column.operator("image_to_scene.find_photos", text="Find Photos…", icon="VIEWZOOM")
        row = layout.row(align=True)
        row.operator("image_to_scene.save_reconstruction", text="Save…", icon="FILE_TICK")
        row.operator("image_to_scene.open_reconstruction", text="Open…", icon="FILE_FOLDER")


CLASSES: Final = (
    IMAGETOSCENE_PT_main,
    IMAGETOSCENE_PT_result,
    IMAGETOSCENE_PT_advanced,
)


def _draw_file_size(layout: Any, context: bpy.types.Context) -> None:
    """Say how large the file becomes, while parts can still be left out."""
    size = file_size_of(settings_of(context))
    if size is not None and size.warning:
        draw_sentence(layout, context, size.text, "ERROR")
    elif size is not None:
        layout.label(text=size.text, icon="BLANK1", translate=False)


def _draw_run(layout: bpy.types.UILayout, run: Task) -> None:
    step = run.progress
    row = layout.row(align=True)
    row.scale_y = 1.5
    row.progress(factor=step.done / max(1, step.total), text=run.status)
    row.operator("image_to_scene.cancel", text="", icon="X")


def _draw_facts(layout: Any, context: bpy.types.Context, root: bpy.types.Object) -> None:
    """Say what the root remembers: how much, how long on what, under which licence, and what was worth a warning."""
    what = description(root)
    facts = what["facts"]
    plural = "view" if what["views"] == 1 else "views"
    layout.label(text=f"{what['views']} {plural}, {root.get(POINTS_KEY, 0):,} points", icon="BLANK1", translate=False)
    layout.label(text=f"{models.title(what['model'])}, {what['units']}", icon="BLANK1", translate=False)
    if licence := facts.get("licence"):
        is_barred = models.forbids_commerce(licence)
        text = f"Not for commercial use: {licence}" if is_barred else f"Licence of the weights: {licence}"
        layout.label(text=text, icon="INFO" if is_barred else "BLANK1", translate=False)
    if "seconds" in facts:
        text = f"{facts['seconds']:.1f} s on {facts.get('device', '?')} in {facts.get('precision', '?')}"
        layout.label(text=text, icon="BLANK1", translate=False)
    for warning in facts.get("warnings", ()):
        draw_sentence(layout, context, warning, "ERROR")
