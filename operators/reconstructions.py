"""Saved reconstructions: open one without any network, and save what was just made."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import bpy
from bpy.props import BoolProperty, StringProperty

from ..core.errors import ImageToSceneError, StorageError
from ..core.outside import Chosen, absolute
from ..core.storage import load, save
from .context import Outcome, manager_of, scene_of, settings_of
from .memory import has_request, remember_folder, remembered_folder
from .own_folders import is_own, remember_own
from .scene import find_roots, root_of
from .session import Task, session
from .settings import build_options_from, placement_from
from .targets import lies_in, opened_files, refuse_input, refuse_inside, reported
from .work import Order, SteppedOperator

NOT_SAVED: Final = "Its depth was not saved before Blender was closed, or moved since: press Run Again, then save"


class FolderOperator(SteppedOperator):
    """An operator that asks for a folder and builds what the sidebar says is to be built."""

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for the folder."""
        manager_of(context).fileselect_add(self)  # type: ignore[arg-type]
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Build what the sidebar says is to be built, in slices where the file browser was used for the folder."""
        if self.options.is_invoke and not bpy.app.background:  # type: ignore[attr-defined]
            return self.go_modal(context)
        return super().execute(context)


class IMAGETOSCENE_OT_open_reconstruction(FolderOperator, bpy.types.Operator):
    """Choose the folder of a saved reconstruction and build it; no network is needed"""

    bl_idname = "image_to_scene.open_reconstruction"
    bl_label = "Open Reconstruction"
    bl_options = {"UNDO"}

    directory: StringProperty(name="Folder", subtype="DIR_PATH")  # type: ignore[valid-type]
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    use_outside: BoolProperty(  # type: ignore[valid-type]
        name="Use Photos Outside the Folder",
        description="Open all images that the reconstruction names, wherever they are on this computer. Off: only "
        "those in its folder, those used since Blender was started, and those of reconstructions that you saved",
        options={"SKIP_SAVE"},
    )
    photos: StringProperty(  # type: ignore[valid-type]
        name="Photos",
        description="Folder in which photos are looked for by their names",
        subtype="DIR_PATH",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Nothing else is being built."""
        cls.poll_message_set("A reconstruction is running")
        return context.scene is not None and session.run is None

    def begin(self, context: bpy.types.Context) -> tuple[Task, Order, bpy.types.Scene]:
        """Take the folder as it is; its copies of pictures stay where they are."""
        folder = Path(bpy.path.abspath(self.directory))
        options = replace(build_options_from(settings_of(context)), packs_copies=False)
        order = Order(options, saved=True, placement=placement_from(settings_of(context)))
        is_ours = is_own(folder)
        chosen = Chosen(folder=folder_from(self.photos), outside=self.use_outside or is_ours, network=is_ours)
        return session.open(folder, chosen), order, scene_of(context)


class IMAGETOSCENE_OT_find_photos(FolderOperator, bpy.types.Operator):
    """Choose the folder with the photos of the opened reconstruction, and build it again with them"""

    bl_idname = "image_to_scene.find_photos"
    bl_label = "Find Photos"
    bl_options = {"UNDO"}

    directory: StringProperty(name="Folder", subtype="DIR_PATH")  # type: ignore[valid-type]
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one that came from a folder."""
        root = active_root(context)
        cls.poll_message_set("There is no reconstruction that was opened from a folder")
        return session.run is None and root is not None and is_opened(root)

    def begin(self, context: bpy.types.Context) -> tuple[Task, Order, bpy.types.Scene]:
        """Open the same folder again, with the photos."""
        root = active_root(context)
        folder = saved_folder(root) if root is not None else None
        if root is None or folder is None:
            raise StorageError("The folder of the reconstruction is no longer there: open it from where it is now.")
        options = replace(build_options_from(settings_of(context)), packs_copies=False)
        chosen = Chosen(folder=folder_from(self.directory))
        return session.open(folder, chosen), Order(options, root=root.session_uid, saved=True), scene_of(context)


class IMAGETOSCENE_OT_save_reconstruction(bpy.types.Operator):
    """Save the active object's reconstruction as a folder that can be opened again, here or elsewhere"""

    bl_idname = "image_to_scene.save_reconstruction"
    bl_label = "Save Reconstruction"
    bl_options = {"UNDO"}  # the root learns where it is

    filepath: StringProperty(name="Folder", subtype="FILE_PATH")  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one, made since Blender was started or saved before."""
        root = active_root(context)
        cls.poll_message_set("There is no reconstruction" if root is None else NOT_SAVED)
        return root is not None and saved_folder(root) is not None

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for the folder's name."""
        if not self.filepath:
            self.filepath = bpy.path.abspath("//reconstruction") if bpy.data.filepath else "reconstruction"
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Write it, whole or not at all."""
        root, target = active_root(context), Path(bpy.path.abspath(self.filepath))
        try:
            if root is not None and (source := saved_folder(root)) is not None:
                check_folder_target(target, source)
                is_ours = session.holds(source) or is_own(source)
                with reported(target):
                    save(load(source), target)
                remember_folder(root, target)
                if is_ours:
                    remember_own(target)
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {target}")
        return {"FINISHED"}


CLASSES: Final = (
    IMAGETOSCENE_OT_open_reconstruction,
    IMAGETOSCENE_OT_find_photos,
    IMAGETOSCENE_OT_save_reconstruction,
)


def folder_from(path: str) -> Path | None:
    """Return the folder that a property names; None: none."""
    return absolute(Path(bpy.path.abspath(path))) if path else None


def is_opened(root: bpy.types.Object) -> bool:
    """Tell whether a root was built from a saved folder that is still there, rather than by a run."""
    return not has_request(root) and saved_folder(root) is not None


def active_root(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the root of the active object's reconstruction, else the last root of the scene."""
    if context.scene is None:
        return None
    return root_of(context.active_object) or next(reversed(find_roots(context.scene)), None)


def saved_folder(root: bpy.types.Object) -> Path | None:
    """Return where a reconstruction is: in this session's scratch folder, else where the artist saved it."""
    return session.folder_of(root) or remembered_folder(root)


def check_window_target(path: Path, root: bpy.types.Object) -> None:
    """Refuse to write a file over what the open .blend uses, an image in the list, or into a saved reconstruction.

    Raises:
        StorageError: The file is one of them.
    """
    for item in (*opened_files(), *_listed_files()):
        refuse_input(path, item)
    folder = saved_folder(root)
    if folder is not None:
        refuse_inside(path, folder)


def check_folder_target(folder: Path, source: Path) -> None:
    """Refuse to replace a folder that holds files in use; a reconstruction may be saved again where it is.

    Raises:
        StorageError: A file of the open .blend or an image of the list, not of the reconstruction itself, lies in it.
    """
    if lies_in(source, folder) or not folder.is_dir():
        return
    used = next((item for item in (*opened_files(), *_listed_files()) if lies_in(item, folder)), None)
    if used is not None:
        raise StorageError(f"{used} is in use and lies in {folder}: save the reconstruction elsewhere.")


def _listed_files() -> list[Path]:
    """List the files of the image lists of all scenes."""
    items = [item for scene in bpy.data.scenes for item in scene.image_to_scene.pictures]  # type: ignore[attr-defined]
    named = [path for item in items for path in (item.path, item.mask_path, item.lens_path) if path]
    return [Path(bpy.path.abspath(path)) for path in named]
