"""The picture list: one row an entry, and below it what the selected entry has to be set."""

from typing import Any, Final

import bpy

from ..operators import inputs
from . import thumbnails

KIND_ICONS: Final = {"IMAGE": "IMAGE_DATA", "CAMERA": "OUTLINER_OB_CAMERA"}


class IMAGETOSCENE_UL_pictures(bpy.types.UIList):
    """The list of pictures."""

    def draw_item(  # type: ignore[override]
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: Any,
        _icon: int,
        _active_data: Any,
        _active_property: str,
        *_unused: int,
    ) -> None:
        """Draw one entry: its picture, its name, and how many views it gives where that is not one."""
        row: Any = layout.row(align=True)
        _draw_name(row, item)
        if item.kind in {"MOVIE", "SEQUENCE"} or item.is_animated:
            count = row.row()
            count.alignment = "RIGHT"
            count.label(text=_plural(inputs.count(item), "frame"), translate=False)


class IMAGETOSCENE_MT_add(bpy.types.Menu):
    """What else can be added"""

    bl_label = "Add"

    def draw(self, _context: bpy.types.Context) -> None:
        """Offer every kind of entry."""
        layout: Any = self.layout
        layout.operator("image_to_scene.add_pictures", text="Pictures or Movies…", icon="FILE_IMAGE")
        layout.operator("image_to_scene.add_folder", text="Folder…", icon="FILE_FOLDER")
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("image_to_scene.add_image", text="Image of This File…", icon="IMAGE_DATA")
        layout.operator("image_to_scene.add_cameras", text="Selected Cameras", icon="OUTLINER_OB_CAMERA")


CLASSES: Final = (IMAGETOSCENE_UL_pictures, IMAGETOSCENE_MT_add)


def draw_pictures(layout: Any, settings: Any) -> None:
    """Draw the list with its buttons, the selected entry's settings, and the number of views."""
    row = layout.row()
    row.template_list(
        "IMAGETOSCENE_UL_pictures", "", settings, "pictures", settings, "active_picture", rows=5, maxrows=8
    )
    _draw_buttons(row.column(align=True))
    if not settings.pictures:
        layout.label(text="Add photos with +, or drop them here", icon="INFO")
        return
    if 0 <= settings.active_picture < len(settings.pictures):
        _draw_details(layout.box().column(), settings.pictures[settings.active_picture])
    total = sum(inputs.count(item) for item in settings.pictures)
    layout.label(text=_plural(total, "view"), icon="RENDERLAYERS", translate=False)


def draw_image_menu(self: Any, _context: bpy.types.Context) -> None:
    """Offer the shown image in the image editor's Image menu."""
    self.layout.separator()
    self.layout.operator("image_to_scene.add_image", text="Add to Image to Scene", icon="IMAGE_DATA")


def register() -> None:
    """Make thumbnails and the image editor's entry known."""
    thumbnails.register()
    bpy.types.IMAGE_MT_image.append(draw_image_menu)  # type: ignore[attr-defined]


def unregister() -> None:
    """Take them back."""
    bpy.types.IMAGE_MT_image.remove(draw_image_menu)  # type: ignore[attr-defined]
    thumbnails.unregister()


def _draw_buttons(column: Any) -> None:
    column.operator("image_to_scene.add_pictures", text="", icon="ADD")
    column.operator("image_to_scene.remove_picture", text="", icon="REMOVE")
    column.menu("IMAGETOSCENE_MT_add", text="", icon="DOWNARROW_HLT")
    column.separator()
    column.operator("image_to_scene.move_picture", text="", icon="TRIA_UP").direction = "UP"
    column.operator("image_to_scene.move_picture", text="", icon="TRIA_DOWN").direction = "DOWN"
    column.separator()
    column.operator("image_to_scene.clear_pictures", text="", icon="TRASH")


def _draw_name(row: Any, item: Any) -> None:
    if item.kind == "IMAGE" and item.image is not None:
        row.label(text=item.image.name, icon_value=row.icon(item.image), translate=False)
    elif item.kind == "CAMERA" and item.camera is not None:
        row.label(text=item.camera.name, icon=KIND_ICONS["CAMERA"], translate=False)
    elif item.kind in KIND_ICONS:
        row.label(text=f"{item.name} is gone", icon="ERROR", translate=False)
    else:
        row.label(text=item.name, icon_value=thumbnails.icon_of(item), translate=False)


def _draw_details(column: Any, item: Any) -> None:
    column.use_property_split = True
    column.use_property_decorate = False
    if item.kind == "IMAGE":
        column.prop(item, "image")
    elif item.kind == "CAMERA":
        _draw_camera(column, item)
    else:
        file = column.row()
        file.enabled = False  # another file is another entry
        file.prop(item, "path")
    if item.kind in {"MOVIE", "SEQUENCE"} or item.is_animated:
        _draw_frames(column, item)
    _draw_mask(column, item)
    if item.kind != "CAMERA":
        _draw_lens(column, item)


def _draw_camera(column: Any, item: Any) -> None:
    column.prop(item, "camera")
    column.prop(item, "picture_source")
    column.prop(item, "is_animated")


def _draw_frames(column: Any, item: Any) -> None:
    column.prop(item, "pick")
    if item.pick == "COUNT":
        column.prop(item, "count")
    else:
        column.prop(item, "seconds" if item.kind == "MOVIE" else "frame_step")
    span = column.column(align=True)
    span.prop(item, "frame_start")
    span.prop(item, "frame_end")


def _draw_mask(column: Any, item: Any) -> None:
    column.prop(item, "mask_kind")
    if item.mask_kind == "FILE":
        column.prop(item, "mask_path")
    elif item.mask_kind == "MASK":
        column.prop(item, "mask")
    if item.mask_kind != "NONE":
        column.prop(item, "mask_inverted")


def _draw_lens(column: Any, item: Any) -> None:
    column.prop(item, "lens_kind")
    for name in {"CAMERA": ["lens_camera"], "FSPY": ["lens_path"], "FOCAL": ["lens_focal", "lens_sensor"]}.get(
        item.lens_kind, []
    ):
        column.prop(item, name)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
