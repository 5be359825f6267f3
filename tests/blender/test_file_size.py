"""The .blend: small, and as large as was said before it was built."""

import bpy
import pytest

from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, build
from image_to_scene.operators.scene.file_size import blend_size, size_warning

PARTS = [(True, True), (True, False), (False, True)]


def saved(path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
    return path.stat().st_size


@pytest.mark.parametrize("size", [(126, 84), (252, 168)])
@pytest.mark.parametrize(("points", "meshes"), PARTS)
def test_the_estimate_is_what_the_file_takes(make_view, tmp_path, size, points, meshes):
    path = tmp_path / "views.blend"
    empty = saved(path)
    views = tuple(make_view(f"view {number}", size=size, scale=1, seed=number) for number in range(4))
    build(Reconstruction(views), BuildOptions(point_cloud=points, meshes=meshes), bpy.context.scene)
    taken = saved(path) - empty
    assert blend_size([size] * 4, cameras=True, points=points, meshes=meshes) == pytest.approx(taken, rel=0.15)


def test_a_view_takes_less_than_half_of_what_it_took(make_view, tmp_path):
    """It was 172 bytes a pixel with a mesh, points and a camera."""
    path = tmp_path / "views.blend"
    taken = []
    for count in (1, 3):
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        views = tuple(make_view(f"view {number}", size=(252, 168), scale=1) for number in range(count))
        build(Reconstruction(views), BuildOptions(), bpy.context.scene)
        taken.append(saved(path))
    assert (taken[1] - taken[0]) / 2 / (252 * 168) < 80.0


def test_a_large_file_is_warned_of_with_the_remedy():
    sizes = [(504, 336)] * 500
    parts = {"points": True, "meshes": True}
    warning = size_warning(blend_size(sizes, cameras=True, **parts), **parts)
    assert "--build" in warning and "GB" in warning
    assert size_warning(blend_size(sizes[:10], cameras=True, **parts), **parts) is None
