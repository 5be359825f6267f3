"""Whether a file is a movie or a picture, told by its name alone.

The standard library only: Blender's process, which decodes neither as the worker does, must decide alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MOVIE_SUFFIXES: Final = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".qt", ".movie", ".mkv", ".webm", ".avi", ".divx", ".xvid", ".flv", ".wmv", ".asf"),
        *(".mpg", ".mpeg", ".mpg2", ".m2v", ".vob", ".mts", ".m2ts", ".m2t", ".ts", ".mxf", ".dv", ".3gp", ".3g2"),
        *(".ogv", ".ogg"),
    }
)
"""Lower-case suffixes of movies; a file with any other is a picture."""


def is_movie(path: Path) -> bool:
    """Tell by its suffix whether a file is a movie; everything else is taken for a picture."""
    return path.suffix.lower() in MOVIE_SUFFIXES
