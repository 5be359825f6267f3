"""What an artist does to the file while a run is on its way, and what the run does then."""

import bpy

import image_to_scene
from image_to_scene.operators.reconstruct import IMAGETOSCENE_OT_run_again
from image_to_scene.operators.scene import find_roots

from . import Case
from .desk import add_object
from .disk import built, export

STAGES = ("Predicting", "Building")


def once(stage, happening, prepare=lambda desk: desk.list(desk.bring("good.png"), desk.bring("other.png"))):
    """Let something happen at a stage of a good run."""

    def spoil(desk):
        prepare(desk)
        desk.once(stage, lambda: happening(desk))

    return spoil


def save(desk):
    bpy.ops.wm.save_as_mainfile(filepath=str(desk.folder.parent / "saved.blend"))


def add_an_object(_desk):
    add_object("Late")


def go_to_another_frame(_desk):
    bpy.context.scene.frame_set(9)


def rename_the_scene(_desk):
    bpy.context.scene.name = "Renamed"


def edit_the_chair(_desk):
    bpy.ops.object.mode_set(mode="EDIT")


def empty_the_list(desk):
    desk.settings.pictures.clear()


def look_at_another_scene(_desk):
    bpy.context.window.scene = bpy.data.scenes.new("Other")


def delete_the_scene(_desk):
    old = bpy.context.scene
    bpy.context.window.scene = bpy.data.scenes.new("Other")
    bpy.data.scenes.remove(old)


def with_a_file(desk):
    """Have a file on disk, which is also the one that is open."""
    desk.list(desk.bring("good.png"))
    bpy.ops.wm.save_as_mainfile(filepath=str(desk.folder.parent / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(desk.folder.parent / "file.blend"))


def open_a_file(desk):
    bpy.ops.wm.open_mainfile(filepath=str(desk.folder.parent / "file.blend"))


def with_an_empty_file(desk):
    """Have what is open after File, New."""
    start_anew(desk)
    desk.set_up()
    desk.list(desk.bring("good.png"))


def start_anew(_desk):
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def disable(_desk):
    image_to_scene.unregister()
    image_to_scene.register()


def lose_the_picture(desk):
    (desk.folder / "good.png").unlink()


def with_a_camera(desk):
    desk.camera("Shot")


def remove_the_camera(_desk):
    bpy.data.objects.remove(bpy.data.objects["Shot"])


def with_a_result(desk):
    desk.list(desk.bring("good.png"))
    desk.settings.makes_meshes = desk.settings.makes_point_cloud = False
    desk.run()
    desk.built = None


def delete_the_result(_desk):
    (root,) = find_roots(bpy.context.scene)
    for item in (*root.children_recursive, root):
        bpy.data.objects.remove(item)


def run_again(desk):
    desk.run(IMAGETOSCENE_OT_run_again)


def export_what_was_built(desk):
    export(desk)
    desk.built = find_roots(bpy.context.scene)


def works(name, happening, own="$^", prepare=None, says="", stages=STAGES):
    extra = {"prepare": prepare} if prepare else {}
    return [Case(f"{name} at {stage}", once(stage, happening, **extra), says=says, own=own) for stage in stages]


def ends(name, happening, prepare, own="$^"):
    return [Case(f"{name} at {stage}", once(stage, happening, prepare), ends=True, own=own) for stage in STAGES]


def stops(name, happening, says, **values):
    return [
        Case(f"{name} at {stage}", once(stage, happening, **values.get("prepare", {})), "CancelledError", says,
             act=values.get("act", Case.act), own=values["own"], cause=name)
        for stage in STAGES
    ]  # fmt: skip


OLD_SCENE = r"scenes\['(Scene|Other)'\]|^window\.scene|\.users$"
RESULT = r"image_to_scene|good|\.users$|view_layers"

CASES = [
    *works("saved", save, r"filepath|is_saved|is_dirty|library|image_to_scene"),
    *works("an object added", add_an_object),
    *works("another frame", go_to_another_frame, r"frame_(current|float)|objects\['(Chair|Lamp)'\]|cameras\["),
    *works("scene renamed", rename_the_scene, r"scenes\['Scene'\]|^window\.scene|name"),
    *works("edit mode", edit_the_chair, r"\.mode$|is_editmode|meshes\['Chair'\]"),
    *works("list emptied", empty_the_list, r"image_to_scene\.(pictures|active_picture)"),
    *works("another scene", look_at_another_scene, r"^window\.scene|\.users$"),
    *works("picture gone", lose_the_picture, r"good\.png", says=r"good\.png is missing or unr", stages=STAGES[:1]),
    *works("camera removed", remove_the_camera, r"Shot", prepare=with_a_camera),
    Case("exported", built, act=export_what_was_built),
    *stops("scene deleted", delete_the_scene, r"The scene was deleted during the run, so nothing", own=OLD_SCENE),
    *stops("result deleted", delete_the_result, r"reconstruction was deleted during the run", own=RESULT, act=run_again,
           prepare={"prepare": with_a_result}),
    *ends("file opened", open_a_file, with_a_file),
    *ends("new file", start_anew, with_an_empty_file, r"image_to_scene"),
    *ends("add-on disabled", disable, with_a_camera, r"^runs$"),
]  # fmt: skip
