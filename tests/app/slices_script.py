"""A big scene is built in a real window: how long it stands still, and what undo and another file do meanwhile.

    blender --factory-startup --enable-event-simulate -P slices_script.py -- FOLDER

FOLDER also holds `big/`, a saved reconstruction.
"""

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))

from director import (
    FOLDER,
    Turns,
    away,
    centre,
    choose_file,
    click,
    direct,
    install,
    made,
    press,
    report,
    screenshot,
    scroll_to,
    session,
)

LONGEST_TURN = 1.0  # seconds; how long all of it may stand still


def empty():
    for item in list(bpy.context.scene.objects):
        bpy.data.objects.remove(item)
    bpy.ops.ed.undo_push(message="Empty")
    yield 0.3


def open_big():
    yield from empty()
    button = yield from scroll_to("image_to_scene.open_reconstruction", 0.65)
    yield from click(button)
    yield from choose_file(FOLDER / "big")


def build_it(turns):
    yield from open_big()
    yield lambda: session().run is None and made().get("CAMERA") == 8
    report["building"] = turns.told(listening=False)
    assert report["building"]["longest_at_work"] < LONGEST_TURN, report
    yield 1.0
    screenshot("built.png")


def undo_between_slices():
    yield from away()
    press("Z", centre(), ctrl=True)
    yield lambda: made() == {}
    yield from open_big()
    press("Z", centre(), ctrl=True)
    yield lambda: session().run is None
    report["after_undo_between_slices"] = made()
    assert made() in ({}, report["built"]), made()


def another_file_between_slices():
    yield from open_big()
    is_half = session().run is not None
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert session().run is None
    report["opened_a_file_half_way"] = is_half
    assert not any(item.name.startswith("view") for item in (*bpy.data.meshes, *bpy.data.images)), list(bpy.data.meshes)
    yield from away()


def slices():
    yield 1.0
    yield from install()
    yield from build_it(Turns())
    report["built"] = made()
    yield from undo_between_slices()
    yield from another_file_between_slices()


direct(slices())
