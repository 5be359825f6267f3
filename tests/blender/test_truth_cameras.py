"""Pose tokens end to end with ground truth: our boxes, rendered from cameras of their own, come back to their place.

The renders and the cameras go in as an artist gives them; with the true depth every vertex then lies on a true surface,
whatever the camera is, and with the small network most of them lie near one.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from image_to_scene.core.types import ReconstructedView, Reconstruction, Request
from image_to_scene.operators.inputs import Item, views_from
from image_to_scene.operators.scene import build
from image_to_scene.operators.session import session

sys.path.append(str(Path(__file__).parent))
import test_tracking as tracked
import test_truth as truth


@pytest.fixture
def boxes(workbench):
    """Put the true scene into the file, to be rendered in flat colours."""
    for name in truth.BOXES:
        truth.add_box(name)
    workbench(bpy.context.scene, "OBJECT")
    return bpy.context.scene


def add_camera(place=0, parent=None, **values):
    """Add a camera where one of the truth's own stands."""
    location, rotation, lens, shift, _ = truth.CAMERAS[place]
    data = bpy.data.cameras.new("true")
    data.lens, (data.shift_x, data.shift_y) = lens, shift
    for key, value in values.items():
        setattr(data, key, value)
    camera = bpy.data.objects.new("true", data)
    bpy.context.scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = location, rotation
    bpy.context.view_layer.update()
    if parent is not None:  # the pose in the world stays
        camera.parent, camera.matrix_parent_inverse = parent, parent.matrix_world.inverted()
    return camera


def add_root(scale, rotation=(0.2, -0.4, 1.0)):
    root = bpy.data.objects.new("root", None)
    bpy.context.scene.collection.objects.link(root)
    root.scale, root.rotation_euler, root.location = scale, rotation, (0.3, 0.1, -0.2)
    bpy.context.view_layer.update()
    return root


def key(item, path, values):
    """Key a property at frames 1, 2 and so on."""
    for frame, value in enumerate(values, start=1):
        setattr(item, path, value)
        item.keyframe_insert(path, frame=frame)


def moving():
    camera = add_camera()
    key(camera, "location", [(-1.0, -2.3, 0.4), (0.2, -2.0, 0.1), (1.2, -1.8, 0.8)])
    key(camera, "rotation_euler", [(1.5, 0.0, -0.2), (1.5, 0.2, 0.0), (1.3, 0.0, 0.4)])
    key(camera.data, "lens", [20.0, 24.0, 17.0])
    return camera


def carried():
    """A still camera on a root that is scaled and moves."""
    root = add_root((2.0, 2.0, 2.0))
    camera = add_camera(parent=root)
    key(root, "location", [(0.0, 0.0, 0.0), (0.4, 0.1, 0.1), (0.8, -0.1, 0.2)])
    return camera


def watching():
    """A camera that follows a path of drivers and looks at one thing."""
    camera, target = add_camera(), add_root((1, 1, 1))
    constraint = camera.constraints.new("TRACK_TO")
    constraint.target = target
    camera.driver_add("location", 0).driver.expression = "0.2 * frame"
    return camera


STILL = {  # what makes the camera, render size, pixel aspect, percentage
    "landscape": (lambda: add_camera(0), (48, 32), (1, 1), 100),
    "portrait and off-centre": (lambda: add_camera(1), (32, 48), (1, 1), 100),
    "fit to width, portrait": (lambda: add_camera(1, sensor_fit="HORIZONTAL", lens=30), (32, 48), (1, 1), 100),
    "fit to height, landscape": (lambda: add_camera(0, sensor_fit="VERTICAL", lens=15), (48, 32), (1, 1), 100),
    "wide pixels": (lambda: add_camera(2), (40, 40), (1.6, 1), 100),
    "high pixels, fit to height": (lambda: add_camera(2, sensor_fit="VERTICAL", lens=14), (48, 30), (1, 1.4), 100),
    "rounded percentage": (lambda: add_camera(2), (101, 67), (1, 1), 33),
    "below a scaled and turned root": (lambda: add_camera(0, add_root((0.3, 0.3, 0.3))), (48, 32), (1, 1), 100),
    "below two mirrors": (lambda: add_camera(1, add_root((-2, -2, 2), (0, 0, 0))), (32, 48), (1, 1), 100),
}
MOVING = {"keyed": moving, "carried": carried, "constrained and driven": watching}


def set_render(size, aspect=(1, 1), percentage=100):
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = size
    render.pixel_aspect_x, render.pixel_aspect_y = aspect
    render.resolution_percentage = percentage


def with_true_depth(views, frames, camera, folder):
    """Make of posed views what a perfect network would, from Blender's own depth of each frame."""
    scene, found = bpy.context.scene, []
    scene.camera = camera
    for view, frame in zip(views, frames, strict=True):
        scene.frame_set(frame)
        image, depth = truth.render_truth(scene, folder / f"{frame}.exr")
        height, width = depth.shape
        K, pose = view.image_from_camera, view.world_from_camera
        seen = ReconstructedView(view.path, view.path, (width, height), np.eye(3), image, depth, K, pose)
        found.append(replace(seen, time=view.time))
    return Reconstruction(tuple(found), world="given")


def check(reconstruction, camera):
    """Build it beside its own cameras; every vertex and point must lie on a true surface."""
    for name in truth.BOXES:
        bpy.data.objects.remove(bpy.data.objects[name])
    without = tuple(range(len(reconstruction.views)))
    built = build(reconstruction, replace(truth.UNCUT, without_camera=without), bpy.context.scene)
    assert built.cameras == ()
    assert [item for item in bpy.context.scene.objects if item.type == "CAMERA"] == [camera]
    truth.check_against_truth(reconstruction, np.eye(4))


@pytest.mark.parametrize(("make", "size", "aspect", "percentage"), STILL.values(), ids=STILL)
def test_every_vertex_lies_on_a_true_surface(boxes, tmp_path, make, size, aspect, percentage):
    camera = make()
    set_render(size, aspect, percentage)
    bpy.context.view_layer.update()
    pose = camera.matrix_world.copy()
    given = views_from([Item("true", "CAMERA", camera=camera, picture_source="RENDER")], bpy.context)
    check(with_true_depth(given.views, [boxes.frame_current], camera, tmp_path), camera)
    assert camera.matrix_world == pose


def with_scaled_self(camera):
    camera.scale = (0.5, 3.0, 2.0)
    return camera


def test_the_scale_of_a_camera_does_not_count(boxes, tmp_path):
    camera = with_scaled_self(add_camera(0))
    set_render((48, 32))
    given = views_from([Item("true", "CAMERA", camera=camera, picture_source="RENDER")], bpy.context)
    check(with_true_depth(given.views, [1], camera, tmp_path), camera)


@pytest.mark.parametrize("make", MOVING.values(), ids=MOVING)
def test_every_vertex_of_a_moving_camera_lies_on_a_true_surface(boxes, tmp_path, make):
    camera = make()
    set_render((48, 32))
    boxes.frame_set(2)
    item = Item("true", "CAMERA", camera=camera, picture_source="RENDER", is_animated=True, frame_end=3, pick="STEP")
    given = views_from([item], bpy.context)
    assert given.without_camera == (0, 1, 2)
    check(with_true_depth(given.views, [1, 2, 3], camera, tmp_path), camera)


COEFFICIENTS = (-0.12, 0.02)  # of the clip's lens: barrel-shaped, five pixels at the corners
WHOLE = (56, 42)  # pixels: whole patches, so that the network sees the picture's own pixels


def bent(x, y):
    """Bend normalised coordinates as the clip's lens does (Brown 1971, radial part)."""
    r2 = x * x + y * y
    factor = 1.0 + COEFFICIENTS[0] * r2 + COEFFICIENTS[1] * r2 * r2
    return x * factor, y * factor


def pattern(x, y):
    """Return the colour [H, W] of a picture of waves at pixels."""
    return 127.0 + 100.0 * np.sin(0.35 * x) * np.sin(0.35 * y)


def grid():
    return np.meshgrid(np.arange(WHOLE[0]) + 0.5, np.arange(WHOLE[1]) + 0.5)


def as_taken(focal):
    """Show the waves as the clip's lens does: each pixel from where a pinhole sees it, found by iteration."""
    x, y = grid()
    x, y = (x - WHOLE[0] / 2) / focal, (y - WHOLE[1] / 2) / focal
    straight_x, straight_y = x, y
    for _ in range(60):
        bent_x, bent_y = bent(straight_x, straight_y)
        straight_x, straight_y = straight_x + x - bent_x, straight_y + y - bent_y
    return pattern(straight_x * focal + WHOLE[0] / 2, straight_y * focal + WHOLE[1] / 2)


@pytest.fixture
def reconstruct(worker_python):
    """Run a request in the worker, as the operator does; its pictures stay as long as the test."""
    runs = []

    def run(request):
        runs.append(session.start(request, worker_python))
        while not runs[-1].advance():
            time.sleep(0.02)
        (found,) = runs[-1].reconstructions()
        return found

    yield run
    for each in runs:
        session.finish(each)


@pytest.fixture
def solved(tmp_path, save_picture, monkeypatch):
    """Solve a clip of a lens with distortion; return it with its files, and a camera that follows it in the room."""
    monkeypatch.setattr(tracked, "SIZE", WHOLE)
    grey = np.full((WHOLE[1], WHOLE[0], 3), 128, np.uint8)
    files = [save_picture(tmp_path / f"shot_{index + 1:04d}.png", grey) for index in range(tracked.FRAMES)]
    clip = bpy.data.movieclips.load(str(files[0]))
    lens = clip.tracking.camera
    lens.sensor_width, lens.units, lens.focal_length = 36.0, "MILLIMETERS", 30.0
    lens.distortion_model, (lens.k1, lens.k2) = "POLYNOMIAL", COEFFICIENTS
    assert tracked.solve(clip, bent) < 0.2  # so these are the tracker's own terms
    set_render(WHOLE)
    camera = add_camera(lens=30.0, shift_x=0.0, shift_y=0.0)
    camera.location, camera.rotation_euler = (0, 0, 0), (0, 0, 0)
    constraint = camera.constraints.new("CAMERA_SOLVER")
    constraint.use_active_clip, constraint.clip = False, clip
    stand_in_the_room(camera)
    return clip, files, camera


def stand_in_the_room(camera):
    """Hang a solved camera below a root that is scaled, so that its first frame looks into the room."""
    scene = bpy.context.scene
    scene.frame_set(1)
    solved = camera.matrix_world.copy()
    root = add_root((1, 1, 1))
    root.matrix_world = Matrix.LocRotScale(Vector((-1.0, -2.3, 0.4)), Euler((1.5, 0.0, -0.2)), Vector((0.4, 0.4, 0.4)))
    root.matrix_world = root.matrix_world @ solved.inverted()
    camera.parent = root
    bpy.context.view_layer.update()


def test_a_tracked_clip_comes_back_straight(boxes, solved, tmp_path, save_picture, tiny_checkpoint, reconstruct):
    clip, files, camera = solved
    frames = range(1, tracked.FRAMES + 1)
    item = Item("true", "CAMERA", camera=camera, picture_source="CLIP", is_animated=True, frame_end=tracked.FRAMES,
                pick="STEP")  # fmt: skip
    given = views_from([item], bpy.context)
    assert [view.path for view in given.views] == files
    perfect = with_true_depth(given.views, frames, camera, tmp_path)
    check(perfect, camera)
    taken, straight = as_taken(clip.tracking.camera.focal_length_pixels), pattern(*grid())
    for path in files:
        save_picture(path, np.repeat(taken[..., None].round(), 3, axis=-1))
    found = reconstruct(Request(given.views, model=str(tiny_checkpoint), resolution=WHOLE[0]))
    assert found.world == "given"
    assert np.abs(taken - straight).mean() > 8.0
    for view, true in zip(found.views, perfect.views, strict=True):
        np.testing.assert_allclose(view.image_from_camera, true.image_from_camera, atol=1e-6)
        np.testing.assert_allclose(view.world_from_camera, true.world_from_camera, atol=1e-6)
        assert np.abs(view.image[2:-2, 2:-2, 0] - straight[2:-2, 2:-2]).mean() < 2.0
        np.testing.assert_allclose(shown(view.texture), view.image[..., 0], atol=2.0)


def shown(path):
    """Return the red channel [H, W] of a picture's file, 0 to 255."""
    image = bpy.data.images.load(str(path))
    pixels = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)[::-1, :, 0]
    bpy.data.images.remove(image)
    return 255.0 * pixels
