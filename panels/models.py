"""The choice of a model, what it needs, and the list of all of them."""

from typing import Any, Final

import bpy

from ..operators import models
from ..operators.context import settings_of
from ..operators.download import Errand, errands, subject_title
from ..operators.needs import needs_of
from ..operators.settings import model_name
from .text import draw_sentence


class IMAGETOSCENE_PT_models(bpy.types.Panel):
    """All models: what they give, how large they are, under which licence, and what of them is on this machine"""

    bl_label = "Models"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_options = {"INSTANCED"}
    bl_ui_units_x = 22

    def draw(self, context: bpy.types.Context) -> None:
        """Show one box a model."""
        layout: Any = self.layout
        row = layout.row()
        row.label(text="Models")
        row.operator("image_to_scene.check_device", text="", icon="VIEWZOOM")
        row.operator("image_to_scene.refresh_models", text="", icon="FILE_REFRESH")
        draw_errands(layout, context)
        for name in models.NUMBERS:
            _draw_entry(layout.box().column(align=True), settings_of(context), name)


CLASSES: Final = (IMAGETOSCENE_PT_models,)


def draw_choice(layout: Any, context: bpy.types.Context) -> None:
    """Draw the drop-down, what there is to know of what was chosen, and the resolution."""
    settings = settings_of(context)
    split = layout.split(factor=0.22)
    split.label(text="Model")
    row = split.row(align=True)
    row.prop(settings, "model", text="")
    row.popover("IMAGETOSCENE_PT_models", text="", icon="DOWNARROW_HLT")
    if settings.model == models.FOLDER:
        layout.prop(settings, "model_folder")
    if name := model_name(settings):
        _draw_licence(layout.column(align=True), context, name)
        _draw_state(layout, context, name)
    draw_errands(layout, context)
    column = layout.column(align=True)
    column.prop(settings, "resolution")
    if not settings.resolution:
        own = models.own_resolution(name)
        text = f"0: the model's own, {own} px" if own else "0: the model's own"
        column.label(text=text, icon="BLANK1", translate=False)


def draw_errands(layout: Any, context: bpy.types.Context) -> None:
    """Show what is on its way for whichever model, and what went wrong last."""
    if errands.errand is not None:
        _draw_errand(layout, errands.errand)
    subject, sentence = errands.failure
    if sentence:
        draw_sentence(layout, context, f"{subject_title(subject)}: {sentence}", "ERROR")


def _draw_licence(layout: Any, context: bpy.types.Context, name: str) -> None:
    text = f"{models.licence(name)}: {models.purpose(name).lower()}"
    is_known = models.config_of(name) is not None
    draw_sentence(layout, context, text if is_known else "Its config.json is not known", "INFO")
    if models.is_non_commercial(name) and models.catalogue.has(name):
        row = layout.row()
        row.use_property_split = False  # or it has half the width, and is cut off
        row.prop(settings_of(context), "accepts_non_commercial")


def _draw_state(layout: Any, context: bpy.types.Context, name: str) -> None:
    """Offer what is missing; where nothing is, say what a run needs."""
    if models.catalogue.has(name):
        _draw_needs(layout, context, name)
    elif errands.errand is None or errands.errand.subject != name:
        _draw_download(layout, name)


def _draw_needs(layout: Any, context: bpy.types.Context, name: str) -> None:
    needs = needs_of(name, settings_of(context))
    if needs is None:
        return
    row = layout.row()
    if needs.is_too_much:
        draw_sentence(row, context, needs.text, "ERROR")
    else:
        row.label(text=needs.text, icon="BLANK1", translate=False)
    if not needs.total:
        row.operator("image_to_scene.check_device", text="", icon="VIEWZOOM")


def _draw_download(layout: Any, name: str) -> None:
    dots = "…" if models.is_non_commercial(name) else ""
    text = f"Download ({models.size_text(name)}){dots}"
    layout.operator("image_to_scene.download_model", text=text, icon="IMPORT", translate=False).model = name


def _draw_errand(layout: Any, errand: Errand) -> None:
    step = errand.progress
    row = layout.row(align=True)
    row.progress(factor=step.done / max(1, step.total), text=f"{subject_title(errand.subject)}: {errand.status}")
    row.operator("image_to_scene.cancel_download", text="", icon="X")


def _draw_entry(layout: Any, settings: Any, name: str) -> None:
    is_here, size = models.catalogue.has(name), models.size_text(name)
    row = layout.row()
    row.label(text=models.title(name), icon="CHECKMARK" if is_here else "BLANK1", translate=False)
    if not is_here:
        _draw_download(row, name)
    elif size:
        text = f"Remove ({size})…"
        row.operator("image_to_scene.remove_model", text=text, icon="TRASH", translate=False).model = name
    layout.label(text=models.gives(name), icon="BLANK1", translate=False)
    if needs := needs_of(name, settings):
        icon = "ERROR" if needs.is_too_much else "BLANK1"
        layout.label(text=f"{needs.text}. Licence: {models.licence(name)}", icon=icon, translate=False)
