"""Builders: a `Reconstruction` becomes Blender data, and a .glb. `bpy.data` only; no operators of ours, no window.

`build` the order of things; `collection` root, frame and memory; `pictures` photos as images; `cameras`, `point_cloud`,
`mesh` what is built; `materials` how it looks; `cut` what is left out; `gltf` and `glb` the export; `attributes` bulk
data; `transaction` everything or nothing; `compat` where Blender 4.2 to 5.2 differ.
"""

from .build import BuildOptions, BuildSteps, BuiltScene, build, build_steps, initial_cut, run_through
from .cameras import match_render
from .collection import description, find_roots, root_of
from .cut import Cut, get_cut, set_cut
from .gltf import export_glb
from .pictures import make_paths_relative
from .transaction import Shelf

__all__ = [
    "BuildOptions",
    "BuildSteps",
    "BuiltScene",
    "Cut",
    "Shelf",
    "build",
    "build_steps",
    "description",
    "export_glb",
    "find_roots",
    "get_cut",
    "initial_cut",
    "make_paths_relative",
    "match_render",
    "root_of",
    "run_through",
    "set_cut",
]
