"""From views to what the network sees of them, with the exact way back to source pixels.

Burnt-in bars are cut off first. The longest side then becomes `resolution`, and each side the nearest multiple of the
patch size, in two resizes with 8-bit pixels between them: the official `upper_bound_resize`. Sizes, pixels and
intrinsics agree with it.

Source: ByteDance-Seed/Depth-Anything-3, `utils/io/input_processor.py`@2c21ea8. Differs: EXIF rotation and colour
profiles are applied; a side never becomes less than one patch; sets of mixed sizes are cut only when asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import ImageError
from ..types import BoolArray, ByteArray, Distortion, FloatArray, MixedSizes, OnProgress, View
from .bars import Bars, Borders, agree_on_bars, find_borders
from .copies import write_copy
from .deinterlacing import is_combed
from .distortion import scaled, straighten
from .reading import Picture, check_pictures, pixel_count, read_kept, read_picture
from .resizing import average, resize_area, resize_cubic
from .threads import in_order

Size = tuple[int, int]


@dataclass(frozen=True)
class PreparedView:
    """One view at model size."""

    pixels: ByteArray
    """[H, W, 3] upright, sRGB, both sides whole patches."""
    source_size: Size
    """(width, height) of the source after EXIF rotation, pixels."""
    source_from_model: FloatArray
    """[3, 3] affine from model pixels to source pixels."""
    image_from_camera: FloatArray | None
    """[3, 3] the view's given intrinsics, in model pixels. None: not given."""
    exif_image_from_camera: FloatArray | None
    """[3, 3] intrinsics of EXIF's focal length with a centred principal point, in model pixels. None: not told."""
    texture: Path
    """The view's picture, or a copy of it where Blender would show it differently."""
    mask: BoolArray | None = None
    """[H, W] True where the view's mask leaves the picture out. None: nothing is."""
    up: FloatArray | None = None
    """[3] away from gravity in camera axes, as the file's metadata state it. None: not stated."""
    lens_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """See `metadata.Metadata`."""
    unused: str | None = None
    """The part of the view's file that is not used, as `flaws.remarks` takes it. None: all of it is used."""
    bars: Bars = Bars()  # noqa: RUF009 - frozen
    """Burnt-in bars that are no part of the model pixels, or, where a lens bends them, of what `mask` keeps."""
    borders: Borders | None = None
    """Lines along the sides that may be bars, judged by this image alone."""
    is_combed: bool = False
    """It belongs to a clip and shows two moments, line by line."""


def prepare_views(
    views: Sequence[View],
    *,
    resolution: int,
    patch_size: int = 14,
    mixed_sizes: MixedSizes = "auto",
    exposure: float = 0.0,
    copies: Path | None = None,
    on_progress: OnProgress | None = None,
) -> list[PreparedView]:
    """Read every view and bring it to model size, a few pictures in memory at a time.

    Views with burnt-in bars, which only all pictures together tell, are read again without them.

    Args:
        views: The views, in order; pictures only (`inputs.gather` turns movies into pictures).
        resolution: Longest side in model pixels before rounding to whole patches.
        patch_size: Side of the network's patches, model pixels.
        mixed_sizes: `keep` and `auto` leave every view whole; `crop` cuts all to the smallest height and the smallest
            width about their centres, as the official code does.
        exposure: Of scene-linear images, in stops.
        copies: An existing folder for upright and straightened copies of pictures. None: no copies are written.
        on_progress: Called after each picture, in order.

    Returns:
        One prepared view per view.

    Raises:
        ImageError: Pictures or masks cannot be read, all of them are named; or a copy cannot be written.
    """
    prepare = partial(_prepare, resolution=resolution, patch_size=patch_size, exposure=exposure)
    largest = max(map(_pixels_held, views), default=0)
    try:
        prepared = in_order(partial(prepare, copies=copies), views, largest, "Reading pictures", on_progress)
        prepared = _without_bars(views, prepared, prepare, largest, on_progress)
    except ImageError:
        check_pictures(list(dict.fromkeys(file for view in views for file in view.files)), on_progress)
        raise
    return _cropped_to_smallest(prepared) if mixed_sizes == "crop" else prepared


def _without_bars(
    views: Sequence[View],
    prepared: list[PreparedView],
    prepare: Callable[..., PreparedView],
    largest: int,
    on_progress: OnProgress | None,
) -> list[PreparedView]:
    """Prepare those views again that have bars."""
    found: dict[int, Bars] = {}
    for size in {view.source_size for view in prepared}:
        alike = {i: view.borders for i, view in enumerate(prepared) if view.source_size == size and view.borders}
        found |= {i: bars for i, bars in zip(alike, agree_on_bars(list(alike.values())), strict=True) if bars}
    if not found:
        return prepared
    again = sorted(found)

    def prepare_again(index: int) -> PreparedView:
        view = prepare(views[index], copies=None, bars=found[index])
        return replace(view, texture=prepared[index].texture)

    cut = dict(zip(again, in_order(prepare_again, again, largest, "Cutting off bars", on_progress), strict=True))
    return [cut.get(index, view) for index, view in enumerate(prepared)]


def model_sizes(source: Size, resolution: int, patch_size: int = 14) -> tuple[Size, Size]:
    """Give the sizes that a picture passes through: longest side at `resolution`, then whole patches.

    Args:
        source: (width, height), pixels.
        resolution: Longest side after the first resize.
        patch_size: Both sides of the second size are multiples of it.

    Returns:
        The (width, height) after the first and after the second resize; the second is the model size.
    """
    scale = resolution / float(max(source))
    width, height = (max(1, round(side * scale)) for side in source)  # ties to even, as the official sizes
    return (width, height), (_whole_patches(width, patch_size), _whole_patches(height, patch_size))


def _whole_patches(side: int, patch_size: int) -> int:
    """The nearest multiple, a tie going up, and at least one patch."""
    return max(1, (2 * side + patch_size) // (2 * patch_size)) * patch_size


def _pixels_held(view: View) -> int:
    """The pixels of a view's larger file; as many again for a mask, and for a lens, whose floats take as much."""
    return max(map(pixel_count, view.files)) * (1 + (view.mask is not None) + (view.distortion is not None))


def _prepare(
    view: View, resolution: int, patch_size: int, exposure: float, copies: Path | None, bars: Bars | None = None
) -> PreparedView:
    picture = read_picture(view.path, exposure, as_stored=view.as_stored)
    pixels = picture.pixels if view.distortion is None else _straightened(picture, view.distortion)
    width, height = picture.size
    # Source pixels per pixel: more than 1 where a very large image is read coarser.
    per_pixel = width / pixels.shape[1], height / pixels.shape[0]
    # Straightened bars are curved: they are masked, all others cut off.
    cut = bars if bars and view.distortion is None else Bars()
    seen = cut.without(pixels)
    seen_size = seen.shape[1] * per_pixel[0], seen.shape[0] * per_pixel[1]
    bounded, whole = model_sizes((round(seen_size[0]), round(seen_size[1])), resolution, patch_size)
    source_from_model = np.array(
        [
            [seen_size[0] / whole[0], 0.0, cut.left * per_pixel[0]],
            [0.0, seen_size[1] / whole[1], cut.above * per_pixel[1]],
            [0.0, 0.0, 1.0],
        ]
    )
    model_from_source = np.linalg.inv(source_from_model)
    in_source = (bars or Bars()).scaled(*per_pixel)
    given, focal = view.image_from_camera, picture.focal_length
    exif = None if focal is None else np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    needs_copy = copies is not None and (picture.needs_copy or view.passing or view.distortion is not None)
    return PreparedView(
        pixels=_resized(_resized(seen, bounded), whole),
        source_size=(width, height),
        source_from_model=source_from_model,
        image_from_camera=None if given is None else model_from_source @ given,
        exif_image_from_camera=None if exif is None else model_from_source @ exif,
        texture=write_copy(pixels, view.path, copies, view.distortion) if copies and needs_copy else view.path,
        mask=_left_out(view, (width, height), whole, in_source),
        up=picture.up,
        lens_notes=picture.lens_notes,
        notes=picture.notes,
        unused=picture.unused,
        bars=in_source,
        borders=None if bars else find_borders(picture.pixels),
        is_combed=view.time is not None and is_combed(picture.pixels),
    )


def _straightened(picture: Picture, distortion: Distortion) -> ByteArray:
    height, width = picture.pixels.shape[:2]
    lens = scaled(distortion, width / picture.size[0], height / picture.size[1])
    return np.clip(np.rint(straighten(picture.pixels, lens)), 0, 255).astype(np.uint8)


def _left_out(view: View, source: Size, model: Size, bars: Bars) -> BoolArray | None:
    """Find the model pixels of which half or more is masked, or lies where the straightened picture does not reach."""
    if view.mask is None and view.distortion is None:
        return None
    kept = np.ones(source[::-1], np.float32) if view.mask is None else read_kept(view)
    x, y = kept.shape[1] / source[0], kept.shape[0] / source[1]
    if view.distortion is None:
        kept = bars.scaled(x, y).without(kept)
    else:
        bars.scaled(x, y).blacken(kept)
        kept = straighten(kept, scaled(view.distortion, x, y))
    left_out = average(kept, model) <= 0.5 + 1e-6
    return left_out if view.mask is not None or left_out.any() else None


def _resized(pixels: ByteArray, size: Size) -> ByteArray:
    """Bicubic as soon as one side grows, area otherwise, untouched at the same size."""
    height, width = pixels.shape[:2]
    if size == (width, height):
        return pixels
    grows = size[0] > width or size[1] > height
    return resize_cubic(pixels, size) if grows else resize_area(pixels, size)


def _cropped_to_smallest(prepared: list[PreparedView]) -> list[PreparedView]:
    height = min((view.pixels.shape[0] for view in prepared), default=0)
    width = min((view.pixels.shape[1] for view in prepared), default=0)
    return [_cropped(view, width, height) for view in prepared]


def _cropped(view: PreparedView, width: int, height: int) -> PreparedView:
    """Cut about the centre; whole patches leave an even or odd rest, the odd pixel goes to the right and bottom."""
    top, left = (view.pixels.shape[0] - height) // 2, (view.pixels.shape[1] - width) // 2
    whole_from_cut = np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
    return replace(
        view,
        pixels=np.ascontiguousarray(view.pixels[top : top + height, left : left + width]),
        source_from_model=view.source_from_model @ whole_from_cut,
        image_from_camera=_shifted(view.image_from_camera, left, top),
        exif_image_from_camera=_shifted(view.exif_image_from_camera, left, top),
        mask=None if view.mask is None else view.mask[top : top + height, left : left + width],
    )


def _shifted(image_from_camera: FloatArray | None, left: int, top: int) -> FloatArray | None:
    """Move the image's origin to (left, top)."""
    if image_from_camera is None:
        return None
    return np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]]) @ image_from_camera
