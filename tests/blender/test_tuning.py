"""The tuning: what it shows is what numpy says, coarse meshes never show more, and a file needs no add-on for it."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import bpy
import numpy as np
import pytest

from image_to_scene.core.geometry.ranks import ConfidenceRanks
from image_to_scene.core.geometry.surfaces import MEASURES, grid_surface, point_cloud
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, Tuning, build, get_tuning, set_tuning

ALL = Tuning(confidence_percentile=0.0, depth_jump=0.0, remove_sky=False, remove_masked=False)
TUNINGS = [
    ALL,
    Tuning(),
    replace(ALL, confidence=3.0),
    replace(ALL, confidence_percentile=35.0),
    replace(ALL, depth_jump=0.3),
    replace(ALL, max_distance=4.2),
    replace(ALL, remove_sky=True),
    replace(ALL, remove_masked=True),
    Tuning(confidence=2.0, confidence_percentile=20.0, depth_jump=0.5, max_distance=6.0),
    replace(ALL, confidence=100.0),
    replace(ALL, confidence_percentile=100.0),
]
STEPS = (2, 3, 4, 5, 17, 64)


@pytest.fixture
def rich(make_view):
    """A view with a leap of depth, some sky, a mask, unknown depth and random confidence."""
    chance = np.random.default_rng(0)
    mask = np.zeros((16, 24), bool)
    mask[2:6, 3:9] = True
    view = make_view(sky=np.linspace(0, 1, 24 * 16).reshape(16, 24).astype(np.float32), mask=mask)
    view.depth[:, 14:] *= 2.0
    view.depth[10:12, 5:7] = np.nan
    view.depth[chance.integers(0, 16), chance.integers(0, 24)] = np.nan
    return view


def built_from(*views, **options):
    return build(Reconstruction(views, world="given"), BuildOptions(**options), bpy.context.scene)


def rank_of(view):
    ranks = ConfidenceRanks()
    ranks.add(view.confidence)
    return ranks.of(view.confidence)


def unwanted(measures, tuning):
    found = (measures["depth_jump"] > np.float32(tuning.depth_jump)) & (tuning.depth_jump > 0.0)
    found |= (measures["depth"] > np.float32(tuning.max_distance)) & (tuning.max_distance > 0.0)
    found |= measures["confidence"] < np.float32(tuning.confidence)
    found |= measures["confidence_rank"] * np.float32(100.0) <= np.float32(tuning.confidence_percentile)
    return found | (measures["sky"] > 0.5) & tuning.remove_sky


def masked(measures, tuning):
    return (measures["mask"] > 0.5) & tuning.remove_masked


def evaluated(item):
    """Return an object's data after its modifiers."""
    kind = "POINTCLOUD" if "points" in item.name else "MESH"
    found = (shown.object for shown in bpy.context.evaluated_depsgraph_get().object_instances)
    data = next((shown.data for shown in found if shown.type == kind and shown.name == item.name), None)
    return data or bpy.data.meshes.new("nothing")  # before 4.5 a cloud of no points is none at all


def attribute(data, name, key="value", width=1):
    values = data.attributes[name].data
    array = np.empty(len(values) * width, np.int32 if data.attributes[name].data_type == "INT" else np.float32)
    values.foreach_get(key, array)
    return array if width == 1 else array.reshape(-1, width)


def positions(data):
    found = data.attributes.get("position")
    return attribute(data, "position", "vector", 3) if found and len(found.data) else np.empty((0, 3))


def as_rows(points):
    return {tuple(point) for point in np.asarray(points).tolist()}


def faces(data, shape):
    """Return the squares of the whole grid that the faces of a mesh cover [rows - 1, columns - 1], as counts."""
    covered = np.zeros((shape[0] - 1, shape[1] - 1), int)
    if not len(data.polygons):
        return covered
    corners = np.empty(len(data.loops), np.int32)
    data.attributes[".corner_vert"].data.foreach_get("value", corners)
    place = attribute(data, "grid_index")[corners].reshape(-1, 4)
    rows, columns = place // shape[1], place % shape[1]
    for row, column in zip(rows, columns, strict=True):
        covered[row.min() : row.max(), column.min() : column.max()] += 1
    return covered


def expected_faces(surface, tuning):
    """Return the same as `faces` for step 1, by numpy."""
    gone = unwanted(surface.measures, tuning)[surface.quads].all(axis=1)
    gone |= masked(surface.measures, tuning)[surface.quads].any(axis=1)
    covered = np.zeros((surface.shape[0] - 1, surface.shape[1] - 1), int)
    corner = surface.grid_index[surface.quads[~gone]].min(axis=1)
    covered[corner // surface.shape[1], corner % surface.shape[1]] = 1
    return covered


def blocks(covered, step):
    """Keep of covered squares only the cells of step × step that are whole."""
    kept = np.zeros_like(covered)
    for row in range(0, covered.shape[0], step):
        for column in range(0, covered.shape[1], step):
            cell = (slice(row, row + step), slice(column, column + step))
            kept[cell] = covered[cell].all()
    return kept


def test_it_shows_what_numpy_says(rich):
    built = built_from(rich)
    surface, points = grid_surface(rich, rank_of(rich)), point_cloud(rich, rank_of(rich))
    for tuning in TUNINGS:
        set_tuning(built.root, tuning)
        assert asdict(get_tuning(built.root)) == pytest.approx(asdict(tuning))
        mesh, cloud = evaluated(built.meshes[0]), evaluated(built.clouds[0])
        np.testing.assert_array_equal(faces(mesh, surface.shape), expected_faces(surface, tuning), str(tuning))
        left = ~(unwanted(points.measures, tuning) | masked(points.measures, tuning))
        np.testing.assert_array_equal(positions(cloud), points.positions[left], str(tuning))


def test_a_coarser_mesh_is_whole_cells_of_the_finest(rich):
    """So it bridges no cut, no hole and no mask; and its vertices are vertices of the finest."""
    built = built_from(rich, point_cloud=False)
    surface = grid_surface(rich, rank_of(rich))
    for tuning in TUNINGS:
        for step in STEPS:
            set_tuning(built.root, replace(tuning, mesh_step=step))
            mesh = evaluated(built.meshes[0])
            expected = blocks(expected_faces(surface, tuning), step)
            np.testing.assert_array_equal(faces(mesh, surface.shape), expected, f"{step} {tuning}")
            assert as_rows(positions(mesh)) <= as_rows(surface.vertices)


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_coarser_mesh_is_sound_and_knows_all_that_the_finest_does(rich, step):
    built = built_from(rich, point_cloud=False, tuning=replace(ALL, mesh_step=step))
    surface = grid_surface(rich, rank_of(rich))
    mesh = evaluated(built.meshes[0]).copy()
    assert not mesh.validate(verbose=True)
    assert len(mesh.vertices) == len({*(index for face in mesh.polygons for index in face.vertices)})
    fine = {place: number for number, place in enumerate(surface.grid_index)}
    which = [fine[place] for place in attribute(mesh, "grid_index")]
    np.testing.assert_array_equal(positions(mesh), surface.vertices[which])
    for name in MEASURES:
        np.testing.assert_array_equal(attribute(mesh, name), surface.measures[name][which])
    corners = [loop.vertex_index for loop in mesh.loops]
    uv = attribute(mesh, "UVMap", "vector", 2)
    np.testing.assert_allclose(uv, surface.uv[which][corners], atol=1e-6)
    assert mesh.uv_layers.active.name == "UVMap"
    assert (uv.min(), uv.max()) == (0.0, 1.0)
    assert mesh.materials[0] == built.meshes[0].data.materials[0]
    assert {face.material_index for face in mesh.polygons} == {0}
    for face in mesh.polygons:  # the camera stands at the origin
        assert np.dot(face.normal, np.array(face.center)) < 0.0
        assert face.use_smooth


def test_a_grid_without_holes_reaches_the_border_at_every_step(make_view):
    built = built_from(make_view(), point_cloud=False, tuning=ALL)
    for step in (1, *STEPS):
        set_tuning(built.root, replace(ALL, mesh_step=step))
        mesh = evaluated(built.meshes[0])
        rows, columns = -(-17 // step), -(-25 // step)
        assert (len(mesh.vertices), len(mesh.polygons)) == ((rows + 1) * (columns + 1), rows * columns)
        assert (faces(mesh, (18, 26)) == 1).all()


def test_an_artists_edits_survive_a_coarser_step(make_view):
    (item,) = built_from(make_view(), point_cloud=False, tuning=ALL).meshes
    mesh = item.data
    removed = [index for index in range(len(mesh.vertices)) if index // 26 in (6, 7) and 4 <= index % 26 < 8]
    import bmesh

    edit = bmesh.new()
    edit.from_mesh(mesh)
    edit.verts.ensure_lookup_table()
    bmesh.ops.delete(edit, geom=[edit.verts[index] for index in removed], context="VERTS")
    edit.to_mesh(mesh)
    edit.free()
    set_tuning(item.parent, replace(ALL, mesh_step=2))
    whole = np.ones((17, 25), int)
    whole[5:8, 3:8] = 0
    np.testing.assert_array_equal(faces(evaluated(item), (18, 26)), blocks(whole, 2))


def test_more_strict_never_shows_more(rich):
    built = built_from(rich, tuning=ALL)
    stricter = {
        "confidence": (0.0, 1.5, 3.0, 9.0),
        "confidence_percentile": (0.0, 1.0, 30.0, 100.0),
        "depth_jump": (2.0, 0.5, 0.1, 0.01),
        "max_distance": (20.0, 8.0, 4.0, 1.0),
        "remove_sky": (False, True),
        "remove_masked": (False, True),
        "point_density": (1.0, 0.7, 0.3, 0.0),
    }
    for name, values in stricter.items():
        points, covered = None, None
        for value in values:
            set_tuning(built.root, replace(ALL, **{name: value}))
            now = as_rows(positions(evaluated(built.clouds[0])))
            shown = faces(evaluated(built.meshes[0]), (18, 26))
            assert points is None or now <= points, name
            assert covered is None or (shown <= covered).all(), name
            points, covered = now, shown


def test_a_percentile_leaves_out_that_percentage_of_all_views(make_reconstruction):
    built = build(make_reconstruction(), BuildOptions(meshes=False, tuning=ALL), bpy.context.scene)
    for percentile in (0.0, 10.0, 37.5, 90.0, 100.0):
        set_tuning(built.root, replace(ALL, confidence_percentile=percentile))
        left = sum(len(positions(evaluated(cloud))) for cloud in built.clouds)
        assert left / (2 * 24 * 16) == pytest.approx(1.0 - percentile / 100.0, abs=0.005)


def test_equal_confidence_leaves_nothing_out(make_view):
    view = make_view(confidence=np.full((16, 24), 2.0, np.float32))
    built = built_from(view, tuning=replace(ALL, confidence_percentile=10.0))
    assert len(positions(evaluated(built.clouds[0]))) == 24 * 16


def test_density_is_a_share_and_size_a_factor(make_view):
    built = built_from(make_view(size=(80, 60)), meshes=False, tuning=ALL)
    (cloud,) = built.clouds
    radius = attribute(cloud.data, "radius")
    for density, size in ((1.0, 2.0), (0.25, 1.0), (0.5, 0.0)):
        set_tuning(built.root, replace(ALL, point_density=density, point_size=size))
        shown = evaluated(cloud)
        assert len(positions(shown)) / (80 * 60) == pytest.approx(density, abs=0.03)
        if density == 1.0:
            np.testing.assert_allclose(attribute(shown, "radius"), size * radius, rtol=1e-6)


def test_points_keep_their_material_and_what_is_known_of_them(rich):
    built = built_from(rich, meshes=False, tuning=replace(ALL, point_density=0.5, point_size=3.0))
    shown = evaluated(built.clouds[0])
    assert [material.name for material in shown.materials] == [built.clouds[0].data.materials[0].name]
    assert set(MEASURES) | {"Color", "radius"} <= set(shown.attributes.keys())


def test_a_mask_in_one_view_leaves_the_others_whole(make_view):
    mask = np.zeros((16, 24), bool)
    mask[:8] = True
    built = built_from(make_view("a", mask=mask), make_view("b", seed=1), tuning=replace(ALL, remove_masked=True))
    assert [len(positions(evaluated(cloud))) for cloud in built.clouds] == [8 * 24, 16 * 24]
    assert (faces(evaluated(built.meshes[1]), (18, 26)) == 1).all()
    assert not faces(evaluated(built.meshes[0]), (18, 26))[:9].any()
    assert "mask" not in evaluated(built.meshes[1]).attributes


def test_two_builds_are_tuned_apart_with_one_set_of_node_groups(make_reconstruction):
    first = build(make_reconstruction(), BuildOptions(tuning=ALL), bpy.context.scene)
    groups = len(bpy.data.node_groups)
    second = build(make_reconstruction(), BuildOptions(tuning=ALL), bpy.context.scene)
    assert len(bpy.data.node_groups) - groups <= (2 if bpy.app.version < (4, 5) else 0)
    settings = second.root["tuning"]
    settings["confidence"] = 1e6
    settings.update_tag()
    assert [len(positions(evaluated(built.clouds[0]))) for built in (first, second)] == [24 * 16, 0]
    assert [len(evaluated(built.meshes[0]).polygons) for built in (first, second)] == [25 * 17, 0]


def test_moving_the_root_computes_nothing_anew(make_view):
    """Or else a million points would go to the graphics card at every step of the mouse."""
    built = built_from(make_view(), tuning=Tuning())
    bpy.context.view_layer.update()
    changed = []
    watch = lambda _scene, depsgraph: changed.extend(  # noqa: E731
        item.id.name for item in depsgraph.updates if item.is_updated_geometry
    )
    bpy.app.handlers.depsgraph_update_post.append(watch)
    try:
        built.root.location.x += 1.0
        bpy.context.view_layer.update()
        assert not {item.name for item in built.meshes + built.clouds} & set(changed)
        set_tuning(built.root, ALL)
        bpy.context.view_layer.update()
        assert {item.name for item in built.meshes + built.clouds} <= set(changed)
    finally:
        bpy.app.handlers.depsgraph_update_post.remove(watch)


WITHOUT_ADDON = """
import bpy, json, os, sys
assert not bpy.context.preferences.filepaths.use_scripts_auto_execute
bpy.ops.wm.open_mainfile(filepath=sys.argv[-2], use_scripts=False)
settings = next(item for item in bpy.data.objects if item.type == "EMPTY")["tuning"]
def counts():
    found = []
    for shown in bpy.context.evaluated_depsgraph_get().object_instances:
        if shown.object.type in {"MESH", "POINTCLOUD"}:
            found.append((shown.object.type, len(shown.object.data.attributes["position"].data)))
    return sorted(found)
result = [counts()]
for changes in json.loads(sys.argv[-1]):
    for name, value in changes.items():
        settings[name] = value
    settings.update_tag()
    result.append(counts())
print(json.dumps([result, "image_to_scene" in sys.modules]), flush=True)
os._exit(0)
"""


def counts():
    return sorted(
        (shown.object.type, len(shown.object.data.attributes["position"].data))
        for shown in bpy.context.evaluated_depsgraph_get().object_instances
        if shown.object.type in {"MESH", "POINTCLOUD"}
    )


def test_it_stays_live_in_a_file_that_is_opened_without_the_add_on_and_without_scripts(rich, tmp_path):
    built = built_from(rich)
    changes = [
        {"confidence_percentile": 60.0},
        {"mesh_step": 2, "point_density": 0.5},
        {"remove_masked": False, "remove_sky": False},
        {"depth_jump": 0.0, "confidence_percentile": 0.0, "confidence": 2.5, "max_distance": 7.0, "mesh_step": 3},
    ]
    path = tmp_path / "tuned.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    expected = [counts()]
    for change in changes:
        set_tuning(built.root, replace(get_tuning(built.root), **change))
        expected.append(counts())
    command = [sys.executable, "-c", WITHOUT_ADDON, "--factory-startup", str(path), json.dumps(changes)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found, has_addon = json.loads(output.splitlines()[-1])
    assert not has_addon
    assert [[tuple(item) for item in shown] for shown in found] == expected
    assert len({str(item) for item in expected}) == len(expected)
