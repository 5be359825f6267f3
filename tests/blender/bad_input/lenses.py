"""What lies behind cameras of the scene, where they stand at other frames, and lenses that are known."""

import json
import struct

import bpy

from . import Case
from .desk import add_object


def behind(change, **values):
    """One camera, and a change of its object."""

    def spoil(desk):
        change(desk.camera("Shot", **values))

    return spoil


def background(**values):
    """A background that lies oddly."""

    def change(shot):
        for name, value in values.items():
            setattr(shot.data.background_images[0], name, value)

    return behind(change)


def no_number(shot):
    shot.location.x = float("nan")


def far_away(shot):
    shot.location = (1e7, -1e7, 1e7)


def extremely(lens):
    """A camera with a lens at the end of what Blender allows."""
    return behind(lambda shot: setattr(shot.data, "lens", lens))


def became_something_else(desk):
    desk.camera("Shot")
    desk.settings.pictures[0].camera = bpy.data.objects["Chair"]


def plate(after):
    """A camera before a picture to whose file something happens once Blender has read it."""

    def spoil(desk):
        path = desk.bring("good.png", "plate.png")
        desk.camera("Shot", picture=path)
        assert tuple(bpy.data.images["plate.png"].size) == (80, 60)
        after(path)

    return spoil


def lose(path):
    path.unlink()


def lose_and_notice(path):
    path.unlink()
    bpy.data.images["plate.png"].reload()


def cut(path):
    path.write_bytes(path.read_bytes()[:700])


def sequence_behind(*numbers):
    """A camera that moves before numbered pictures."""

    def spoil(desk):
        for number in numbers:
            desk.bring("good.png", f"plate.{number:04d}.png")
        values = {"is_animated": True, "frame_start": 1, "frame_end": 3, "clip_last": 3}
        shot = desk.camera("Shot", picture=desk.folder / "plate.0001.png", **values)
        background = shot.data.background_images[0]
        assert tuple(background.image.size) == (80, 60)
        background.image.source = "SEQUENCE"
        background.image_user.frame_start, background.image_user.frame_duration = 1, 3
        for frame in (1, 3):
            shot.location.x = frame
            shot.keyframe_insert("location", frame=frame)

    return spoil


def unsolved(desk):
    shot = desk.camera("Shot")
    follow = shot.constraints.new("CAMERA_SOLVER")
    follow.use_active_clip, follow.clip = False, bpy.data.movieclips.load(str(desk.bring("walk.mp4")))


def clip_gone(desk):
    unsolved(desk)
    bpy.data.movieclips.remove(bpy.data.movieclips[0])


def clip_of_another_shape(desk):
    desk.camera("Shot", picture_source="CLIP").data.background_images.clear()
    bpy.context.scene.active_clip = bpy.data.movieclips.load(str(desk.bring("walk.mp4")))
    bpy.context.scene.render.resolution_x = 200


def beside_unknown_ones(desk):
    desk.camera("Shot")
    desk.list(desk.bring("good.png"), desk.bring("other.png"))


def in_a_line(desk):
    for x in range(3):
        desk.camera(f"Shot {x}", (x, 0.0, 1.0))


def two_at_one_point(desk):
    for index, place in enumerate(((2, 2, 2), (2, 2, 2), (0, -3, 1))):
        desk.camera(f"Shot {index}", place)


def lens(**values):
    """A picture whose lens is said to be known."""

    def spoil(desk):
        desk.entry(name="good.png", path=str(desk.bring("good.png")), **values)

    return spoil


def lens_of_a_camera_that_went(desk):
    lost = add_object("Lost", bpy.data.cameras.new("Lost"))
    lens(lens_kind="CAMERA", lens_camera=lost)(desk)
    bpy.data.objects.remove(lost)


def lens_of_a_parallel_camera(desk):
    data = bpy.data.cameras.new("Flat")
    data.type = "ORTHO"
    lens(lens_kind="CAMERA", lens_camera=add_object("Flat", data))(desk)


SOLVED = {"imageWidth": 80, "imageHeight": 60, "horizontalFieldOfView": 0.9, "principalPoint": {"x": 0.0, "y": 0.0}}


def fspy(parameters=SOLVED, mark=b"fspy", length=None):
    """A picture with an fSpy project."""

    def spoil(desk):
        state = json.dumps({"cameraParameters": parameters}).encode()
        content = struct.pack("<4sIII", mark, 1, len(state), 0) + state
        (desk.folder / "lens.fspy").write_bytes(content[:length])
        lens(lens_kind="FSPY", lens_path=str(desk.folder / "lens.fspy"))(desk)

    return spoil


def refused(name, spoil, says, cause="", error="CameraError"):
    return Case(f"lens: {name}", spoil, error, says, cause=cause)


def works(name, spoil, says=""):
    return Case(f"lens: {name}", spoil, says=says)


UNREADABLE = r"plate\.png, the picture of the camera Shot, cannot be read: replace"

CASES = [
    refused("no number", behind(no_number), "camera Shot stands nowhere, its place is no number: place"),
    works("far away", behind(far_away)),
    works("extremely wide", extremely(1.0)),
    works("extremely long", extremely(5000.0)),
    works("two at one point", two_at_one_point),
    works("in a line", in_a_line),
    works("one known beside others", beside_unknown_ones, "scale"),
    refused("no camera any more", became_something_else, "camera Shot is gone", "deleted"),
    refused("background turned", background(rotation=0.5), "background of the camera Shot is turned", "turned"),
    refused("background mirrored", background(use_flip_x=True), "background of the camera Shot is turned", "turned"),
    refused("background gone", plate(lose_and_notice), UNREADABLE),
    works("background gone after it was read", plate(lose)),
    refused("background cut since", plate(cut), r"plate\.png.* is cut off", "cut off", "ImageError"),
    works("sequence behind it", sequence_behind(1, 2, 3)),
    refused("hole in a sequence behind it", sequence_behind(1, 3), r"has no picture plate\.0002\.png: bring"),
    refused("not solved", unsolved, r"clip walk\.mp4 of the camera Shot is not solved: solve"),
    refused("clip gone", clip_gone, "camera Shot follows a movie clip that is gone: choose"),
    refused("clip of another shape", clip_of_another_shape, r"walk\.mp4 has 80×60 pixels, the render 200×60: give"),
    refused("camera gone", lens_of_a_camera_that_went, r"camera whose lens good\.png has is gone: choose"),
    refused("parallel camera", lens_of_a_parallel_camera, "camera Flat is not a perspective one"),
    refused("no fSpy file", lens(lens_kind="FSPY", lens_path="//lost.fspy"), r"fSpy file lost\.fspy cannot be read"),
    refused("fSpy file not named", lens(lens_kind="FSPY"), r"good\.png has no fSpy file: choose"),
    refused("fSpy cut off", fspy(length=30), r"lens\.fspy is not a whole fSpy project: save"),
    refused("another program's", fspy(mark=b"spyf"), r"lens\.fspy is not a project of fSpy 1: save"),
    refused("fSpy not solved", fspy(None), r"lens\.fspy holds no solved lens: solve"),
    refused("fSpy that cannot be", fspy(SOLVED | {"horizontalFieldOfView": 4.0}), "holds a lens that cannot be: solve"),
    refused(
        "fSpy of another shape",
        fspy(SOLVED | {"imageWidth": 60}),
        "80×60 pixels, but the fSpy file lens.fspy is for 60×60.*: use",
    ),
    works("fSpy", fspy()),
]
