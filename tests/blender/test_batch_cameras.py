import io
import json
import math
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mathutils import Euler, Vector

from image_to_scene.core.errors import CameraError, ImageToSceneError
from image_to_scene.core.geometry.cameras import project
from image_to_scene.core.types import Lens, View
from image_to_scene.operators import arguments, command
from image_to_scene.operators.given_cameras import view_from_camera, views_with_cameras
from image_to_scene.operators.scene import BuildOptions, build

ROOT = Path(__file__).resolve().parents[2]
K = [[80.0, 0.0, 40.0], [0.0, 80.0, 30.0], [0.0, 0.0, 1.0]]
CAMERA = {"world_from_camera": np.eye(4).tolist(), "image_from_camera": K}
QUARTER = math.tau / 4


def write(folder, content):
    file = folder / "cameras.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def moved(x):
    matrix = np.eye(4)
    matrix[0, 3] = x
    return CAMERA | {"world_from_camera": matrix.tolist()}


def new_camera(name, **values):
    data = bpy.data.cameras.new(name)
    camera = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(camera)
    for key, value in values.items():
        setattr(data, key, value)
    return camera


def test_json_is_read_in_the_pictures_order(pictures, tmp_path):
    views = views_with_cameras(pictures, write(tmp_path, {"views": [moved(1), moved(2)]}))
    assert [view.path for view in views] == pictures
    assert [view.world_from_camera[0, 3] for view in views] == [1, 2]
    np.testing.assert_array_equal(views[0].image_from_camera, K)


def test_json_that_names_pictures_is_read_by_name(pictures, tmp_path):
    entries = [moved(2) | {"image": f"anywhere/{pictures[1].name}"}, moved(1) | {"image": pictures[0].name}]
    views = views_with_cameras(pictures, write(tmp_path, {"views": entries}))
    assert [view.world_from_camera[0, 3] for view in views] == [1, 2]


def test_json_may_know_some_cameras_and_of_some_the_lens_alone(pictures, tmp_path):
    (known, unknown) = views_with_cameras(pictures, write(tmp_path, {"views": [moved(1) | {"image": "first.png"}]}))
    assert known.world_from_camera[0, 3] == 1 and unknown == View(pictures[1])
    place, lens = ({key: CAMERA[key]} for key in ("world_from_camera", "image_from_camera"))
    placed, seen = views_with_cameras(pictures, write(tmp_path, {"views": [place, lens]}))
    assert placed.image_from_camera is None and seen.world_from_camera is None
    np.testing.assert_array_equal(seen.image_from_camera, K)
    words = [
        "--images",
        *map(str, pictures),
        "--output",
        "x.glb",
        "--lens=40/20",
        "--cameras",
        str(tmp_path / "cameras.json"),
    ]
    command.new_file()
    placed, seen = command.inputs_from(arguments.parse(words, io.StringIO(), "batch.py")).views
    assert (placed.lens, placed.image_from_camera) == (Lens((2.0, 2.0)), None)
    assert seen.lens is None and seen.image_from_camera[0, 0] == 80.0
    assert placed.world_from_camera is not None and seen.world_from_camera is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not readable JSON"),
        ([], '"views"'),
        ({"views": 3}, '"views"'),
        ({"views": [3, 4]}, '"views"'),
        ({"views": [CAMERA]}, "1 cameras for 2 pictures"),
        ({"views": [CAMERA, {"image_from": K}]}, "zweites .* has neither world_from_camera nor image_from_camera"),
        ({"views": [CAMERA, CAMERA | {"world_from_camera": [[1, 2], [3, 4]]}]}, "pass 4×4"),
        ({"views": [CAMERA, CAMERA | {"world_from_camera": "here"}]}, "pass 4×4"),
        ({"views": [CAMERA, CAMERA | {"image_from_camera": np.zeros((3, 3)).tolist()}]}, "0 0 1"),
        ({"views": [CAMERA, CAMERA | {"world_from_camera": np.diag([2, 2, 2, 1]).tolist()}]}, "scaled"),
        ({"views": [CAMERA, CAMERA | {"world_from_camera": np.diag([-1, 1, 1, 1]).tolist()}]}, "mirrored"),
        ({"views": [CAMERA | {"image": "other.png"}, CAMERA | {"image": "first.png"}]}, '"other.png", which is none'),
        ({"views": [CAMERA | {"image": "first.png"}, CAMERA]}, "every entry must name a picture of its own"),
        ({"views": [CAMERA | {"image": "first.png"}] * 2}, "every entry must name a picture of its own"),
    ],
)
def test_json_that_does_not_fit_is_named(pictures, tmp_path, content, words):
    with pytest.raises(CameraError, match=words):
        views_with_cameras(pictures, write(tmp_path, content))


@pytest.mark.parametrize("name", ["missing.json", "missing.blend", "cameras.txt", "broken.blend"])
def test_files_that_cannot_be_read_are_named(pictures, tmp_path, name):
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"nothing of use")
    with pytest.raises(CameraError, match=name):
        views_with_cameras(pictures, tmp_path / name)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lens=st.floats(10, 200),
    shift=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    sensor=st.tuples(st.floats(5, 50), st.floats(5, 50)),
    fit=st.sampled_from(["AUTO", "HORIZONTAL", "VERTICAL"]),
    size=st.sampled_from([(1920, 1080), (1080, 1920), (1000, 1000)]),
    aspect=st.sampled_from([(1.0, 1.0), (1.5, 1.0), (1.0, 2.0)]),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    scale=st.floats(0.2, 5),
)
def test_blender_projects_a_point_where_we_do(tmp_path, lens, shift, sensor, fit, size, aspect, turn, scale):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = aspect
    camera = new_camera("camera", lens=lens, sensor_width=sensor[0], sensor_height=sensor[1], sensor_fit=fit)
    camera.data.shift_x, camera.data.shift_y = shift
    camera.rotation_euler, camera.location, camera.scale = Euler(turn), (1, 2, 3), [scale] * 3
    bpy.context.view_layer.update()
    view = view_from_camera(tmp_path / "unknown.png", camera, scene)
    point = camera.matrix_world.normalized() @ Vector((0.3, -0.2, -4.0))
    seen = world_to_camera_view(scene, camera, point)
    pixels, depth = project(np.array([point]), view.lens.image_from_camera(size), view.world_from_camera)
    bpy.data.objects.remove(camera)
    assert depth[0] == pytest.approx(4.0, rel=1e-5)
    np.testing.assert_allclose(pixels[0], (seen.x * size[0], (1 - seen.y) * size[1]), atol=0.02)


def test_cameras_of_a_built_scene_come_back(make_reconstruction, tmp_path):
    reconstruction = make_reconstruction(world="given")
    built = build(reconstruction, BuildOptions(meshes=False, point_cloud=False), bpy.context.scene)
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = 24, 16, 50
    parent = bpy.data.objects.new("parent", None)
    bpy.context.scene.collection.objects.link(parent)
    built.root.parent, parent.location = parent, (0, 0, 7)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cameras.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    sources = [view.source for view in reconstruction.views]
    views = views_with_cameras(sources, tmp_path / "cameras.blend")
    for view, truth in zip(views, reconstruction.views, strict=True):
        above = truth.world_from_camera.copy()
        above[2, 3] += 7
        np.testing.assert_allclose(view.world_from_camera, above, atol=1e-6)
        K = view.lens.image_from_camera(truth.source_size)
        np.testing.assert_allclose(K, truth.source_from_model @ truth.image_from_camera, atol=1e-4)


def test_cameras_are_taken_in_the_order_of_their_names(pictures, tmp_path):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 160, 120
    for name, x in (("b", 2), ("a", 1)):
        new_camera(name).location.x = x
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cameras.blend"))
    views = views_with_cameras(pictures, tmp_path / "cameras.blend")
    assert [view.world_from_camera[0, 3] for view in views] == [1, 2]
    assert views[0].lens.image_from_camera((80, 60))[0, 2] == pytest.approx(
        40
    )  # the pictures are half as wide as the render


def test_cameras_that_do_not_fit_are_named(pictures, tmp_path):
    for name in "ab":
        new_camera(name, type="ORTHO")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cameras.blend"))
    with pytest.raises(CameraError, match="not a perspective"):
        views_with_cameras(pictures, tmp_path / "cameras.blend")


def save_shot(path, pictures):
    """Save a .blend with a still camera before its photo, and one that moves and is rendered."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 80, 60
    scene.render.engine, scene.render.fps = "BLENDER_WORKBENCH", 12
    scene.frame_start, scene.frame_end = 10, 20
    still, moving = new_camera("a still"), new_camera("b moving", lens=30.0)
    background = still.data.background_images.new()
    background.image = bpy.data.images.load(str(pictures[0]))
    bpy.ops.mesh.primitive_cube_add(location=(2.0, 0.0, -6.0))  # an image of an empty scene would be left out
    for frame, x in ((10, 1.0), (20, 3.0)):
        moving.location.x = x
        moving.keyframe_insert("location", frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def test_cameras_of_a_blend_bring_their_pictures(pictures, tmp_path):
    shot = save_shot(tmp_path / "shot.blend", pictures)
    words = ["--cameras", str(shot), "--count", "3", "--output", str(tmp_path / "place.glb")]
    given = command.inputs_from(arguments.parse(words, io.StringIO(), "batch.py"))
    assert given.views[0].path == pictures[0]
    assert [view.world_from_camera[0, 3] for view in given.views] == pytest.approx([0, 1, 2, 3], abs=1e-5)
    assert [given.clip_start + 12 * view.time for view in given.views[1:]] == pytest.approx([10, 15, 20])
    assert [view.passing for view in given.views] == [False, True, True, True]
    assert given.without_camera == ()  # what is written is another file, where they do not stand
    np.testing.assert_allclose(
        given.views[1].image_from_camera, [[30 / 36 * 80, 0, 40], [0, 30 / 36 * 80, 30], [0, 0, 1]]
    )


def test_a_shot_goes_in_and_a_whole_file_comes_out(pictures, tmp_path, tiny_checkpoint, worker_python):
    shot = save_shot(tmp_path / "shot.blend", pictures)
    words = ["--cameras", shot, "--count", "2", "--output", tmp_path / "place.blend", "--model", tiny_checkpoint]
    process = [sys.executable, ROOT / "batch.py", *words, "--resolution", "56", "--python", worker_python]
    done = subprocess.run(process, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["world"] == "given"  # one line, though Blender says a line for each render
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "place.blend"))
    scene = bpy.context.scene
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (12, 10, 20)
    cameras = [item for item in scene.objects if item.type == "CAMERA"]
    assert len(cameras) >= 3
    rendered = [image for image in bpy.data.images if "moving" in image.name]
    assert len(rendered) == 2
    assert all(image.packed_file is not None for image in rendered)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], "--images names the pictures"), (["--cameras", "given.json"], "brings no pictures"),
     (["--cameras", "empty.blend"], "no cameras in its scene")],
)  # fmt: skip
def test_cameras_that_bring_no_pictures_are_named(tmp_path, words, sentence):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "empty.blend"))
    words = [str(tmp_path / word) if "." in word else word for word in words]
    with pytest.raises(ImageToSceneError, match=sentence):
        command.inputs_from(arguments.parse([*words, "--output", "x.glb"], io.StringIO(), "batch.py"))
