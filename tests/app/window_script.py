"""What an artist does, done by a script inside a real Blender with a window; see `test_window.py`.

    blender --factory-startup --enable-event-simulate -P window_script.py -- FOLDER

FOLDER holds `image_to_scene.zip`, `pictures/`, and `model/` unless the bundled model is to be used; screenshots and
`report.json` are written there. Steps are a generator: what it yields, a condition or a number of seconds, is waited
for between events, so that Blender draws and handles them. The exit code is 0 only when all steps were done.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import bpy
from mathutils import Euler

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
NAME = "bl_ext.user_default.image_to_scene"
TICK = 0.02
PATIENCE = 120.0
LONG_RUN = 700  # pixels: enough for a run to last while it is looked at and cancelled
LONGEST_TICK = 0.25
LONGEST_CANCEL = 1.0

report = {"blender": bpy.app.version_string}


class Pulse:
    """How long the window stood still at most, told by a timer that should tick without a break."""

    def __init__(self):
        self.last, self.longest = time.monotonic(), 0.0

    def beat(self):
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now

    def restart(self):
        self.last, self.longest = time.monotonic(), 0.0


pulse = Pulse()


def window():
    return bpy.context.window_manager.windows[0]


def viewport():
    return next(area for area in window().screen.areas if area.type == "VIEW_3D")


def sidebar():
    return next(region for region in viewport().regions if region.type == "UI")


def in_viewport():
    region = next(region for region in viewport().regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window(), area=viewport(), region=region)


def session():
    return sys.modules[f"{NAME}.operators.session"].session


def settings():
    return bpy.context.scene.image_to_scene


def made():
    kinds = [item.type for item in bpy.context.scene.objects]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def screenshot(name):
    """The whole screen by the X server: Blender's own screenshot is black where drawing is done in software."""
    if os.environ.get("DISPLAY"):
        subprocess.run(["import", "-window", "root", FOLDER / name], check=True)


def simulate(kind, value, position, **keywords):
    window().event_simulate(type=kind, value=value, x=position[0], y=position[1], **keywords)


def press(kind, position, **keywords):
    simulate(kind, "PRESS", position, **keywords)
    simulate(kind, "RELEASE", position, **keywords)


def centre():
    return viewport().x + viewport().width // 3, viewport().y + viewport().height // 2


def find_button(operator):
    """Look for an operator's button: move down the sidebar and ask Blender what is below the mouse."""
    region = sidebar()
    x = region.x + region.width // 3
    for y in range(region.y + region.height - 10, region.y + 10, -8):
        simulate("MOUSEMOVE", "NOTHING", (x, y))
        yield 0.05
        bpy.context.window_manager.clipboard = ""
        with bpy.context.temp_override(window=window(), area=viewport(), region=region):
            if bpy.ops.ui.copy_python_command_button.poll():
                bpy.ops.ui.copy_python_command_button()
        if operator in bpy.context.window_manager.clipboard:
            return x, y - 4
    raise AssertionError(f"no button of {operator} in the sidebar")


def install():
    bpy.ops.extensions.package_install_files(
        filepath=str(FOLDER / "image_to_scene.zip"), repo="user_default", enable_on_install=True
    )
    viewport().spaces.active.show_region_ui = True
    yield 0.5
    sidebar().active_panel_category = "Image to Scene"
    yield 0.5


def choose_pictures():
    for item in list(bpy.context.scene.objects):
        bpy.data.objects.remove(item)
    files = [{"name": path.name} for path in sorted((FOLDER / "pictures").iterdir())]
    bpy.ops.image_to_scene.add_pictures(directory=str(FOLDER / "pictures"), files=files)
    if (FOLDER / "model").exists():
        settings().model, settings().model_folder = "FOLDER", str(FOLDER / "model")
    bpy.ops.ed.undo_push(message="Pictures chosen")
    yield 0.5
    screenshot("window_before.png")


def time_the_operator():
    """Note how long the operator keeps Blender at each event until the tick that builds the scene."""
    kind = sys.modules[f"{NAME}.operators.reconstruct"].IMAGETOSCENE_OT_reconstruct
    original = kind.modal

    def modal(self, context, event):
        started = time.monotonic()
        outcome = original(self, context, event)
        if "FINISHED" not in outcome:
            report["longest_tick"] = max(report.get("longest_tick", 0.0), time.monotonic() - started)
        else:
            report["seconds_to_build"] = time.monotonic() - started
        return outcome

    kind.modal = modal


def cancel_by_escape(button):
    settings().resolution = LONG_RUN
    press("LEFTMOUSE", button)
    yield lambda: session().run is not None
    yield lambda: session().run.progress.stage == "Predicting"
    yield 0.3
    screenshot("window_running.png")
    simulate("MOUSEMOVE", "NOTHING", centre())
    yield 0.3
    pulse.restart()
    started = time.monotonic()
    press("ESC", centre())
    yield lambda: session().run is None or session().run.is_cancelling
    report["seconds_to_hear_escape"] = time.monotonic() - started
    yield lambda: session().run is None
    report["seconds_to_cancel"] = time.monotonic() - started
    report["longest_freeze_while_cancelling"] = pulse.longest
    # Drawing in software on a busy machine stands still by itself: that time is not the add-on's.
    assert report["seconds_to_cancel"] - pulse.longest < LONGEST_CANCEL, report
    assert made() == {}, made()
    settings().resolution = 0


def reconstruct(button):
    yield 0.3
    simulate("MOUSEMOVE", "NOTHING", button)
    yield 0.2
    press("LEFTMOUSE", button)
    yield lambda: session().run is not None
    yield lambda: session().run is None
    assert report["longest_tick"] < LONGEST_TICK, report
    report["made"] = made()
    assert made()["CAMERA"] == len(settings().pictures), made()


def show_result():
    space = viewport().spaces.active
    space.shading.light, space.shading.color_type = "FLAT", "TEXTURE"
    space.overlay.show_relationship_lines = False
    for item in bpy.context.scene.objects:
        item.hide_set(item.type == "POINTCLOUD")  # in Solid they are white and hide the textures
    with in_viewport():
        bpy.ops.view3d.view_all()
    space.region_3d.view_rotation = Euler((1.15, 0.0, 0.25)).to_quaternion()
    space.region_3d.view_distance *= 0.42
    yield 2.0
    sidebar().tag_redraw()
    yield 2.0
    screenshot("window.png")
    for item in bpy.context.scene.objects:
        item.hide_set(False)


def undo_and_redo():
    before = made()
    press("Z", centre(), ctrl=True)
    yield lambda: made() == {}
    press("Z", centre(), ctrl=True, shift=True)
    yield lambda: made() == before


def start_in_the_window():
    settings().resolution = LONG_RUN
    with in_viewport():
        assert bpy.ops.image_to_scene.reconstruct("INVOKE_DEFAULT") == {"RUNNING_MODAL"}
    yield lambda: session().run is not None and session().run.progress.stage != "Starting"


def delete_the_scene():
    before = len(bpy.data.objects)
    other = bpy.data.scenes.new("Other")
    yield from start_in_the_window()
    old = bpy.context.scene
    window().scene = other
    bpy.data.scenes.remove(old)
    yield lambda: session().run is None
    assert len(bpy.data.objects) <= before
    assert not made()


def open_a_file():
    yield from choose_pictures()
    yield from start_in_the_window()
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert session().run is None
    yield 0.5


def disable_the_add_on():
    yield from choose_pictures()
    yield from start_in_the_window()
    bpy.ops.preferences.addon_disable(module=NAME)
    yield 0.5
    bpy.ops.preferences.addon_enable(module=NAME)
    yield from start_in_the_window()
    bpy.ops.image_to_scene.cancel()
    yield lambda: session().run is None


def artist():
    yield 1.0
    yield from install()
    yield from choose_pictures()
    button = yield from find_button("image_to_scene.reconstruct")
    time_the_operator()
    yield from cancel_by_escape(button)
    yield from reconstruct(button)
    yield from show_result()
    yield from undo_and_redo()
    yield from delete_the_scene()
    yield from open_a_file()
    yield from disable_the_add_on()


def finish(code):
    report["ok"] = code == 0
    (FOLDER / "report.json").write_text(json.dumps(report, indent=1))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Director:
    """Runs the steps: one look at what is waited for at every tick of Blender's own timer."""

    def __init__(self, steps):
        self.steps = steps
        self.wait(0.0)

    def wait(self, what):
        now = time.monotonic()
        self.is_over = what if callable(what) else lambda: time.monotonic() > now + what
        self.deadline = now + PATIENCE

    def __call__(self):
        pulse.beat()
        try:
            if self.is_over():
                self.wait(next(self.steps))
            elif time.monotonic() > self.deadline:
                raise TimeoutError("waited too long")
        except StopIteration:
            finish(0)
        except BaseException:  # noqa: BLE001 - whatever it is ends the run and is told
            report["error"] = traceback.format_exc()
            report["log"] = session().log
            sys.stderr.write(report["error"] + "".join(traceback.format_stack(self.steps.gi_frame)))
            screenshot("window_failed.png")
            finish(1)
        return TICK


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(Director(artist()), first_interval=1.0, persistent=True)
