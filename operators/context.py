"""What type stubs leave open: where operators and panels run, there is a scene, a window manager and preferences."""

from typing import Any, Final, Literal, cast

import bpy

PACKAGE: Final = (__package__ or "").rpartition(".")[0]
"""The extension's name as Blender knows it: `bl_ext.<repository>.image_to_scene`."""

Outcome = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]
"""What an operator returns to Blender."""
Options = set[
    Literal[
        "REGISTER",
        "UNDO",
        "UNDO_GROUPED",
        "BLOCKING",
        "MACRO",
        "GRAB_CURSOR",
        "GRAB_CURSOR_X",
        "GRAB_CURSOR_Y",
        "DEPENDS_ON_CURSOR",
        "PRESET",
        "INTERNAL",
        "MODAL_PRIORITY",
    ]
]
"""What an operator's `bl_options` may hold."""


def is_in_object_mode(kind: Any, context: bpy.types.Context) -> bool:
    """Tell whether a step of an operator class can be undone; other modes only undo what they do themselves."""
    kind.poll_message_set("Go back to Object Mode first")
    return context.mode == "OBJECT"


def scene_of(context: bpy.types.Context) -> bpy.types.Scene:
    """Return the scene that an artist works in."""
    return cast("bpy.types.Scene", context.scene)


def settings_of(context: bpy.types.Context) -> Any:
    """Return its `ReconstructionSettings`; typed loosely, since Blender makes their attributes while running."""
    return context.scene.image_to_scene  # type: ignore[union-attr]


def manager_of(context: bpy.types.Context) -> bpy.types.WindowManager:
    """Return the window manager."""
    return cast("bpy.types.WindowManager", context.window_manager)
