"""Two clicks on a reconstruction, and then the question how far apart they really are."""

from collections.abc import Iterable
from typing import Any, Final

import bpy
import numpy as np
from bpy_extras import view3d_utils
from mathutils import Vector

from ..core.types import FloatArray
from .context import Options, Outcome, manager_of, scene_of
from .reconstructions import active_root
from .scene import root_of

NAVIGATION: Final = {"MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "TRACKPADPAN", "TRACKPADZOOM", "MOUSEROTATE"}
COLOUR: Final = (1.0, 0.6, 0.1, 1.0)
WIDEST: Final = 0.03  # tangent of the angle within which a point can be meant
CLOSE: Final = 0.003  # likewise, within which the first of several points is meant
PROMPTS: Final = ("Click the first point on the reconstruction", "Click the second point")
MISSED: Final = "Nothing of a reconstruction is there: click on its surface or points"


class IMAGETOSCENE_OT_pick_distance(bpy.types.Operator):
    """Click two points of the reconstruction in the viewport, then say how far apart they really are"""

    bl_idname = "image_to_scene.pick_distance"
    bl_label = "Pick Two Points"
    bl_options: Options = set()  # nothing changes here; the question that follows has the undo step

    _handle: Any = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction, and a viewport to click in."""
        cls.poll_message_set("There is no reconstruction in this scene, or no 3D viewport here")
        return active_root(context) is not None and context.area is not None and context.area.type == "VIEW_3D"

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Wait for clicks, and draw what is picked."""
        self._picked: list[FloatArray] = []
        self._hovered: FloatArray | None = None
        self._root: bpy.types.Object | None = None
        space: Any = bpy.types.SpaceView3D
        self._handle = space.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")
        self._say(context, PROMPTS[0])
        manager_of(context).modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> Outcome:
        """Take clicks; navigation goes on to Blender, Esc and the right button end it."""
        if event.type in {"ESC", "RIGHTMOUSE"}:
            return self._end(context, {"CANCELLED"})
        if event.type in NAVIGATION or event.type.startswith(("NUMPAD", "NDOF")):
            return {"PASS_THROUGH"}
        if event.type == "MOUSEMOVE" or (event.type == "LEFTMOUSE" and event.value == "PRESS"):
            return self._point(context, event)
        return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator."""
        self._end(context, {"CANCELLED"})

    def _point(self, context: bpy.types.Context, event: bpy.types.Event) -> Outcome:
        ray = ray_at(context, event.mouse_x, event.mouse_y)
        if ray is None:  # outside of the viewports: buttons and menus work as ever
            return {"PASS_THROUGH"}
        is_click = event.type == "LEFTMOUSE"
        if not is_click and not self._picked:
            return {"PASS_THROUGH"}
        hit = pick(context, *ray)
        self._hovered = None if hit is None else hit[0]
        self._redraw(context)
        if not is_click:
            self._show_length(context)
            return {"RUNNING_MODAL"}
        if hit is None:
            self._say(context, MISSED)
            return {"RUNNING_MODAL"}
        return self._take(context, *hit)

    def _take(self, context: bpy.types.Context, point: FloatArray, root: bpy.types.Object) -> Outcome:
        """Keep a point; with the second one, ask."""
        self._picked.append(point)
        self._root = self._root or root
        if len(self._picked) < len(PROMPTS):
            self._say(context, PROMPTS[1])
            return {"RUNNING_MODAL"}
        first, second = (point.tolist() for point in self._picked)
        ask: Any = bpy.ops.image_to_scene.scale_to_distance  # type: ignore[attr-defined]
        ask("INVOKE_DEFAULT", first=first, second=second, root=self._root.name)
        return self._end(context, {"FINISHED"})

    def _end(self, context: bpy.types.Context, outcome: Outcome) -> Outcome:
        """The one way out: line and status go."""
        if self._handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None
        self._say(context, None)
        self._redraw(context)
        return outcome

    def _show_length(self, context: bpy.types.Context) -> None:
        if self._hovered is None:
            return
        length = float(np.linalg.norm(self._hovered - self._picked[0]))
        units = scene_of(context).unit_settings
        text = bpy.utils.units.to_string(units.system, "LENGTH", length * units.scale_length)
        self._say(context, f"{PROMPTS[1]}: {text} now")

    def _say(self, context: bpy.types.Context, text: str | None) -> None:
        if context.workspace is not None:
            context.workspace.status_text_set(f"{text} · Esc cancels" if text else None)

    def _redraw(self, context: bpy.types.Context) -> None:
        for area in context.screen.areas if context.screen else ():
            if area.type == "VIEW_3D":
                area.tag_redraw()

    def _draw(self) -> None:
        """Draw the points and the line between them."""
        import gpu  # not there without a window
        from gpu_extras.batch import batch_for_shader

        ends = [*self._picked, *([self._hovered] if self._hovered is not None and len(self._picked) == 1 else [])]
        shader = gpu.shader.from_builtin("UNIFORM_COLOR")
        gpu.state.depth_test_set("NONE")
        gpu.state.point_size_set(9.0)
        gpu.state.line_width_set(2.0)
        shader.bind()
        shader.uniform_float("color", COLOUR)
        for kind in ("POINTS", "LINES") if len(ends) == 2 else ("POINTS",):
            positions: Any = {"pos": [tuple(end) for end in ends]}
            batch_for_shader(shader, kind, positions).draw(shader)  # type: ignore[arg-type]
        gpu.state.line_width_set(1.0)
        gpu.state.point_size_set(1.0)


CLASSES: Final = (IMAGETOSCENE_OT_pick_distance,)


def ray_at(context: bpy.types.Context, x: int, y: int) -> tuple[Vector, Vector] | None:
    """Return origin and direction of what lies under a place of the window; None where no viewport is."""
    for area in context.screen.areas if context.screen else ():
        for region in area.regions if area.type == "VIEW_3D" else ():
            inside = region.x <= x < region.x + region.width and region.y <= y < region.y + region.height
            if not inside:
                continue
            if region.type != "WINDOW":  # a sidebar or header over the view
                return None
            place = (x - region.x, y - region.y)
            view: Any = region.data
            direction = view3d_utils.region_2d_to_vector_3d(region, view, place)
            return view3d_utils.region_2d_to_origin_3d(region, view, place), direction
    return None


def pick(context: bpy.types.Context, origin: Vector, direction: Vector) -> tuple[FloatArray, bpy.types.Object] | None:
    """Find the place of a reconstruction that a ray meets first.

    Returns:
        The place [3] in the world, and the root; None where the ray meets none, or something else before it.
    """
    depsgraph = context.evaluated_depsgraph_get()
    is_hit, location, _normal, _index, item, _matrix = scene_of(context).ray_cast(depsgraph, origin, direction)
    if is_hit:
        root = root_of(item.original)
        return None if root is None else (np.array(location), root)
    return _nearest_point(_clouds(context), np.array(origin), np.array(direction))


def _clouds(context: bpy.types.Context) -> list[bpy.types.Object]:
    """Return the visible point clouds of reconstructions; rays do not meet those."""
    items: Iterable[bpy.types.Object] = scene_of(context).objects
    return [item for item in items if item.type == "POINTCLOUD" and item.visible_get() and root_of(item)]


def _nearest_point(
    clouds: list[bpy.types.Object], origin: FloatArray, direction: FloatArray
) -> tuple[FloatArray, bpy.types.Object] | None:
    """Return the first point of those that a ray passes about as closely as any."""
    if not clouds:
        return None
    positions = [_positions(cloud) for cloud in clouds]
    owner = np.repeat(np.arange(len(clouds)), [len(points) for points in positions])
    points = np.concatenate(positions) - origin
    along = points @ direction
    ahead = along > 0.0
    points, along, owner = points[ahead], along[ahead], owner[ahead]
    aside = np.linalg.norm(points / along[:, None] - direction, axis=1)
    if not len(aside) or aside.min() > WIDEST:
        return None
    close = np.flatnonzero(aside <= max(CLOSE, 1.5 * float(aside.min())))
    first = close[np.argmin(along[close])]
    root = root_of(clouds[owner[first]])
    return None if root is None else (points[first] + origin, root)


def _positions(cloud: bpy.types.Object) -> FloatArray:
    """Return the points [N, 3] of a cloud in the world, as its modifiers leave them."""
    evaluated = cloud.evaluated_get(bpy.context.evaluated_depsgraph_get())
    data: Any = evaluated.data
    attribute = data.attributes["position"]
    positions = np.empty(3 * len(attribute.data), dtype=np.float32)
    attribute.data.foreach_get("vector", positions)
    matrix = np.array(evaluated.matrix_world)
    return np.asarray(positions.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64)
