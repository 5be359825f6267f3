"""A reconstruction as a folder: one `reconstruction.json` and `.npy` arrays, described in docs/reconstruction.md.

Both ways go view by view, reading through memory maps, so that thousands of views never have to be in memory at once.
Nothing is ever unpickled. A folder is written beside its place and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tokenize
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from .errors import CameraError, StorageError
from .geometry.cameras import check_intrinsics, check_rigid
from .names import short
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
    folder = _absolute(folder)
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
    _refuse_foreign(_absolute(folder))


def stage(reconstruction: Reconstruction, beside: Path, folder: Path) -> None:
    """Write a reconstruction as the new folder `beside`, from where `placed` moves it to `folder`.

    Raises:
        OSError: The disk refuses; `beside` is then incomplete.
    """
    beside.mkdir(parents=True)
    _write_arrays(reconstruction, beside)
    _write_description(reconstruction, beside, _absolute(folder))


@contextlib.contextmanager
def placed(beside: Path, folder: Path) -> Iterator[None]:
    """Put a staged reconstruction in its place; if the block raises, everything is as it was before.

    Args:
        beside: From `stage`, on the same disk as `folder`.
        folder: May be an earlier reconstruction, of which the artist's own files are kept.

    Raises:
        OSError: It cannot be moved; everything is as it was.
    """
    own = _own_files(folder)
    earlier = beside.with_name(f"{beside.name}.old") if folder.exists() else None
    if earlier:
        folder.rename(earlier)
    is_moved = False
    try:
        beside.rename(folder)
        is_moved = True
        yield
    except BaseException:
        if is_moved:
            folder.rename(beside)
        if earlier:
            earlier.rename(folder)
        raise
    if earlier:
        _clear(earlier, own, folder)


def load(folder: Path) -> Reconstruction:
    """Open a saved reconstruction; cameras are read, pixels are mapped and read when they are used.

    The arrays are read-only. The files stay open as long as any array of the result is alive; Windows does not let
    them be deleted or replaced before that.

    Args:
        folder: A folder written by `save`, or the `reconstruction.json` in it.

    Raises:
        StorageError: No reconstruction, of a newer version, or incomplete or damaged; names the file.
    """
    folder = _absolute(folder)
    folder = folder.parent if folder.name == DESCRIPTION else folder
    file = folder / DESCRIPTION
    description = _read_description(file)
    with _damaged(file):
        entries = description["views"]
        sizes = [_size(entry["size"]) for entry in entries]
        if not entries:
            raise ValueError("it has no views")
    arrays = _open_arrays(folder, description, sizes)
    with _damaged(file):
        return Reconstruction(
            views=tuple(_view(folder, entry, arrays, i, sizes[i]) for i, entry in enumerate(entries)),
            world=_one_of(description["world"], World),
            units=_one_of(description["units"], Units),
            model=str(description["model"]),
            settings=dict(description["settings"]),
            facts=dict(description["facts"]),
        )


def is_reconstruction(folder: Path) -> bool:
    """Tell whether a folder holds a saved reconstruction of any version."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("format") == FORMAT


def _absolute(path: Path) -> Path:
    """Return the path from the root without `..`; links stay links, drive letters drive letters."""
    return Path(os.path.normpath(path.absolute()))


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
        "source": _locators(view.source, folder),
        "texture": _copied_texture(index, view, beside) or _locators(view.texture, folder),
        "source_size": [int(side) for side in view.source_size],
        "size": [width, height],
        "source_from_model": np.asarray(view.source_from_model, dtype=np.float64).tolist(),
        "intrinsics_origin": view.intrinsics_origin,
        "time": view.time,
    }


def _copied_texture(index: int, view: ReconstructedView, beside: Path) -> dict[str, str] | None:
    """Take a frame or copy along; None where the source serves as it is, or the copy is gone."""
    if view.texture == view.source or not view.texture.is_file():
        return None
    name = f"{TEXTURES}/{index:03d}_{short(view.name)}{view.texture.suffix}"
    (beside / TEXTURES).mkdir(exist_ok=True)
    shutil.copyfile(view.texture, beside / name)
    return {"relative": name}


def _locators(path: Path, folder: Path) -> dict[str, str]:
    """Say where a file is: relative inside the folder; outside absolute, and relative in case both move together."""
    path = _absolute(path)
    if path.is_relative_to(folder):
        return {"relative": path.relative_to(folder).as_posix()}
    locators = {"absolute": str(path)}
    with contextlib.suppress(ValueError):  # on another Windows drive nothing is relative
        locators["relative"] = Path(os.path.relpath(path, folder)).as_posix()
    return locators


def _own_files(folder: Path) -> set[Path]:
    """Return the files in a saved reconstruction that `save` wrote, relative to its folder."""
    own = {Path(DESCRIPTION), *(Path(f"{name}.npy") for name in ARRAYS)}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        views = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["views"]
        textures = [view["texture"] for view in views]
        own |= {Path(place["relative"]) for place in textures if place.get("relative", "").startswith(f"{TEXTURES}/")}
    return own


def _clear(earlier: Path, own: set[Path], folder: Path) -> None:
    """Remove the files of an earlier reconstruction and move all others into the new one, never over anything."""
    for path in sorted(earlier.rglob("*"), reverse=True):
        relative = path.relative_to(earlier)
        with contextlib.suppress(OSError):  # the new one is in place: what cannot be tidied is left where it is
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif relative in own:
                path.unlink()
            elif not (folder / relative).exists():
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                path.rename(folder / relative)
    with contextlib.suppress(OSError):
        earlier.rmdir()


# --- reading ---


def _read_description(file: Path) -> dict[str, Any]:
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StorageError(
            f"{file.parent} is not a reconstruction, it has no {DESCRIPTION}: choose another folder."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{file} cannot be read: it is not a whole JSON file ({error}).") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise StorageError(f"{file} is not the description of a reconstruction: choose another folder.")
    version = description.get("version")
    if not isinstance(version, int) or version < 1:
        raise StorageError(f"{file} is damaged: its version is {version!r}; reconstruct again.")
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
        array: NDArray[Any] = np.asarray(open_memmap(file, "r"))  # type: ignore[no-untyped-call]
    except FileNotFoundError as error:
        raise StorageError(f"{file} is missing: the reconstruction is incomplete; reconstruct again.") from error
    except (OSError, ValueError, TypeError, OverflowError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise StorageError(f"{file} cannot be read: it is cut off or not an array; reconstruct again.") from error
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


def _view(
    folder: Path, entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], index: int, size: tuple[int, int]
) -> ReconstructedView:
    width, height = size
    values = {
        spec.field: arrays[name][index, :height, :width] if spec.per_pixel else arrays[name][index]
        for name, spec in ARRAYS.items()
        if name in arrays
    }
    affine = np.array(entry["source_from_model"], dtype=np.float64)
    if affine.shape != (3, 3) or not np.isfinite(affine).all():
        raise ValueError("source_from_model is not 3×3")
    return ReconstructedView(
        source=_located(entry["source"], folder),
        texture=_located(entry["texture"], folder),
        source_size=_size(entry["source_size"]),
        source_from_model=affine,
        intrinsics_origin=_one_of(entry["intrinsics_origin"], IntrinsicsOrigin),
        time=_time(entry.get("time")),
        **values,
    )


def _located(locators: Mapping[str, str], folder: Path) -> Path:
    """Find a file again: where it was, else at the same place seen from the folder; where it was if it is gone."""
    places = [Path(locators["absolute"])] if "absolute" in locators else []
    if "relative" in locators:
        places.append(_absolute(folder / locators["relative"]))
    return next((place for place in places if place.is_file()), places[0])


def _size(sides: Any) -> tuple[int, int]:
    width, height = sides
    if not (type(width) is type(height) is int and width > 0 and height > 0):
        raise ValueError(f"{sides!r} is not a size")
    return width, height


def _time(seconds: Any) -> float | None:
    if seconds is None:
        return None
    if type(seconds) not in (int, float) or not math.isfinite(seconds):
        raise ValueError(f"{seconds!r} is not a time")
    return float(seconds)


def _one_of(value: Any, literal: Any) -> Any:
    if value not in get_args(literal):
        raise ValueError(f"{value!r} is not one of {', '.join(get_args(literal))}")
    return value


@contextlib.contextmanager
def _damaged(file: Path) -> Iterator[None]:
    """Tell what is wrong in a description that is JSON but not ours."""
    try:
        yield
    except KeyError as error:
        raise StorageError(f"{file} is damaged: it has no {error}; reconstruct again.") from error
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise StorageError(f"{file} is damaged ({error}); reconstruct again.") from error
