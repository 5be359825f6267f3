"""Files and folders as entries of the list: what they are, in which order, and what is a sequence."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import bpy

from ...core.errors import ImageError
from ...core.imaging.flaws import is_regular
from ...core.imaging.headers import movie_shape, stored_size
from ...core.imaging.kinds import MOVIE_SUFFIXES, is_movie
from ..scene.clips import read_movie
from . import clips, exif
from .item import Item

Numbered = Literal["AUTO", "PICTURES", "SEQUENCE"]
"""What numbered files are: AUTO decides by `MANY` and `DENSE`."""

PICTURE_SUFFIXES: Final = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".webp", ".avif", ".jp2", ".j2k", ".j2c"),
        *(".bmp", ".tga", ".gif", ".ppm", ".pgm", ".pnm", ".pbm", ".psd", ".sgi", ".rgb", ".rgba"),
    }
)
"""Lower-case suffixes of pictures that the worker reads."""
SUFFIXES: Final = PICTURE_SUFFIXES | MOVIE_SUFFIXES
MANY: Final = 12
"""More numbered files than this become one sequence on their own account,"""
DENSE: Final = 0.9
"""when no more than a tenth of the numbers between the first and the last is missing: photos taken on a walk have
larger gaps."""


@dataclass(frozen=True)
class Found:
    """What files and folders hold."""

    items: tuple[Item, ...]
    """In the order of the files, no file twice; a sequence where its first file was."""
    refused: tuple[str, ...] = ()
    """Names of files that were asked for and are neither pictures nor movies that can be read."""


def find(paths: Iterable[Path], numbered: Numbered = "AUTO") -> Found:
    """Sort files and the pictures and movies of folders into entries.

    Args:
        paths: Files, which need not exist, and folders, of which the files that are neither are passed over.
        numbered: What numbered pictures are.

    Raises:
        ImageError: A folder cannot be read, or has neither pictures nor movies.
    """
    files = list(dict.fromkeys(file for path in paths for file in (in_folder(path) if path.is_dir() else [path])))
    sequences = _sequences([file for file in files if file.suffix.lower() in PICTURE_SUFFIXES], numbered)
    items: dict[Path, Item] = {}
    refused = []
    for file in files:
        try:
            item = sequences.get(file) or _item(file)
            items.setdefault(Path(item.path), item)
        except ImageError:
            refused.append(file.name)
    return Found(tuple(items.values()), tuple(refused))


def in_folder(folder: Path) -> list[Path]:
    """List the pictures and movies of a folder, not of those in it, in natural order.

    Raises:
        ImageError: It cannot be read, or has none.
    """
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    except OSError as error:
        raise ImageError(f'The folder "{folder}" cannot be read ({error.strerror}): choose another.') from error
    visible = [path for path in files if not path.name.startswith(".")]  # macOS keeps ._a.jpg beside a.jpg
    if not visible:
        raise ImageError(f'The folder "{folder}" has no pictures or movies in it: choose another.')
    return sorted(visible, key=natural)


def natural(path: Path) -> tuple[object, ...]:
    """Return a key that sorts img before img2 before img10, and upper case beside lower case."""
    words = re.split(r"(\d+)", path.stem.casefold())
    return str(path.parent), [int(word) if index % 2 else word for index, word in enumerate(words)], path.name


def movie_item(path: Path) -> Item:
    """Make an entry of a movie.

    Raises:
        ImageError: Blender cannot read it.
    """
    movie = read_movie(path)
    return Item(path.name, "MOVIE", str(path), frame_end=movie.length, clip_last=movie.length, clip_rate=movie.rate)


def sequence_item(files: Sequence[Path]) -> Item:
    """Make an entry of numbered files of one pattern."""
    numbers = clips.numbered(files)
    first, last = min(numbers), max(numbers)
    path = numbers[first]
    pattern, digits = clips.split(path) or (None, "")
    _, last_digits = clips.split(numbers[last]) or (None, "")
    name = pattern.name_of(f"{digits}-{last_digits}").name if pattern else path.name
    return Item(name, "SEQUENCE", str(path), frame_start=first, frame_end=last, clip_first=first, clip_last=last)


def size_of(path: Path) -> tuple[int, int]:
    """Return (width, height) of an upright picture, or of a movie's upright frames as it stores them, in pixels.

    Raises:
        ImageError: Blender cannot read it.
    """
    if is_movie(path):
        return _movie_sizes(path)[0]
    width, height = stored_size(path) or _decoded_size(path)
    return (height, width) if exif.is_on_its_side(path) else (width, height)


def shown_size(path: Path) -> tuple[int, int]:
    """Return the same as `size_of`, of a movie with pixels that are square.

    Raises:
        ImageError: Blender cannot read it.
    """
    return _movie_sizes(path)[1] if is_movie(path) else size_of(path)


def _movie_sizes(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (width, height) of a movie's upright frames as they are stored, and with square pixels.

    Blender takes no notice of a pixel's shape, and until 4.3 at least not of a turned movie.
    """
    width, height = read_movie(path).size
    shape = movie_shape(path)
    if shape is None:
        return (width, height), (width, height)
    if shape.is_turned and (width > height) == shape.is_wide:
        width, height = height, width
    aspect = 1.0 / shape.pixel_aspect if shape.is_turned else shape.pixel_aspect
    return (width, height), (round(width * max(1.0, aspect)), round(height * max(1.0, 1.0 / aspect)))


def _decoded_size(path: Path) -> tuple[int, int]:
    """Let Blender read a picture of a kind whose header is not known here."""
    problem = (
        f'The size of "{path}" cannot be read, so its lens cannot be used: replace it, or set its lens to Automatic.'
    )
    if not is_regular(path):
        raise ImageError(problem)
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise ImageError(problem) from error
    width, height = image.size
    bpy.data.images.remove(image)
    if width == 0:
        raise ImageError(problem)
    return width, height


def _item(path: Path) -> Item:
    """Make an entry of one file; one that is neither a picture nor a readable movie is refused."""
    if is_movie(path):
        return movie_item(path)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise ImageError(f'"{path}" is neither a picture nor a movie that can be read.')
    return Item(path.name, path=str(path))


def _sequences(pictures: Iterable[Path], numbered: Numbered) -> dict[Path, Item]:
    """Find the sequences among pictures; return for every picture that belongs to one, which it is."""
    groups: dict[clips.Pattern, list[Path]] = {}
    for path in pictures:
        if parts := clips.split(path):
            groups.setdefault(parts[0], []).append(path)
    found = {}
    for files in groups.values():
        if frames := _frames(files, numbered):
            found.update(dict.fromkeys(files, sequence_item(frames)))
    return found


def _frames(files: list[Path], numbered: Numbered) -> list[Path]:
    """Return the frames of the sequence that files of one pattern are; none where they are pictures."""
    if numbered == "PICTURES":
        return []
    if numbered == "SEQUENCE":
        frames = files if len(files) > 1 else list(clips.numbered_files(files[0]).values())
        return frames if len(frames) > 1 else []
    numbers = clips.numbered(files)
    span = max(numbers) - min(numbers) + 1
    is_clip = len(numbers) == len(files) > MANY and len(files) >= DENSE * span
    return files if is_clip else []
