"""What happens to the file while a run is on its way."""

import bpy

from . import Case


def once(happening, stage):
    """Let something happen at a stage of a good run, once."""

    def spoil(desk):
        desk.list(desk.bring("good.png"), desk.bring("other.png"))

        def meanwhile(task):
            if task.progress.stage == stage:
                desk.meanwhile = None
                happening(desk)

        desk.meanwhile = meanwhile

    return spoil


def save(desk):
    bpy.ops.wm.save_as_mainfile(filepath=str(desk.folder.parent / "saved.blend"), copy=True)


def add_things(_desk):
    bpy.data.objects.new("Late", None)


def delete_scene(_desk):
    old = bpy.context.scene
    other = bpy.data.scenes.new("Other")
    bpy.context.window.scene = other
    bpy.data.scenes.remove(old)


def works(name, happening, stage):
    return Case(f"file: {name} at {stage}", once(happening, stage))


CASES = [
    *(works("saved", save, stage) for stage in ("Predicting", "Building")),
    *(works("an object added", add_things, stage) for stage in ("Predicting", "Building")),
]
