"""Where results go: checked before any work, never one of the inputs, and all of them appear together or none does."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..core.disk import FULL, existing_parent, write_problem
from ..core.errors import StorageError
from ..core.storage import check_target, is_reconstruction, placed, stage
from ..core.types import Reconstruction, View


@dataclass(frozen=True)
class Targets:
    """What one run writes."""

    output: Path
    folder: Path | None = None
    """Of the saved reconstruction, or of several, numbered."""

    def check(self) -> None:
        """Find out before any work whether everything can be written.

        Raises:
            StorageError: A target is in the way of another, or cannot be made where it is to be.
        """
        _check_file(self.output)
        if self.folder is None:
            return
        _check_parent(self.folder)
        if _names(self.output) == _names(self.folder):
            raise StorageError(f"{self.output} cannot be the output and the saved reconstruction: name two places.")
        if lies_in(self.output, self.folder):
            raise StorageError(f"{self.output} lies in the folder of the saved reconstruction: choose another place.")
        if not _holds_numbered(self.folder):
            check_target(self.folder)

    def check_folders(self, count: int) -> None:
        """Find out whether so many reconstructions can be saved.

        Raises:
            StorageError: A folder for one of them holds something else.
        """
        for place in self.folders(count):
            check_target(place)

    def check_inputs(self, inputs: Iterable[Path]) -> None:
        """Refuse to write over an input.

        Raises:
            StorageError: The output is one, or one lies in the folder that is to be replaced.
        """
        for item in inputs:
            refuse_input(self.output, item)
            if self.folder is not None and lies_in(item, self.folder):
                raise StorageError(f"{item} is an input and lies in {self.folder}: save the reconstruction elsewhere.")

    def folders(self, count: int) -> list[Path]:
        """Return where so many reconstructions are saved: one as the folder, several as numbered folders in it."""
        if self.folder is None:
            return []
        return [self.folder / f"{number:03d}" for number in range(count)] if count > 1 else [self.folder]

    def write(
        self,
        reconstructions: Sequence[Reconstruction],
        write_output: Callable[[Path], None],
        commit: Callable[[], None],
        name_beside: Callable[[Path], Path],
    ) -> list[Path]:
        """Write everything beside its place, then move all of it there.

        Args:
            reconstructions: To be saved, if a folder is named.
            write_output: Writes the output under the name that it is given.
            commit: Called when all is written, before anything is moved; may raise to leave everything as it was.
            name_beside: Gives a name to what is not complete yet, in the folder of its target.

        Returns:
            The folders of the saved reconstructions.

        Raises:
            StorageError: Something cannot be written; everything is then as it was.
        """
        places = self.folders(len(reconstructions))
        new, staged = _missing_parents(places), {place: name_beside(place) for place in places}
        hidden = name_beside(self.output)
        is_placed = False
        try:
            self.check_folders(len(reconstructions))
            for reconstruction, place in zip(reconstructions, places, strict=bool(places)):
                with reported(place):
                    stage(reconstruction, staged[place], place)
            with reported(self.output):
                output = self._staged_output(hidden)
                write_output(output)
            commit()
            self._place(staged, output)
            is_placed = True
        finally:
            _remove(*staged.values(), hidden)
            if not is_placed:
                _remove_empty(new)
        return places

    def _staged_output(self, hidden: Path) -> Path:
        """Return where to write the output: a .blend in its own folder, since it names other files as seen from there.

        The exporter of .glb makes further files beside its own, which go with the folder around them.
        """
        if self.output.suffix.lower() == ".blend":
            return hidden
        hidden.mkdir()
        return hidden / self.output.name

    def _place(self, staged: dict[Path, Path], output: Path) -> None:
        with reported(self.output), ExitStack() as stack:
            for place, folder in staged.items():
                stack.enter_context(placed(folder, place))
            output.replace(self.output)  # last: nothing can fail after this, and this cannot be undone


def opened_files() -> list[Path]:
    """List the open .blend and all files that it uses: libraries, images, movies, fonts and so on."""
    paths = [bpy.data.filepath, *bpy.utils.blend_paths(absolute=True)]
    return [Path(path) for path in paths if path]


def view_files(views: Iterable[View]) -> list[Path]:
    """List the images and masks of views."""
    return [file for view in views for file in (view.path, view.mask and view.mask.path) if file]


def refuse_input(target: Path, item: Path) -> None:
    """Refuse to replace a file that is an input, by whatever name.

    Raises:
        StorageError: They are the same file.
    """
    if _is_same(target, item):
        raise StorageError(f"{target} is an input and would be replaced: choose another name.")


def refuse_inside(target: Path, folder: Path) -> None:
    """Refuse to write a file into a saved reconstruction.

    Raises:
        StorageError: The file is the folder or lies in it.
    """
    if lies_in(target, folder):
        raise StorageError(f"{target} lies in the saved reconstruction {folder}: choose another place.")


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn a failed write into a sentence that names its reason.

    Raises:
        StorageError: The block raised an error of the system or of Blender.
    """
    try:
        yield
    except (OSError, RuntimeError, StorageError) as error:
        problem = write_problem(error, path)
        if isinstance(error, StorageError) and FULL not in problem:
            raise
        remedy = "free disk space or choose another folder" if FULL in problem else "choose another folder"
        raise StorageError(f"{path} could not be written ({problem}): {remedy}.") from error


def _check_file(path: Path) -> None:
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise StorageError(f"The folder {path.parent} does not exist or cannot be written: choose another.")
    if path.is_dir():
        raise StorageError(f"{path} is a folder: choose another name for the output.")
    if path.exists() and not path.is_file():
        raise StorageError(f"{path} is a device, not a file: choose another name for the output.")
    if path.exists() and not os.access(path, os.W_OK):
        raise StorageError(f"{path} is write-protected: choose another name for the output.")


def _check_parent(folder: Path) -> None:
    parent = existing_parent(folder)
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise StorageError(f"{folder} cannot be made, {parent} cannot be written: save the reconstruction elsewhere.")


def _holds_numbered(folder: Path) -> bool:
    """Return whether a folder holds nothing but reconstructions, as one does that several were saved in."""
    return folder.is_dir() and all(is_reconstruction(item) for item in folder.iterdir())


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a file is a folder or lies in it, by whatever names."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)) or any(
        _is_same(parent, folder) for parent in (path, *path.parents)
    )


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # one of them is not there
        return False


def _names(path: Path) -> str:
    """Return what two names have in common that mean one file on some disks."""
    return os.path.realpath(path).casefold()


def _missing_parents(places: Sequence[Path]) -> list[Path]:
    """List the folders above that are not there yet, the innermost first."""
    parents = {parent for place in places for parent in place.parents if not parent.exists()}
    return sorted(parents, key=lambda parent: len(parent.parts), reverse=True)


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
