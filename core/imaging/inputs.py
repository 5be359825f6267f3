"""From what an artist chose to pictures: movies become frames, masks fit, lenses are lenses.

What can be told before the pictures are read is told here. Files that turn out broken are named together: where a movie
is, all pictures are checked at once, else reading them does so.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import CameraError, ImageError
from ..names import listed, readable
from ..types import FloatArray, LeftOut, OnProgress, Progress, View
from .distortion import check_distortion, scaled
from .flaws import UnreadableError
from .kinds import is_movie
from .movies import Frame, take_frames
from .reading import check_pictures, same_shape, upright_size


@dataclass(frozen=True)
class Inputs:
    """The views of a request, ready to be read."""

    views: tuple[View, ...]
    """As asked for; those of movies with the frame's own time, and lens and distortion for square pixels."""
    pictures: tuple[View, ...]
    """The same with pictures in place of movies, for `preparation.prepare_views`."""
    left_out: tuple[LeftOut, ...]
    """The request's other views, by index."""
    warnings: tuple[str, ...]

    def without(self, places: Sequence[int], reason: str, warnings: Sequence[str]) -> Inputs:
        """Leave out more.

        Args:
            places: Indices among `views`.
            reason: Of all of them, see `LeftOut.reason`.
            warnings: Say it to the artist.
        """
        gone = {item.view for item in self.left_out}
        asked = [index for index in range(len(self.views) + len(gone)) if index not in gone]
        more = [LeftOut(name_of(self.views[place]), reason, asked[place]) for place in places]
        stays = [place for place in range(len(self.views)) if place not in set(places)]
        return Inputs(
            views=tuple(self.views[place] for place in stays),
            pictures=tuple(self.pictures[place] for place in stays),
            left_out=tuple(sorted([*self.left_out, *more], key=lambda item: item.view or 0)),
            warnings=(*self.warnings, *warnings),
        )


def name_of(view: View) -> str:
    """Name what a view is read from: its file, of a movie with the frame's time."""
    is_frame = view.time is not None and is_movie(view.path)
    return readable(f"{view.path.name} at {view.time:.3f} s" if is_frame else view.path.name)


LOST: Final = "cannot be decoded, as the movie is damaged there"
REPEATED: Final = "shows the same frame as another chosen time"


def gather(views: Sequence[View], folder: Path, on_progress: OnProgress = lambda step: None) -> Inputs:
    """Take the frames of movies, and make sure that masks have their pictures' shape.

    Args:
        views: The request's.
        folder: An existing folder for the frames.
        on_progress: Called after each frame.

    Raises:
        ImageError: A movie cannot be read, every movie, picture and mask for which that is so is named; or a mask has
            another shape than its picture.
        CameraError: A view's distortion is that of no lens, or its lens was found for an image of another shape.
    """
    for view in views:
        if view.distortion is not None:
            check_distortion(view.distortion, f"The lens distortion of {view.path.name}")
        if view.time is not None and not math.isfinite(view.time):
            raise ImageError(f"{view.path.name} is asked for at {view.time} seconds: give a time of its clip.")
    frames, flaws = _take_all(views, folder, on_progress)
    if flaws:
        files = [file for view in views for file in view.files if not is_movie(file)]
        check_pictures(list(dict.fromkeys(files)), on_progress, flaws)
    lost = [index for index, view in enumerate(views) if any(file not in frames for file in _movies(view))]
    inputs = Inputs(tuple(views), tuple(views), (), ()).without(lost, LOST, _lost_warnings(views, lost))
    if not inputs.views:
        raise ImageError(f"{inputs.warnings[0]} Nothing is left: choose other times, or export the clip again.")
    settled = [_with_intrinsics(*_settled(view, frames)) for view in inputs.views]
    inputs = replace(
        inputs, views=tuple(view for view, _ in settled), pictures=tuple(picture for _, picture in settled)
    )
    repeated = _repeated(inputs.views)
    inputs = inputs.without(repeated, REPEATED, _repeat_warnings([inputs.views[place].path for place in repeated]))
    inputs = replace(inputs, warnings=(*inputs.warnings, *_size_warnings(frames)))
    _check_masks(inputs.pictures, {frame.picture: frame.stretch for frame in frames.values()})
    return inputs


def _movies(view: View) -> list[tuple[Path, float]]:
    """Return the movies a view is read from, each with the time."""
    return [(path, view.time or 0.0) for path in view.files if is_movie(path)]


def _take_all(
    views: Sequence[View], folder: Path, on_progress: OnProgress
) -> tuple[dict[tuple[Path, float], Frame], dict[Path, str]]:
    """Take the frames of all movies, by movie and time asked for, and find out what is wrong with movies."""
    chosen = dict.fromkeys(choice for view in views for choice in _movies(view))
    frames: dict[tuple[Path, float], Frame] = {}
    flaws: dict[Path, str] = {}
    done = itertools.count(1)
    for movie in dict.fromkeys(movie for movie, _ in chosen):
        times = [time for path, time in chosen if path == movie]
        try:
            taken = take_frames(
                movie, times, folder, lambda: on_progress(Progress("Taking frames", next(done), len(chosen)))
            )
        except UnreadableError as flaw:
            flaws[movie] = str(flaw)
        else:
            frames |= {(movie, time): frame for time, frame in taken.items()}
    return frames, flaws


def _settled(view: View, frames: Mapping[tuple[Path, float], Frame]) -> tuple[View, View]:
    """Return the view with what its frame tells, and the same with pictures in place of movies."""
    time, mask = view.time or 0.0, view.mask
    if mask is not None and is_movie(mask.path):
        mask = replace(mask, path=frames[mask.path, time].picture)
    if not is_movie(view.path):
        return view, replace(view, mask=mask)
    frame = frames[view.path, time]
    lens, bent = view.image_from_camera, view.distortion
    view = replace(
        view,
        time=frame.time,
        image_from_camera=None if lens is None else np.diag((*frame.stretch, 1.0)) @ lens,
        distortion=None if bent is None else scaled(bent, *frame.stretch),
    )
    return view, replace(view, path=frame.picture, mask=mask)


def _with_intrinsics(view: View, picture: View) -> tuple[View, View]:
    """Replace a lens by intrinsics for the size of its picture.

    A picture that cannot be read passes: whoever reads it names all of those at once. One that has the shape of a
    camera's lens only as it is stored is taken so: Blender, where that camera was set up, does not turn it.
    """
    lens = view.lens
    if lens is None:
        return view, picture
    try:
        size = upright_size(picture.path, as_stored=view.as_stored)
        stored = upright_size(picture.path, as_stored=True)
    except ImageError:
        return view, picture
    as_stored = view.as_stored
    if lens.size is not None and not same_shape(size, lens.size):
        if view.world_from_camera is None or not same_shape(stored, lens.size):
            raise CameraError(
                f"{view.path.name} has {size[0]}×{size[1]} pixels, but {lens.origin} is for {lens.size[0]}×"
                f"{lens.size[1]}, which is another shape: use the one that was made for this image."
            )
        size, as_stored = stored, True
    known = partial(replace, lens=None, image_from_camera=lens.image_from_camera(size), as_stored=as_stored)
    return known(view), known(picture)


def _repeated(views: Sequence[View]) -> list[int]:
    """Find the views that show the same frame as another and add no camera of their own to it."""
    kept: dict[tuple[Path, float | None], list[FloatArray | None]] = {}
    dropped = []
    # Those with a camera come first: one without says nothing beside them.
    for index in sorted(range(len(views)), key=lambda index: (views[index].world_from_camera is None, index)):
        view = views[index]
        if not is_movie(view.path):
            continue
        cameras = kept.setdefault((view.path, view.time), [])
        if cameras and any(_same_camera(view.world_from_camera, camera) for camera in cameras):
            dropped.append(index)
        else:
            cameras.append(view.world_from_camera)
    return sorted(dropped)


def _same_camera(camera: FloatArray | None, kept: FloatArray | None) -> bool:
    return camera is None or (kept is not None and np.array_equal(camera, kept))


def _repeat_warnings(movies: Sequence[Path]) -> list[str]:
    return [
        f"{movie.name} shows one frame at several of the chosen times: {count} of them "
        f"{'is' if count == 1 else 'are'} left out."
        for movie, count in Counter(movies).items()
    ]


def _lost_warnings(views: Sequence[View], lost: Sequence[int]) -> list[str]:
    movies = dict.fromkeys(movie for index in lost for movie, _ in _movies(views[index]))
    times = {movie: [views[index].time or 0.0 for index in lost if movie in views[index].files] for movie in movies}
    return [
        f"{readable(movie.name)} is damaged at {listed([f'{time:.3f}' for time in times[movie]])} s: frames there are "
        "left out, and those shortly after may be smeared."
        for movie in movies
    ]


def _size_warnings(frames: Mapping[tuple[Path, float], Frame]) -> list[str]:
    """Name movies whose frames have several sizes, as broadcasts and joined recordings do."""
    sizes: dict[Path, dict[tuple[int, int], None]] = {}
    for (movie, _), frame in frames.items():
        sizes.setdefault(movie, {})[upright_size(frame.picture)] = None
    return [
        f"{readable(movie.name)} changes the size of its frames "
        f"({listed([f'{width} × {height}' for width, height in of_movie])}): each is used at its own size."
        for movie, of_movie in sizes.items()
        if len(of_movie) > 1
    ]


def _check_masks(pictures: Sequence[View], stretches: Mapping[Path, tuple[float, float]]) -> None:
    """Make sure that masks have the shape of their pictures, of frames also that of their stored pixels.

    Files that tell no size are left to those who read them.
    """
    flaws = []
    for view in {(view.path, view.mask): view for view in pictures}.values():
        if view.mask is None:
            continue
        try:
            size = upright_size(view.path, as_stored=view.as_stored or view.mask.as_stored)
            mask_size = upright_size(view.mask.path, as_stored=view.as_stored and view.mask.channel == "alpha")
        except ImageError:
            continue
        x, y = stretches.get(view.path, (1.0, 1.0))
        if not same_shape(mask_size, size) and not same_shape(mask_size, (size[0] / x, size[1] / y)):
            sides = f"{mask_size[0]} × {mask_size[1]} pixels", f"{size[0]} × {size[1]}"
            flaws.append(f'"{view.mask.path}" has {sides[0]} and "{view.path}" {sides[1]}')
    if flaws:
        raise ImageError(f"A mask must have its picture's shape: {'; '.join(flaws)}; make it anew or leave it out.")
