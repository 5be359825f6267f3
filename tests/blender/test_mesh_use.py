"""What artists do with meshes: stored as bare vertices, they have faces and photos wherever Blender uses them."""

import contextlib
import io

import bpy
import numpy as np
import pytest

from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, Tuning, build

UNCUT = BuildOptions(cameras=False, point_cloud=False, tuning=Tuning(confidence_percentile=0.0, depth_jump=0.0))
FACES = 25 * 17  # of a view of 24 × 16 pixels


@pytest.fixture
def items(make_reconstruction):
    """Build the meshes of two views."""
    return build(make_reconstruction(), UNCUT, bpy.context.scene).meshes


@pytest.fixture
def item(make_view):
    """Build the mesh of one view."""
    (mesh,) = build(Reconstruction((make_view(),)), UNCUT, bpy.context.scene).meshes
    return mesh


def select(*items):
    for item in bpy.context.scene.objects:
        item.select_set(item in items)
    bpy.context.view_layer.objects.active = items[0]
    bpy.context.view_layer.update()


def shown(item):
    """Return an object's mesh after its modifiers."""
    return item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data


def coordinates(mesh):
    values = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", values)
    return values.reshape(-1, 2)


def photos(mesh):
    """List the images that the faces of a mesh show."""
    used = {mesh.materials[face.material_index] for face in mesh.polygons}
    nodes = [node for material in used for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
    return sorted(node.image.name for node in nodes)


def expect_textured(mesh, faces=FACES, images=("photo.png",)):
    assert len(mesh.polygons) == faces
    assert photos(mesh) == list(images)
    uv = coordinates(mesh)
    assert (*uv.min(axis=0), *uv.max(axis=0)) == (0.0, 0.0, 1.0, 1.0)


def test_converted_it_is_a_textured_mesh(item):
    select(item)
    before = coordinates(shown(item)).copy()
    bpy.ops.object.convert(target="MESH")
    assert not item.modifiers
    expect_textured(item.data)
    assert all(face.use_smooth for face in item.data.polygons)
    np.testing.assert_array_equal(coordinates(item.data), before)


def test_applying_the_tuning_gives_the_same(item):
    select(item)
    bpy.ops.object.modifier_apply(modifier="Tuning")
    expect_textured(item.data)


def test_converted_ones_can_be_joined(items):
    select(*items)
    bpy.ops.object.convert(target="MESH")
    bpy.ops.object.join()
    expect_textured(items[0].data, 2 * FACES, ("left.png", "right.png"))


@pytest.mark.parametrize("linked", [True, False])
def test_a_duplicate_is_the_same(item, linked):
    select(item)
    bpy.ops.object.duplicate(linked=linked)
    copy = bpy.context.object
    assert copy is not item and (copy.data == item.data) == linked
    expect_textured(shown(copy))


def test_rays_and_shrinkwrap_find_its_faces(item):
    scene = bpy.context.scene
    found, place, _, _, hit, _ = scene.ray_cast(bpy.context.evaluated_depsgraph_get(), (0, 0, 0), (0.001, 1, 0.001))
    assert found and hit.original == item and 3.0 < place.y < 6.0  # the camera's depths, straight ahead
    mesh = bpy.data.meshes.new("One")
    mesh.from_pydata([(0.0, 0.0, 0.0)], [], [])
    wrapped = bpy.data.objects.new("One", mesh)
    scene.collection.objects.link(wrapped)
    wrap = wrapped.modifiers.new("Wrap", "SHRINKWRAP")
    wrap.target, wrap.wrap_method = item, "NEAREST_SURFACEPOINT"
    (vertex,) = shown(wrapped).vertices
    assert vertex.co.length > 1.0
    _, nearest, _, _ = item.closest_point_on_mesh((0, 0, 0), depsgraph=bpy.context.evaluated_depsgraph_get())
    assert vertex.co.length == pytest.approx(nearest.length, rel=1e-5)


def test_appended_to_another_file_it_keeps_its_faces(item, tmp_path):
    name, path = item.name, str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(path) as (_, wanted):
        wanted.objects = [name]
    (again,) = wanted.objects
    bpy.context.scene.collection.objects.link(again)
    expect_textured(shown(again))


def test_it_is_made_real_where_a_collection_is_instanced(item):
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", item.users_collection[0]
    bpy.context.scene.collection.objects.link(empty)
    select(empty)
    seen = bpy.context.evaluated_depsgraph_get().object_instances
    counts = [len(found.object.data.polygons) for found in seen if found.is_instance and found.object.type == "MESH"]
    assert counts == [FACES]


WAYS = {
    "obj": (lambda path: bpy.ops.wm.obj_export(filepath=path), lambda path: bpy.ops.wm.obj_import(filepath=path)),
    "usda": (lambda path: bpy.ops.wm.usd_export(filepath=path), lambda path: bpy.ops.wm.usd_import(filepath=path)),
    "fbx": (
        lambda path: bpy.ops.export_scene.fbx(filepath=path, object_types={"MESH", "EMPTY"}),
        lambda path: bpy.ops.import_scene.fbx(filepath=path),
    ),
    "gltf": (
        lambda path: bpy.ops.export_scene.gltf(filepath=path, export_format="GLTF_SEPARATE", export_apply=True),
        lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ),
}


@pytest.mark.parametrize("kind", WAYS)
def test_blenders_own_exporters_write_its_faces(item, tmp_path, kind):
    path, (write, read) = str(tmp_path / f"scene.{kind}"), WAYS[kind]
    select(item)
    with contextlib.redirect_stdout(io.StringIO()):
        write(path)
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        read(path)
    (mesh,) = (found.data for found in bpy.context.scene.objects if found.type == "MESH")
    assert len(mesh.polygons) == (2 * FACES if kind == "gltf" else FACES)
    assert {face.material_index for face in mesh.polygons} == {0} and mesh.materials[0] is not None
    uv = coordinates(mesh)
    np.testing.assert_allclose((*uv.min(axis=0), *uv.max(axis=0)), (0.0, 0.0, 1.0, 1.0), atol=1e-5)
