"""Files outside a saved reconstruction that it names: which of them may be opened.

A folder that comes from someone else may name any file of this machine, or one on a network share, where merely asking
for it hands the user's credentials to that server (on Windows). So nothing outside a folder is touched, not even asked
for its size, unless the artist chose it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .imaging.flaws import is_regular
from .imaging.kinds import is_image, is_movie
from .types import Reconstruction

TAIL: Final = 3
"""Folders and name of a photo's path by which it is looked for elsewhere, at most."""
NAMED: Final = 3
"""Photos that a warning names."""
_LINKS: Final = (getattr(stat, "IO_REPARSE_TAG_SYMLINK", -1), getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1))


@dataclass(frozen=True)
class Chosen:
    """The artist's choice of what may be opened outside a saved folder."""

    files: frozenset[Path] = frozenset()
    """Absolute, such as the photos of this session's runs."""
    folder: Path | None = None
    """A folder in which photos are searched by name before all other places; may be on a network share."""
    outside: bool = False
    """Every image and movie, except on network shares."""
    network: bool = False
    """Those on network shares, too: for a folder whose photos are known to be the artist's."""

    def allows(self, path: Path, folder: Path) -> bool:
        """Tell whether a file that a saved folder names may be opened; the disk is only asked about inside paths."""
        if path in self.files or (self.folder is not None and path.is_relative_to(self.folder)):
            return True
        if path.is_relative_to(folder):
            return is_inside(path, folder)
        return self.network if is_network(path) else self.outside

    def elsewhere(self, path: Path) -> Iterator[Path]:
        """List where a photo may be in the chosen folder, the longest end of its path first."""
        if self.folder is not None:
            parts = [part for part in re.split(r"[\\/]", str(path)) if part]
            yield from (self.folder.joinpath(*parts[-count:]) for count in range(min(TAIL, len(parts)), 0, -1))


NOTHING: Final = Chosen()


def locators_of(path: Path, folder: Path) -> dict[str, str]:
    """Say where a file is: relative inside the folder; outside absolute, and relative in case both move together."""
    path = absolute(path)
    if path.is_relative_to(folder):
        return {"relative": path.relative_to(folder).as_posix()}
    locators = {"absolute": str(path)}
    with contextlib.suppress(ValueError):  # on another Windows drive nothing is relative
        locators["relative"] = Path(os.path.relpath(path, folder)).as_posix()
    return locators


def places_of(locators: Mapping[str, str], folder: Path) -> list[Path]:
    """List where a file may be: where it was, then the same place seen from the folder.

    Raises:
        ValueError: They name no place.
        TypeError: A place is not text.
    """
    places = [absolute(Path(locators["absolute"]))] if "absolute" in locators else []
    if "relative" in locators:
        places.append(absolute(folder / locators["relative"]))
    if not places:
        raise ValueError("a file has no place")
    return places


def locate(places: Sequence[Path], folder: Path, chosen: Chosen) -> tuple[Path, bool]:
    """Find a file again that a saved folder names.

    Args:
        places: Where it may be, absolute, the likeliest first; at least one.
        folder: The saved folder.
        chosen: What outside of it may be opened.

    Returns:
        The path, and whether it may be opened. Where no allowed place has such a file, the first place.
    """
    allowed = [*chosen.elsewhere(places[0]), *(place for place in places if chosen.allows(place, folder))]
    found = next((place for place in allowed if _may_be_shown(place, folder, chosen)), None)
    if found is not None:
        return found, True
    is_gone = places[0] in allowed and not os.path.lexists(places[0])
    return places[0], is_gone  # which its reader says; what is there and no image is never opened


def absolute(path: Path) -> Path:
    """Return a path from the root and without `..`; the disk is not asked, so links stay links."""
    return Path(os.path.normpath(path.absolute()))


def is_network(path: Path | str) -> bool:
    r"""Tell by a path's text whether it is on a network share or a device (`\\server\share`, `//server/share`, `\\.\`).

    Source: Windows, "Naming Files, Paths, and Namespaces". Elsewhere POSIX leaves a leading `//` to the system.
    """
    return re.match(r"[\\/]{2}", str(path)) is not None


def is_inside(path: Path, folder: Path) -> bool:
    """Tell whether a path lies in a folder and is not reached from there by a link, which may lead anywhere."""
    if not path.is_relative_to(folder):
        return False
    steps = path.relative_to(folder).parts
    return not any(_is_link(folder.joinpath(*steps[:count])) for count in range(1, len(steps) + 1))


def unopened_warning(reconstruction: Reconstruction) -> str | None:
    """Name the photos and movies that were not opened since they lie outside the saved folder; None: all were."""
    kept = dict.fromkeys(view.source for view in reconstruction.views if not view.may_open_source)
    if not kept:
        return None
    named = ", ".join(f'"{path}"' for path in list(kept)[:NAMED])
    more = f" and {len(kept) - NAMED} more" if len(kept) > NAMED else ""
    return (
        f"The reconstruction names files outside its folder, which were not opened: {named}{more}. The smaller "
        "pictures saved with it are shown; if the files are yours, choose their folder with Find Photos, or open the "
        "reconstruction again with Use Photos Outside the Folder."
    )


def _may_be_shown(path: Path, folder: Path, chosen: Chosen) -> bool:
    """Tell whether a file is there and, where it was not chosen by itself, is an image or a movie."""
    is_known = path in chosen.files or path.is_relative_to(folder)
    return is_regular(path) and (is_known or is_movie(path) or is_image(path))


def _is_link(path: Path) -> bool:
    """Tell whether a path itself is a symbolic link or a junction; what it points to is not asked."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) in _LINKS
