"""Scale, up and place of the active reconstruction, and how its known cameras fit."""

from collections.abc import Mapping
from typing import Any, Final

import bpy

from ..operators.context import scene_of, settings_of
from ..operators.reconstructions import active_root
from ..operators.scene import description
from ..operators.scene.placement import is_in_given_world
from .sidebar import TAB


class IMAGETOSCENE_PT_placement(bpy.types.Panel):
    """Scale, up and place of the active reconstruction"""

    bl_label = "Scale & Place"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB
    bl_parent_id = "IMAGETOSCENE_PT_main"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction."""
        return active_root(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Show what can be done with it, and how its known cameras fit."""
        layout: Any = self.layout
        root = active_root(context)
        if root is None:
            return
        _draw_scale(layout)
        if is_in_given_world(root):
            layout.label(text="Stands in the given cameras' world", icon="OUTLINER_OB_CAMERA")
            _draw_residuals(layout, context, description(root)["facts"].get("cameras", ()))
        else:
            _draw_up_and_place(layout)
        layout.operator("image_to_scene.reset_placement", text="Reset", icon="LOOP_BACK")


class IMAGETOSCENE_PT_new_placement(bpy.types.Panel):
    """How new reconstructions are placed"""

    bl_label = "New Reconstructions"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB
    bl_parent_id = "IMAGETOSCENE_PT_advanced"

    def draw(self, context: bpy.types.Context) -> None:
        """Show the settings that a run ends with."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("scale_mode", "up_mode", "floor_to_zero", "place_at_cursor"):
            layout.prop(settings_of(context), name)


CLASSES: Final = (IMAGETOSCENE_PT_placement, IMAGETOSCENE_PT_new_placement)


def _draw_scale(layout: Any) -> None:
    column = layout.column(align=True)
    column.label(text="Scale", icon="FIXED_SIZE")
    row = column.row(align=True)
    row.operator("image_to_scene.set_scale", text="As Predicted").mode = "AS_PREDICTED"
    row.operator("image_to_scene.set_scale", text="Metric").mode = "METRIC"
    row = column.row(align=True)
    row.operator("image_to_scene.pick_distance", text="Pick 2 Points…")
    row.operator("image_to_scene.scale_to_distance", text="2 Objects…")


def _draw_up_and_place(layout: Any) -> None:
    column = layout.column(align=True)
    column.label(text="Up", icon="EMPTY_SINGLE_ARROW")
    row = column.row(align=True)
    row.operator("image_to_scene.level", text="Ground").mode = "GROUND"
    row.operator("image_to_scene.level", text="Cameras").mode = "CAMERAS"
    row.operator("image_to_scene.level", text="As Predicted").mode = "AS_PREDICTED"
    column = layout.column(align=True)
    column.label(text="Place", icon="OBJECT_ORIGIN")
    row = column.row(align=True)
    row.operator("image_to_scene.floor_to_zero", text="Floor to Z = 0")
    row.operator("image_to_scene.place_at_cursor", text="To 3D Cursor")


def _draw_residuals(layout: Any, context: bpy.types.Context, cameras: Any) -> None:
    """Say how far each known camera is from what the pictures say; the distance as the scene shows lengths."""
    if not cameras:
        return
    box = layout.box().column(align=True)
    box.label(text="Known cameras are off by", translate=False)
    for camera in cameras:
        row = box.row()
        row.label(text=camera["name"], icon="CAMERA_DATA" if camera["agrees"] else "ERROR", translate=False)
        values = row.row()
        values.alignment = "RIGHT"
        values.label(text=_residual(scene_of(context), camera), translate=False)


def _residual(scene: bpy.types.Scene, camera: Mapping[str, Any]) -> str:
    units = scene.unit_settings
    length = bpy.utils.units.to_string(units.system, "LENGTH", camera["distance"] * units.scale_length, precision=3)
    return f"{camera['pixels']:.0f} px · {length}"
