"""Builders: a `Reconstruction` becomes Blender data, and a .glb. `bpy.data` only; no operators of ours, no window.

`build` the order of things; `collection` root, frame and memory; `pictures` photos as images; `cameras`, `point_cloud`,
`mesh` what is built; `clips` and `animation` what moves; `replacement` new parts for old; `materials` how it looks;
`tuning` what of it is shown, with its `tuning_nodes`, `coarse_mesh` and `nodes`; `gltf` the export, with `gltf_points`
and `glb`; `placement` scale, up and place, by a `survey` of what stands there; `attributes` bulk data; `transaction`
everything or nothing; `compat` where Blender 4.2 to 5.2 differ.
"""

from .build import BuildOptions, BuildSteps, BuiltScene, Plan, build, build_steps, run_through
from .cameras import match_render
from .collection import description, find_roots, root_of
from .gltf import export_glb
from .pictures import make_paths_relative
from .transaction import Shelf
from .tuning import Tuning, get_tuning, set_tuning

__all__ = [
    "BuildOptions",
    "BuildSteps",
    "BuiltScene",
    "Plan",
    "Shelf",
    "Tuning",
    "build",
    "build_steps",
    "description",
    "export_glb",
    "find_roots",
    "get_tuning",
    "make_paths_relative",
    "match_render",
    "root_of",
    "run_through",
    "set_tuning",
]
