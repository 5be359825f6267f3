"""Small pictures for the list: Blender's own previews, made in the background and kept while the add-on is enabled."""

from typing import Any

import bpy
import bpy.utils.previews

_collection: Any = None


def icon_of(item: Any) -> int:
    """Return the icon of an entry's picture or movie; of a missing file, an empty one. Does not wait for it."""
    path = bpy.path.abspath(item.path)
    if path not in _collection:
        _collection.load(path, path, "MOVIE" if item.kind == "MOVIE" else "IMAGE")
    return _collection[path].icon_id  # type: ignore[no-any-return]


def register() -> None:
    """Make room for them."""
    global _collection  # noqa: PLW0603 - Blender's previews live from registration to unregistration
    _collection = bpy.utils.previews.new()


def unregister() -> None:
    """Free them."""
    global _collection  # noqa: PLW0603
    bpy.utils.previews.remove(_collection)
    _collection = None
