"""What Blender tells of movies, which views are frames of one clip, and the clip as it is shown behind a camera."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from ...core.errors import ImageError
from ...core.imaging.flaws import is_regular
from ...core.imaging.kinds import is_movie
from ...core.names import readable
from ...core.types import ReconstructedView
from .pictures import make_paths_relative

NUMBER: Final = re.compile(r"(\d+)(?!.*\d)")
"""The last number in a file's stem counts its frame."""
SAME_FRAME: Final = 0.1
"""Frames by which a picture may be late, where Blender shows one picture a frame."""
SAME_RATE: Final = 1e-3
"""Part by which two frame rates may differ."""


@dataclass(frozen=True)
class Movie:
    """What Blender tells of a movie."""

    length: int
    """Frames, as many as its rate makes of how long it is."""
    rate: float
    """Frames per second."""
    size: tuple[int, int]
    """(width, height) as Blender shows it, pixels."""


@dataclass(frozen=True)
class Clip:
    """Views of one movie or sequence, by their time."""

    name: str
    views: tuple[int, ...]
    """Indices."""
    times: tuple[float, ...]
    """Seconds from its start, of each."""
    start: float
    """Scene frame at which it starts."""
    rate: float
    """Of the scene, frames per second."""

    @property
    def frames(self) -> list[float]:
        """Scene frame of each view."""
        return [self.start + time * self.rate for time in self.times]


def scene_rate(scene: bpy.types.Scene) -> float:
    """Return a scene's frames per second."""
    return scene.render.fps / scene.render.fps_base


def read_movie(path: Path) -> Movie:
    """Look into a movie.

    Raises:
        ImageError: It is missing, or Blender cannot read it.
    """
    problem = f'"{path}" cannot be read as a movie: replace it, or take it off the list.'
    if not is_regular(path):
        raise ImageError(problem)
    try:
        clip = bpy.data.movieclips.load(str(path.absolute()))
    except RuntimeError as error:
        raise ImageError(problem) from error
    movie = Movie(clip.frame_duration, clip.fps, (clip.size[0], clip.size[1]))
    bpy.data.movieclips.remove(clip)
    if movie.size[0] < 1 or movie.length < 1 or movie.rate <= 0.0:
        raise ImageError(problem)
    return movie


def clips_of(views: Sequence[ReconstructedView], start: float, rate: float) -> list[Clip]:
    """Find the clips among views: movies, and sequences of files that differ by their last number; two frames at least.

    Args:
        views: Of one reconstruction.
        start: Scene frame of time 0.
        rate: Scene frames per second.
    """
    groups: dict[object, list[tuple[float, int]]] = {}
    for index, view in enumerate(views):
        if view.time is not None:
            groups.setdefault(_clip_key(view), []).append((view.time, index))
    return [_clip(views, sorted(group), start, rate) for group in groups.values() if len(group) > 1]


def _clip_key(view: ReconstructedView) -> object:
    if is_movie(view.source):
        return view.source
    return view.source.parent, NUMBER.sub("#", view.source.stem), view.source.suffix


def _clip(views: Sequence[ReconstructedView], group: list[tuple[float, int]], start: float, rate: float) -> Clip:
    source = views[group[0][1]].source
    name = source.stem if is_movie(source) else NUMBER.sub("", source.stem).strip(" ._-") or source.stem
    return Clip(readable(name), tuple(index for _, index in group), tuple(time for time, _ in group), start, rate)


def show_clip(background: Any, clip: Clip, views: Sequence[ReconstructedView]) -> bool:
    """Lay a clip behind a camera, if Blender shows each of its frames when the clip is there.

    Blender shows one frame of a movie, or one file of a sequence, per scene frame whatever their rates; and it shows
    them as they are.

    Args:
        background: Of the camera.
        clip: Of the views.
        views: Of the clip, in its order.

    Returns:
        Whether it is laid there.
    """
    late = [abs(time * clip.rate - round(time * clip.rate)) for time in clip.times]
    may_open = all(view.may_open_source for view in views)
    if max(late) > SAME_FRAME or not float(clip.start).is_integer() or not may_open:
        return False
    source = views[0].source
    first = _first_of_movie(source, clip, views) if is_movie(source) else _first_of_sequence(clip, views)
    if first is None:
        return False
    image = bpy.data.images.load(str(source.absolute()))
    image.source = "MOVIE" if is_movie(source) else "SEQUENCE"
    image.alpha_mode = "NONE"
    if bpy.data.filepath:
        make_paths_relative([image], Path(bpy.data.filepath).parent)
    background.image = image
    user = background.image_user
    user.frame_start, user.frame_offset = int(clip.start), first - 1
    user.frame_duration = max(image.frame_duration, round(clip.times[-1] * clip.rate) + 1)
    return True


def _first_of_movie(source: Path, clip: Clip, views: Sequence[ReconstructedView]) -> int | None:
    """Return the number of the frame at the clip's start; None where Blender would show others, or turned ones."""
    try:
        movie = read_movie(source)
    except ImageError:
        return None
    fits = movie.size == tuple(views[0].source_size) and abs(movie.rate / clip.rate - 1.0) < SAME_RATE
    return 1 if fits else None


def _first_of_sequence(clip: Clip, views: Sequence[ReconstructedView]) -> int | None:
    """Return the number that a file at the clip's start has; None where the files are not shown as they are."""
    firsts = set()
    for view, time in zip(views, clip.times, strict=True):
        number = NUMBER.search(view.source.stem)
        if number is None or view.texture != view.source or not view.source.is_file():
            return None
        firsts.add(int(number[0]) - round(time * clip.rate))
    return firsts.pop() if len(firsts) == 1 else None
