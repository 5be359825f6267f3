"""The files that folders and selections bring, and those that are left out, by name and reason.

Nothing is left out silently but what is never an input: the system's and other programs' own files (`SIDECARS`, hidden
ones), where they are no images by content.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...core.errors import ImageError
from ...core.imaging.kinds import IMAGE_SUFFIXES, MOVIE_SUFFIXES, content_of, is_movie, kind_of
from ...core.names import listed, readable
from ...core.types import LeftOut
from ..scene.clips import read_movie

SUFFIXES: Final = IMAGE_SUFFIXES | MOVIE_SUFFIXES
SIDECARS: Final = frozenset({".xmp", ".aae", ".json", ".pp3", ".dop", ".ini", ".db", ".lnk", ".part", ".tmp"})
"""Lower-case suffixes of what other programs store beside images."""
PREVIEWS: Final = frozenset({".thm", ".lrv", ".lrf"})
"""Lower-case suffixes of the small images and movies that a camera stores beside a movie."""
LIVE_PHOTO: Final = 5.0
"""Seconds that the movie of a Live Photo lasts at most."""
NUMBER: Final = re.compile(r"(\d+)")
MOST_SEARCHED: Final = 2000
"""Files that are looked at, by name, to find out whether a folder in a folder has images."""


@dataclass(frozen=True)
class Cause:
    """Why files are left out."""

    reason: str
    """As the end of a sentence that starts with one name."""
    several: str
    """The same of any number of files, without a verb."""


UNKNOWN: Final = Cause(
    "is neither an image nor a movie that can be read: save it in another format to use it",
    "neither images nor movies that can be read; save them in another format to use them",
)
UNREADABLE: Final = Cause(
    "cannot be read as a movie: save it as MP4 to use it", "not readable as movies; save them as MP4 to use them"
)
HIDDEN: Final = Cause("is a hidden file: rename it to use it", "hidden; rename them to use them")
PREVIEW: Final = Cause(
    "is the small preview that a camera stores beside a movie: add it alone to use it",
    "small previews that a camera stores beside movies; add one alone to use it",
)
FOLDER: Final = Cause(
    "is a folder in a folder, and its images are not searched: add it as well to use them",
    "folders in it, whose images are not searched; add them as well to use them",
)
TWICE: Final = Cause("is named twice and used once", "named twice and used once")
RAW: Final = Cause(
    "is a raw file whose photo of the same name is used: add it alone to develop it instead",
    "raw files whose photos of the same name are used; add the raw files alone to develop them instead",
)
LIVE: Final = Cause(
    "is the movie of a Live Photo whose photo is used: add it alone to use its frames",
    "movies of Live Photos whose photos are used; add the movies alone to use their frames",
)


@dataclass(frozen=True)
class Passed:
    """A file or folder that is left out."""

    path: Path
    cause: Cause

    @property
    def left_out(self) -> LeftOut:
        """The same for the summary."""
        return LeftOut(readable(self.path.name), self.cause.reason)


def gathered(paths: Iterable[Path]) -> tuple[list[Path], list[Passed]]:
    """Replace folders by their images and movies; of what belongs together, and of what is named twice, keep one.

    Args:
        paths: Files, which need not exist, and folders.

    Raises:
        ImageError: A folder cannot be read, or has neither images nor movies.
    """
    files: dict[Path, None] = {}
    passed: list[Passed] = []
    for path in paths:
        inside, others = _look_into(path) if path.is_dir() else ([path], [])
        passed += others + [Passed(file, TWICE) for file in inside if file in files]
        files |= dict.fromkeys(inside)
    partners = _partners(files)
    return [file for file in files if file not in partners], passed + list(partners.values())


def in_folder(folder: Path) -> list[Path]:
    """List the images and movies of a folder, not of those in it, in natural order.

    Raises:
        ImageError: It cannot be read, or has none.
    """
    return _look_into(folder)[0]


def warnings_of(passed: Iterable[Passed]) -> list[str]:
    """Say what is left out, by folder, reason, kind and count."""
    groups: dict[tuple[Path, Cause], list[Path]] = {}
    for item in passed:
        groups.setdefault((item.path.parent, item.cause), []).append(item.path)
    return [
        f"Left out of {readable(folder.name) or folder}: {_counted(group, cause)} ({cause.several})."
        for (folder, cause), group in groups.items()
    ]


def _look_into(folder: Path) -> tuple[list[Path], list[Passed]]:
    try:
        inside = sorted(folder.iterdir(), key=natural)
        causes = {path: _cause(path) for path in inside if not _is_silent(path)}
    except OSError as error:
        raise ImageError(f'The folder "{folder}" cannot be read ({error.strerror}): choose another.') from error
    passed = [Passed(path, cause) for path, cause in causes.items() if cause is not None]
    files = [path for path, cause in causes.items() if cause is None]
    if not files:
        found = f" ({' '.join(warnings_of(passed))[:-1]})" if passed else ""
        raise ImageError(f'The folder "{folder}" has no pictures or movies in it{found}: choose another.')
    return files, passed


def natural(path: Path) -> tuple[object, ...]:
    """Return a key that sorts img before img2 before img10, and upper case beside lower case."""
    words = NUMBER.split(path.stem.casefold())
    return str(path.parent), [int(word) if index % 2 else word for index, word in enumerate(words)], path.name


def _is_silent(path: Path) -> bool:
    """Tell whether a file or folder is never an input, and not worth a word."""
    hidden = path.name.startswith(".") or path.suffix.lower() in SIDECARS
    return (hidden and content_of(path) is None) or (path.is_dir() and not _has_images(path))


def _cause(path: Path) -> Cause | None:
    """Return why a file or folder of a folder is left out; None where it is an image or movie."""
    if path.is_dir():
        return FOLDER
    if path.name.startswith(".") or path.suffix.lower() in SIDECARS:
        return HIDDEN
    if path.suffix.lower() in PREVIEWS:
        return PREVIEW
    return UNKNOWN if kind_of(path) is None or not path.is_file() else None


def _has_images(folder: Path) -> bool:
    """Tell by their suffixes whether there are images or movies in a folder or in its folders."""
    return any(os.path.splitext(name)[1].lower() in SUFFIXES for name in _names_below(folder))  # noqa: PTH122


def _names_below(folder: Path) -> Iterator[str]:
    """Name the first files below a folder, without hidden files and folders and what other systems leave behind."""
    for _, folders, names in itertools.islice(os.walk(folder), MOST_SEARCHED):
        folders[:] = [name for name in folders if not name.startswith((".", "@", "__"))]
        yield from itertools.islice((name for name in names if not name.startswith(".")), MOST_SEARCHED)


def _partners(files: Iterable[Path]) -> dict[Path, Passed]:
    """Find the raw files and the movies that show the moment of a photo among the files."""
    photos = {key for file in files if _is_photo(file) for key in _keys(file)}
    found = {}
    for file in files:
        if not photos.intersection(_keys(file)) or _is_photo(file):
            continue
        if kind_of(file) == "raw":
            found[file] = Passed(file, RAW)
        elif is_movie(file) and _is_short(file):
            found[file] = Passed(file, LIVE)
    return found


def _keys(file: Path) -> set[tuple[Path, str]]:
    """Return what files of one moment share: the name without suffix; Pixel's IMG.MP belongs to IMG.MP.jpg."""
    names = {file.stem} if file.suffix.lower() != ".mp" else {file.stem, file.name}
    return {(file.parent, name.casefold()) for name in names}


def _is_photo(file: Path) -> bool:
    """Tell whether a file is what a camera makes of a photo: a JPEG or HEIC, also an empty or missing one."""
    found = content_of(file)
    return found in {"JPEG", "HEIF"} or (
        found is None and file.suffix.lower() in {".jpg", ".jpeg", ".heic", ".heif", ".hif"}
    )


def _is_short(movie: Path) -> bool:
    try:
        shape = read_movie(movie)
    except ImageError:
        return False
    return shape.length / shape.rate <= LIVE_PHOTO


def _counted(paths: Sequence[Path], cause: Cause) -> str:
    """Count files by kind, such as "2 PDF files and 1 TXT file"; name folders and what is named twice."""
    if cause in {FOLDER, TWICE}:
        return listed([readable(path.name) for path in paths])
    kinds = Counter(path.suffix[1:].upper() for path in paths)
    parts = [
        f"{count} {f'{kind} ' if kind else ''}{'file' if count == 1 else 'files'}{'' if kind else ' without a suffix'}"
        for kind, count in kinds.items()
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
