"""How much faster the builders are than Python lists: eight views of 504×336 as points and as meshes, in one run.

Then how long a whole build takes, and how long the scene takes to follow a change of its tuning.

Run it as `.venv/bin/python benchmarks/build.py`. The list side does what add-ons commonly do: `from_pydata` with lists,
then one value after the other for colours and texture coordinates. Both sides start from the same geometry, whose time
is given apart; pictures and materials take part on neither side.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import conftest  # noqa: E402, F401 (gives the checkout its package name)

from image_to_scene.core.geometry.surfaces import (  # noqa: E402
    GridSurface,
    PointCloud,
    grid_surface,
    point_cloud,
)
from image_to_scene.core.types import ReconstructedView, Reconstruction  # noqa: E402
from image_to_scene.operators.scene import BuildOptions, Tuning, build, set_tuning  # noqa: E402
from image_to_scene.operators.scene.mesh import GridMeshes  # noqa: E402
from image_to_scene.operators.scene.point_cloud import new_cloud  # noqa: E402

VIEWS, WIDTH, HEIGHT = 8, 504, 336


def make_view(seed: int) -> ReconstructedView:
    """Make a view of hills with random confidence and colours."""
    chance = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 6, WIDTH), np.linspace(0, 4, HEIGHT))
    camera = np.eye(4)
    camera[0, 3] = 0.3 * seed
    return ReconstructedView(
        source=Path(f"{seed}.png"),
        texture=Path(f"{seed}.png"),
        source_size=(WIDTH, HEIGHT),
        source_from_model=np.eye(3),
        image=chance.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
        depth=(4.0 + np.sin(x + seed) * np.cos(y)).astype(np.float32),
        image_from_camera=np.array([[450.0, 0, WIDTH / 2], [0, 450.0, HEIGHT / 2], [0, 0, 1.0]]),
        world_from_camera=camera,
        confidence=chance.uniform(1, 5, (HEIGHT, WIDTH)).astype(np.float32),
    )


def our_meshes(surfaces: list[GridSurface]) -> None:
    """Make meshes as `build` does."""
    grids = GridMeshes()
    for surface in surfaces:
        grids.new("mesh", surface)


def points_from_lists(points: PointCloud) -> None:
    """Make points the common way: a mesh of bare vertices, filled value by value."""
    mesh = bpy.data.meshes.new("points")
    mesh.from_pydata(points.positions.tolist(), [], [])
    colour = mesh.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    for element, (red, green, blue) in zip(colour.data, (points.colours / 255.0).tolist(), strict=True):
        element.color = (red, green, blue, 1.0)
    confidence = mesh.attributes.new("confidence", "FLOAT", "POINT")
    for element, value in zip(confidence.data, points.measures["confidence"].tolist(), strict=True):
        element.value = value


def mesh_from_lists(surface: GridSurface) -> None:
    """Make a mesh the common way."""
    mesh = bpy.data.meshes.new("mesh")
    mesh.from_pydata(surface.vertices.tolist(), [], surface.quads.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    for element, uv in zip(layer.data, surface.uv[surface.quads.reshape(-1)].tolist(), strict=True):
        element.uv = uv
    confidence = mesh.attributes.new("confidence", "FLOAT", "POINT")
    for element, value in zip(confidence.data, surface.measures["confidence"].tolist(), strict=True):
        element.value = value


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the best time of some runs; each starts from an empty file."""
    best = float("inf")
    for _ in range(runs):
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def report(name: str, geometry: float, ours: float, lists: float) -> None:
    """Print one line of the comparison."""
    print(
        f"{name:7} geometry {geometry:6.3f} s   builders {ours:6.3f} s   lists {lists:6.2f} s   "
        f"lists/builders {lists / ours:5.0f}×   with geometry {(lists + geometry) / (ours + geometry):5.0f}×"
    )


def report_tuning(views: list[ReconstructedView]) -> None:
    """Print how long a build takes, and a change of one setting of what it made."""

    def whole() -> bpy.types.Object:
        return build(Reconstruction(tuple(views)), BuildOptions(), bpy.context.scene).root

    print(f"a whole build {seconds(whole, 3):6.3f} s")
    root = whole()
    for name, values in (("confidence_percentile", (20.0, 30.0, 40.0)), ("mesh_step", (4, 3, 2))):
        best = float("inf")
        for value in values:
            set_tuning(root, Tuning(**{name: value}))
            started = time.perf_counter()
            bpy.context.view_layer.update()
            best = min(best, time.perf_counter() - started)
        print(f"a change of {name} {best:6.3f} s")


def main() -> None:
    """Compare points and meshes."""
    views = [make_view(seed) for seed in range(VIEWS)]
    print(f"{VIEWS} views of {WIDTH}×{HEIGHT}, Blender {bpy.app.version_string}, best of three (lists: one run)")
    clouds, surfaces = [point_cloud(view) for view in views], [grid_surface(view) for view in views]
    report(
        "points",
        seconds(lambda: [point_cloud(view) for view in views], 3),
        seconds(lambda: [new_cloud("points", points, np.full(len(points.positions), 0.01)) for points in clouds], 3),
        seconds(lambda: [points_from_lists(points) for points in clouds], 1),
    )
    report(
        "meshes",
        seconds(lambda: [grid_surface(view) for view in views], 3),
        seconds(lambda: our_meshes(surfaces), 3),
        seconds(lambda: [mesh_from_lists(surface) for surface in surfaces], 1),
    )
    report_tuning(views)


main()
sys.stdout.flush()
os._exit(0)  # Blender 4.5 as a module may hang when the interpreter ends
