"""The sub-panel with which a finished reconstruction is adjusted, also while another one is on its way."""

from typing import Any, Final

import bpy

from ..operators.reconstructions import active_root
from ..operators.scene.tuning import controls_of, settings_of
from .sidebar import TAB

SECTIONS: Final = (
    (
        "Clean Up",
        "BRUSH_DATA",
        ("confidence_percentile", "remove_sky", "remove_masked", "confidence", "depth_jump", "max_distance"),
    ),
    ("Points", "POINTCLOUD_DATA", ("point_size", "point_density")),
    ("Meshes", "MESH_GRID", ("mesh_step",)),
)
LIMITS: Final = ("confidence", "depth_jump", "max_distance")
"""Of which 0 means none."""


class IMAGETOSCENE_PT_tuning(bpy.types.Panel):
    """What the active reconstruction leaves out, how big its points and how coarse its meshes are"""

    bl_label = "Tune"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = TAB
    bl_parent_id = "IMAGETOSCENE_PT_main"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is something to tune."""
        root = active_root(context)
        return root is not None and bool(controls_of(root))

    def draw(self, context: bpy.types.Context) -> None:
        """Show the settings that there are; where the model gives no sky, say, there is no control for it."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        root = active_root(context)
        if root is None:
            return
        controls = controls_of(root)
        for title, icon, names in SECTIONS:
            there = [name for name in names if name in controls]
            if there:
                layout.label(text=title, icon=icon)
            column = layout.column(align=True)
            for name in there:
                column.prop(settings_of(root), f'["{name}"]', text=controls[name].label)
            if any(name in LIMITS for name in there):
                column.label(text="0: no limit", icon="BLANK1")
        layout.operator("image_to_scene.reset_tuning", icon="LOOP_BACK")


CLASSES: Final = (IMAGETOSCENE_PT_tuning,)
