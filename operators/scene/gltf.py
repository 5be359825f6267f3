"""Write a reconstruction as .glb: Blender's exporter for what it can do, and mended where it loses cameras and points.

Blender's exporter drops point clouds or their colours, gives every camera the scene's shape of picture, and asks for
operators' context. So it is run on a scene of its own, with empties in the place of clouds; the points are added to
what it wrote, and the cameras corrected, before the file gets its name.
"""

import contextlib
import io
import math
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import StorageError
from .cameras import current_intrinsics, is_ours, picture_size
from .glb import read_glb
from .gltf_points import Points, add_points, read_points
from .transaction import temporary_data
from .window import window_kept

SETTINGS: dict[str, Any] = {
    "export_format": "GLB",
    "use_active_scene": True,
    "export_cameras": True,
    "export_apply": True,  # the tuning
    "export_normals": False,  # unlit
    "export_animations": False,
    "export_skins": False,
    "export_morph": False,
    "export_lights": False,
    "export_extras": False,
    "export_yup": True,
}
ROOM = 1024
"""Bytes that an object's camera or points take at most in the document, so that it can be written in its own place."""


def export_glb(root: bpy.types.Object, path: str | Path) -> None:
    """Write a root and all that hangs below it: meshes and coloured points as their tuning shows them, exact cameras.

    The scene, its selection and its settings stay as they are; the file appears complete or not at all.

    Args:
        root: From `build` or `find_roots`; its transform counts.
        path: Where to; the suffix is that of the file.

    Raises:
        StorageError: The file cannot be written, or Blender's exporter failed.
    """
    path = Path(path)
    if not path.parent.is_dir():  # the exporter would make it
        raise StorageError(f"The folder {path.parent} does not exist; choose another one.")
    beside = path.with_name(f".{uuid.uuid4().hex}.glb")
    try:
        _export(root, beside)
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"{path} could not be written ({error.strerror}); choose another folder.") from error
    finally:
        beside.unlink(missing_ok=True)


def _export(root: bpy.types.Object, path: Path) -> None:
    with temporary_data(), window_kept():
        scene = bpy.data.scenes.new(root.name)
        with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
            names, clouds = _fill(scene, [root, *root.children_recursive])
            evaluated = bpy.context.evaluated_depsgraph_get()
            seen: list[Any] = [item.evaluated_get(evaluated) for item in scene.objects if is_ours(item)]
            cameras = {item.data.name: _camera(item) for item in seen}
            _run_exporter(path, room=ROOM * len(names))
        glb = read_glb(path)
        _mend(glb.document, cameras, names)
        glb.write(*add_points(glb.document, glb.size, clouds))


def _fill(scene: bpy.types.Scene, family: list[bpy.types.Object]) -> tuple[dict[str, str], dict[str, Points]]:
    """Fill a scene with copies of objects, and with empties in the place of clouds.

    Meshes are copied as well, which costs no array: the exporter of Blender 5.3 leaves a user too many on each.

    Args:
        scene: An empty scene, that of the context.
        family: Parents before their children.

    Returns:
        The names of copies, of objects and of meshes, and the names of what they are copies of; clouds by the names of
        what they are copies of.
    """
    copies: dict[Any, Any] = {item: item.copy() for item in family}
    for item, copy in copies.items():
        copy.parent = copies.get(item.parent, item.parent)
        scene.collection.objects.link(copy)
    names = {copy.name: item.name for item, copy in copies.items()}
    for item, copy in copies.items():
        if item.type == "MESH":
            copy.data = item.data.copy()
            names[copy.data.name] = item.data.name
    clouds = {}
    for cloud, points in [(item.object.original, read_points(item.object.data)) for item in _point_clouds()]:
        empty = bpy.data.objects.new(cloud.name, None)
        empty.parent, empty.matrix_parent_inverse = cloud.parent, cloud.matrix_parent_inverse
        empty.matrix_basis = cloud.matrix_basis
        names[empty.name] = names[cloud.name]
        clouds[names[cloud.name]] = points
        bpy.data.objects.remove(cloud)
        scene.collection.objects.link(empty)
    return names, clouds


def _point_clouds() -> Iterator[Any]:
    """Go through the point clouds of the context's scene, as they are after their modifiers."""
    instances: Any = bpy.context.evaluated_depsgraph_get().object_instances
    return (item for item in instances if item.object.type == "POINTCLOUD")


def _run_exporter(path: Path, room: int) -> None:
    """Call Blender's exporter without the log that it prints, and with a copyright of spaces, which keeps some room."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            bpy.ops.export_scene.gltf(filepath=str(path), export_copyright=" " * room, **SETTINGS)
    except RuntimeError as error:
        lines = [line for line in str(error).strip().splitlines() if not line.startswith("Location: ")]
        reason = re.sub(r"^\w+: (\[Errno \d+\] )?", "", lines[-1])
        raise StorageError(
            f"Blender's glTF exporter failed ({reason}): see the console, or choose another folder if the disk is full."
        ) from error


def _camera(camera: Any) -> dict[str, Any]:
    """Say in glTF's terms what an evaluated camera sees; what it has no words for goes into `extras`."""
    K, (width, height) = current_intrinsics(camera), picture_size(camera)
    return {
        "type": "perspective",
        "perspective": {
            "aspectRatio": (width / K[0, 0]) / (height / K[1, 1]),
            "yfov": 2.0 * math.atan(0.5 * height / K[1, 1]),
            "znear": camera.data.clip_start,
            "zfar": camera.data.clip_end,
        },
        "extras": {"image_from_camera": K.tolist(), "width": width, "height": height},
    }


def _mend(document: dict[str, Any], cameras: dict[str, Any], names: dict[str, str]) -> None:
    """Correct cameras, and give copies the names of what they are copies of."""
    document["asset"].pop("copyright", None)
    for camera in document.get("cameras", ()):
        camera.update(cameras.get(camera.get("name"), {}))
    for item in (*document.get("nodes", ()), *document.get("meshes", ())):
        item["name"] = names.get(item.get("name"), item.get("name"))
