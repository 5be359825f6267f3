"""Two clicks on a reconstruction, and then the question how far apart they really are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from bpy_extras import view3d_utils
from mathutils import Vector

from ..core.types import FloatArray
from .context import Options, Outcome, is_in_object_mode, manager_of, scene_of
from .reconstructions import active_root
from .scene import root_of

NAVIGATION: Final = {"MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "TRACKPADPAN", "TRACKPADZOOM", "MOUSEROTATE"}
COLOUR: Final = (1.0, 0.6, 0.1, 1.0)
WIDEST: Final = 20.0  # pixels within which a point can be meant
CLOSE: Final = 2.0  # likewise, within which the first of several points is meant
MOST_HIDDEN: Final = 100  # surfaces that the viewport does not show and that a ray passes
PAST: Final = 1e-5  # of the way to a surface: how far behind it a ray goes on
PROMPTS: Final = ("Click the first point on the reconstruction", "Click the second point")
MISSED: Final = "Nothing of a reconstruction is there: click on its surface or points"


@dataclass(frozen=True)
class Ray:
    """What lies under a pixel of a viewport."""

    origin: Vector
    direction: Vector
    """Of length 1."""
    pixel: float
    """How wide a pixel is, at distance 1 or, where rays are parallel, everywhere."""
    is_parallel: bool = False

    def pixels_aside(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how many pixels from it points [N, 3] lie, and how far along it, both [N]."""
        offset, direction = points - np.array(self.origin), np.array(self.direction)
        along = offset @ direction
        aside = np.linalg.norm(offset - along[:, None] * direction, axis=1)
        reach = self.pixel if self.is_parallel else self.pixel * np.maximum(along, 1e-9)
        return aside / reach, along


class IMAGETOSCENE_OT_pick_distance(bpy.types.Operator):
    """Click two points of the reconstruction in the viewport, then say how far apart they really are"""

    bl_idname = "image_to_scene.pick_distance"
    bl_label = "Pick Two Points"
    bl_options: Options = set()  # nothing changes here; the question that follows has the undo step

    _handle: Any = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a reconstruction, and a viewport to click in."""
        if not is_in_object_mode(cls, context):
            return False
        cls.poll_message_set("There is no reconstruction in this scene, or no 3D viewport here")
        return active_root(context) is not None and context.area is not None and context.area.type == "VIEW_3D"

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Wait for clicks, and draw what is picked."""
        self._picked: list[FloatArray] = []
        self._hovered: FloatArray | None = None
        self._root = ""  # its name: an undo meanwhile may leave no object behind a reference
        space: Any = bpy.types.SpaceView3D
        self._handle = space.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")
        self._say(context, PROMPTS[0])
        if context.window is not None:
            context.window.cursor_modal_set("CROSSHAIR")
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
        hit = pick(context, ray)
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
        self._root = self._root or root.name
        if len(self._picked) < len(PROMPTS):
            self._say(context, PROMPTS[1])
            return {"RUNNING_MODAL"}
        first, second = (point.tolist() for point in self._picked)
        ask: Any = bpy.ops.image_to_scene.scale_to_distance  # type: ignore[attr-defined]
        ask("INVOKE_DEFAULT", first=first, second=second, root=self._root)
        return self._end(context, {"FINISHED"})

    def _end(self, context: bpy.types.Context, outcome: Outcome) -> Outcome:
        """The one way out: line and status go."""
        if self._handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None
        if context.window is not None:
            context.window.cursor_modal_restore()
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


def ray_at(context: bpy.types.Context, x: int, y: int) -> Ray | None:
    """Return what lies under a place of the window; None where no viewport is."""
    for area in context.screen.areas if context.screen else ():
        for region in area.regions if area.type == "VIEW_3D" else ():
            inside = region.x <= x < region.x + region.width and region.y <= y < region.y + region.height
            if not inside:
                continue
            if region.type != "WINDOW":  # a sidebar or header over the view
                return None
            return _ray(region, (x - region.x, y - region.y))
    return None


def _ray(region: bpy.types.Region, place: tuple[int, int]) -> Ray:
    view: Any = region.data
    return Ray(
        view3d_utils.region_2d_to_origin_3d(region, view, place),
        view3d_utils.region_2d_to_vector_3d(region, view, place),
        2.0 / (view.window_matrix[0][0] * region.width),
        not view.is_perspective,
    )


def pick(context: bpy.types.Context, ray: Ray) -> tuple[FloatArray, bpy.types.Object] | None:
    """Find the place of a reconstruction that a ray meets first.

    Returns:
        The place [3] in the world, and the root; None where the ray meets none, or something else before it.
    """
    if (hit := _surface(context, ray)) is not None:
        place, item = hit
        root = root_of(item)
        return None if root is None else (place, root)
    return _nearest_point(context, ray)


def _surface(context: bpy.types.Context, ray: Ray) -> tuple[FloatArray, bpy.types.Object] | None:
    """Return the first place of a surface that the viewport shows, and its object."""
    depsgraph, origin = context.evaluated_depsgraph_get(), ray.origin
    for _ in range(MOST_HIDDEN):
        is_hit, place, _normal, _index, met, _matrix = scene_of(context).ray_cast(depsgraph, origin, ray.direction)
        if not is_hit:
            return None
        item = met.original or met
        if _is_seen(context, item):
            return np.array(place), item
        origin = place + max(PAST * (place - ray.origin).length, 1e-6) * ray.direction
    return None


def _is_seen(context: bpy.types.Context, item: bpy.types.Object) -> bool:
    """Tell whether an object is shown; a local view hides what rays meet."""
    space: Any = context.space_data
    return item.visible_get() and (space is None or space.type != "VIEW_3D" or item.visible_in_viewport_get(space))


def _nearest_point(context: bpy.types.Context, ray: Ray) -> tuple[FloatArray, bpy.types.Object] | None:
    """Return the first point of those that a ray passes about as closely as any; it meets none of them."""
    clouds = list(_clouds(context))
    if not clouds:
        return None
    owner = np.repeat(np.arange(len(clouds)), [len(points) for _, points in clouds])
    points = np.concatenate([points for _, points in clouds])
    aside, along = ray.pixels_aside(points)
    aside[along <= 0.0] = np.inf
    if not len(aside) or aside.min() > WIDEST:
        return None
    close = np.flatnonzero(aside <= max(CLOSE, 1.5 * float(aside.min())))
    first = close[np.argmin(along[close])]
    return points[first], clouds[owner[first]][0]


def _clouds(context: bpy.types.Context) -> Iterator[tuple[bpy.types.Object, FloatArray]]:
    """Yield the root of each visible cloud and its points [N, 3] in the world, as its modifiers leave them.

    Before Blender 4.5 a cloud is what modifiers make of a mesh, which is only found among what is drawn.
    """
    shown: Any
    for shown in context.evaluated_depsgraph_get().object_instances:
        if shown.object.type != "POINTCLOUD":
            continue
        item = (shown.parent if shown.is_instance else shown.object).original
        root = root_of(item)
        if root is not None and _is_seen(context, item):
            yield root, _moved(shown.object.data.attributes["position"], np.array(shown.matrix_world))


def _moved(attribute: Any, matrix: FloatArray) -> FloatArray:
    """Read points [N, 3] and apply a transform [4, 4]."""
    positions = np.empty(3 * len(attribute.data), dtype=np.float32)
    attribute.data.foreach_get("vector", positions)
    return np.asarray(positions.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64)
