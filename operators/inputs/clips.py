"""Movies and numbered sequences: which of their frames take part, and when they are shown."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from ...core.errors import ImageError
from ...core.types import View
from ..scene.clips import NUMBER

ROUNDING: Final = 1e-4
"""Part of a frame by which a moment may miss it."""
NAMED: Final = 8
"""Missing frames that an error names one by one."""


@dataclass(frozen=True)
class Pattern:
    """A numbered file's name without its number."""

    folder: Path
    before: str
    after: str

    def name_of(self, digits: str) -> Path:
        """Return the file whose number is written like that."""
        return self.folder / f"{self.before}{digits}{self.after}"


def split(path: Path) -> tuple[Pattern, str] | None:
    """Take a numbered file's name apart: the pattern, and the number as it is written; None without a number."""
    found = NUMBER.search(path.stem)
    if found is None:
        return None
    before, after = path.stem[: found.start()], path.stem[found.end() :]
    return Pattern(path.parent, before, after + path.suffix), found[0]


def numbered_files(path: Path) -> dict[int, Path]:
    """List the files of a sequence, by number.

    Args:
        path: Any file of it; it need not exist.

    Raises:
        ImageError: Its folder cannot be read.
    """
    parts = split(path)
    if parts is None:
        return {1: path} if path.is_file() else {}
    try:
        beside = sorted(path.parent.iterdir())
    except OSError as error:
        raise ImageError(f'The folder "{path.parent}" of the sequence cannot be read ({error.strerror}).') from error
    return numbered(file for file in beside if (found := split(file)) and found[0] == parts[0])


def numbered(files: Iterable[Path]) -> dict[int, Path]:
    """Sort numbered files of one pattern by their number."""
    found = {int(parts[1]): file for file in files if (parts := split(file))}
    return dict(sorted(found.items()))


def frames_of(item: Any) -> list[int]:
    """Choose an item's frames, by number: from its range, by step or by count. Reads no file.

    Args:
        item: A `PictureItem` or `Item` of kind MOVIE or SEQUENCE, whose range ends where the clip does, or an animated
            CAMERA, whose frames are the scene's.
    """
    first, last = item.frame_start, item.frame_end
    if item.kind != "CAMERA":
        first, last = max(first, item.clip_first), min(last, item.clip_last)
    if last < first:
        return []
    if item.pick == "COUNT":
        return _spread(first, last, item.count)
    if item.kind != "MOVIE" or item.clip_rate <= 0.0:
        return list(range(first, last + 1, item.frame_step))
    step = max(1.0, item.seconds * item.clip_rate)
    moments = math.ceil((last - first + 1) / step - ROUNDING)
    return [first + int(step * index + ROUNDING) for index in range(moments)]


def movie_views(item: Any) -> list[View]:
    """Return a view for every chosen frame of a movie; the worker finds the frame that is shown at the view's time.

    Raises:
        ImageError: No frame is chosen.
    """
    path = Path(bpy.path.abspath(item.path))
    return [View(path, time=(frame - 1) / item.clip_rate) for frame in _chosen(item)]


def movie_frame(item: Any, view: View) -> int:
    """Return which frame of its movie a view of `movie_views` is, counted from 1."""
    return 1 + round((view.time or 0.0) * float(item.clip_rate))


def sequence_views(item: Any, rate: float) -> list[View]:
    """Return a view for every chosen frame of a sequence.

    Args:
        item: Of kind SEQUENCE.
        rate: The scene's frames per second.

    Raises:
        ImageError: No frame is chosen, or a chosen one has no file.
    """
    path = Path(bpy.path.abspath(item.path))
    frames, files = _chosen(item), numbered_files(path)
    _check_holes(item, frames, files)
    return [View(files[frame], time=(frame - item.clip_first) / rate) for frame in frames]


def _spread(first: int, last: int, count: int) -> list[int]:
    """Spread numbers evenly from the first to the last, both included; no number twice."""
    count = min(count, last - first + 1)
    if count == 1:
        return [first]
    return [first + round(index * (last - first) / (count - 1)) for index in range(count)]


def _chosen(item: Any) -> list[int]:
    frames = frames_of(item)
    if not frames:
        raise ImageError(
            f"No frame of {item.name} is chosen: it has the frames {item.clip_first} to {item.clip_last}, so choose "
            f"among these instead of {item.frame_start} to {item.frame_end}."
        )
    return frames


def _check_holes(item: Any, frames: list[int], files: Mapping[int, Path]) -> None:
    missing = [str(frame) for frame in frames if frame not in files]
    if not missing:
        return
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    frame = "frame" if len(missing) == 1 else "frames"
    raise ImageError(
        f"The sequence {item.name} lacks {frame} {', '.join(missing[:NAMED])}{more}: bring the files back, or choose "
        "other frames."
    )
