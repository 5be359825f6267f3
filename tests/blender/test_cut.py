"""The cut: what it leaves out is what numpy says, now and in a file that is opened without the add-on."""

import subprocess
import sys
from dataclasses import replace

import bpy
import numpy as np
import pytest

from image_to_scene.core.geometry.surfaces import grid_surface, point_cloud
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, Cut, build, get_cut, initial_cut, set_cut

CUTS = [
    Cut(),
    Cut(confidence=3.0),
    Cut(depth_jump=0.3),
    Cut(sky=0.5),
    Cut(confidence=2.0, depth_jump=0.5, sky=0.8),
    Cut(confidence=100.0),
]


@pytest.fixture
def stepped(make_view):
    """A view with a leap of depth, some sky and random confidence."""
    view = make_view(sky=np.linspace(0, 1, 24 * 16).reshape(16, 24).astype(np.float32))
    view.depth[:, 14:] *= 2.0
    return view


def unwanted(surface, cut):
    found = surface.measures["depth_jump"] > np.float32(cut.depth_jump)
    if "confidence" in surface.measures:
        found = found | (surface.measures["confidence"] < np.float32(cut.confidence))
    if "sky" in surface.measures:
        found = found | (surface.measures["sky"] > np.float32(cut.sky))
    return found


def counts(built):
    """Return how many faces of the mesh and points of the cloud the cut leaves."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    faces = sum(len(item.evaluated_get(depsgraph).data.polygons) for item in built.meshes)
    points = [item.object.data for item in depsgraph.object_instances if item.object.type == "POINTCLOUD"]
    return faces, sum(len(data.points) for data in points)


@pytest.mark.parametrize("cut", CUTS)
def test_it_deletes_what_numpy_says(stepped, cut):
    built = build(Reconstruction((stepped,)), BuildOptions(), bpy.context.scene)
    for item in built.meshes + built.clouds:
        set_cut(item, cut)
        assert vars(get_cut(item)) == pytest.approx(vars(cut), rel=1e-6)
    surface, points = grid_surface(stepped), point_cloud(stepped)
    faces = (~unwanted(surface, cut)[surface.quads].all(axis=1)).sum()
    assert counts(built) == (faces, (~unwanted(points, cut)).sum())


def test_thresholds_belong_to_each_object(make_reconstruction):
    built = build(make_reconstruction(), BuildOptions(), bpy.context.scene)
    one, other = built.meshes
    before = get_cut(other)
    set_cut(one, Cut(confidence=4.0))
    assert get_cut(one).confidence == 4.0
    assert get_cut(other) == before


def test_a_model_without_confidence_is_not_cut_by_it(make_view):
    view = make_view(confidence=None)
    built = build(Reconstruction((view,)), BuildOptions(confidence=50.0, depth_jump=None), bpy.context.scene)
    assert counts(built) == (25 * 17, 24 * 16)


def test_it_starts_with_a_percentage_of_the_pixels(make_reconstruction):
    reconstruction = make_reconstruction()
    confidence = np.concatenate([view.confidence.ravel() for view in reconstruction.views])
    cut = initial_cut(reconstruction, BuildOptions(confidence_percentile=30.0))
    assert np.mean(confidence < cut.confidence) == pytest.approx(0.3, abs=0.01)
    assert initial_cut(reconstruction, BuildOptions(confidence=2.5)).confidence == 2.5
    assert initial_cut(reconstruction, BuildOptions(confidence_percentile=0.0)).confidence == 0.0
    bare = replace(reconstruction, views=tuple(replace(view, confidence=None) for view in reconstruction.views))
    assert initial_cut(bare, BuildOptions()).confidence == 0.0


def test_two_builds_share_no_threshold(make_reconstruction):
    first = build(make_reconstruction(), BuildOptions(confidence=2.0), bpy.context.scene)
    second = build(make_reconstruction(), BuildOptions(confidence=3.0), bpy.context.scene)
    assert [get_cut(built.meshes[0]).confidence for built in (first, second)] == [2.0, 3.0]
    assert first.meshes[0].modifiers["Cut"].node_group != second.meshes[0].modifiers["Cut"].node_group


WITHOUT_ADDON = """
import bpy, os, sys
bpy.ops.wm.open_mainfile(filepath=sys.argv[-1])
item = next(item for item in bpy.data.objects if item.type == "MESH" and "mesh" in item.name)
modifier = item.modifiers["Cut"]
names = {socket.name: socket.identifier for socket in modifier.node_group.interface.items_tree}
def faces():
    return len(item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.polygons)
before = faces()
if bpy.app.version >= (5, 2):
    getattr(modifier.properties.inputs, names["Confidence"]).value = 0.0
else:
    modifier[names["Confidence"]] = 0.0
item.update_tag()
print("faces", before, faces(), "image_to_scene" in sys.modules, flush=True)
os._exit(0)
"""


def test_it_stays_adjustable_where_the_add_on_is_missing(make_view, tmp_path):
    options = BuildOptions(confidence=3.0, depth_jump=None, point_cloud=False)
    built = build(Reconstruction((make_view(),)), options, bpy.context.scene)
    path = tmp_path / "cut.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    left, _ = counts(built)
    command = [sys.executable, "-c", WITHOUT_ADDON, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert f"faces {left} {25 * 17} False" in output
