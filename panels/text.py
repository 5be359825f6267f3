"""Sentences in panels: a label is one line, which Blender cuts off where the region ends."""

import textwrap
from typing import Any, Final

import bpy

LETTER: Final = 6.2
"""About how wide a letter of the interface's font is, in pixels at a scale of 1."""
MARGIN: Final = 60.0
SHORTEST_LINE: Final = 24


def draw_sentence(layout: Any, context: bpy.types.Context, text: str, icon: str = "NONE") -> None:
    """Draw a sentence on as many lines as it needs, the icon before the first."""
    scale = context.preferences.system.ui_scale if context.preferences else 1.0
    width = context.region.width / scale if context.region else 300.0
    column = layout.column(align=True)
    for line in textwrap.wrap(text, max(SHORTEST_LINE, int((width - MARGIN) / LETTER))):
        column.label(text=line, icon=icon, translate=False)
        icon = "BLANK1" if icon != "NONE" else icon
