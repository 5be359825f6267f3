"""Everything of a .blend and of a folder that an artist would miss, as plain text to compare before and after."""

import hashlib
import os
import warnings

import bpy
import numpy as np

WINDOWS = {"all_ids", "window_managers", "workspaces", "screens", "brushes", "palettes"}
"""Collections of `bpy.data` that belong to the window rather than to the artist's work, or hold the others again."""
FLEETING = {
    *("rna_type", "session_uid", "original", "is_evaluated", "is_runtime_data", "preview", "depsgraph", "tag"),
    *("has_data", "storage_type", "bindcode", "pixels", "runtime", "is_updated", "is_updated_data", "override_library"),
}
"""Properties that Blender changes by itself, or that are told otherwise."""
FLEETING_OF = {("ImageUser", "frame_current")}
"""The same by their struct: here what is shown, which follows the scene's frame at the next draw."""


def of_file():
    """Tell all data-blocks with their properties, what is selected and active, and where time stands.

    Returns:
        Text by the property's place, such as `objects['Cube'].location`.
    """
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            layer.update()
    found = {}
    for kind in bpy.types.BlendData.bl_rna.properties:
        if kind.type == "COLLECTION" and kind.identifier not in WINDOWS:
            for item in getattr(bpy.data, kind.identifier):
                place = f"{kind.identifier}[{item.name!r}]"
                _tell(place, item, found, set())
                _tell_block(place, item, found)
    if bpy.context.window is not None:
        found["window.scene"] = bpy.context.window.scene.name
        found["window.view_layer"] = bpy.context.window.view_layer.name
    return found


def of_folder(folder):
    """Tell every file below a folder: kind, size, time of change and content."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(place, name)
            state = os.lstat(path)
            found[path] = (state.st_mode, state.st_size, state.st_mtime_ns, _content(path))
    return found


def _content(path):
    if os.path.islink(path):
        return os.readlink(path)
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _tell(place, struct, found, told):
    """Tell a struct's properties, and all structs below it once: nodes and layers know one another in circles."""
    told.add(_identity(struct))
    for prop in struct.bl_rna.properties:
        if (
            _is_geometry(struct, prop)
            or prop.identifier in FLEETING
            or (struct.bl_rna.identifier, prop.identifier) in FLEETING_OF
        ):
            continue
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # every property, old ones too
            value, where = getattr(struct, prop.identifier), f"{place}.{prop.identifier}"
        if prop.type == "POINTER":
            _tell_one(where, value, found, told)
        elif prop.type == "COLLECTION":
            for index, item in enumerate(value):
                _tell_one(f"{where}[{getattr(item, 'name', index)!r}]", item, found, told)
        elif getattr(prop, "is_array", False):
            found[where] = repr(np.array(value).tolist())
        else:
            found[where] = repr(value)


def _is_geometry(struct, prop):
    """Whether a property has an element for every vertex, corner or point: their attributes are told as arrays."""
    is_block = isinstance(struct, bpy.types.Mesh | bpy.types.PointCloud)
    return (
        is_block and prop.type in {"COLLECTION", "POINTER"} and prop.identifier not in {"materials", "animation_data"}
    )


def _tell_one(where, value, found, told):
    if value is None or isinstance(value, bpy.types.ID) or _identity(value) in told:
        found[where] = getattr(value, "name", str(type(value)))
    else:
        _tell(where, value, found, told)


def _identity(struct):
    return type(struct), struct.as_pointer()


def _tell_block(place, item, found):
    """Tell what is no property: custom ones, selection, and pixels that are in no file."""
    for key in set(item.keys()) - {"image_to_scene"}:  # told as properties, which some Blenders keep there
        value = item[key]
        found[f"{place}[{key!r}]"] = repr(value.to_dict() if hasattr(value, "to_dict") else value)
    if isinstance(item, bpy.types.Scene):
        for layer in item.view_layers:
            for thing in layer.objects:
                state = thing.select_get(view_layer=layer), thing.hide_get(view_layer=layer)
                found[f"{place}.{layer.name}.{thing.name}"] = repr(state)
    if isinstance(item, bpy.types.Mesh | bpy.types.PointCloud):
        for attribute in item.attributes:
            found[f"{place}.{attribute.name}"] = _values(attribute)
    if isinstance(item, bpy.types.Image) and (item.packed_file or item.source == "GENERATED"):
        pixels = np.empty(len(item.pixels), np.float32)
        item.pixels.foreach_get(pixels)
        found[f"{place}.pixels"] = hashlib.sha256(pixels.tobytes()).hexdigest()


def _values(attribute):
    """Return a mark of an attribute's values."""
    if not len(attribute.data):
        return "empty"
    name = next(name for name in ("value", "vector", "color") if hasattr(attribute.data[0], name))
    one = getattr(attribute.data[0], name)
    values = np.empty(len(attribute.data) * np.size(one), np.float64 if np.size(one) == 1 else np.float32)
    attribute.data.foreach_get(name, values)
    return hashlib.sha256(values.tobytes()).hexdigest()
