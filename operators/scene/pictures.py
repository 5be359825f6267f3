"""The photograph of a view as a Blender image, wherever its file may be by now."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.imaging.flaws import is_regular
from ...core.imaging.headers import JPEG, is_whole_png, stored_size
from ...core.types import ByteArray, ReconstructedView


@dataclass(frozen=True)
class Picture:
    """A view together with the image to show it with."""

    view: ReconstructedView
    image: bpy.types.Image
    """Covers exactly what `view.source_size` and `view.source_from_model` call the source."""
    warning: str | None = None
    """A sentence for the artist where the photo itself could not be used."""


def load_picture(view: ReconstructedView, *, packs_copies: bool = True) -> Picture:
    """Load the photo of a view; where its file is gone or unreadable, the stored model-size picture stands in.

    A copy, upright or a frame of a movie, is packed into the .blend where it lies in a folder that goes away; every
    other picture is referred to, relative to the .blend where that is saved already.

    Args:
        view: What to load the photo of.
        packs_copies: Whether copies lie in a folder that goes away.
    """
    if view.texture is None:  # whoever loaded it says so, once for all views
        return Picture(_whole(view), _packed(view.name, view.image))
    image = _loaded(view.texture)
    if image is None:
        name = view.source.name
        sentence = f"{name} is missing or unreadable, so the smaller picture kept with the reconstruction is shown."
        return Picture(_whole(view), _packed(view.name, view.image), sentence)
    if packs_copies and view.texture != view.source:
        image.pack()
    elif bpy.data.filepath:
        make_paths_relative([image], Path(bpy.data.filepath).parent)
    return Picture(view, image)


def make_paths_relative(images: Iterable[bpy.types.Image], folder: Path) -> None:
    """Refer to image files relative to the folder of a .blend; packed ones and other drives stay as they are."""
    for image in images:
        if image.packed_file is not None or not image.filepath or image.filepath.startswith("//"):
            continue
        try:
            image.filepath = bpy.path.relpath(image.filepath, start=str(folder))
        except ValueError:  # Windows: another drive has no relative path
            continue


def _loaded(path: Path) -> bpy.types.Image | None:
    """Load an image file, or return None and leave nothing behind.

    Blender decodes it when it is first shown; to ask for its size would do so now, for each of many large photos.
    """
    if not is_regular(path):
        return None
    try:
        image = bpy.data.images.load(str(path.absolute()))
    except RuntimeError:
        return None
    image.alpha_mode = "NONE"  # before it is decoded: Blender forgets the pixels at a change of this
    if not _seems_whole(path) and image.size[0] == 0:
        bpy.data.images.remove(image)
        return None
    return image


def _seems_whole(path: Path) -> bool:
    """Tell of a JPEG or PNG, by its header and end, that Blender can show it."""
    with path.open("rb") as file:
        is_jpeg = file.read(len(JPEG)) == JPEG
    return stored_size(path) is not None if is_jpeg else is_whole_png(path)


def _packed(name: str, pixels: ByteArray) -> bpy.types.Image:
    """Keep [H, W, 3] sRGB pixels inside the .blend."""
    height, width = pixels.shape[:2]
    image: Any = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), dtype=np.float32)
    rgba[..., :3] = pixels[::-1] / np.float32(255.0)  # Blender's rows go from the bottom up
    image.pixels.foreach_set(rgba.reshape(-1))
    image.pack()
    return image  # type: ignore[no-any-return]


def _whole(view: ReconstructedView) -> ReconstructedView:
    """Say of a view that the picture the network saw is its source, unless that is all of the source anyway."""
    height, width = view.image.shape[:2]
    corners = view.source_from_model @ np.array([[0.0, width], [0.0, height], [1.0, 1.0]])
    if np.allclose(corners[:2].T, ((0.0, 0.0), view.source_size), atol=0.5):
        return view
    return replace(view, source_size=(width, height), source_from_model=np.eye(3))
