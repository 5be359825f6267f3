"""Known cameras from a file: JSON, also of some pictures only, or the cameras of a .blend, one per picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy

from ..core.errors import CameraError
from ..core.geometry.cameras import check_intrinsics, check_rigid, intrinsics_from_lens
from ..core.imaging.flaws import UnreadableError, refuse_non_files
from ..core.json_reading import JSONError, read_json
from ..core.names import short
from ..core.types import FloatArray, Lens, View
from .context import scene_of
from .inputs import Item
from .inputs.cameras import in_order, items_of, render_lens, world_from_camera


def views_with_cameras(pictures: Sequence[Path], file: Path) -> tuple[View, ...]:
    """Give pictures what is known of their cameras.

    Args:
        pictures: The pictures' files.
        file: A .json or a .blend. A .blend replaces the open file: this is for batch work only.

    Raises:
        CameraError: The file cannot be read, or its cameras do not fit the pictures.
    """
    _refuse_non_files(file)
    if file.suffix.lower() == ".json":
        return _views_from_json(pictures, file)
    if file.suffix.lower() == ".blend":
        return _views_from_blend(pictures, file)
    raise CameraError(f"Cameras cannot be read from {file.name}: name a .json or a .blend.")


def _views_from_json(pictures: Sequence[Path], file: Path) -> tuple[View, ...]:
    try:
        content = read_json(file)
    except JSONError as error:
        raise CameraError(f"The cameras' file {file.name} is not readable JSON (it {error}): correct it.") from error
    entries = content.get("views") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CameraError(f'The cameras\' file {file.name} must be an object with a list "views" of objects.')
    if not any("image" in entry for entry in entries):
        _check_count(len(entries), pictures, file)
        return tuple(_view_from_entry(path, entry) for path, entry in zip(pictures, entries, strict=True))
    named = _by_name(entries, pictures, file)
    return tuple(_view_from_entry(path, named[path.name]) if path.name in named else View(path) for path in pictures)


def _by_name(
    entries: Sequence[Mapping[str, Any]], pictures: Sequence[Path], file: Path
) -> dict[str, Mapping[str, Any]]:
    """Sort entries by the pictures that they name; nothing is known of the others."""
    named = {Path(str(entry.get("image", ""))).name: entry for entry in entries}
    names = [path.name for path in pictures]
    if "" in named or len(named) < len(entries) or len(set(names)) < len(names):
        raise CameraError(f"Of {file.name} every entry must name a picture of its own, or none of them any.")
    if unknown := [name for name in named if name not in names]:
        raise CameraError(f'{file.name} names "{short(unknown[0])}", which is none of the pictures: correct it.')
    return named


def _view_from_entry(path: Path, entry: Mapping[str, Any]) -> View:
    name = f"The camera of {path.name}"
    place, lens = entry.get("world_from_camera"), entry.get("image_from_camera")
    if place is None and lens is None:
        raise CameraError(f"{name} has neither world_from_camera nor image_from_camera: give one at least.")
    return View(
        path,
        world_from_camera=None if place is None else _one(check_rigid(place, name), name),
        image_from_camera=None if lens is None else _one(check_intrinsics(lens, name), name),
    )


def _one(matrices: FloatArray, name: str) -> FloatArray:
    """Return the matrix of one camera; the checks take those of many."""
    if matrices.ndim != 2:
        raise CameraError(f"{name} is given as a list of {len(matrices)} matrices; pass one.")
    return matrices


def _views_from_blend(pictures: Sequence[Path], file: Path) -> tuple[View, ...]:
    cameras = _open_cameras(file)
    _check_count(len(cameras), pictures, file)
    scene = scene_of(bpy.context)
    return tuple(view_from_camera(path, camera, scene) for path, camera in zip(pictures, cameras, strict=True))


def camera_items(file: Path) -> list[Item]:
    """Make an entry of every camera of a .blend, which brings its own picture; those that move give views of frames.

    The .blend replaces the open file: this is for batch work only.

    Raises:
        CameraError: It cannot be opened, or has no cameras.
    """
    if file.suffix.lower() != ".blend":
        raise CameraError(f"{file.name} brings no pictures: name some with --images, or cameras of a .blend.")
    cameras = _open_cameras(file)
    if not cameras:
        raise CameraError(f"{file.name} has no cameras in its scene: choose another, or name pictures with --images.")
    return items_of(cameras, scene_of(bpy.context))


def _open_cameras(file: Path) -> list[bpy.types.Object]:
    """Open a .blend and list its scene's cameras in natural order of their names."""
    _refuse_non_files(file)
    try:
        bpy.ops.wm.open_mainfile(filepath=str(file.resolve()), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise CameraError(f"The cameras' file {file.name} cannot be opened by this Blender ({error}).") from error
    return in_order(item for item in scene_of(bpy.context).objects if item.type == "CAMERA")


def _refuse_non_files(file: Path) -> None:
    try:
        refuse_non_files(file)
    except UnreadableError as flaw:
        raise CameraError(f"The cameras' file {file} {flaw}: name a .json or a .blend.") from flaw


def view_from_camera(picture: Path, camera: bpy.types.Object, scene: bpy.types.Scene) -> View:
    """Read a camera object as it is at the current frame, parents, constraints and drivers included.

    Raises:
        CameraError: It is not a perspective camera.
    """
    evaluated = camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
    lens = render_lens(evaluated, scene)
    K, size = intrinsics_from_lens(lens), (lens.width, lens.height)
    return View(
        picture,
        world_from_camera=world_from_camera(evaluated),
        lens=Lens(
            (K[0, 0] / size[0], K[1, 1] / size[0]),
            (K[0, 2] / size[0] - 0.5, (K[1, 2] - 0.5 * size[1]) / size[0]),
            "width",
            size,
            f"its camera {camera.name}",
        ),
    )


def _check_count(count: int, pictures: Sequence[Path], file: Path) -> None:
    if count != len(pictures):
        raise CameraError(f"{file.name} has {count} cameras for {len(pictures)} pictures: give one to every picture.")
