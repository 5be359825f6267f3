"""The .glb: valid, complete, read back equal; and the artist's file as it was before."""

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Quaternion

from image_to_scene.core.errors import StorageError
from image_to_scene.core.types import Reconstruction
from image_to_scene.operators.scene import BuildOptions, Tuning, build, export_glb, set_tuning
from image_to_scene.operators.scene.glb import Glb, read_glb

ROOT = Path(__file__).resolve().parents[2]
VALIDATE = """
const fs = require("fs"), validator = require("gltf-validator");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), {maxIssues: 20})
  .then(report => console.log(JSON.stringify(report.issues)));
"""


@pytest.fixture
def validate():
    """Run the Khronos validator; return its counts of errors and warnings, with all messages."""
    if shutil.which("node") is None or not (ROOT / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("node or node_modules/gltf-validator is missing (npm ci), so the glTF validator did not run")

    def run(path):
        command = ["node", "-e", VALIDATE, str(path)]
        output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT).stdout
        return json.loads(output)

    return run


@pytest.fixture
def built(make_view):
    """Two views of different shape, the second off-centre with fx ≠ fy."""
    beside = np.eye(4)
    beside[:3, 3] = (0.5, 0.1, -0.2)
    K = np.array([[30.0, 0, 10.0], [0, 24.0, 9.0], [0, 0, 1.0]])
    views = (make_view("wide"), make_view("tall photo ü", size=(16, 24), K=K, world_from_camera=beside, seed=1))
    return build(Reconstruction(views), BuildOptions(name="Shop", tuning=Tuning(confidence=1.5)), bpy.context.scene)


def exported(built, tmp_path):
    path = tmp_path / "shop.glb"
    export_glb(built.root, path)
    glb = read_glb(path)
    return path, glb.document, glb.buffer()


def node(document, name):
    return next(item for item in document["nodes"] if item["name"] == name)


def accessor(document, binary, index):
    """Read an accessor as [N, C] floats; colours may be normalised integers."""
    described = document["accessors"][index]
    view = document["bufferViews"][described["bufferView"]]
    kind, scale = {5126: ("<f4", 1), 5123: ("<u2", 65535), 5121: ("u1", 255)}[described["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[described["type"]]
    start = view.get("byteOffset", 0) + described.get("byteOffset", 0)
    values = np.frombuffer(binary, kind, described["count"] * width, start)
    return values.reshape(-1, width).astype(np.float64) / scale


def pose_at(item, frame):
    """Return where an object is at a frame, whole or broken, in its parent's frame and with glTF's axes."""
    whole = int(np.floor(frame + 1e-4))
    bpy.context.scene.frame_set(whole, subframe=max(0.0, frame - whole))
    found = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    parent_from_item = found.parent.matrix_world.inverted() @ found.matrix_world
    return Matrix.Rotation(-0.5 * np.pi, 4, "X") @ parent_from_item


def evaluated_points(item, key, width):
    """Return an attribute of an object's points after its modifiers, whatever it is made of."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    wanted = "POINTCLOUD" if "points" in item.name else "MESH"
    data = next(
        found.object.data
        for found in depsgraph.object_instances
        if found.object.type == wanted and found.object.name == item.name
    )
    values = np.empty(width * len(data.attributes["position"].data), np.float32)
    name, kind = key
    data.attributes[name].data.foreach_get(kind, values)
    return values.reshape(-1, width)


def test_the_khronos_validator_finds_no_error(built, tmp_path, validate):
    path, *_ = exported(built, tmp_path)
    issues = validate(path)
    assert issues["numErrors"] == 0, issues["messages"]
    assert issues["numWarnings"] == 0, issues["messages"]


def test_the_validator_would_find_one(built, tmp_path, validate):
    path, *_ = exported(built, tmp_path)
    glb = read_glb(path)
    glb.document["accessors"][0]["bufferView"] = 999
    glb.write()
    assert validate(path)["numErrors"] > 0


def test_meshes_are_cut_textured_and_unlit(built, tmp_path):
    _, document, _ = exported(built, tmp_path)
    assert "KHR_materials_unlit" in document["extensionsUsed"]
    depsgraph = bpy.context.evaluated_depsgraph_get()
    for item in built.meshes:
        (primitive,) = document["meshes"][node(document, item.name)["mesh"]]["primitives"]
        faces = len(item.evaluated_get(depsgraph).data.polygons)
        assert 0 < faces < len(item.data.vertices)
        assert document["accessors"][primitive["indices"]]["count"] == 6 * faces
        material = document["materials"][primitive["material"]]
        assert material["doubleSided"] is True
        assert material["extensions"] == {"KHR_materials_unlit": {}}
        texture = document["textures"][material["pbrMetallicRoughness"]["baseColorTexture"]["index"]]
        image = document["images"][texture["source"]]
        assert (image["mimeType"], "uri" in image) == ("image/png", False)


def test_what_is_exported_is_what_the_tuning_shows(built, tmp_path, validate):
    set_tuning(built.root, Tuning(mesh_step=3, point_density=0.5))
    path, document, _ = exported(built, tmp_path)
    assert validate(path)["numErrors"] == 0
    depsgraph = bpy.context.evaluated_depsgraph_get()
    for item in built.meshes:
        (primitive,) = document["meshes"][node(document, item.name)["mesh"]]["primitives"]
        faces = len(item.evaluated_get(depsgraph).data.polygons)
        assert 0 < faces < 0.2 * len(item.data.vertices)
        assert document["accessors"][primitive["indices"]]["count"] == 6 * faces
        assert document["materials"][primitive["material"]]["name"] == item.data.materials[0].name
        assert "TEXCOORD_0" in primitive["attributes"]
    for item in built.clouds:
        (primitive,) = document["meshes"][node(document, item.name)["mesh"]]["primitives"]
        count = document["accessors"][primitive["attributes"]["POSITION"]]["count"]
        assert count == len(evaluated_points(item, ("position", "vector"), 3)) < 0.6 * 24 * 16


def test_an_embedded_picture_is_the_photo(built, tmp_path):
    _, document, binary = exported(built, tmp_path)
    image = next(image for image in document["images"] if image["name"] == "wide")
    view = document["bufferViews"][image["bufferView"]]
    start = view.get("byteOffset", 0)
    assert binary[start : start + view["byteLength"]] == (tmp_path / "wide.png").read_bytes()


def test_points_are_cut_and_keep_their_colours(built, tmp_path):
    _, document, binary = exported(built, tmp_path)
    for item in built.clouds:
        (primitive,) = document["meshes"][node(document, item.name)["mesh"]]["primitives"]
        assert primitive["mode"] == 0
        position = accessor(document, binary, primitive["attributes"]["POSITION"])
        colour = accessor(document, binary, primitive["attributes"]["COLOR_0"])
        expected = evaluated_points(item, ("position", "vector"), 3)
        assert len(expected) < len(item.data.attributes["position"].data)
        np.testing.assert_allclose(position, expected[:, [0, 2, 1]] * (1, 1, -1), atol=1e-6)  # glTF's Y is up
        linear = evaluated_points(item, ("Color", "color"), 4)
        np.testing.assert_allclose(colour[:, :3], linear[:, :3], atol=1.0 / 65535)


def test_cameras_have_their_own_shape(built, tmp_path):
    _, document, _ = exported(built, tmp_path)
    for name, width, height, K in (
        ("wide", 48, 32, [[43.2, 0, 24], [0, 43.2, 16], [0, 0, 1]]),
        ("tall photo ü", 32, 48, [[60, 0, 20], [0, 48, 18], [0, 0, 1]]),
    ):
        camera = document["cameras"][node(document, f"{name} camera")["camera"]]
        (fx, _, _), (_, fy, _), _ = K
        assert camera["perspective"]["aspectRatio"] == pytest.approx((width / fx) / (height / fy), rel=1e-6)
        assert camera["perspective"]["yfov"] == pytest.approx(2 * np.arctan(height / (2 * fy)), rel=1e-6)
        assert 0 < camera["perspective"]["znear"] < camera["perspective"]["zfar"]
        assert (camera["extras"]["width"], camera["extras"]["height"]) == (width, height)
        np.testing.assert_allclose(camera["extras"]["image_from_camera"], K, rtol=1e-6, atol=1e-5)


def test_cameras_follow_the_roots_scale(built, tmp_path):
    near = built.cameras[0].data.clip_start
    built.root.scale = (3.0, 3.0, 3.0)
    _, document, _ = exported(built, tmp_path)
    camera = document["cameras"][node(document, "wide camera")["camera"]]
    assert camera["perspective"]["znear"] == pytest.approx(3 * near, rel=1e-5)


def world_positions(name):
    item = bpy.data.objects[name]
    data = item.data
    values = np.empty(3 * len(data.attributes["position"].data), np.float32)
    data.attributes["position"].data.foreach_get("vector", values)
    matrix = np.array(item.matrix_world)
    return values.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def test_what_is_read_back_stands_where_the_root_put_it(built, tmp_path):
    built.root.location, built.root.rotation_euler, built.root.scale = (1, -2, 3), (0.1, 0.4, -1.0), (2, 2, 2)
    bpy.context.view_layer.update()
    matrix = np.array(built.root.matrix_world)
    poses = {item.name: np.array(item.matrix_world.normalized()) for item in built.cameras}
    points = {
        item.name: evaluated_points(item, ("position", "vector"), 3) @ matrix[:3, :3].T + matrix[:3, 3]
        for item in built.clouds + built.meshes
    }
    path, *_ = exported(built, tmp_path)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(path))
    bpy.context.view_layer.update()
    for name, pose in poses.items():
        np.testing.assert_allclose(np.array(bpy.data.objects[name].matrix_world.normalized()), pose, atol=1e-5)
    for name, expected in points.items():
        found = world_positions(name)
        assert len(found) == len(expected)
        if "points" in name:
            np.testing.assert_allclose(found, expected, atol=1e-5)
        else:  # the exporter orders vertices by its own rule
            assert max(np.linalg.norm(expected - point, axis=1).min() for point in found) < 1e-5


def test_parts_that_are_not_there_are_not_missed(make_reconstruction, tmp_path, validate):
    for number, part in enumerate(("cameras", "point_cloud", "meshes")):
        nothing = {"cameras": False, "point_cloud": False, "meshes": False}
        built = build(make_reconstruction(), BuildOptions(**(nothing | {part: True})), bpy.context.scene)
        path = tmp_path / f"{number}.glb"
        export_glb(built.root, path)
        assert validate(path)["numErrors"] == 0
    set_tuning(built.root, Tuning(confidence=1e5))  # nothing is left of them
    export_glb(built.root, path)
    assert validate(path)["numErrors"] == 0


def test_a_stored_picture_is_embedded_too(make_reconstruction, tmp_path, validate):
    reconstruction = make_reconstruction()
    for view in reconstruction.views:
        view.texture.unlink()
    built = build(reconstruction, BuildOptions(), bpy.context.scene)
    path, document, _ = exported(built, tmp_path)
    assert len(document["images"]) == 2
    assert validate(path)["numErrors"] == 0


def state(scene):
    layer = bpy.context.view_layer
    render = scene.render
    return (
        sorted(item.name for item in scene.objects),
        [item.name for item in bpy.context.selected_objects],
        layer.objects.active and layer.objects.active.name,
        (render.resolution_x, render.resolution_y, scene.camera, scene.frame_current),
        sorted(scene.keys()),
        bpy.context.window.scene.name,
    )


def test_the_artists_file_stays_as_it_is(built, tmp_path, data_blocks, capfd):
    scene = bpy.context.scene
    mine = bpy.data.objects.new("Mine", bpy.data.meshes.new("Mine"))
    scene.collection.objects.link(mine)
    mine.select_set(True)
    bpy.context.view_layer.objects.active = built.cameras[1]
    before, blocks = state(scene), data_blocks()
    capfd.readouterr()
    path, document, _ = exported(built, tmp_path)
    assert (state(scene), data_blocks()) == (before, blocks)
    assert "Mine" not in [item["name"] for item in document["nodes"]]
    assert [item.name for item in tmp_path.glob("*.glb")] == [path.name]
    assert capfd.readouterr().out == "", "a summary on stdout must stay alone there"


def test_a_failure_leaves_neither_file_nor_data(built, tmp_path, data_blocks):
    before = data_blocks()
    with pytest.raises(StorageError, match="folder"):
        export_glb(built.root, tmp_path / "missing" / "shop.glb")
    folder = tmp_path / "taken.glb"
    folder.mkdir()
    with pytest.raises(StorageError, match="taken"):
        export_glb(built.root, folder)
    assert data_blocks() == before
    assert sorted(item.name for item in tmp_path.rglob("*.glb")) == ["taken.glb"]


def test_two_builds_are_exported_apart(make_reconstruction, tmp_path):
    first = build(make_reconstruction(), BuildOptions(name="Room"), bpy.context.scene)
    second = build(make_reconstruction(), BuildOptions(name="Room"), bpy.context.scene)
    for built in (first, second):
        _, document, _ = exported(built, tmp_path)
        made = [built.root, *built.cameras, *built.clouds, *built.meshes]
        assert sorted(item["name"] for item in document["nodes"]) == sorted(item.name for item in made)


def small_glb(path, document, buffer=b""):
    """Write a file by the specification's own words."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunk = struct.pack("<II", len(buffer), 0x004E4942) + buffer if buffer else b""
    path.write_bytes(
        struct.pack("<5I", 0x46546C67, 2, 20 + len(text) + len(chunk), len(text), 0x4E4F534A) + text + chunk
    )
    return path


@pytest.mark.parametrize("name", ["ü", "", "longer than it was"])
@pytest.mark.parametrize("buffer", [b"", b"1234", b"12345678"])
@pytest.mark.parametrize("more", [(), (b"abcd",), (b"abcd", b"x")])
def test_a_glb_is_changed_in_place(tmp_path, name, buffer, more):
    path = small_glb(tmp_path / "small.glb", {"asset": {"version": "2.0"}, "name": "before"}, buffer)
    glb = read_glb(path)
    assert (glb.document["name"], glb.size, glb.buffer()) == ("before", len(buffer), buffer)
    glb.document["name"] = name
    glb.write(*map(memoryview, more))
    content = path.read_bytes()
    assert len(content) % 4 == 0
    assert struct.unpack_from("<II", content, 4) == (2, len(content))
    expected = b"".join((buffer, *more))
    again = read_glb(path)
    assert again.document == {"asset": {"version": "2.0"}, "name": name}
    assert again.buffer() == expected + b"\0" * (-len(expected) % 4)
    assert content[-8 - again.size :][:8] == struct.pack("<II", again.size, 0x004E4942) or not expected


def test_a_truncated_glb_is_refused(tmp_path):
    path = small_glb(tmp_path / "small.glb", {"asset": {"version": "2.0"}}, b"1234")
    for kept in (path.stat().st_size - 2, 14, 3):
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(StorageError, match=r"small\.glb"):
            read_glb(path)


def test_only_the_document_is_written_again(built, tmp_path, monkeypatch):
    """Cameras and points fit into the room that the exporter keeps for them, and no word of it is left."""
    written = []
    write = Glb.write
    monkeypatch.setattr(Glb, "write", lambda glb, *more: (written.append(glb), write(glb, *more)))
    _, document, _ = exported(built, tmp_path)
    (glb,) = written
    assert len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()) <= glb.room
    assert "copyright" not in document["asset"]


def test_a_changed_lens_is_exported_as_it_is_now(built, tmp_path):
    built.cameras[0].data.lens *= 2.0
    _, document, _ = exported(built, tmp_path)
    camera = document["cameras"][node(document, "wide camera")["camera"]]
    assert camera["perspective"]["yfov"] == pytest.approx(2 * np.arctan(32 / (2 * 86.4)), rel=1e-6)


def test_a_rotated_pictures_copy_is_what_is_embedded(make_view, save_picture, tmp_path):
    copy = save_picture(tmp_path / "upright.png", np.full((32, 48, 3), 77, np.uint8))
    view = replace(make_view("turned"), texture=copy)
    content = copy.read_bytes()
    built = build(Reconstruction((view,)), BuildOptions(), bpy.context.scene)
    copy.unlink()
    _, document, binary = exported(built, tmp_path)
    (image,) = document["images"]
    part = document["bufferViews"][image["bufferView"]]
    start = part.get("byteOffset", 0)
    assert binary[start : start + part["byteLength"]] == content


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "OPEN_EXR", "JPEG"])
def test_the_file_does_not_depend_on_the_images_format(make_view, tmp_path, validate, kind, packed):
    image = bpy.data.images.new("other", 48, 32, float_buffer=kind == "OPEN_EXR")
    source = tmp_path / f"photo.{kind.lower()}"
    image.filepath_raw, image.file_format = str(source), kind
    image.save()
    bpy.data.images.remove(image)
    view = make_view("photo", texture=source, source=source)
    built = build(Reconstruction((view,)), BuildOptions(), bpy.context.scene)
    content = source.read_bytes()
    if packed:
        (shown,) = (item for item in bpy.data.images if item.source == "FILE")
        shown.pack()
        source.unlink()
    path, document, binary = exported(built, tmp_path)
    (found,) = document["images"]
    assert found["mimeType"] == "image/jpeg"
    assert "EXT_texture_webp" not in document.get("extensionsUsed", ())
    assert "extensionsRequired" not in document
    assert document["materials"][0]["name"] == built.meshes[0].data.materials[0].name
    assert validate(path)["numErrors"] == 0
    if kind == "JPEG":
        part = document["bufferViews"][found["bufferView"]]
        start = part.get("byteOffset", 0)
        assert binary[start : start + part["byteLength"]] == content


def test_a_moving_camera_is_an_animation_in_seconds(built, tmp_path, validate):
    scene, camera = bpy.context.scene, built.cameras[0]
    scene.render.fps, scene.render.fps_base = 30, 1.001
    camera.rotation_mode = "XYZ"
    for frame, x in ((10, 0.0), (40, 2.0)):
        camera.location.x, camera.rotation_euler[2] = x, 2.0 * x  # more than half a turn
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
    scene.frame_set(10)
    path, document, binary = exported(built, tmp_path)
    (animation,) = document["animations"]
    index = [item["name"] for item in document["nodes"]].index(camera.name)
    assert {channel["target"]["node"] for channel in animation["channels"]} == {index}
    read = {
        channel["target"]["path"]: [
            accessor(document, binary, animation["samplers"][channel["sampler"]][key]) for key in ("input", "output")
        ]
        for channel in animation["channels"]
    }
    seconds, rotations = read["rotation"]
    np.testing.assert_allclose(seconds[:, 0], np.arange(10, 41) * 1.001 / 30, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1.0, atol=1e-6)
    assert ((rotations[1:] * rotations[:-1]).sum(axis=1) > 0.9).all()
    at_rest = document["nodes"][index]
    np.testing.assert_allclose(read["translation"][1][0], at_rest.get("translation", (0, 0, 0)), atol=1e-5)
    assert abs(rotations[0] @ np.array(at_rest.get("rotation", (0, 0, 0, 1)))) == pytest.approx(1.0, abs=1e-5)
    assert validate(path)["numErrors"] == 0
    for second, location, rotation in zip(seconds[:, 0], read["translation"][1], rotations, strict=True):
        pose = pose_at(camera, second * 30 / 1.001)
        np.testing.assert_allclose(location, pose.to_translation(), atol=1e-6)
        x, y, z, w = rotation
        np.testing.assert_allclose(Quaternion((w, x, y, z)).to_matrix(), pose.to_3x3(), atol=1e-6)


def test_blender_reads_the_animation_back(built, tmp_path):
    """At a whole frame rate: Blender's importer multiplies by `fps_base`, by which frames have to be divided."""
    scene, camera = bpy.context.scene, built.cameras[0]
    scene.render.fps = 25
    for frame, x in ((10, 0.0), (40, 2.0)):
        camera.location.x = x
        camera.keyframe_insert("location", frame=frame)
    path, *_ = exported(built, tmp_path)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.context.scene.render.fps = 25
    bpy.ops.import_scene.gltf(filepath=str(path))
    for frame, x in ((10, 0.0), (40, 2.0)):
        bpy.context.scene.frame_set(frame)
        assert bpy.data.objects["wide camera"].matrix_world.translation.x == pytest.approx(x, abs=1e-6)


def test_a_constrained_camera_is_an_animation_and_still_ones_are_none(built, tmp_path):
    _, document, _ = exported(built, tmp_path)
    assert "animations" not in document
    target = bpy.data.objects.new("Target", None)
    bpy.context.scene.collection.objects.link(target)
    for frame, x in ((1, 0.0), (20, 3.0)):
        target.location.x = x
        target.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_end = 20
    built.cameras[0].constraints.new("COPY_LOCATION").target = target
    _, document, _ = exported(built, tmp_path)
    (animation,) = document["animations"]
    assert len(animation["channels"]) == 2


def test_what_gltf_cannot_say_is_named(built, tmp_path):
    camera = built.cameras[0].data
    for frame, lens in ((1, 20.0), (20, 40.0)):
        camera.lens = lens
        camera.keyframe_insert("lens", frame=frame)
    zoom, shift = export_glb(built.root, tmp_path / "shop.glb")
    assert "wide camera (20.0 to 40.0 mm)" in zoom
    assert "tall photo ü camera (+4.0 px across, -6.0 px down)" in shift
