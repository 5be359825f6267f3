"""Scenes that are played and rendered on while the artist's own stays as it is, and pictures that come of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import CameraError
from ...core.imaging.headers import is_whole_png
from ..scene import find_roots
from ..scene.compat import set_compositing_tree


@contextmanager
def stage(scene: bpy.types.Scene, camera: bpy.types.Object) -> Iterator[bpy.types.Scene]:
    """Copy a scene, seen through a camera, for as long as it is needed.

    Going to a frame of the copy moves nothing that the artist sees: current frame, unkeyed changes, caches of the
    original and its last render all stay. A driver that reads the frame off the scene itself, not from `frame`, sees
    the original's.
    """
    with _viewers_kept():
        copy = scene.copy()
        try:
            copy.timeline_markers.clear()  # one that binds a camera would take the place of ours
            copy.camera = camera
            yield copy
        finally:
            bpy.data.scenes.remove(copy)


def evaluated(camera: bpy.types.Object, copy: bpy.types.Scene, frame: int, subframe: float = 0.0) -> bpy.types.Object:
    """Return a camera as it is at a frame: keys, parents, constraints and drivers included; good until the next."""
    copy.frame_set(frame, subframe=subframe)
    layer: Any = copy.view_layers[0]
    return camera.evaluated_get(layer.depsgraph)


def prepare_render(copy: bpy.types.Scene) -> None:
    """Set a copied scene to render what its camera sees and no more: no strips, no compositing, no border, no stamp.

    Reconstructions are left out, as far as they are in their own collections: a second run shall not see the first.
    """
    render = copy.render
    render.use_compositing = render.use_sequencer = False
    render.use_border = render.use_multiview = render.use_motion_blur = render.use_stamp = False
    part = render.resolution_percentage
    render.resolution_x, render.resolution_y = render.resolution_x * part // 100, render.resolution_y * part // 100
    render.resolution_percentage = 100
    roots = set(find_roots(copy))
    for layer in copy.view_layers:
        _leave_out(layer.layer_collection, roots)


def write_frame(scene: bpy.types.Scene, path: Path, *, colours: str = "RGBA") -> Path:
    """Render a scene of ours at its frame into a PNG.

    Raises:
        CameraError: Blender cannot render it.
    """
    settings: Any = scene.render.image_settings
    if bpy.app.version >= (5, 0):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", colours, "8"
    settings.color_management = "FOLLOW_SCENE"
    scene.render.filepath, scene.render.use_file_extension, scene.render.use_overwrite = str(path), False, True
    try:
        with _idle(scene.frame_current) as idle, bpy.context.temp_override(**idle):
            bpy.ops.render.render(write_still=True, scene=scene.name)
    except RuntimeError as error:
        raise CameraError(f"{path.stem} cannot be rendered: Blender says {str(error).strip()}") from error
    if not is_whole_png(path):
        raise CameraError(
            f"{path.stem} cannot be rendered: Blender wrote no whole picture; free some space on the disk."
        )
    return path


@contextmanager
def compositor(
    size: tuple[int, int], add_source: Callable[[Any], bpy.types.NodeSocket], view_transform: str
) -> Iterator[bpy.types.Scene]:
    """Make a scene that renders one node: Blender's own reading of a movie or rasterising of a mask.

    Args:
        size: (width, height), pixels.
        add_source: Adds the node to a node tree and returns its output.
        view_transform: `Standard` for pictures, `Raw` for values that mean themselves.
    """
    with _viewers_kept():
        scene: Any = bpy.data.scenes.new("Image to Scene")
        tree, output = _tree(scene)
        try:
            with bpy.context.temp_override(scene=scene):  # a new node takes the active clip of the context's, for good
                tree.links.new(add_source(tree), output)
            scene.render.engine = "BLENDER_WORKBENCH"
            scene.render.resolution_x, scene.render.resolution_y = size
            scene.render.dither_intensity = 0.0
            scene.view_settings.view_transform = view_transform
            yield scene
        finally:
            bpy.data.scenes.remove(scene)
            if bpy.app.version >= (5, 0):  # before, the tree is a part of the scene
                bpy.data.node_groups.remove(tree)


def _tree(scene: Any) -> tuple[Any, Any]:
    """Return a scene's empty compositing tree and the socket that is rendered."""
    if bpy.app.version >= (5, 0):
        tree: Any = bpy.data.node_groups.new("Image to Scene", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        set_compositing_tree(scene, tree)
        return tree, tree.nodes.new("NodeGroupOutput").inputs[0]
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    return scene.node_tree, scene.node_tree.nodes.new("CompositorNodeComposite").inputs[0]


@contextmanager
def _idle(frame: int) -> Iterator[dict[str, Any]]:
    """Give a context for a render with an empty scene.

    Blender takes the frame from it, not from the scene that it renders, and updates it in the end: in the artist's,
    what is not keyed would be lost.
    """
    scene = bpy.data.scenes.new("Idle")
    scene.frame_set(frame)
    try:
        yield {"scene": scene, "view_layer": scene.view_layers[0]}
    finally:
        bpy.data.scenes.remove(scene)


@contextmanager
def _viewers_kept() -> Iterator[None]:
    """Remove the images that Blender makes to show renders in, where there were none."""
    before = {image.name for image in bpy.data.images if image.source == "VIEWER"}
    try:
        yield
    finally:
        for image in [image for image in bpy.data.images if image.source == "VIEWER" and image.name not in before]:
            bpy.data.images.remove(image)


def _leave_out(layer: bpy.types.LayerCollection, roots: set[bpy.types.Object]) -> None:
    for child in layer.children:
        if roots.intersection(child.collection.objects):
            child.exclude = True
        else:
            _leave_out(child, roots)
