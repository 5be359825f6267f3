"""Solved clips: their frames, their camera and their lens, against Blender's own reading of them."""

import math
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from image_to_scene.core.errors import CameraError
from image_to_scene.core.types import Distortion
from image_to_scene.operators.inputs import Item, cameras, tracking
from image_to_scene.operators.inputs.backgrounds import image_frame
from image_to_scene.operators.inputs.stage import compositor, write_frame

SIZE = (64, 48)
FRAMES = 6
FIRST = 101  # the number of the first picture
START = 5  # the frame of the scene that shows it
MODELS = {
    "POLYNOMIAL": (-0.05, 0.01, 0.002),
    "DIVISION": (-0.04, 0.005),
    "NUKE": (0.03, -0.002),
    "BROWN": (0.03, -0.01, 0.002, 0.0, 0.004, -0.003),
}


def grey(index):
    return 40 + 30 * index


@pytest.fixture
def frames(tmp_path, save_picture):
    """Write numbered pictures, each of a grey of its own."""
    return [
        save_picture(tmp_path / f"shot_{FIRST + index:04d}.png", np.full((SIZE[1], SIZE[0], 3), grey(index), np.uint8))
        for index in range(FRAMES)
    ]


@pytest.fixture
def clip(frames):
    clip = bpy.data.movieclips.load(str(frames[0]))
    clip.frame_start = START
    lens = clip.tracking.camera
    lens.sensor_width, lens.units, lens.focal_length = 36.0, "MILLIMETERS", 30.0
    bpy.context.scene.frame_start = START
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = SIZE
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    return clip


@pytest.fixture
def movie(frames, tmp_path):
    """Write the numbered pictures as a lossless movie, with what Blender ships."""
    scene = bpy.data.scenes.new("movie")
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    for index, path in enumerate(frames):
        strips.new_image(name=str(index), filepath=str(path), channel=1, frame_start=index + 1)
    render, settings = scene.render, scene.render.image_settings
    render.resolution_x, render.resolution_y = SIZE
    scene.frame_start, scene.frame_end, scene.view_settings.view_transform = 1, FRAMES, "Standard"
    if bpy.app.version >= (5, 0):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MKV", "FFV1"
    render.filepath, render.use_file_extension = str(tmp_path / "walk.mkv"), False
    bpy.ops.render.render(animation=True, scene=scene.name)
    bpy.data.scenes.remove(scene)
    return tmp_path / "walk.mkv"


def add_camera(clip=None):
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    bpy.context.scene.collection.objects.link(camera)
    camera.data.lens = 30.0
    if clip is not None:
        constraint = camera.constraints.new("CAMERA_SOLVER")
        constraint.use_active_clip, constraint.clip = False, clip
    return camera


def true_pose(index):
    part = index / (FRAMES - 1)
    turn = Euler((math.pi / 2, 0.05 * part, 0.15 - 0.3 * part)).to_matrix().to_4x4()
    return Matrix.Translation((-2 + 4 * part, 0.5 * math.sin(3 * part), 0.3 * part)) @ turn


def solve(clip, distort=lambda x, y: (x, y)):
    """Track points of a known scene through a clip and let Blender solve it; return its mean error in pixels."""
    focal = clip.tracking.camera.focal_length_pixels
    points = np.random.default_rng(0).uniform((-2, 8, -2), (2, 12, 2), (30, 3))
    for number, point in enumerate(points):
        track = clip.tracking.tracks.new(name=f"{number}", frame=1)
        for index in range(FRAMES):
            seen = true_pose(index).inverted() @ Vector(point)
            x, y = distort(-seen.x / seen.z, -seen.y / seen.z)
            track.markers.insert_frame(index + 1, co=(0.5 + focal * x / SIZE[0], 0.5 + focal * y / SIZE[1]))
    tracked = clip.tracking.objects[0]
    tracked.keyframe_a, tracked.keyframe_b = 1, FRAMES
    area = bpy.context.window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    area.spaces[0].clip = clip
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(area=area, region=region):
        assert bpy.ops.clip.solve_camera() == {"FINISHED"}
    return clip.tracking.reconstruction.average_error


def views_of(camera, first=START, last=START + FRAMES - 1, source="AUTO"):
    item = Item("camera", "CAMERA", camera=camera, picture_source=source, is_animated=True, frame_start=first,
                frame_end=last, pick="STEP")  # fmt: skip
    return cameras.views_of(item, bpy.context)


def shown(path):
    image = bpy.data.images.load(str(path))
    value = 255.0 * image.pixels[0]
    bpy.data.images.remove(image)
    return value


def test_a_solved_clip_gives_its_cameras_and_frames(clip, frames, data_blocks):
    assert solve(clip) < 0.5
    camera = add_camera(clip)
    bpy.context.scene.frame_set(START + 2)
    listed = data_blocks()
    views = views_of(camera)
    assert data_blocks() == listed
    assert bpy.context.scene.frame_current == START + 2
    assert [view.path for view in views] == frames
    rate = bpy.context.scene.render.fps
    assert [view.time * rate for view in views] == pytest.approx(range(FRAMES))
    turns = [np.array(true_pose(index)) @ np.linalg.inv(view.world_from_camera * (1, -1, -1, 1))
             for index, view in enumerate(views)]  # fmt: skip
    for turn in turns:  # one similarity takes the solved cameras to the true ones
        np.testing.assert_allclose(turn[:3, :3], turns[0][:3, :3], atol=0.05)
    for view in views:
        np.testing.assert_allclose(np.diag(view.image_from_camera)[:2], 30.0 / 36.0 * SIZE[0], rtol=1e-6)
        assert view.distortion is None


def test_frames_follow_the_clip_as_blender_shows_it(clip, frames):
    camera = add_camera()
    bpy.context.scene.active_clip = clip
    clip.frame_start, clip.frame_offset = 12, 2
    views = views_of(camera, 10, 13, "CLIP")
    assert [view.path for view in views] == frames[:4]
    for view, frame in zip(views, range(10, 14), strict=True):
        assert blenders_own(clip, frame) == pytest.approx(shown(view.path), abs=1)


def blenders_own(clip, frame):
    """Return the grey that Blender's compositor shows of a clip at a frame."""

    def add_source(tree):
        node = tree.nodes.new("CompositorNodeMovieClip")
        node.clip = clip
        return node.outputs[0]

    with compositor(SIZE, add_source, "Standard") as scene:
        scene.frame_set(frame)
        return shown(write_frame(scene, Path(bpy.app.tempdir) / "own.png"))


def test_frames_of_a_movie_are_decoded_by_blender(movie, data_blocks):
    camera = add_camera()
    clip = bpy.data.movieclips.load(str(movie))
    clip.frame_start, clip.frame_offset = 3, 1
    bpy.context.scene.active_clip = clip
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = SIZE
    assert clip.frame_duration == FRAMES
    listed = data_blocks()
    views = views_of(camera, 2, 7, "CLIP")
    assert data_blocks() == listed
    assert [shown(view.path) for view in views] == pytest.approx([grey(index) for index in range(FRAMES)], abs=2)


MOMENTS = (0, 1, 2, 5, 6, 9, 15, 16, 24, 25)  # thirtieths of a second
WRITE_VARIABLE = """
import sys, numpy
from pathlib import Path
sys.path.append(sys.argv[1])
from write_movie import write
frames = [numpy.full((48, 64, 3), 20 * (index + 1), numpy.uint8) for index in range(10)]
write(Path(sys.argv[2]), frames, times=[int(moment) for moment in sys.argv[3:]], options={"crf": "4", "bf": "0"})
"""


def test_frames_of_a_variable_rate_are_those_of_their_time(worker_python, tmp_path):
    path = tmp_path / "variable.mp4"
    words = ["-c", WRITE_VARIABLE, Path(__file__).parents[1], path, *map(str, MOMENTS)]
    subprocess.run([worker_python, *words], check=True)
    camera, scene = add_camera(), bpy.context.scene
    clip = scene.active_clip = bpy.data.movieclips.load(str(path))
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    assert clip.fps == 30.0
    views = views_of(camera, 1, 26, "CLIP")
    at_time = [20 * sum(moment <= frame for moment in MOMENTS) for frame in range(26)]
    assert [shown(view.path) for view in views] == pytest.approx(at_time, abs=4)
    assert [view.path.name for view in views[:2]] == ["variable 0001.png", "variable 0002.png"]


def test_a_movie_behind_a_camera_follows_its_own_clock(movie):
    camera = add_camera()
    background = camera.data.background_images.new()
    background.image = bpy.data.images.load(str(movie))
    user = background.image_user
    user.frame_start, user.frame_duration, user.frame_offset = 11, 4, 1
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = SIZE
    views = views_of(camera, 11, 14)
    assert [shown(view.path) for view in views] == pytest.approx([grey(index) for index in range(1, 5)], abs=2)
    with pytest.raises(CameraError, match="no picture at frame 15"):
        views_of(camera, 14, 15)


@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize(("start", "duration", "offset"), [(1, 4, FIRST - 1), (10, 3, FIRST), (-2, 5, FIRST - 1)])
def test_sequences_behind_a_camera_follow_their_own_clock(frames, start, duration, offset, cyclic):
    image = bpy.data.images.load(str(frames[0]))
    image.source = "SEQUENCE"
    camera = add_camera()
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = SIZE
    background = camera.data.background_images.new()
    background.image, user = image, background.image_user
    user.frame_start, user.frame_duration, user.frame_offset, user.use_cyclic = start, duration, offset, cyclic

    def add_source(tree):
        node = tree.nodes.new("CompositorNodeImage")
        node.image, node.use_auto_refresh = image, True
        node.frame_start, node.frame_duration, node.frame_offset = start, duration, offset
        node.use_cyclic = cyclic
        return node.outputs[0]

    with compositor(SIZE, add_source, "Standard") as scene:
        for frame in range(start - 2, start + duration + 2):
            if image_frame(user, frame) is None:
                with pytest.raises(CameraError, match="no picture at frame"):
                    views_of(camera, frame, frame)
                continue
            scene.frame_set(frame)
            own = shown(write_frame(scene, Path(bpy.app.tempdir) / "own.png"))
            (view,) = views_of(camera, frame, frame)
            assert shown(view.path) == pytest.approx(own, abs=1)


def test_a_frame_without_file_is_named(clip, frames):
    frames[2].unlink()
    bpy.context.scene.active_clip = clip
    with pytest.raises(CameraError, match=r"no picture shot_0103\.png"):
        views_of(add_camera(), source="CLIP")


def test_what_is_not_solved_is_named(clip):
    camera = add_camera(clip)
    with pytest.raises(CameraError, match="not solved: solve it"):
        views_of(camera)
    solve(clip)
    with pytest.raises(CameraError, match=f"not solved at frame {START + FRAMES} "):
        views_of(camera, START, START + FRAMES)
    camera.constraints[0].clip = None
    with pytest.raises(CameraError, match="clip that is gone"):
        views_of(camera)
    camera.constraints[0].mute, bpy.context.scene.active_clip = True, None
    with pytest.raises(CameraError, match="no movie clip"):
        views_of(camera, source="CLIP")


def test_a_clip_of_another_shape_than_the_render_is_named(clip):
    bpy.context.scene.active_clip = clip
    bpy.context.scene.render.resolution_x = 200
    with pytest.raises(CameraError, match="64×48 pixels, the render 200×48"):
        views_of(add_camera(), source="CLIP")


def set_lens(clip, model):
    lens = clip.tracking.camera
    lens.distortion_model = model
    for name, value in zip(tracking.COEFFICIENTS[model], MODELS[model], strict=True):
        setattr(lens, name, value)
    lens.principal_point_pixels = (30.0, 20.0)
    return lens


@pytest.mark.parametrize("model", MODELS)
def test_the_lens_of_a_clip_is_read(clip, model):
    lens = set_lens(clip, model)
    lens.pixel_aspect = 1.5
    found = tracking.distortion_of(clip)
    expected = np.array(MODELS[model])
    if model == "BROWN":
        expected[-1] *= -1.0
    assert isinstance(found, Distortion)
    assert found.model == model
    np.testing.assert_allclose(found.coefficients, expected, rtol=1e-6)
    np.testing.assert_allclose(found.focal_length, (30 / 36 * SIZE[0], 1.5 * 30 / 36 * SIZE[0]), rtol=1e-6)
    np.testing.assert_allclose(found.principal_point, (30.0, SIZE[1] - 20.0), rtol=1e-6)


def test_a_lens_with_terms_that_are_not_known_is_named(clip):
    if not hasattr(clip.tracking.camera, tracking.TANGENTIAL[0]):
        pytest.skip("the NUKE model has tangential terms only from Blender 5 on")
    set_lens(clip, "NUKE")
    setattr(clip.tracking.camera, tracking.TANGENTIAL[0], 0.01)
    with pytest.raises(CameraError, match="cannot be taken out"):
        tracking.distortion_of(clip)
