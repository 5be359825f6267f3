"""Scale, up and place of a reconstruction: one operator a verb, each with undo, all on the active reconstruction."""

from collections.abc import Callable
from typing import Any, Final

import bpy
import numpy as np
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty, StringProperty

from ..core.errors import ImageToSceneError
from . import picking
from .context import Options, Outcome, is_in_object_mode, manager_of, scene_of
from .reconstructions import active_root
from .scene import placement as place
from .scene import root_of
from .settings import SCALES, UPS

UNDOABLE: Final[Options] = {"REGISTER", "UNDO"}
NO_ROOT: Final = "There is no reconstruction in this scene"


class IMAGETOSCENE_OT_set_scale(bpy.types.Operator):
    """Give the reconstruction a scale"""

    bl_idname = "image_to_scene.set_scale"
    bl_label = "Set Scale"
    bl_options = UNDOABLE

    mode: EnumProperty(name="Scale", items=SCALES)  # type: ignore[valid-type]

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        """Say what this mode does."""
        return next(item[2] for item in SCALES if item[0] == properties.mode)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction."""
        return _has_root(cls, context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Scale it about its anchor."""
        step = place.scale_to_metres if self.mode == "METRIC" else place.scale_as_predicted
        return _on_root(self, context, lambda root: step(root, scene_of(context)))


class IMAGETOSCENE_OT_scale_to_distance(bpy.types.Operator):
    """Scale the reconstruction so that what lies between the two selected objects becomes as long as it really is"""

    bl_idname = "image_to_scene.scale_to_distance"
    bl_label = "Scale to Distance"
    bl_options = UNDOABLE

    distance: FloatProperty(  # type: ignore[valid-type]
        name="Real Distance",
        description="How far apart the two points really are",
        subtype="DISTANCE",
        default=1.0,
        min=1e-6,
        soft_max=1000.0,
    )
    first: FloatVectorProperty(subtype="XYZ", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    second: FloatVectorProperty(subtype="XYZ", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    root: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction."""
        return _has_root(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for the distance, beginning with the one that is."""
        if not self._take_selection(context):
            return {"CANCELLED"}
        self.distance = float(np.linalg.norm(np.subtract(self.first, self.second)))
        return manager_of(context).invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Scale it about its anchor."""
        if not self._take_selection(context):
            return {"CANCELLED"}
        root = bpy.data.objects.get(self.root) if self.root else None
        ends = np.array(self.first), np.array(self.second)
        return _on_root(self, context, lambda own: place.scale_to_distance(root or own, *ends, self.distance))

    def draw(self, _context: bpy.types.Context) -> None:
        """Ask for one number."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.prop(self, "distance")

    def _take_selection(self, context: bpy.types.Context) -> bool:
        """Take the two selected objects as ends where no others are given; tell whether there are two."""
        if self.properties.is_property_set("first") and self.properties.is_property_set("second"):
            return True
        if len(context.selected_objects) != 2:
            self.report({"ERROR"}, "Select the two objects between which you know the distance.")
            return False
        one, two = context.selected_objects
        self.first, self.second = one.matrix_world.translation, two.matrix_world.translation
        self.root = next((found.name for found in map(root_of, (one, two)) if found), "")
        return True


class IMAGETOSCENE_OT_level(bpy.types.Operator):
    """Turn the reconstruction upright"""

    bl_idname = "image_to_scene.level"
    bl_label = "Level"
    bl_options = UNDOABLE

    mode: EnumProperty(name="Up", items=UPS)  # type: ignore[valid-type]

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        """Say what this mode does."""
        return next(item[2] for item in UPS if item[0] == properties.mode)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction, and it may turn."""
        return _may_move(cls, context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Turn it about its anchor."""
        return _on_root(self, context, lambda root: place.level(root, self.mode))


class IMAGETOSCENE_OT_floor_to_zero(bpy.types.Operator):
    """Put the reconstruction's floor at Z = 0, or its lowest points where it has no floor"""

    bl_idname = "image_to_scene.floor_to_zero"
    bl_label = "Floor to Zero"
    bl_options = UNDOABLE

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction, and it may move."""
        return _may_move(cls, context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Move it up or down."""
        return _on_root(self, context, place.floor_to_zero)


class IMAGETOSCENE_OT_place_at_cursor(bpy.types.Operator):
    """Bring the middle of the reconstruction, on its floor, to the 3D cursor"""

    bl_idname = "image_to_scene.place_at_cursor"
    bl_label = "Place at 3D Cursor"
    bl_options = UNDOABLE

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction, and it may move."""
        return _may_move(cls, context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Move it."""
        cursor = np.array(scene_of(context).cursor.location)
        return _on_root(self, context, lambda root: place.place_at(root, cursor))


class IMAGETOSCENE_OT_reset_placement(bpy.types.Operator):
    """Scale, turn and move the reconstruction back to where it was built"""

    bl_idname = "image_to_scene.reset_placement"
    bl_label = "Reset Placement"
    bl_options = UNDOABLE

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction."""
        return _has_root(cls, context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Put it back."""
        return _on_root(self, context, lambda root: place.reset(root, scene_of(context)))


CLASSES: Final = (
    IMAGETOSCENE_OT_set_scale,
    IMAGETOSCENE_OT_scale_to_distance,
    *picking.CLASSES,
    IMAGETOSCENE_OT_level,
    IMAGETOSCENE_OT_floor_to_zero,
    IMAGETOSCENE_OT_place_at_cursor,
    IMAGETOSCENE_OT_reset_placement,
)


def _has_root(kind: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    if not is_in_object_mode(kind, context):
        return False
    kind.poll_message_set(NO_ROOT)
    return active_root(context) is not None


def _may_move(kind: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    if not _has_root(kind, context):
        return False
    kind.poll_message_set(place.GIVEN_WORLD)
    root = active_root(context)
    return root is not None and not place.is_in_given_world(root)


def _on_root(
    operator: bpy.types.Operator, context: bpy.types.Context, step: Callable[[bpy.types.Object], object]
) -> Outcome:
    """Do a step on the active reconstruction; what cannot be done becomes a sentence and changes nothing."""
    root = active_root(context)
    try:
        if root is not None:
            step(root)
    except ImageToSceneError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    return {"FINISHED"}
