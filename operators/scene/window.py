"""The artist's window around Blender's exporter, which shows the scene that it exports."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import bpy

from .compat import curves_of
from .transaction import data_blocks


@contextmanager
def window_kept() -> Iterator[None]:
    """Give the window its scene and view layer back, and data what is moved but not keyed, which the way back loses."""
    window: Any = bpy.context.window
    if window is None:  # a script's timer: then the exporter says that it needs one
        yield
        return
    scene, layer = window.scene, window.view_layer
    unkeyed = list(_animated_values())
    try:
        yield
    finally:
        window.scene, window.view_layer = scene, layer
        for item, path, value in unkeyed:
            if _value(item, path) != value:
                _set_value(item, path, value)


def _animated_values() -> Iterator[tuple[Any, str, Any]]:
    """Go through what animation sets: data-block, path, value."""
    for item in data_blocks().values():
        for owner in (item, getattr(item, "node_tree", None)):
            for path in {curve.data_path for curve in _curves(getattr(owner, "animation_data", None))}:
                with suppress(ValueError):  # a curve of something that is gone
                    yield owner, path, _value(owner, path)


def _curves(animation: Any) -> Iterator[Any]:
    """Go through the curves of a data-block's actions, its own and those of its tracks."""
    strips = [strip for track in animation.nla_tracks for strip in track.strips] if animation else []
    for action in {item.action for item in (animation, *strips) if item and item.action}:
        yield from curves_of(action)


def _value(item: Any, path: str) -> Any:
    value = item.path_resolve(path)
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _set_value(item: Any, path: str, value: Any) -> None:
    if isinstance(value, tuple):
        item.path_resolve(path)[:] = value
    elif path.endswith('"]'):
        owner, _, name = path[:-2].rpartition('["')
        (item.path_resolve(owner) if owner else item)[name] = value
    else:
        owner, _, name = path.rpartition(".")
        setattr(item.path_resolve(owner) if owner else item, name, value)
