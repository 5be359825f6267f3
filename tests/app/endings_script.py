"""All that may end a run in a real window: undo, no scene, another file, no add-on; see `test_window.py`.

blender --factory-startup --enable-event-simulate -P endings_script.py -- FOLDER
"""

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))

from director import (
    FOLDER,
    NAME,
    away,
    centre,
    direct,
    in_viewport,
    install,
    made,
    press,
    session,
    settings,
    use_small_model,
    window,
)

LONG_RUN = 1200  # pixels


def choose_pictures():
    for item in list(bpy.context.scene.objects):
        bpy.data.objects.remove(item)
    files = [{"name": path.name} for path in sorted((FOLDER / "pictures").iterdir())]
    bpy.ops.image_to_scene.add_pictures(directory=str(FOLDER / "pictures"), files=files)
    use_small_model()
    bpy.ops.ed.undo_push(message="Pictures chosen")
    yield 0.3


def start(resolution=LONG_RUN):
    settings().resolution = resolution
    with in_viewport():
        assert bpy.ops.image_to_scene.reconstruct("INVOKE_DEFAULT") == {"RUNNING_MODAL"}
    yield lambda: session().run is None or session().run.progress.stage != "Starting"


def undo_and_redo():
    yield from start(0)
    yield lambda: session().run is None and made().get("CAMERA") == len(settings().pictures)
    before = made()
    press("Z", centre(), ctrl=True)
    yield lambda: made() == {}
    press("Z", centre(), ctrl=True, shift=True)
    yield lambda: made() == before


def delete_the_scene():
    before = len(bpy.data.objects)
    other = bpy.data.scenes.new("Other")
    yield from start()
    old = bpy.context.scene
    window().scene = other
    bpy.data.scenes.remove(old)
    yield lambda: session().run is None
    assert len(bpy.data.objects) <= before
    assert not made()


def open_a_file():
    yield from choose_pictures()
    yield from start()
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert session().run is None
    yield from away()


def disable_the_add_on():
    yield from choose_pictures()
    yield from start()
    bpy.ops.preferences.addon_disable(module=NAME)
    yield from away()
    bpy.ops.preferences.addon_enable(module=NAME)
    yield from away()
    yield from start()
    bpy.ops.image_to_scene.cancel()
    yield lambda: session().run is None


def endings():
    yield 1.0
    yield from install()
    yield from choose_pictures()
    yield from undo_and_redo()
    yield from delete_the_scene()
    yield from open_a_file()
    yield from disable_the_add_on()


direct(endings())
