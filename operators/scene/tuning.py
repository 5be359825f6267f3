"""The tuning: what a finished reconstruction leaves out, how big its points and how coarse its meshes are.

Each setting is a custom property of the reconstruction's collection, which its root remembers. Drivers without Python
take it to the modifiers of all meshes and clouds, so that it is stored in the file and works where the add-on is not
installed; from a script it is `settings = root["tuning"]; settings["depth_jump"] = 0.2; settings.update_tag()`. The
root itself would be the simpler place, but then all modifiers would be computed anew whenever it is moved: a driver
follows all changes of the data-block that it reads from.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, cast

import bpy

from ...core.geometry.surfaces import grid_shape, uv_bounds
from ...core.types import ReconstructedView
from .collection import Place
from .compat import modifier_input_path, set_modifier_input
from .fine_mesh import BOUNDS
from .tuning_nodes import mesh_group, points_group

MODIFIER = "Tuning"
KEY = "tuning"
"""Custom property of a root that points to the holder of its settings."""


@dataclass(frozen=True)
class Tuning:
    """All settings; 0 leaves nothing out, but as a density everything."""

    confidence_percentile: float = 10.0
    """Percentage of all pixels that are left out, the least sure ones."""
    confidence: float = 0.0
    """Left out below it; confidence lies in (1, ∞)."""
    depth_jump: float = 0.08
    """Left out above it: how far depth leaps there, as a ratio less one."""
    max_distance: float = 0.0
    """Left out beyond it: depth in the reconstruction's own units, before the root's scale."""
    remove_sky: bool = True
    remove_masked: bool = True
    point_size: float = 1.0
    """Factor on the size of points."""
    point_density: float = 1.0
    """Share of the points that are shown; those of a smaller share are among those of a larger one."""
    mesh_step: int = 1
    """Of the grid's rows and columns every how manieth is there."""


@dataclass(frozen=True)
class Control:
    """How one setting is shown and what it acts on."""

    label: str
    """In the window, and as an input of the modifiers."""
    needs: str
    """What there must be for it: a measure, `points` or `meshes`."""
    tooltip: str
    limits: dict[str, Any] = field(default_factory=dict)
    """Of the property's UI, as `id_properties_ui` has them."""


CONTROLS = {
    "confidence_percentile": Control(
        "Remove Unsure",
        "confidence",
        "Leave out this percentage of all pixels, those of which the network is least sure",
        {"min": 0.0, "max": 100.0, "precision": 1, "step": 1.0, "subtype": "PERCENTAGE"},
    ),
    "remove_sky": Control("Remove Sky", "sky", "Leave out what the network takes for sky"),
    "remove_masked": Control("Remove Masked", "mask", "Leave out what the pictures' masks leave out"),
    "confidence": Control(
        "Min Confidence",
        "confidence",
        "Leave out everything of which the network is less sure than this; 0 leaves nothing out",
        {"min": 0.0, "precision": 2},
    ),
    "depth_jump": Control(
        "Depth Jump",
        "depth",
        "Cut where neighbouring depths differ by more than this, as part of the nearer one: smaller cuts more edges; "
        "0 cuts nothing",
        {"min": 0.0, "soft_max": 1.0, "precision": 3},
    ),
    "max_distance": Control(
        "Max Distance",
        "depth",
        "Leave out what is farther from its camera than this, in the reconstruction's units before its root's scale; "
        "0 leaves nothing out",
        {"min": 0.0, "precision": 2},
    ),
    "point_size": Control(
        "Point Size", "points", "Factor on the size of points", {"min": 0.0, "soft_max": 5.0, "precision": 2}
    ),
    "point_density": Control(
        "Point Density",
        "points",
        "Share of the points that are shown, chosen at random; raising it only adds points",
        {"min": 0.0, "max": 1.0, "precision": 3, "subtype": "FACTOR"},
    ),
    "mesh_step": Control(
        "Mesh Step",
        "meshes",
        "Build the meshes from every nth row and column of pixels: 1 is the finest",
        {"min": 1, "soft_max": 8, "max": 64},
    ),
}


def what_is_given(views: Sequence[ReconstructedView], *, points: bool, meshes: bool) -> set[str]:
    """Say for which controls there is something to act on, in the words of `Control.needs`."""
    names = [name for name in ("confidence", "sky", "mask") if any(_has(view, name) for view in views)]
    kinds = {"points": points, "meshes": meshes, "depth": points or meshes}
    return {*(names if points or meshes else ()), *(name for name, there in kinds.items() if there)}


def add_controls(place: Place, tuning: Tuning, given: AbstractSet[str], soft_limits: Mapping[str, float]) -> None:
    """Give a reconstruction its settings, with tooltips, limits and, as the values to come back to, those given.

    Args:
        place: Settings that its root has already keep their values; those that nothing heeds any more go.
        tuning: The values to begin with.
        given: From `what_is_given`.
        soft_limits: Where the sliders of settings end, by their names.
    """
    root: Any = place.root
    root[KEY] = item = settings_of(place.root) or cast("Any", place.collection)
    for name, control in CONTROLS.items():
        if control.needs in given:
            first = getattr(tuning, name)
            item[name] = item.get(name, first)
            ends = {"soft_max": soft_limits[name]} if name in soft_limits else {}
            item.id_properties_ui(name).update(**control.limits, **ends, default=first, description=control.tooltip)
        elif name in item:
            del item[name]


def tune_meshes(meshes: Sequence[bpy.types.Object], views: Sequence[ReconstructedView], root: bpy.types.Object) -> None:
    """Put the modifier on the meshes of views, driven by the settings: it makes the faces and cuts them."""
    for item, view in zip(meshes, views, strict=True):
        modifier = _add(item, mesh_group(), root)
        names = ("Rows", "Columns", *(bound.name for bound in BOUNDS))
        for name, value in zip(names, (*grid_shape(view), *uv_bounds(view)), strict=True):
            _set_input(modifier, name, value)


def tune_clouds(clouds: Sequence[bpy.types.Object], material: bpy.types.Material, root: bpy.types.Object) -> None:
    """Put the modifier on point clouds, driven by the settings."""
    for item in clouds:
        _set_input(_add(item, points_group(), root), "Material", material)


def settings_of(root: bpy.types.Object) -> Any:
    """Return what holds the settings of a root as its custom properties, a collection; None where there are none."""
    return cast("Any", root).get(KEY)


def controls_of(root: bpy.types.Object) -> dict[str, Control]:
    """Return the controls that a root has, in the order in which to show them; none on what is no root of ours."""
    item = settings_of(root) or ()
    return {name: control for name, control in CONTROLS.items() if name in item}


def get_tuning(root: bpy.types.Object) -> Tuning:
    """Read the settings of a root; those that it does not have are the usual ones."""
    return replace(Tuning(), **{name: _as_field(name, settings_of(root)[name]) for name in controls_of(root)})


def set_tuning(root: bpy.types.Object, tuning: Tuning) -> None:
    """Change the settings that a root has."""
    for name in controls_of(root):
        settings_of(root)[name] = getattr(tuning, name)
        settings_of(root).update_tag()


def first_tuning(root: bpy.types.Object) -> Tuning:
    """Return what a root was built with."""
    item = settings_of(root)
    defaults = {name: item.id_properties_ui(name).as_dict()["default"] for name in controls_of(root)}
    return replace(Tuning(), **{name: _as_field(name, value) for name, value in defaults.items()})


def _has(view: Any, name: str) -> bool:
    return getattr(view, name) is not None


def _as_field(name: str, value: Any) -> Any:
    """Turn a property's value into the type of the field, whatever a script has put there."""
    return type(getattr(Tuning(), name))(value)


def _identifiers(group: Any) -> dict[str, str]:
    return {item.name: item.identifier for item in group.interface.items_tree}


def _set_input(modifier: Any, name: str, value: Any) -> None:
    set_modifier_input(modifier, _identifiers(modifier.node_group)[name], value)


def _add(item: bpy.types.Object, group: Any, root: bpy.types.Object) -> Any:
    """Put the group on an object, with a driver for every setting that there is and that the group heeds."""
    modifier: Any = item.modifiers.new(MODIFIER, "NODES")
    modifier.node_group = group
    sockets = _identifiers(group)
    for name, control in controls_of(root).items():
        if control.label in sockets:
            _drive(item, modifier_input_path(modifier, sockets[control.label]), root, name)
    return modifier


def _drive(item: bpy.types.Object, path: str, root: bpy.types.Object, name: str) -> None:
    """Let an input follow a setting: the mean of one variable, which takes no Python to compute."""
    driver: Any = cast("bpy.types.FCurve", item.driver_add(path)).driver
    driver.type = "AVERAGE"
    variable = driver.variables.new()
    variable.type = "SINGLE_PROP"
    (target,) = variable.targets
    target.id_type, target.id = "COLLECTION", settings_of(root)
    target.data_path = f'["{name}"]'
