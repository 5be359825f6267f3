"""What an artist's hands and eyes are to the scripts that run inside a Blender with a window.

Steps are a generator: what it yields, a condition or a number of seconds, is waited for between events, so that
Blender draws and handles them.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import bpy

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
NAME = "bl_ext.user_default.image_to_scene"
TICK = 0.02
PATIENCE = 120.0
STEP = 12  # pixels down the sidebar, whose buttons are 20 high
report = {"blender": bpy.app.version_string}


class Pulse:
    """How long the window stood still, in all and at most, told by a timer that should tick without a break."""

    def __init__(self):
        self.restart()

    def beat(self):
        now = time.monotonic()
        still = max(0.0, now - self.last - 2 * TICK)
        self.longest, self.lost, self.last = max(self.longest, still), self.lost + still, now

    def restart(self):
        self.last, self.longest, self.lost = time.monotonic(), 0.0, 0.0


pulse = Pulse()


def module(name):
    return sys.modules[f"{NAME}.{name}"]


class Turns(list):
    """What each turn of an operator that goes in steps took of Blender: (listened only, seconds, seconds at work).

    A busy machine makes the window wait; what is the add-on's own is the time that Blender's main thread worked.
    """

    def __init__(self):
        kind = module("operators.work").SteppedOperator
        original = kind._advance

        def advance(operator, context):
            task = operator._task
            has_listened = not task.is_done
            started, worked = time.perf_counter(), time.thread_time()
            outcome = original(operator, context)
            self.append((has_listened and not task.is_done, time.perf_counter() - started, time.thread_time() - worked))
            return outcome

        kind._advance = advance

    def told(self, listening):
        """Tell how many there were, how long the longest of them and all together."""
        _, seconds, worked = zip(*(turn for turn in self if turn[0] == listening), strict=True)
        longest = {"longest": max(seconds), "longest_at_work": max(worked)}
        return {"turns": len(seconds)} | longest | {"seconds": sum(seconds), "seconds_at_work": sum(worked)}


def session():
    return module("operators.session").session


def settings():
    return bpy.context.scene.image_to_scene


def window():
    return bpy.context.window_manager.windows[0]


def area(kind="VIEW_3D"):
    return next((area for area in window().screen.areas if area.type == kind), None)


def region(kind="UI", of="VIEW_3D"):
    return next(region for region in area(of).regions if region.type == kind)


def in_viewport():
    return bpy.context.temp_override(window=window(), area=area(), region=region("WINDOW"))


def made():
    """How many objects of each kind there are."""
    kinds = [item.type for item in bpy.context.scene.objects]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def screenshot(name):
    """The whole screen by the X server: Blender's own screenshot is black where drawing is done in software."""
    if os.environ.get("DISPLAY"):
        subprocess.run(["import", "-window", "root", FOLDER / name], check=True)


def simulate(kind, value, position, **keywords):
    window().event_simulate(type=kind, value=value, x=int(position[0]), y=int(position[1]), **keywords)


def press(kind, position, **keywords):
    simulate(kind, "PRESS", position, **keywords)
    simulate(kind, "RELEASE", position, **keywords)


def hover(position):
    """Move there as a hand does, so that Blender knows what is below the mouse."""
    simulate("MOUSEMOVE", "NOTHING", (position[0] - 3, position[1]))
    yield 0.1
    simulate("MOUSEMOVE", "NOTHING", position)
    yield 0.2


def click(position):
    yield from hover(position)
    press("LEFTMOUSE", position)
    yield 0.3


def centre():
    """The middle of what the sidebar leaves of the viewport."""
    view, bar = area(), region("UI")
    return view.x + (view.width - bar.width) // 2, view.y + view.height // 2


def away():
    """Take the mouse off everything, with an event that Blender needs to let go of operators that are over."""
    simulate("MOUSEMOVE", "NOTHING", centre())
    yield 0.3


KINDS = {"copy_python_command_button": "operator", "copy_data_path_button": "property"}


def below_mouse():
    """Ask Blender for the operator or the property below the mouse."""
    for copy in KINDS:
        bpy.context.window_manager.clipboard = ""
        with bpy.context.temp_override(window=window(), area=area(), region=region("UI")):
            operator = getattr(bpy.ops.ui, copy)
            if operator.poll():
                operator(**({"full_path": True} if copy == "copy_data_path_button" else {}))
        if bpy.context.window_manager.clipboard:
            return bpy.context.window_manager.clipboard
    return ""


def find(what, part=0.33):
    """Move down the sidebar, at a part of its width, to the button or field that `what` is in the name of."""
    bar = region("UI")
    x = bar.x + int(part * bar.width)
    for y in range(bar.y + bar.height - 10, bar.y + 10, -STEP):
        simulate("MOUSEMOVE", "NOTHING", (x, y))
        yield 0.04
        if what in below_mouse():
            return (yield from settle(what, [(x, y - 4), (x, y + 4), (x, y + STEP)]))
    raise AssertionError(f"no {what} in the sidebar at {part} of its width")


def settle(what, places):
    """Return the place where it still is when a busy Blender has had the time to see where the mouse is."""
    for place in places:
        yield from hover(place)
        if what in below_mouse():
            return place
    raise AssertionError(f"no {what} around {places[0]}")


def all_below(part=0.33):
    """Move down the sidebar once; return the place of each button and field at a part of its width, by its name."""
    bar = region("UI")
    x, places = bar.x + int(part * bar.width), {}
    for y in range(bar.y + bar.height - 10, bar.y + 10, -STEP):
        simulate("MOUSEMOVE", "NOTHING", (x, y))
        yield 0.08
        if found := below_mouse():
            places.setdefault(found, (x, y - 4))
    return places


def scroll_to(what, part=0.33, pages=12):
    """Find something further down, scrolling as with a mouse wheel."""
    for _ in range(pages):
        try:
            return (yield from find(what, part))
        except AssertionError:
            yield from scroll_down(6)
    raise AssertionError(f"no {what} anywhere in the sidebar")


def scroll_down(turns=40):
    """Turn the mouse wheel over the sidebar, by default to its end."""
    bar = region("UI")
    place = bar.x + bar.width // 2, bar.y + bar.height // 2
    yield from hover(place)
    for _ in range(turns):
        press("WHEELDOWNMOUSE", place)
    yield 0.4


DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")


def type_into(position, number):
    """Click a number field and type another number."""
    yield from click(position)
    press("A", position, ctrl=True)
    for digit in str(number):
        key = DIGITS[int(digit)]
        simulate(key, "PRESS", position, unicode=digit)
        simulate(key, "RELEASE", position)
        yield 0.05
    press("RET", position)
    yield 0.5


def choose_file(directory, name="", everything=False):
    """Answer the file browser that has just opened."""
    yield lambda: area("FILE_BROWSER") is not None
    yield 1.0
    browser = area("FILE_BROWSER")
    params = browser.spaces.active.params
    params.directory = os.fsencode(directory)
    if name:
        params.filename = name
    yield 1.0
    place = browser.x + browser.width // 2, browser.y + browser.height // 2
    simulate("MOUSEMOVE", "NOTHING", place)
    yield 0.3
    if everything:
        press("A", place)
        yield 0.5
    press("RET", place)
    yield lambda: area("FILE_BROWSER") is None
    yield 0.5


def install():
    """Install the zip as from Get Extensions ▸ Install from Disk, and open the sidebar's tab."""
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    bpy.ops.extensions.package_install_files(
        filepath=str(FOLDER / "image_to_scene.zip"), repo="user_default", enable_on_install=True
    )
    yield from show_tab()


def show_tab():
    area().spaces.active.show_region_ui = True
    yield 0.5
    region("UI").active_panel_category = "Image to Scene"
    yield 0.5


def use_small_model():
    if (FOLDER / "model").exists():
        settings().model, settings().model_folder = "FOLDER", str(FOLDER / "model")


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
            if f"{NAME}.operators.session" in sys.modules:
                report["log"] = session().log
            sys.stderr.write(report["error"] + "".join(traceback.format_stack(self.steps.gi_frame)))
            screenshot("window_failed.png")
            finish(1)
        return TICK


def direct(steps):
    bpy.context.preferences.view.show_splash = False  # Blender asks for it after this script
    bpy.app.timers.register(Director(steps), first_interval=1.0, persistent=True)
