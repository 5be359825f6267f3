"""How fast a reconstruction becomes a scene and a .glb: eight views of 504×336 with photos of 12 megapixels.

    .venv/bin/python benchmarks/scene.py [--quick] [--rounds 5]

In one alternating run, by processor time:

* what fills the arrays of meshes and point clouds against the floor, a plain numpy copy of the same bytes into memory
  that is new from the system, which takes most of its time (Blender's may be memory that was in use before: then below
  1); other attributes apart. The faces of meshes are made by their modifier, and count to the builds;
* the builders against what add-ons commonly do with Python lists: `from_pydata`, then value after value (one view);
* a whole build, photos, materials and geometry included, and a change of its tuning;
* a .glb of the textured meshes against Blender's own exporter on the same meshes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import mmap
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import bpy
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import conftest  # noqa: E402, F401 (gives the checkout its package name)
from machine import RESULTS, alternate, facts, ratio, say, write_photos  # noqa: E402

from image_to_scene.core.geometry.surfaces import GridSurface, PointCloud, grid_surface, point_cloud  # noqa: E402
from image_to_scene.core.types import ReconstructedView, Reconstruction  # noqa: E402
from image_to_scene.operators.scene import BuildOptions, Tuning, build, export_glb, gltf, mesh, set_tuning  # noqa: E402
from image_to_scene.operators.scene import point_cloud as clouds  # noqa: E402

VIEWS, WIDTH, HEIGHT = 8, 504, 336
NOTHING = {"cameras": False, "point_cloud": False, "meshes": False}


def make_view(seed: int, photo: Path) -> ReconstructedView:
    """Make a view of hills with random confidence and colours."""
    chance = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 6, WIDTH), np.linspace(0, 4, HEIGHT))
    camera = np.eye(4)
    camera[0, 3] = 0.3 * seed
    depth = (4.0 + np.sin(x + seed) * np.cos(y)).astype(np.float32)
    return ReconstructedView(
        source=photo,
        texture=photo,
        source_size=(4242, 2828),
        source_from_model=np.diag((4242 / WIDTH, 2828 / HEIGHT, 1.0)),
        image=chance.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
        depth=depth,
        image_from_camera=np.array([[450.0, 0, WIDTH / 2], [0, 450.0, HEIGHT / 2], [0, 0, 1.0]]),
        world_from_camera=camera,
        confidence=chance.uniform(1, 5, (HEIGHT, WIDTH)).astype(np.float32),
    )


def empty_file() -> None:
    """Start from nothing."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


# --- builders against the floor


@contextlib.contextmanager
def timed(module: Any, **names: str) -> Iterator[dict[str, float]]:
    """Add up the processor time of some functions of a module, each under a title."""
    seconds: dict[str, float] = defaultdict(float)

    def timing(title: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            started = time.process_time()
            try:
                return work(*arguments, **options)
            finally:
                seconds[title] += time.process_time() - started

        return run

    with contextlib.ExitStack() as stack:
        for name, title in names.items():
            stack.enter_context(patch.object(module, name, timing(title, getattr(module, name))))
        yield seconds


def build_meshes(surfaces: Sequence[GridSurface]) -> dict[str, float]:
    """Make meshes as `build` does; the seconds of its parts."""
    started = time.process_time()
    with timed(mesh, fill_positions="positions") as seconds:
        for surface in surfaces:
            mesh.new_mesh("mesh", surface)
    rest = time.process_time() - started - sum(seconds.values())
    return dict(seconds) | {"attributes": rest}


def build_clouds(points: Sequence[PointCloud]) -> dict[str, float]:
    """Make point clouds as `build` does; the seconds of its parts."""
    started = time.process_time()
    with timed(clouds, fill_positions="positions of points", fill_colours="colours of points") as seconds:
        for cloud in points:
            clouds.new_cloud("points", cloud, np.full(len(cloud.positions), 0.01, np.float32))
    rest = time.process_time() - started - sum(seconds.values())
    return dict(seconds) | {"objects, attributes": rest}


def floor(arrays: Sequence[Any]) -> float:
    """Seconds that a plain copy into new memory takes."""
    started = time.process_time()
    for array in arrays:
        np.copyto(np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape), array)
    return time.process_time() - started


def compare_with_floor(surfaces: Sequence[GridSurface], rounds: int) -> None:
    """Print each part of making meshes beside the copy of the bytes that it writes."""
    written = {"positions": [surface.vertices for surface in surfaces]}
    parts = measure(lambda: build_meshes(surfaces), written, rounds)
    print_parts("meshes", parts, sum(len(surface.vertices) for surface in surfaces), "vertices")


def compare_clouds_with_floor(points: Sequence[PointCloud], rounds: int) -> None:
    """Print each part of making point clouds beside the copy of the bytes that it writes."""
    colours = [np.ones((len(cloud.positions), 4), np.float32) for cloud in points]
    written = {"positions of points": [cloud.positions for cloud in points], "colours of points": colours}
    parts = measure(lambda: build_clouds(points), written, rounds)
    print_parts("point clouds", parts, sum(len(cloud.positions) for cloud in points), "points")


Parts = dict[str, tuple[list[float], list[float]]]
"""By name: seconds of ours and of the floor, empty where there is none."""


def measure(work: Callable[[], dict[str, float]], written: Mapping[str, Sequence[Any]], rounds: int) -> Parts:
    """Time both sides in turn."""
    parts: Parts = {}
    for _ in range(rounds):
        empty_file()
        for name, seconds in work().items():
            ours, below = parts.setdefault(name, ([], []))
            ours.append(seconds)
            if name in written:
                below.append(floor(written[name]))
    all_ours = [sum(parts[name][0][i] for name in written) for i in range(rounds)]
    all_below = [sum(parts[name][1][i] for name in written) for i in range(rounds)]
    return parts | {"together": (all_ours, all_below)}


def print_parts(title: str, parts: Parts, count: int, unit: str) -> None:
    """Print a table of seconds and ratios."""
    total = sum(median(ours) for name, (ours, _) in parts.items() if name != "together")
    say(f"\n{title}: {1e3 * total:.1f} ms, {count / total / 1e6:.1f} million {unit} a second")
    for name, (ours, below) in parts.items():
        against = f"   {ratio(ours, below)}× the floor" if below else ""
        say(f"  {name:30}{1e3 * median(ours):8.2f} ms{against}")


# --- builders against lists


def points_from_lists(points: PointCloud) -> None:
    """Make points the common way: a mesh of bare vertices, filled value by value."""
    data = bpy.data.meshes.new("points")
    data.from_pydata(points.positions.tolist(), [], [])
    colour = data.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    for element, (red, green, blue) in zip(colour.data, (points.colours / 255.0).tolist(), strict=True):
        element.color = (red, green, blue, 1.0)
    confidence = data.attributes.new("confidence", "FLOAT", "POINT")
    for element, value in zip(confidence.data, points.measures["confidence"].tolist(), strict=True):
        element.value = value


def mesh_from_lists(surface: GridSurface) -> None:
    """Make a mesh the common way."""
    data = bpy.data.meshes.new("mesh")
    data.from_pydata(surface.vertices.tolist(), [], surface.quads.tolist())
    layer = data.uv_layers.new(name="UVMap")
    for element, uv in zip(layer.data, surface.uv[surface.quads.reshape(-1)].tolist(), strict=True):
        element.uv = uv
    confidence = data.attributes.new("confidence", "FLOAT", "POINT")
    for element, value in zip(confidence.data, surface.measures["confidence"].tolist(), strict=True):
        element.value = value


def compare_with_lists(points: PointCloud, surface: GridSurface, rounds: int) -> None:
    """Print how much slower lists are, for one view."""
    works = {
        "points": (lambda: points_from_lists(points), lambda: build_clouds([points])),
        "mesh": (lambda: mesh_from_lists(surface), lambda: build_meshes([surface])),
    }
    say()
    for name, (lists, ours) in works.items():
        seconds = alternate({"lists": lists, "ours": ours}, rounds, before=empty_file)
        times = ratio(seconds["lists"], seconds["ours"])
        say(f"{name} of one view from lists: {median(seconds['lists']):.2f} s, {times}× ours")


# --- whole builds and files


def report_builds(views: Sequence[ReconstructedView], rounds: int) -> None:
    """Print how long builds take, and a change of one setting of what they made."""
    reconstruction = Reconstruction(tuple(views))

    def whole(**parts: bool) -> bpy.types.Object:
        return build(reconstruction, BuildOptions(**parts), bpy.context.scene).root

    works = {name: lambda name=name: whole(**(NOTHING | {name: True})) for name in NOTHING}
    seconds = alternate({"all together": whole, **works}, rounds, before=empty_file)
    say(f"\nbuild of {len(views)} views with their geometry and photos")
    for name, values in seconds.items():
        say(f"  {name:30}{median(values):8.3f} s ({min(values):.3f}–{max(values):.3f})")
    empty_file()
    root = whole()
    for name, values in (("confidence_percentile", (20.0, 30.0, 40.0)), ("mesh_step", (4, 3, 2))):
        best = float("inf")
        for value in values:
            set_tuning(root, Tuning(**{name: value}))
            started = time.process_time()
            bpy.context.view_layer.update()
            best = min(best, time.process_time() - started)
        say(f"  a change of {name:18}{best:8.3f} s")


def compare_exports(views: Sequence[ReconstructedView], folder: Path, rounds: int) -> None:
    """Print how long a .glb takes beside Blender's own exporter on the same meshes, without cameras on either side."""
    own = {key: value for key, value in gltf.SETTINGS.items() if key != "use_mesh_vertices"}

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            bpy.ops.export_scene.gltf(filepath=str(folder / "theirs.glb"), **own)

    empty_file()
    root = build(Reconstruction(tuple(views)), BuildOptions(**(NOTHING | {"meshes": True})), bpy.context.scene).root
    works = {"theirs": theirs, "ours": lambda: export_glb(root, folder / "ours.glb")}
    alternate(works, 1)  # what both do once, such as to decode photos
    seconds = alternate(works, rounds)
    millions = sum(len(item.data.vertices) for item in root.children_recursive if item.type == "MESH") / 1e6
    ours = median(seconds["ours"])
    say(f"\n.glb of {len(views)} textured meshes, {millions:.2f} million faces: {ours:.2f} s, {ours / millions:.2f} s ")
    say(f"  a million faces, {ratio(seconds['ours'], seconds['theirs'])}× Blender's own exporter")
    empty_file()
    root = build(Reconstruction(tuple(views)), BuildOptions(), bpy.context.scene).root
    seconds = alternate({"all": lambda: export_glb(root, folder / "all.glb")}, rounds)
    say(f"  with cameras and points, too: {median(seconds['all']):.2f} s")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = 2 if options.quick else options.rounds
    photos = write_photos(RESULTS / "photos", VIEWS)
    views = [make_view(seed, photo) for seed, photo in enumerate(photos)]
    say(f"{facts('numpy')}, Blender {bpy.app.version_string}; {VIEWS} views of {WIDTH}×{HEIGHT}, processor time")
    surfaces, points = [grid_surface(view) for view in views], [point_cloud(view) for view in views]
    compare_with_floor(surfaces, rounds)
    compare_clouds_with_floor(points, rounds)
    compare_with_lists(points[0], surfaces[0], min(rounds, 3))
    report_builds(views, rounds)
    with tempfile.TemporaryDirectory() as folder:
        compare_exports(views, Path(folder), min(rounds, 3))


main()
os._exit(0)  # Blender 4.5 as a module may hang when the interpreter ends
