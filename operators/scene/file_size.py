"""How large a .blend becomes: said before anything is built; photos that it refers to do not count."""

from collections.abc import Iterable
from typing import Final

from ...core.model.presets import megabytes

LARGE: Final = 1_000_000_000
"""Bytes from which on there is a warning: opening, saving and undo take long then."""
POSITION, MEASURE, RADIUS_AND_COLOUR, GRID_INDEX = 12, 4, 8, 4
"""Bytes of a point."""
CAMERA, CLOUD, MESH = 14_000, 31_000, 59_000
"""Bytes of an object whatever its size: drivers, modifier, material."""
POINT_GROUPS, MESH_GROUPS = 240_000, 810_000
"""Bytes of the tuning's node groups, which a file holds once."""


def blend_size(
    sizes: Iterable[tuple[int, int]], *, cameras: bool, points: bool, meshes: bool, measures: int = 4
) -> int:
    """Estimate the uncompressed bytes that views take in a .blend.

    Args:
        sizes: (width, height) of each view's depth, pixels.
        cameras: Whether they are built.
        points: Likewise, the point clouds.
        meshes: Likewise.
        measures: How many numbers are stored of each point beside its position; see `surfaces.MEASURES`.
    """
    total = points * POINT_GROUPS + meshes * MESH_GROUPS
    per_point, per_vertex = POSITION + RADIUS_AND_COLOUR, POSITION + GRID_INDEX
    for width, height in sizes:
        total += cameras * CAMERA
        total += points * (CLOUD + width * height * (per_point + MEASURE * measures))
        total += meshes * (MESH + (width + 2) * (height + 2) * (per_vertex + MEASURE * measures))
    return total


def size_warning(size: int, *, points: bool, meshes: bool) -> str | None:
    """Return a sentence with the remedy where a .blend of this many bytes is hard to work with."""
    if size < LARGE:
        return None
    fewer = "leave out the point clouds or the meshes (Build, or --build), " if points and meshes else ""
    return f"The .blend takes about {megabytes(size)}: {fewer}choose a lower resolution or fewer images."
