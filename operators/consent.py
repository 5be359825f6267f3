"""Whether the artist agreed to licences that forbid commercial use: asked once, kept in the add-on's preferences."""

from typing import Final

import bpy

from .runtime import preferences_of


class Consent:
    """One answer for all files; where the package is used without being enabled, it lasts as long as Blender."""

    def __init__(self) -> None:
        self._is_given = False

    @property
    def is_given(self) -> bool:
        """Whether the artist agreed."""
        preferences = preferences_of(bpy.context)
        return self._is_given if preferences is None else bool(preferences.accepts_non_commercial)

    def give(self, *, is_given: bool = True) -> None:
        """Keep the answer."""
        preferences = preferences_of(bpy.context)
        if preferences is None:
            self._is_given = is_given
            return
        preferences.accepts_non_commercial = is_given
        bpy.context.preferences.is_dirty = True  # type: ignore[union-attr]  # saved when Blender ends


consent: Final = Consent()
