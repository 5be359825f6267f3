"""A reconstruction as a folder: one `reconstruction.json` and `.npy` arrays, described in docs/reconstruction.md.

Both ways go view by view, reading through memory maps, so that thousands of views never have to be in memory at once.
Nothing is ever unpickled. A folder is written beside its place and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tokenize
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from .errors import CameraError, StorageError
from .geometry.cameras import check_intrinsics, check_lens, check_rigid, transform_intrinsics
from .imaging.flaws import UnreadableError, refuse_non_files
from .imaging.kinds import is_image
from .json_reading import JSONError, read_json
from .names import brief, readable, short
from .outside import NOTHING, Chosen, absolute, locate, locators_of, places_of
from .private_files import make_private, new_private_folder
from .replacing import put_in_place
from .stored_values import (
    Pixels,
    changed_warnings,
    check_amount,
    clean_all,
    read_affine,
    read_choice,
    read_facts,
    read_size,
    read_time,
)
from .types import IntrinsicsOrigin, ReconstructedView, Reconstruction, Units, World

FORMAT = "image_to_scene reconstruction"
VERSION = 1
DESCRIPTION = "reconstruction.json"
TEXTURES = "textures"


@dataclass(frozen=True)
class _Array:
    """One `.npy` file: a field of all views, stacked."""

    field: str
    dtype: type[np.generic]
    tail: tuple[int, ...] = ()
    per_pixel: bool = True
    padding: float = float("nan")
    required: bool = False
    missing: float | None = None
    """What stands for a view that has none while others have. None: all views have it or none."""


ARRAYS: Mapping[str, _Array] = {
    "depth": _Array("depth", np.float32, required=True),
    "images": _Array("image", np.uint8, (3,), padding=0, required=True),
    "confidence": _Array("confidence", np.float32),
    "sky": _Array("sky", np.float32),
    "mask": _Array("mask", np.bool_, padding=True, missing=False),
    "points": _Array("points", np.float32, (3,)),
    "image_from_camera": _Array("image_from_camera", np.float64, (3, 3), per_pixel=False, required=True),
    "world_from_camera": _Array("world_from_camera", np.float64, (4, 4), per_pixel=False),
}


def save(reconstruction: Reconstruction, folder: Path) -> None:
    """Write a reconstruction as a folder, in place of an earlier one if that is what is there.

    Pictures that are not the artist's own but frames or copies go along; files that do not belong to the earlier
    reconstruction stay. A reconstruction loaded from `folder` can be saved there again, but not on Windows, which lets
    no folder with mapped files be renamed: save to another one there.

    Args:
        reconstruction: Confidence, sky, points and cameras are there for all views or for none. Where only some views
            have a mask, the others come back with one that leaves nothing out.
        folder: The folder to make; its parents are made, too.

    Raises:
        StorageError: `folder` holds something else, or the disk refuses; what was there is then as it was.
    """
    folder = absolute(folder)
    _refuse_foreign(folder)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        stage(reconstruction, beside, folder)
        with placed(beside, folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{folder} could not be written ({reason}): check the disk or save elsewhere.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def check_target(folder: Path) -> None:
    """Find out before a run whether `save` would refuse a folder for what it holds.

    Raises:
        StorageError: It is a file, or holds something other than a reconstruction.
    """
    _refuse_foreign(absolute(folder))


def stage(reconstruction: Reconstruction, beside: Path, folder: Path) -> None:
    """Write a reconstruction as the new folder `beside`, from where `placed` moves it to `folder`.

    Raises:
        OSError: The disk refuses; `beside` is then incomplete.
    """
    beside.parent.mkdir(parents=True, exist_ok=True)
    new_private_folder(beside)
    _write_arrays(reconstruction, beside)
    _write_description(reconstruction, beside, absolute(folder))
    for file in beside.rglob("*.*"):
        make_private(file)


def placed(beside: Path, folder: Path) -> AbstractContextManager[None]:
    """Put a staged reconstruction in its place, see `replacing.put_in_place`; the artist's own files stay there.

    Args:
        beside: From `stage`, on the same disk as `folder`.
        folder: May be an earlier reconstruction.
    """
    return put_in_place(beside, folder, _own_files(folder))


def load(folder: Path, chosen: Chosen = NOTHING) -> Reconstruction:
    """Open a saved reconstruction; cameras are read, pixels are mapped and read when they are used.

    The arrays are read-only. The files stay open as long as any array of the result is alive; Windows does not let
    them be deleted or replaced before that.

    Args:
        folder: A folder written by `save`, or the `reconstruction.json` in it.
        chosen: Which photos and movies outside the folder may be opened. Of the others nothing but the path is used:
            `may_open_source` is False and where they are the texture, it is None.

    Raises:
        StorageError: No reconstruction, of a newer version, or incomplete or damaged; names the file.
    """
    folder = absolute(folder)
    folder = folder.parent if folder.name == DESCRIPTION else folder
    file = folder / DESCRIPTION
    description = _read_description(file)
    with _damaged(file):
        entries = description["views"]
        sizes = [read_size(entry["size"]) for entry in entries]
        check_amount(sizes)
    arrays = _open_arrays(folder, description, sizes)
    with _damaged(file):
        pixels = [_pixels(arrays, index, size) for index, size in enumerate(sizes)]
        cameras = {ARRAYS[name].field: array for name, array in arrays.items() if not ARRAYS[name].per_pixel}
        views = [
            _view(folder, entry, pixels[i], {field: cameras[field][i] for field in cameras}, chosen)
            for i, entry in enumerate(entries)
        ]
        warnings = changed_warnings([view.name for view in views], pixels)
        return Reconstruction(
            views=tuple(views),
            world=read_choice(description["world"], World),
            units=read_choice(description["units"], Units),
            model=readable(str(description["model"])),
            settings=dict(description["settings"]),
            facts=read_facts(description["facts"], warnings),
        )


def is_reconstruction(folder: Path) -> bool:
    """Tell whether a folder holds a saved reconstruction of any version."""
    try:
        description = read_json(folder / DESCRIPTION)
    except JSONError:
        return False
    return isinstance(description, dict) and description.get("format") == FORMAT


# --- writing ---


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file: choose a folder to save the reconstruction in.")
    if folder.is_dir() and any(folder.iterdir()) and not is_reconstruction(folder):
        raise StorageError(f"{folder} holds something other than a reconstruction: choose an empty or new folder.")


def _write_arrays(reconstruction: Reconstruction, folder: Path) -> None:
    """Write view by view, not through memory maps: those end the process, which may be Blender, on a full disk."""
    views = reconstruction.views
    largest = tuple(np.max([view.depth.shape for view in views], axis=0).tolist())
    for name in _present(reconstruction):
        spec = ARRAYS[name]
        shape = (*(largest if spec.per_pixel else ()), *spec.tail)
        header = {"descr": np.dtype(spec.dtype).str, "fortran_order": False, "shape": (len(views), *shape)}
        with (folder / f"{name}.npy").open("wb") as file:
            write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
            for view in views:
                file.write(_padded(view, spec, shape).data)


def _padded(view: ReconstructedView, spec: _Array, shape: tuple[int, ...]) -> NDArray[Any]:
    """Put one view at the top left of its place, with padding beside it."""
    place = np.full(shape, spec.padding, spec.dtype)
    height, width = view.depth.shape
    values = getattr(view, spec.field)
    place[(slice(height), slice(width)) if spec.per_pixel else ...] = spec.missing if values is None else values
    return place


def _present(reconstruction: Reconstruction) -> list[str]:
    """Return the names of the arrays that the views have."""
    names = []
    for name, spec in ARRAYS.items():
        having = sum(getattr(view, spec.field) is not None for view in reconstruction.views)
        if spec.missing is None and having not in (0, len(reconstruction.views)):
            raise ValueError(f"{spec.field} is there for {having} of {len(reconstruction.views)} views: all or none")
        names += [name] if having else []
    return names


def _write_description(reconstruction: Reconstruction, beside: Path, folder: Path) -> None:
    description = {
        "format": FORMAT,
        "version": VERSION,
        "model": reconstruction.model,
        "world": reconstruction.world,
        "units": reconstruction.units,
        "arrays": _present(reconstruction),
        "views": [_entry(i, view, beside, folder) for i, view in enumerate(reconstruction.views)],
        "settings": dict(reconstruction.settings),
        "facts": dict(reconstruction.facts),
    }
    text = json.dumps(description, indent=2, allow_nan=False)
    (beside / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def _entry(index: int, view: ReconstructedView, beside: Path, folder: Path) -> dict[str, Any]:
    height, width = view.depth.shape
    return {
        "source": locators_of(view.source, folder),
        "texture": _copied_texture(index, view, beside) or locators_of(view.texture or view.source, folder),
        "source_size": [int(side) for side in view.source_size],
        "size": [width, height],
        "source_from_model": np.asarray(view.source_from_model, dtype=np.float64).tolist(),
        "intrinsics_origin": view.intrinsics_origin,
        "time": view.time,
    }


def _copied_texture(index: int, view: ReconstructedView, beside: Path) -> dict[str, str] | None:
    """Take a frame or copy along; None where the source serves as it is, or the copy is gone or no image."""
    if view.texture is None or view.texture == view.source or not is_image(view.texture):
        return None
    name = f"{TEXTURES}/{index:03d}_{short(view.name)}{view.texture.suffix}"
    if not (beside / TEXTURES).is_dir():
        new_private_folder(beside / TEXTURES)
    shutil.copyfile(view.texture, beside / name)
    return {"relative": name}


def _own_files(folder: Path) -> set[Path]:
    """Return the files in a saved reconstruction that `save` wrote, relative to its folder."""
    own = {Path(DESCRIPTION), *(Path(f"{name}.npy") for name in ARRAYS)}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        textures = [view["texture"] for view in read_json(folder / DESCRIPTION)["views"]]
        own |= {Path(place["relative"]) for place in textures if place.get("relative", "").startswith(f"{TEXTURES}/")}
    return own


# --- reading ---


def _read_description(file: Path) -> dict[str, Any]:
    if not os.path.lexists(file):
        raise StorageError(f"{file.parent} is not a reconstruction, it has no {DESCRIPTION}: choose another folder.")
    try:
        description = read_json(file)
    except JSONError as error:
        raise StorageError(f"{file} cannot be read: it {error}; reconstruct again.") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise StorageError(f"{file} is not the description of a reconstruction: choose another folder.")
    version = description.get("version")
    if type(version) is not int or version < 1:
        raise StorageError(f"{file} is damaged: its version is {brief(version)}; reconstruct again.")
    if version > VERSION:
        raise StorageError(
            f"{file} was saved by a newer Image to Scene (format {version}, known: {VERSION}): update the add-on."
        )
    return description


def _open_arrays(folder: Path, description: Mapping[str, Any], sizes: list[tuple[int, int]]) -> dict[str, NDArray[Any]]:
    """Map all arrays after checking that they fit the views; cameras are read and checked as such."""
    file = folder / DESCRIPTION
    with _damaged(file):
        names = list(description["arrays"])
        missing = [name for name, spec in ARRAYS.items() if spec.required and name not in names]
        if missing:
            raise ValueError(f"it lists no {missing[0]}.npy")
    width, height = (max(sides) for sides in zip(*sizes, strict=True))
    arrays = {}
    for name, spec in ARRAYS.items():
        if name in names:
            shape = (len(sizes), *((height, width) if spec.per_pixel else ()), *spec.tail)
            arrays[name] = _open_array(folder / f"{name}.npy", spec, shape)
    return arrays


def _open_array(file: Path, spec: _Array, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        refuse_non_files(file)
        mapped = open_memmap(file, "r")  # type: ignore[no-untyped-call]
        if mapped.offset + mapped.nbytes != file.stat().st_size:
            raise ValueError("bytes were put in or left over")  # noqa: TRY301 - told as every other damage
    except UnreadableError as flaw:
        raise StorageError(f"{file} {flaw}: the reconstruction is incomplete; reconstruct again.") from flaw
    except (OSError, ValueError, TypeError, OverflowError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise StorageError(f"{file} cannot be read: it is cut off or not an array; reconstruct again.") from error
    array: NDArray[Any] = np.asarray(mapped)
    if array.dtype != spec.dtype or array.shape != shape:
        wanted = f"{np.dtype(spec.dtype).name} {list(shape)}"
        raise StorageError(f"{file} holds {array.dtype.name} {list(array.shape)} instead of {wanted}.")
    return array if spec.per_pixel else _checked_cameras(file, np.array(array))


def _checked_cameras(file: Path, cameras: NDArray[Any]) -> NDArray[Any]:
    check = check_rigid if cameras.shape[-1] == 4 else check_intrinsics
    try:
        return check(cameras, str(file))
    except CameraError as error:
        raise StorageError(str(error)) from error


def _pixels(arrays: Mapping[str, NDArray[Any]], index: int, size: tuple[int, int]) -> Pixels:
    """Return what the arrays hold of one view, without padding."""
    width, height = size
    return clean_all(
        {ARRAYS[name].field: array[index, :height, :width] for name, array in arrays.items() if ARRAYS[name].per_pixel}
    )


def _view(
    folder: Path, entry: Mapping[str, Any], pixels: Pixels, cameras: Mapping[str, NDArray[Any]], chosen: Chosen
) -> ReconstructedView:
    source, may_open_source = locate(places_of(entry["source"], folder), folder, chosen)
    texture, may_open_texture = locate(places_of(entry["texture"], folder), folder, chosen)
    view = ReconstructedView(
        source=source,
        texture=texture if may_open_texture else None,
        source_size=read_size(entry["source_size"]),
        source_from_model=read_affine(entry["source_from_model"]),
        intrinsics_origin=read_choice(entry["intrinsics_origin"], IntrinsicsOrigin),
        time=read_time(entry.get("time")),
        may_open_source=may_open_source,
        **pixels.values,
        **cameras,
    )
    source_from_camera = transform_intrinsics(view.source_from_model, view.image_from_camera)
    check_lens(source_from_camera, view.source_size, f"the camera of {view.name}")
    return view


@contextlib.contextmanager
def _damaged(file: Path) -> Iterator[None]:
    """Tell what is wrong in a description that is JSON but not ours."""
    try:
        yield
    except KeyError as error:
        raise StorageError(f"{file} is damaged: it has no {error}; reconstruct again.") from error
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError, CameraError) as error:
        raise StorageError(f"{file} is damaged ({error}); reconstruct again.") from error
