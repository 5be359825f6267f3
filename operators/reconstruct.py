"""Reconstruct, run again, and cancel."""

from dataclasses import replace
from typing import Final

import bpy

from . import inputs
from .context import Outcome, scene_of, settings_of
from .memory import check_pictures, has_request, remembered_request
from .reconstructions import active_root
from .runtime import worker_python
from .session import Task, session
from .settings import build_options_from, placement_from, request_from
from .work import Order, SteppedOperator

OPENED: Final = (
    "A reconstruction from a folder does not tell how it was made: add its pictures to the list and press Reconstruct"
)


class IMAGETOSCENE_OT_reconstruct(SteppedOperator, bpy.types.Operator):
    """Turn the pictures of the list into cameras, points and meshes"""

    bl_idname = "image_to_scene.reconstruct"
    bl_label = "Reconstruct"
    bl_options = {"UNDO"}  # not REGISTER: to adjust the last operation would be to run the network again

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One run at a time."""
        cls.poll_message_set("A reconstruction is running")
        return context.scene is not None and session.run is None

    def begin(self, context: bpy.types.Context) -> tuple[Task, Order, bpy.types.Scene]:
        """Send what the sidebar says."""
        settings = settings_of(context)
        given = inputs.views(settings, context)
        options = replace(
            build_options_from(settings), without_camera=given.without_camera, clip_start=given.clip_start
        )
        request = request_from(settings, given)
        order = Order(options, request, placement=placement_from(settings))
        return session.start(request, worker_python(context)), order, scene_of(context)


class IMAGETOSCENE_OT_run_again(SteppedOperator, bpy.types.Operator):
    """Reconstruct the same pictures with the settings above, in place; what you added, renamed or duplicated stays"""

    bl_idname = "image_to_scene.run_again"
    bl_label = "Run Again"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one that knows its pictures."""
        root = active_root(context)
        if session.run is not None:
            cls.poll_message_set("A reconstruction is running")
        else:
            cls.poll_message_set("There is no reconstruction" if root is None else OPENED)
        return session.run is None and root is not None and has_request(root)

    def begin(self, context: bpy.types.Context) -> tuple[Task, Order, bpy.types.Scene]:
        """Send the pictures that the root remembers, with what the sidebar says of the rest."""
        settings, root = settings_of(context), active_root(context)
        assert root is not None  # noqa: S101 - see poll
        earlier, kept = remembered_request(root)
        check_pictures(root, earlier)
        request = request_from(settings, inputs.Inputs(earlier.views))
        order = Order(replace(build_options_from(settings), **kept), request, root.session_uid)
        return session.start(request, worker_python(context)), order, scene_of(context)


class IMAGETOSCENE_OT_cancel(bpy.types.Operator):
    """End the running reconstruction; the scene stays as it is"""

    bl_idname = "image_to_scene.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to cancel."""
        return session.run is not None and not session.run.is_cancelling

    def execute(self, _context: bpy.types.Context) -> Outcome:
        """Ask for the end; the run's own timer notices."""
        if session.run is not None:
            session.run.cancel()
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_reconstruct, IMAGETOSCENE_OT_run_again, IMAGETOSCENE_OT_cancel)
