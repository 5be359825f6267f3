"""One textured grid mesh per view."""

import bpy

from ...core.geometry.surfaces import GRID_INDEX, GridSurface, grid_surface
from ...core.types import FloatArray, ReconstructedView
from .attributes import fill, fill_measures, fill_positions
from .collection import Place, add_object

UV = "UVMap"


def build_mesh(name: str, mesh: bpy.types.Mesh, material: bpy.types.Material, place: Place) -> bpy.types.Object:
    """Add the uncut mesh of one view, textured with its photo.

    Args:
        name: Of the view.
        mesh: Of this view, from `new_mesh_of`.
        material: Of its photo, from `photo_materials`.
        place: Where it goes.
    """
    mesh.materials.append(material)
    return add_object(f"{name} mesh", mesh, place)


def new_mesh_of(view: ReconstructedView, rank: FloatArray | None = None) -> bpy.types.Mesh:
    """Make the mesh of a view, without material; `rank` [H, W] is that of its confidence, where it is known."""
    return new_mesh(f"{view.name} mesh", grid_surface(view, rank))


def new_mesh(name: str, surface: GridSurface) -> bpy.types.Mesh:
    """Make a mesh of a surface's vertices, whose faces the tuning's modifier makes (see `fine_mesh`)."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(surface.vertices))
    fill_positions(mesh, surface.vertices)
    mesh.uv_layers.new(name=UV)  # empty, as there are no corners yet: it says which one is to be shown
    mesh.attributes.new(GRID_INDEX, "INT", "POINT")
    fill(mesh, GRID_INDEX, surface.grid_index)
    fill_measures(mesh, surface.measures)
    mesh.update()
    return mesh
