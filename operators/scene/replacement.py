"""Run again: the parts of a reconstruction give way to new ones, and everything else stays as it is.

Whatever a build makes carries its own name as a mark. What an artist renames or duplicates no longer fits its mark, and
is the artist's own from then on: it is never removed.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import bpy

from .transaction import remove

MADE_KEY: Final = "image_to_scene_made"
"""Custom property of everything that a build made: its name."""
PART_KEY: Final = "image_to_scene_part"
"""Custom property of an object: which part of its reconstruction it is, `camera 0` for example."""

Parts = Mapping[str, bpy.types.Object]


def mark_made(made: Iterable[Any]) -> None:
    """Mark data-blocks, which have their names for good, as made by a build."""
    for item in made:
        item[MADE_KEY] = item.name


def mark_part(item: bpy.types.Object, part: str) -> bpy.types.Object:
    """Say of an object which part of its reconstruction it is."""
    item[PART_KEY] = part
    return item


def is_made(item: Any) -> bool:
    """Tell whether a build made a data-block and no artist made it their own."""
    return bool(item.get(MADE_KEY) == item.name)


def parts_of(root: bpy.types.Object) -> dict[str, bpy.types.Object]:
    """Find the parts of a reconstruction below its root."""
    return {item[PART_KEY]: item for item in root.children if item.get(PART_KEY) and is_made(item)}


def replace_parts(earlier: Parts, new: Parts, root: bpy.types.Object) -> None:
    """Put new parts in the place of earlier ones, which are removed with their data where nothing else uses it.

    What looks at an earlier part, hangs below it or renders through it goes over to the new one. Where there is none,
    what hung below it hangs below the root, and does not move.
    """
    belongings = _belongings(earlier.values())
    names = {part: (item.name, item.data.name if item.data else "") for part, item in earlier.items()}
    for part, item in earlier.items():
        if part in new:
            _take_over(item, new[part])
        else:
            _hand_on_children(item, root)
    remove(earlier.values())
    _remove_unused(belongings)
    for part in new.keys() & names.keys():
        new[part].name = names[part][0]
        if (data := new[part].data) is not None:
            data.name = names[part][1]


def _take_over(item: bpy.types.Object, new: bpy.types.Object) -> None:
    """Let everything that refers to an object refer to a new one; collections apart, which would count it twice."""
    for collection in item.users_collection:
        if new.name not in collection.objects:
            collection.objects.link(new)
        collection.objects.unlink(item)
    item.user_remap(new)


def _hand_on_children(item: bpy.types.Object, root: bpy.types.Object) -> None:
    for child in item.children:
        world_from_child = child.matrix_world.copy()
        child.parent = root
        child.matrix_world = world_from_child


def _belongings(objects: Iterable[bpy.types.Object]) -> set[bpy.types.ID]:
    """Gather what objects use, directly or not, as far as a build made it; other objects do not count."""
    users: Mapping[bpy.types.ID, set[bpy.types.ID]] = bpy.data.user_map()
    found: set[bpy.types.ID] = set(objects)
    candidates = {item for item in users if is_made(item) and not isinstance(item, bpy.types.Object)}
    while more := {item for item in candidates - found if users[item] & found}:
        found |= more
    return found - set(objects)


def _remove_unused(belongings: set[bpy.types.ID]) -> None:
    while unused := {item for item in belongings if item.users == 0}:
        belongings = belongings - unused
        remove(unused)
