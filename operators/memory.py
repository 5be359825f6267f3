"""What a root remembers, in the .blend: what was asked for, and where its reconstruction is saved.

Both are custom properties with JSON in them, so that they go wherever the root goes.
"""

import contextlib
import json
import re
from pathlib import Path
from typing import Any, Final

import bpy

from ..core.errors import StorageError
from ..core.json_reading import parse_json
from ..core.outside import is_network
from ..core.request_json import request_from_json, request_to_json
from ..core.storage import is_reconstruction
from ..core.types import Request
from .scene import BuildOptions
from .session import went

REQUEST_KEY: Final = "image_to_scene_request"
SAVED_KEY: Final = "image_to_scene_saved"


def remember_request(root: bpy.types.Object, request: Request, options: BuildOptions) -> None:
    """Write down what a root was built from; `options` say which of its views have cameras in the scene."""
    memory = {
        "request": request_to_json(request),
        "without_camera": list(options.without_camera),
        "clip_start": options.clip_start,
    }
    root[REQUEST_KEY] = json.dumps(memory)


def has_request(root: Any) -> bool:
    """Tell whether a root remembers what it was built from."""
    return REQUEST_KEY in root


def remembered_request(root: bpy.types.Object) -> tuple[Request, dict[str, Any]]:
    """Return what a root was built from, and the `BuildOptions` that belong to its views.

    Raises:
        StorageError: It remembers nothing that can be read, or a newer version wrote it.
    """
    try:
        memory = parse_json(str(root[REQUEST_KEY]).encode())
        options = {
            "without_camera": tuple(memory.get("without_camera", ())),
            "clip_start": float(memory.get("clip_start", 1.0)),
        }
        return request_from_json(memory["request"]), options
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{root.name} does not tell how it was made: add its pictures to the list and press Reconstruct."
        ) from error


def check_pictures(root: bpy.types.Object, request: Request) -> None:
    """Make sure that no picture or mask that was made for a root's earlier run is gone.

    Raises:
        StorageError: Renders, decoded frames or written images went with an earlier session.
    """
    files = [file for view in request.views for file in (view.path, view.mask and view.mask.path) if file]
    gone = list(dict.fromkeys(file.name for file in files if went(file)))
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise StorageError(
            f"{gone[0]}{more}, made for {root.name} in an earlier session of Blender, went with it: add the cameras or "
            "images to the list and press Reconstruct."
        )


def remember_folder(root: bpy.types.Object, folder: Path) -> None:
    """Write down where a root's reconstruction is saved: by its full path, and as seen from the .blend."""
    places = [str(folder)]
    if bpy.data.filepath:
        with contextlib.suppress(ValueError):  # Windows: another drive has no relative path
            places.append(bpy.path.relpath(str(folder)))
    root[SAVED_KEY] = json.dumps(places)


def remembered_folder(root: bpy.types.Object) -> Path | None:
    """Return where a root's reconstruction is saved; None where it never was, or is there no more."""
    try:
        places = [Path(bpy.path.abspath(place)) for place in parse_json(str(root.get(SAVED_KEY, "[]")).encode())]
    except (TypeError, ValueError):
        return None
    return next((place for place in places if _may_be_asked(place) and is_reconstruction(place)), None)


def _may_be_asked(place: Path) -> bool:
    """Tell whether to look at a place that a .blend names: on a network share, only on the server that it lies on."""
    return not is_network(place) or _server(place) == _server(Path(bpy.data.filepath))


def _server(path: Path) -> str:
    r"""Return the server's name of a path such as `\\server\share`; nothing for other paths."""
    return re.split(r"[\\/]", str(path))[2].casefold() if is_network(path) else ""
