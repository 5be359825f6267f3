"""Cameras of the scene that are none, or stand where they tell nothing."""

import bpy

from . import Case


def with_camera(change=lambda camera: None, count=2, places=((0, -5, 1), (2, -5, 1)), **values):
    """List cameras with a picture each, and change the first."""

    def spoil(desk):
        cameras = [desk.camera(f"Cam {number}", places[number], **values) for number in range(count)]
        change(cameras[0])

    return spoil


def setting(**values):
    """Change properties of the camera's data."""

    def change(camera):
        for name, value in values.items():
            setattr(camera.data, name, value)

    return change


def scaled(*scale):
    def change(camera):
        camera.scale = scale

    return change


def under(*scale, turn=0.0):
    """Hang the camera below an empty that is scaled and turned."""

    def change(camera):
        parent = bpy.data.objects.new("Rig", None)
        bpy.context.scene.collection.objects.link(parent)
        parent.scale, parent.rotation_euler = scale, (0.0, turn, turn)
        camera.parent = parent

    return change


def without_picture(camera):
    camera.data.background_images.clear()


def removed(camera):
    bpy.data.objects.remove(camera)


def in_no_scene(camera):
    bpy.context.scene.collection.objects.unlink(camera)


def one_picture_for_two(desk):
    picture = desk.bring("good.png", "shared.png")
    for number in range(2):
        desk.camera(f"Cam {number}", (number, -5, 1), picture)


def picture_of_another_shape(desk):
    desk.camera("Cam", picture=desk.bring("cut picture.jpg", "behind.jpg"))


def refused(name, spoil, says, cause=""):
    return Case(f"camera: {name}", spoil, "CameraError", says, cause=cause)


def works(name, spoil, says=""):
    return Case(f"camera: {name}", spoil, says=says)


ALONE = r"do(es)? not tell the scale|scale"
NOT_PERSPECTIVE = r"The camera Cam 0 is not a perspective one: set its type"

CASES = [
    refused("orthographic", with_camera(setting(type="ORTHO")), NOT_PERSPECTIVE, "not perspective"),
    refused("panoramic", with_camera(setting(type="PANO")), NOT_PERSPECTIVE, "not perspective"),
    refused("zero scale", with_camera(scaled(0, 0, 0)), r"Cam 0 is scaled to nothing along an axis: give"),
    refused("mirrored", with_camera(scaled(-1, 1, 1)), r"Cam 0 is mirrored: make the scale"),
    refused("sheared", with_camera(under(1, 4, 1, turn=0.7)), r"Cam 0 is sheared: scale its parents"),
    refused("deleted", with_camera(removed), r"The camera Cam 0 is gone from the file: take it off"),
    refused("in no scene", with_camera(in_no_scene), r"Cam 0 is not in the scene .*: link it, or take it off"),
    refused("no background", with_camera(without_picture, picture_source="BACKGROUND"), r"has no background image: g"),
    refused("no clip", with_camera(picture_source="CLIP"), r"has no movie clip: give it one"),
    refused("one picture for two", one_picture_for_two, r"shared\.png is the picture of two cameras: give each"),
    works("scaled", with_camera(scaled(2, 2, 2))),
    works("scaled unevenly", with_camera(scaled(1, 3, 2))),
    works("below a scaled parent", with_camera(under(0.1, 0.1, 0.1, turn=0.5))),
    works("shifted", with_camera(setting(shift_x=0.2, shift_y=-0.1))),
    works("upright sensor", with_camera(setting(sensor_fit="VERTICAL"))),
    works("rendered for want of a picture", with_camera(without_picture)),
    works("alone", with_camera(count=1), ALONE),
    works("both at one place", with_camera(places=((0, -5, 1), (0, -5, 1))), ALONE),
]
