"""Sentences about what was found in images while they were prepared: one per movie and one per folder of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..names import listed, readable
from ..types import View
from .bars import Bars
from .inputs import name_of
from .kinds import is_movie

UNIFORM: Final = "shows a single colour, as a fade, a slate, a flash or a lens cap does, so that nothing can be seen"


def uniform_warnings(views: Sequence[View], places: Sequence[int]) -> list[str]:
    """Say which views are left out because they show a single colour.

    Args:
        views: All that were prepared.
        places: Indices of those.
    """
    return [_uniform_warning(group) for group in _by_clip(views, places).values()]


def nothing_to_see(views: Sequence[View]) -> str:
    """Say that all views show a single colour, and what to do."""
    groups = _by_clip(views, range(len(views)))
    names = [_clip_name(group) for group in groups.values()]
    shows = "shows" if len(views) == 1 or (len(groups) == 1 and is_movie(views[0].path)) else "show"
    where = " at all chosen times" if all(is_movie(view.path) and view.time is not None for view in views) else ""
    return (
        f"{listed(names)} {shows} nothing but a single colour{where} (a fade, a slate, a flash or a lens cap): choose "
        "other images or times."
    )


def bar_warnings(views: Sequence[View], bars: Sequence[Bars]) -> list[str]:
    """Say which bars are masked, once per clip and width."""
    groups: dict[tuple[Path, Bars], list[View]] = {}
    for view, found in zip(views, bars, strict=True):
        if found:
            groups.setdefault((_clip(view), found), []).append(view)
    return [
        f"{_clip_name(group)}: bars of {found} are masked; {'its' if _is_one(group) else 'their'} cameras keep the "
        "whole frame."
        for (_, found), group in groups.items()
    ]


def comb_warnings(views: Sequence[View], places: Sequence[int]) -> list[str]:
    """Say which images are combed; movies that this project decodes itself never are, unless they do not say so."""
    return [
        f"{_clip_name(group)}: two moments are mixed line by line (interlacing), also in textures and geometry: "
        "deinterlace the clip, or in Blender turn on Deinterlace of the camera's background image."
        for group in _by_clip(views, places).values()
    ]


def _uniform_warning(group: Sequence[View]) -> str:
    if len(group) == 1:
        return f"{name_of(group[0])} {UNIFORM}: it is left out."
    if is_movie(group[0].path):
        times = listed([f"{view.time or 0.0:.3f}" for view in group])
        return (
            f"{readable(group[0].path.name)} shows a single colour (a fade, a slate or a flash) at {len(group)} of the "
            f"chosen times, which are left out: {times} s."
        )
    return (
        f"{len(group)} images show a single colour (a fade, a slate, a flash or a lens cap) and are left out: "
        f"{listed([name_of(view) for view in group])}."
    )


def _by_clip(views: Sequence[View], places: Sequence[int]) -> Mapping[Path, list[View]]:
    groups: dict[Path, list[View]] = {}
    for place in places:
        groups.setdefault(_clip(views[place]), []).append(views[place])
    return groups


def _clip(view: View) -> Path:
    """Return what a view's neighbours share: the movie, or the folder of a sequence or of photos."""
    return view.path if is_movie(view.path) else view.path.parent


def _is_one(group: Sequence[View]) -> bool:
    return len(group) == 1 or is_movie(group[0].path)


def _clip_name(group: Sequence[View]) -> str:
    if _is_one(group):
        return readable(group[0].path.name)
    return listed([readable(view.path.name) for view in group])
