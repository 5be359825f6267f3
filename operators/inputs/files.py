"""Files and folders as entries of the list: what they are, in which order, and what is a sequence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import bpy

from ...core.errors import ImageError
from ...core.imaging.flaws import is_regular
from ...core.imaging.headers import movie_shape, stored_size
from ...core.imaging.kinds import IMAGE_SUFFIXES, is_movie, kind_of
from ...core.types import LeftOut
from ..scene.clips import read_movie
from . import clips
from .folders import SUFFIXES, UNREADABLE, Passed, gathered, in_folder, natural, warnings_of
from .item import Item

__all__ = ["PICTURE_SUFFIXES", "SUFFIXES", "Found", "find", "in_folder", "natural", "size_of"]

Numbered = Literal["AUTO", "PICTURES", "SEQUENCE"]
"""What numbered files are: AUTO decides by `MANY` and `DENSE`."""

PICTURE_SUFFIXES: Final = IMAGE_SUFFIXES
"""Lower-case suffixes of pictures that the worker reads."""
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
    """Names of files that were named themselves and are neither pictures nor movies that can be read."""
    left_out: tuple[LeftOut, ...] = ()
    """Files that are passed over."""
    warnings: tuple[str, ...] = ()
    """Sentences that say so, by kind and count."""


def find(paths: Iterable[Path], numbered: Numbered = "AUTO") -> Found:
    """Sort files and the pictures and movies of folders into entries.

    Args:
        paths: Files, which need not exist, and folders.
        numbered: What numbered pictures are.

    Raises:
        ImageError: A folder cannot be read, or has neither pictures nor movies.
    """
    paths = list(paths)
    files, passed = gathered(paths)
    sequences = _sequences([file for file in files if kind_of(file) in {"image", "raw"}], numbered)
    items: dict[Path, Item] = {}
    refused = []
    for file in files:
        try:
            item = sequences.get(file) or _item(file)
            items.setdefault(Path(item.path), item)
        except ImageError:
            if file in paths:
                refused.append(file.name)
            else:
                passed.append(Passed(file, UNREADABLE))
    left_out = tuple(item.left_out for item in passed)
    return Found(tuple(items.values()), tuple(refused), left_out, tuple(warnings_of(passed)))


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
    """Return (width, height) of an image as its file stores it, or of a movie's upright frames as it stores them.

    Blender shows an image so, whatever orientation its file states: that is for the worker to heed.

    Raises:
        ImageError: Blender cannot read it.
    """
    return _movie_size(path) if is_movie(path) else stored_size(path) or _decoded_size(path)


def _movie_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a movie's frames; Blender until 4.3 at least takes no notice of a turned movie."""
    width, height = read_movie(path).size
    shape = movie_shape(path)
    is_lying = shape is not None and shape.is_turned and (width > height) == shape.is_wide
    return (height, width) if is_lying else (width, height)


def _decoded_size(path: Path) -> tuple[int, int]:
    """Let Blender read a picture of a kind whose header is not known here."""
    problem = f'The size of "{path}" cannot be read by Blender: replace it.'
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
    if kind_of(path) is None:
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
