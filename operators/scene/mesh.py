"""One textured grid mesh per view."""

import bpy
import numpy as np

from ...core.geometry.surfaces import GRID_INDEX, GridSurface, grid_surface
from ...core.types import FloatArray, ReconstructedView
from .attributes import fill, fill_measures, fill_positions
from .collection import Place, add_object
from .materials import photo_material
from .pictures import Picture

UV = "UVMap"


def build_mesh(picture: Picture, mesh: bpy.types.Mesh, place: Place) -> bpy.types.Object:
    """Add the uncut mesh of one view, textured with its photo.

    Args:
        picture: A view in the axes of the root.
        mesh: Of this view, from `GridMeshes`.
        place: Where it goes.
    """
    name = picture.view.name
    mesh.materials.append(photo_material(name, picture.image))
    return add_object(f"{name} mesh", mesh, place)


class GridMeshes:
    """Makes meshes of surfaces; equal grids share their topology.

    Views of one size have the same faces and texture coordinates. Blender shares the arrays of copies until one of
    them is written, so the second mesh costs little more than its positions.
    """

    def __init__(self) -> None:
        self._last: tuple[GridSurface, int] | None = None

    def new_of(self, view: ReconstructedView, rank: FloatArray | None = None) -> bpy.types.Mesh:
        """Make the mesh of a view, without material; `rank` [H, W] is that of its confidence, where it is known."""
        return self.new(f"{view.name} mesh", grid_surface(view, rank))

    def new(self, name: str, surface: GridSurface) -> bpy.types.Mesh:
        """Make the mesh of a surface, without material."""
        like = self._like(surface)
        mesh = _new_topology(surface) if like is None else like.copy()
        self._last = (surface, mesh.session_uid)
        mesh.name = name
        fill_positions(mesh, surface.vertices)
        fill_measures(mesh, surface.measures)
        mesh.update()
        return mesh

    def _like(self, surface: GridSurface) -> bpy.types.Mesh | None:
        """Return the last mesh if it has the same grid and is still there; slices may lie between the two."""
        if self._last is None or not _same_grid(self._last[0], surface):
            return None
        return next((mesh for mesh in bpy.data.meshes if mesh.session_uid == self._last[1]), None)


def _new_topology(surface: GridSurface) -> bpy.types.Mesh:
    """Make a mesh with the faces and texture coordinates of a surface, its vertices still at the origin."""
    mesh = bpy.data.meshes.new("Grid")
    mesh.vertices.add(len(surface.vertices))
    mesh.loops.add(surface.quads.size)
    mesh.polygons.add(len(surface.quads))
    fill_corners(mesh, surface)
    mesh.polygons.foreach_set("loop_start", np.arange(0, surface.quads.size, 4, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.attributes.new(UV, "FLOAT2", "CORNER")
    fill_uv(mesh, surface)
    mesh.attributes.new(GRID_INDEX, "INT", "POINT")
    fill(mesh, GRID_INDEX, surface.grid_index)
    return mesh


def fill_corners(mesh: bpy.types.Mesh, surface: GridSurface) -> None:
    """Say which vertices the corners of a mesh's faces are."""
    fill(mesh, ".corner_vert", surface.quads)


def fill_uv(mesh: bpy.types.Mesh, surface: GridSurface) -> None:
    """Set the texture coordinates of all corners."""
    corners = np.take(surface.uv, surface.quads.reshape(-1), axis=0)  # a third of the time that an index takes
    fill(mesh, UV, corners, "vector")


def _same_grid(one: GridSurface, other: GridSurface) -> bool:
    return (
        one.shape == other.shape
        and np.array_equal(one.quads, other.quads)
        and np.array_equal(one.uv, other.uv)
        and np.array_equal(one.grid_index, other.grid_index)
        and one.measures.keys() == other.measures.keys()
    )
