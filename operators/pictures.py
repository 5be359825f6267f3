"""The list of pictures: add, remove, order."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, StringProperty

from ..core.errors import ImageToSceneError
from ..core.imaging.kinds import RAW_SUFFIXES
from ..core.names import readable
from .context import Outcome, manager_of, scene_of, settings_of
from .inputs import Item, cameras, files

NUMBERED: Final = (
    (
        "AUTO",
        "Automatic",
        f"More than {files.MANY} pictures numbered with hardly a gap are one sequence; fewer are separate pictures",
    ),
    ("PICTURES", "Separate Pictures", "Every file is a picture of its own"),
    ("SEQUENCE", "Image Sequence", "Numbered pictures are one sequence; a single one stands for all of its folder"),
)
GLOB_LENGTH: Final = 255
"""Letters that the file browser has for patterns."""
NAMED: Final = 5
"""Refused files that a report names one by one."""


def _glob() -> str:
    """List patterns of what the file browser is to show beside Blender's own images and movies, as far as they fit."""
    blender: Any = bpy.path
    unknown = files.SUFFIXES - blender.extensions_image - blender.extensions_movie
    patterns = [f"*{suffix}" for suffix in sorted(unknown, key=lambda suffix: (suffix in RAW_SUFFIXES, suffix))]
    while len(";".join(patterns)) > GLOB_LENGTH:
        patterns.pop()
    return ";".join(patterns)


class AddsFiles:
    """What all operators share that take files: how to tell pictures and sequences apart."""

    numbered: EnumProperty(  # type: ignore[valid-type]
        name="Numbered Files",
        description="What several pictures of one name with different numbers are: shot.0001.png, shot.0002.png and "
        f"so on. Automatic: more than {files.MANY} of them with hardly a gap are one sequence",
        items=NUMBERED,
    )

    def add(self, context: bpy.types.Context, paths: Iterable[Path]) -> Outcome:
        """Append what files and folders hold, without what the list has already; name what is neither."""
        try:
            found = files.find(paths, self.numbered)
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        if found.refused:
            self.report({"WARNING"}, _refusal(found.refused))  # type: ignore[attr-defined]
        for warning in found.warnings:
            self.report({"WARNING"}, warning)  # type: ignore[attr-defined]
        append(settings_of(context), found.items)
        return {"FINISHED"} if found.items else {"CANCELLED"}


class ChoosesFiles(AddsFiles):
    """What the file browser and a drop fill in."""

    filter_glob: StringProperty(default=_glob(), options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    filter_movie: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    files: CollectionProperty(  # type: ignore[valid-type]
        type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Append what was chosen, in natural order of its names."""
        named = [item.name for item in self.files if item.name]
        if self.directory and named:
            return self.add(context, sorted((Path(self.directory) / name for name in named), key=files.natural))
        return self.add(context, [Path(chosen) for chosen in (self.filepath, self.directory) if chosen][:1])


class IMAGETOSCENE_OT_add_pictures(ChoosesFiles, bpy.types.Operator):
    """Choose photos of one place, or movies; several can be selected at once, and with none the folder is taken"""

    bl_idname = "image_to_scene.add_pictures"
    bl_label = "Add Pictures"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for them."""
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}


class IMAGETOSCENE_OT_drop_pictures(ChoosesFiles, bpy.types.Operator):
    """Add the dropped pictures and movies to the list of Image to Scene"""

    bl_idname = "image_to_scene.drop_pictures"
    bl_label = "Add to Image to Scene"  # stands in a menu beside what Blender itself does with a dropped picture
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}


class IMAGETOSCENE_OT_add_folder(AddsFiles, bpy.types.Operator):
    """Choose a folder: all pictures and movies in it are added, not those of folders in it"""

    bl_idname = "image_to_scene.add_folder"
    bl_label = "Add Folder"
    bl_options = {"REGISTER", "UNDO"}

    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Ask for it."""
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Append what is in it, in natural order of the names."""
        folder = Path(self.directory)
        if not self.directory or not folder.is_dir():
            self.report({"ERROR"}, f'The folder "{self.directory}" does not exist: choose another.')
            return {"CANCELLED"}
        return self.add(context, [folder])


class IMAGETOSCENE_OT_add_image(bpy.types.Operator):
    """Add an image of this file, saved or not, such as a painted, packed or generated one"""

    bl_idname = "image_to_scene.add_image"
    bl_label = "Add Image"
    bl_options = {"REGISTER", "UNDO"}

    image: StringProperty(name="Image", description="An image of this file")  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one."""
        cls.poll_message_set("This file has no images")
        return context.scene is not None and len(bpy.data.images) > 0

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Outcome:
        """Take the image editor's, or ask for one."""
        if _shown(context) is not None:
            return self.execute(context)
        return manager_of(context).invoke_props_dialog(self)  # type: ignore[return-value]

    def draw(self, _context: bpy.types.Context) -> None:
        """Offer the file's images."""
        layout: Any = self.layout
        layout.prop_search(self, "image", bpy.data, "images")

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Append it; of a movie or sequence, the files."""
        image = bpy.data.images.get(self.image) if self.image else _shown(context)
        if image is None:
            self.report({"ERROR"}, f"This file has no image {self.image!r}: choose one of the list.")
            return {"CANCELLED"}
        try:
            append(settings_of(context), _items_of(image))
        except ImageToSceneError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class IMAGETOSCENE_OT_add_cameras(bpy.types.Operator):
    """Add the selected cameras, each with its own picture; they stay as they are, and the geometry fits them"""

    bl_idname = "image_to_scene.add_cameras"
    bl_label = "Add Cameras"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There are some."""
        cls.poll_message_set("No camera is selected")
        return context.scene is not None and any(item.type == "CAMERA" for item in context.selected_objects)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Append them in natural order of their names; of one that moves, frames of the scene's range."""
        chosen = [item for item in context.selected_objects if item.type == "CAMERA"]
        append(settings_of(context), cameras.items_of(chosen, scene_of(context)))
        return {"FINISHED"}


class IMAGETOSCENE_OT_remove_picture(bpy.types.Operator):
    """Take the selected picture off the list; its file stays"""

    bl_idname = "image_to_scene.remove_picture"
    bl_label = "Remove Picture"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one."""
        return has_pictures(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Remove it and select its neighbour."""
        settings = settings_of(context)
        settings.pictures.remove(settings.active_picture)
        settings.active_picture = max(0, min(settings.active_picture, len(settings.pictures) - 1))
        return {"FINISHED"}


class IMAGETOSCENE_OT_clear_pictures(bpy.types.Operator):
    """Take all pictures off the list; their files stay"""

    bl_idname = "image_to_scene.clear_pictures"
    bl_label = "Clear Pictures"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There are some."""
        return has_pictures(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Empty the list."""
        settings_of(context).pictures.clear()
        return {"FINISHED"}


class IMAGETOSCENE_OT_move_picture(bpy.types.Operator):
    """Move the selected picture; the first one's camera stands at the origin"""

    bl_idname = "image_to_scene.move_picture"
    bl_label = "Move Picture"
    bl_options = {"REGISTER", "UNDO"}

    direction: EnumProperty(  # type: ignore[valid-type]
        name="Direction", items=(("UP", "Up", "Towards the first"), ("DOWN", "Down", "Towards the last"))
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is something to move."""
        return has_pictures(context)

    def execute(self, context: bpy.types.Context) -> Outcome:
        """Exchange it with its neighbour, if it has one on that side."""
        settings = settings_of(context)
        target = settings.active_picture + (-1 if self.direction == "UP" else 1)
        if 0 <= target < len(settings.pictures):
            settings.pictures.move(settings.active_picture, target)
            settings.active_picture = target
        return {"FINISHED"}


class IMAGETOSCENE_FH_pictures(bpy.types.FileHandler):
    """Takes pictures and movies dropped into a 3D viewport or its sidebar; Blender hands over no folders"""

    bl_idname = "IMAGETOSCENE_FH_pictures"
    bl_label = "Image to Scene"
    bl_import_operator = "image_to_scene.drop_pictures"
    bl_file_extensions = ";".join(sorted(files.SUFFIXES))

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """They are dropped where the add-on is."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES: Final = (
    IMAGETOSCENE_OT_add_pictures,
    IMAGETOSCENE_OT_drop_pictures,
    IMAGETOSCENE_OT_add_folder,
    IMAGETOSCENE_OT_add_image,
    IMAGETOSCENE_OT_add_cameras,
    IMAGETOSCENE_OT_remove_picture,
    IMAGETOSCENE_OT_clear_pictures,
    IMAGETOSCENE_OT_move_picture,
    IMAGETOSCENE_FH_pictures,
)


def has_pictures(context: bpy.types.Context) -> bool:
    """Tell whether the scene's list has pictures."""
    return context.scene is not None and len(settings_of(context).pictures) > 0


def append(settings: Any, items: Iterable[Item]) -> None:
    """Append entries that the list does not have yet, and select the last of them."""
    known = {_identity(entry) for entry in settings.pictures}
    for item in items:
        if _identity(item) not in known:
            known.add(_identity(item))
            entry = settings.pictures.add()
            for field in fields(Item):
                setattr(entry, field.name, getattr(item, field.name))
            settings.active_picture = len(settings.pictures) - 1


def _shown(context: bpy.types.Context) -> bpy.types.Image | None:
    """Return the image that the image editor shows; None elsewhere."""
    return getattr(context.space_data, "image", None)


def _identity(item: Any) -> tuple[object, ...]:
    """Return what makes two entries the same one."""
    return item.kind, bpy.path.abspath(item.path), item.image, item.camera


def _items_of(image: bpy.types.Image) -> tuple[Item, ...]:
    """Make the entry of an image: of its movie or sequence where it is one."""
    if image.source in {"MOVIE", "SEQUENCE"}:
        path = Path(bpy.path.abspath(image.filepath, library=image.library))
        return files.find([path], "SEQUENCE").items
    return (Item(image.name, "IMAGE", image=image),)


def _refusal(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    what = "a picture or movie that can be read" if len(names) == 1 else "pictures or movies that can be read"
    verb, it = ("is not", "it") if len(names) == 1 else ("are not", "them")
    refused = readable(", ".join(names[:NAMED]))
    return f"{refused}{more} {verb} {what}, and left out: replace {it}, or save {it} in another format."
