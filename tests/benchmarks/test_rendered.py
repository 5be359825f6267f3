"""Our own scenes: the depth of rays is the depth of Cycles, cameras see what they say, and a folder reads back."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")
pytest.importorskip("open3d", reason="Open3D is not installed: `make bench-accuracy` installs it")

import bpy
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from benchmarks.accuracy.measuring import references
from benchmarks.accuracy.rendered import rendering
from benchmarks.accuracy.rendered.cameras import intrinsics
from benchmarks.accuracy.rendered.folders import FAMILIES, is_rendered, scene_name
from benchmarks.accuracy.rendered.reading import RenderedScene
from benchmarks.accuracy.scoring import score

SIZE = (63, 42)


def read_depth(path):
    """The Z pass of an EXR, by the reader that ships with Blender."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / version / "site-packages"
    sys.path.append(str(folder))
    oiio = pytest.importorskip("OpenImageIO", reason="this Blender brings no OpenImageIO to read true depth with")
    sys.path.remove(str(folder))
    file, part = oiio.ImageInput.open(str(path)), 0
    while file.seek_subimage(part, 0):
        names = file.spec().channelnames
        pixels = file.read_image(part, 0, 0, len(names), oiio.FLOAT)
        for channel, name in enumerate(names):
            if name.split(".")[-2] == "Depth":
                return pixels[..., channel]
        part += 1
    raise AssertionError("no depth")


@pytest.mark.parametrize("index", [1, 2])
def test_rays_and_cycles_see_the_same_depth(index, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "SAMPLES", 1)
    shots = rendering.make_scene(index)
    scene = rendering.set_up(SIZE, 1)
    scene.cycles.use_denoising = False
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    scene.view_layers[0].use_pass_z = True
    camera = shots.world_from_camera[3]
    rendering.stand(camera, shots.field_of_view)
    scene.render.filepath = str(tmp_path / "depth.exr")
    bpy.ops.render.render(write_still=True)
    theirs = read_depth(tmp_path / "depth.exr")
    ours = rendering.true_surface(camera[None], intrinsics(shots.field_of_view, SIZE), SIZE)[0][0]
    sky = theirs > 1e6
    assert (sky == np.isnan(ours)).mean() > 0.998
    off = np.abs(ours / theirs - 1.0)[~sky & np.isfinite(ours)]
    assert np.median(off) < 3e-5
    assert (off < 1e-3).mean() > 0.99


def test_cameras_are_those_of_blender():
    shots = rendering.make_scene(1)
    scene = rendering.set_up(SIZE, 1)
    lens = intrinsics(shots.field_of_view, SIZE)
    for camera in shots.world_from_camera:
        rendering.stand(camera, shots.field_of_view)
        bpy.context.view_layer.update()
        point = camera[:3, 3] + camera[:3, :3] @ (0.2, -0.1, 1.5)
        seen = world_to_camera_view(scene, scene.camera, Vector(point.tolist()))
        u, v, _ = lens @ (0.2 / 1.5, -0.1 / 1.5, 1.0)
        np.testing.assert_allclose((seen.x * SIZE[0], (1.0 - seen.y) * SIZE[1], seen.z), (u, v, 1.5), atol=1e-3)


def test_the_same_number_makes_the_same_scene():
    first, again, other = (rendering.make_scene(index) for index in (4, 4, 7))
    np.testing.assert_array_equal(first.world_from_camera, again.world_from_camera)
    assert first.family == other.family == "tabletop"
    assert not np.allclose(first.world_from_camera, other.world_from_camera)


def test_scenes_are_named_by_family():
    assert [scene_name(index) for index in (0, 1, 2, 3)] == [*(f"{name}_00" for name in FAMILIES), "room_01"]


def test_a_rendered_folder_reads_back(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "SAMPLES", 1)
    folder = tmp_path / "set" / "tabletop_00"
    assert not is_rendered(folder)
    rendering.render_scene(1, SIZE, folder)
    assert is_rendered(folder)
    assert [item.name for item in folder.parent.iterdir()] == [folder.name]
    scene = RenderedScene(folder)
    assert len(scene.pictures.files) == 8
    assert all(file.is_file() for file in scene.pictures.files)
    scores = {name: score(scene, prediction) for name, prediction in references(scene).items()}
    floor, ceiling = scores["floor: flat, not moving"], scores["ceiling: the truth"]
    assert floor["f1"] == floor["auc30"] == 0.0
    assert ceiling["auc3"] == 100.0
    assert ceiling["delta1_scene"] == 1.0
    assert ceiling["f1"] > 0.9
