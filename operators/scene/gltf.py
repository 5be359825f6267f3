"""Write a reconstruction as .glb: Blender's exporter for what it can do, and mended where it loses cameras and points.

Blender's exporter drops point clouds or their colours, gives every camera the scene's shape of picture, and asks for
operators' context. So it is run on a scene of its own, with empties in the place of clouds; the points are added to
what it wrote, and the cameras corrected, before the file gets its name.
"""

import contextlib
import io
import math
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import StorageError
from .cameras import current_intrinsics, is_ours, picture_size
from .glb import read_glb
from .gltf_animation import add_motions, sample_motions, unsaid
from .gltf_images import use_common_images
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


def export_glb(root: bpy.types.Object, path: str | Path) -> tuple[str, ...]:
    """Write a root and all that hangs below it: meshes and coloured points as their tuning shows them, exact cameras.

    The scene, its selection and its settings stay as they are; the file appears complete or not at all.

    Args:
        root: From `build` or `find_roots`; its transform counts.
        path: Where to; the suffix is that of the file.

    Returns:
        Sentences for the artist: what the format cannot express.

    Raises:
        StorageError: The file cannot be written, or Blender's exporter failed.
    """
    path = Path(path)
    if not path.parent.is_dir():  # the exporter would make it
        raise StorageError(f"The folder {path.parent} does not exist; choose another one.")
    beside = path.with_name(f".{uuid.uuid4().hex}.glb")
    try:
        warnings = _export(root, beside)
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"{path} could not be written ({error.strerror}); choose another folder.") from error
    finally:
        beside.unlink(missing_ok=True)
    return warnings


def _export(root: bpy.types.Object, path: Path) -> tuple[str, ...]:
    with temporary_data(), window_kept(), tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        artists: Any = next(iter(root.users_scene), bpy.context.scene)
        scene = bpy.data.scenes.new(root.name)
        scene.frame_set(artists.frame_current, subframe=artists.frame_subframe)
        with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
            names, clouds = _fill(scene, [root, *root.children_recursive], Path(folder))
            evaluated = bpy.context.evaluated_depsgraph_get()
            seen: list[Any] = [item.evaluated_get(evaluated) for item in scene.objects if is_ours(item)]
            cameras = {item.data.name: _camera(item) for item in seen}
            by_object = {names[item.name]: cameras[item.data.name] for item in seen}
            copies = [item for item in scene.objects if item.type == "CAMERA"]
            sampled = sample_motions(copies, scene, artists)
            motions = {names[copy]: motion for copy, motion in sampled.items()}
            _run_exporter(path, room=ROOM * len(names))
        glb = read_glb(path)
        _mend(glb.document, cameras, names)
        parts = add_points(glb.document, glb.size, clouds)
        add_motions(glb.document, glb.size, parts, root.name, motions)
        glb.write(*parts)
    return tuple(unsaid(by_object, motions))


def _fill(
    scene: bpy.types.Scene, family: list[bpy.types.Object], folder: Path
) -> tuple[dict[str, str], dict[str, Points]]:
    """Fill a scene with copies of objects, and with empties in the place of clouds.

    Meshes are copied as well, which costs no array: the exporter of Blender 5.3 leaves a user too many on each.

    Args:
        scene: An empty scene, that of the context.
        family: Parents before their children.
        folder: Where images may be written.

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
            use_common_images(copy.data, folder, names)
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
    for item in (item for key in ("nodes", "meshes", "materials") for item in document.get(key, ())):
        item["name"] = names.get(item.get("name"), item.get("name"))
