"""Pictures of what was measured: per scene a strip, all strips one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from image_to_scene.core.types import FloatArray

from .alignment import DegenerateError
from .prediction import Prediction, depth_at
from .scene import Scene
from .scoring import NOWHERE, alignment

WIDTH, GAP, TITLE = 252, 6, 18
BACKGROUND, TRUE, FOUND = (250, 250, 248), (40, 40, 40), (214, 60, 30)
WORST = 0.5
"""An error, as the logarithm of a ratio, that is drawn as the worst."""
NEAR_TO_FAR = ((252, 253, 191), (254, 159, 109), (183, 55, 121), (81, 18, 124), (0, 0, 4))
GOOD_TO_BAD = ((245, 245, 245), (253, 210, 140), (240, 120, 60), (150, 20, 40))
UNKNOWN = (150, 170, 190)
Picture = NDArray[np.uint8]


def draw_strip(scene: Scene, prediction: Prediction, title: str, index: int, file: Path) -> None:
    """Draw one view: its picture, true depth, predicted depth, the error; and all cameras from above.

    Predicted depth is scaled to the median of the truth, and errors are of that.
    """
    true = scene.view(index).depth
    height, width = true.shape
    found = depth_at(prediction.views[index], (width, height))
    both = np.isfinite(true) & np.isfinite(found) & (found > 0.0)
    found = found * (np.median(true[both]) / np.median(found[both]) if both.any() else 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (
            tuple(np.nanpercentile(1.0 / true[np.isfinite(true)], (98, 2))) if np.isfinite(true).any() else (1.0, 0.0)
        )
        maps = [_coloured(_between(1.0 / depth, *near), NEAR_TO_FAR) for depth in (true, found)]
        error = _coloured(np.abs(np.log(found / true)) / WORST, GOOD_TO_BAD)
    size = (WIDTH, round(WIDTH * height / width))
    photo = Image.open(scene.pictures.files[index]).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    tiles = [photo, *(Image.fromarray(tile).resize(size, Image.Resampling.NEAREST) for tile in (*maps, error))]
    tiles.append(_from_above(scene, prediction, size[1]))
    file.parent.mkdir(parents=True, exist_ok=True)
    _joined(tiles, title, size[1]).save(file)


def draw_page(strips: Sequence[Path], title: str, file: Path) -> None:
    """Put strips together on one page in two columns."""
    pictures = [Image.open(strip) for strip in strips]
    columns = 2 if len(pictures) > 4 else 1
    width, height = (max(picture.size[axis] for picture in pictures) for axis in (0, 1))
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * (width + 3 * GAP), rows * (height + GAP) + 60), BACKGROUND)
    pen = ImageDraw.Draw(page)
    pen.text((GAP, GAP), title, TRUE, _font(16))
    legend = "picture | true depth | predicted depth | error (dark: a ratio of 1.65) | cameras from above: true, "
    pen.text((GAP, 32), legend, TRUE, _font(13))
    pen.text((GAP + pen.textlength(legend, _font(13)), 32), "predicted", FOUND, _font(13))
    for number, picture in enumerate(pictures):
        column, row = number // rows, number % rows
        page.paste(picture, (GAP + column * (width + 3 * GAP), 60 + row * (height + GAP)))
    page.save(file)


def _between(values: FloatArray, high: float, low: float) -> FloatArray:
    """Return 0 at `high` and 1 at `low`."""
    return np.asarray((high - values) / max(high - low, 1e-12))


def _coloured(values: FloatArray, colours: Sequence[tuple[int, int, int]]) -> Picture:
    """Colour values from 0 to 1 [H, W]; what is unknown has a colour of its own."""
    stops = np.linspace(0.0, 1.0, len(colours))
    known = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
    image = np.stack([np.interp(known, stops, channel) for channel in zip(*colours, strict=True)], axis=-1)
    image[np.isnan(values)] = UNKNOWN
    return image.astype(np.uint8)


def _from_above(scene: Scene, prediction: Prediction, size: int) -> Image.Image:
    """Draw all cameras as seen along what they have as down."""
    true = scene.pictures.world_from_camera
    try:
        found = alignment(scene, prediction).cameras(prediction.cameras)
    except DegenerateError:
        found = NOWHERE.cameras(prediction.cameras)
    plane = _plane(true)
    centres = true[:, :3, 3] @ plane.T
    middle = 0.5 * (centres.max(axis=0) + centres.min(axis=0))
    reach = 0.75 * max(float(np.ptp(centres, axis=0).max()), 1e-9)
    image = Image.new("RGB", (size, size), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for cameras, colour in ((true, TRUE), (found, FOUND)):
        for camera in cameras:
            _draw_camera(pen, (camera[:3, [0, 2, 3]].T @ plane.T, middle, reach), colour, size)
    return image


def _plane(cameras: FloatArray) -> FloatArray:
    """Return two axes [2, 3] across the mean down of cameras: the mean right side, and ahead."""
    down = cameras[:, :3, 1].mean(axis=0)
    down /= np.linalg.norm(down)
    ahead = cameras[:, :3, 2].mean(axis=0)
    ahead -= (ahead @ down) * down
    if np.linalg.norm(ahead) < 1e-6:
        ahead = np.cross(down, cameras[0, :3, 0])
    ahead /= np.linalg.norm(ahead)
    return np.stack([np.cross(down, ahead), ahead])


def _draw_camera(pen: Any, camera: tuple[FloatArray, FloatArray, float], colour: tuple[int, ...], size: int) -> None:
    """Draw a triangle that opens to where a camera looks; `camera`: right, ahead and centre [3, 2], middle, reach."""
    (right, ahead, centre), middle, reach = camera
    length = 0.16 * reach
    corners = [centre, centre + length * (ahead - 0.5 * right), centre + length * (ahead + 0.5 * right)]
    points = [tuple(0.5 * size * (1.0 + (corner - middle) / reach * (1.0, -1.0))) for corner in corners]
    pen.polygon(points, outline=colour)


def _joined(tiles: Sequence[Image.Image], title: str, height: int) -> Image.Image:
    strip = Image.new("RGB", (sum(tile.width + GAP for tile in tiles), height + TITLE), BACKGROUND)
    ImageDraw.Draw(strip).text((0, 1), title, TRUE, _font(12))
    x = 0
    for tile in tiles:
        strip.paste(tile, (x, TITLE))
        x += tile.width + GAP
    return strip


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
