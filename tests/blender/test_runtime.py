"""The runtime's operators, with environments made of small wheels by the real uv."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from drawing import Layout

import image_to_scene
from image_to_scene.core.worker.runtime import uv
from image_to_scene.core.worker.runtime.store import MARK
from image_to_scene.operators import log, runtime
from image_to_scene.operators.runtime import setup
from image_to_scene.panels.preferences import ImageToScenePreferences, draw_runtime

WRITE_WHEELS = Path(__file__).resolve().parents[1] / "write_stand_in_wheels.py"
PATIENCE = 60


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages") / "made"
    subprocess.run([sys.executable, WRITE_WHEELS, folder], check=True)
    return folder


@pytest.fixture
def wheels(packages, monkeypatch):
    """A folder to install from, and nothing installed yet."""
    if not any(place.is_file() for place in uv._places()):
        pytest.skip("uv is not installed beside this Python (requirements/development.txt)")
    monkeypatch.setattr(setup, "lock", packages / "requirements.lock")
    monkeypatch.delenv("IMAGE_TO_SCENE_PYTHON", raising=False)
    yield str(packages / "wheels")
    setup.close()
    shutil.rmtree(setup.store.root, ignore_errors=True)
    setup.refresh()
    setup.error, setup.log = "", []


@pytest.fixture
def preferences():
    entry = bpy.context.preferences.addons.new()
    entry.module = image_to_scene.__name__
    yield entry.preferences
    bpy.context.preferences.addons.remove(entry)


def install(**words):
    return bpy.ops.image_to_scene.install_runtime(**words)


def test_it_installs_and_the_worker_runs_on_it_and_it_is_removed(wheels):
    assert install(wheels=wheels, build="cpu") == {"FINISHED"}
    assert setup.line.startswith("Runtime: ready, torch 2.13.0+cpu, CPU")
    python = runtime.worker_python(bpy.context)
    assert python.is_relative_to(setup.store.root)
    assert not runtime.is_needed(bpy.context)
    assert bpy.ops.image_to_scene.remove_runtime() == {"FINISHED"}
    assert setup.line == "Runtime: not installed"
    assert not setup.store.root.exists()


def test_the_preferences_say_what_a_caller_does_not(wheels, preferences):
    preferences.runtime_wheels, preferences.runtime_build = wheels, "cpu"
    assert install() == {"FINISHED"}
    assert setup.runtime.facts["build"] == "cpu"


def test_the_python_of_the_preferences_comes_first(wheels, preferences):
    install(wheels=wheels, build="cpu")
    preferences.worker_python = sys.executable
    assert runtime.worker_python(bpy.context) == Path(sys.executable)
    preferences.worker_python = "/no/such/python"
    assert runtime.is_needed(bpy.context) is False  # what is wrong is the preference, and the run says so


def test_nothing_is_fetched_while_online_access_is_off(wheels):
    assert not bpy.app.online_access
    with pytest.raises(RuntimeError, match="online access is off"):
        install(build="cpu")
    assert not setup.store.root.exists()


def test_what_fails_is_one_sentence_and_stays_in_sight(wheels, tmp_path):
    with pytest.raises(RuntimeError, match="is not there"):
        install(wheels=str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeError, match="not in the folder"):
        install(wheels=str(tmp_path))
    assert "not in the folder" in setup.error
    assert setup.runtime is None
    assert setup.error in log.report_text(bpy.context)


def test_repair_joins_it_to_the_python_of_an_updated_blender(wheels, tmp_path):
    install(wheels=wheels, build="cpu")
    mark = setup.runtime.folder / MARK
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"base": str(tmp_path / "gone")}))
    setup.refresh()
    assert "repair it" in setup.line
    assert bpy.ops.image_to_scene.repair_runtime(wheels=str(tmp_path)) == {"FINISHED"}
    assert "ready" in setup.line


def test_an_environment_of_an_older_version_stays_in_use_and_says_so(wheels, tmp_path):
    install(wheels=wheels, build="cpu")
    setup.lock = tmp_path / "newer.lock"
    setup.lock.write_text("torch==2.14.0 --hash=sha256:00\n")
    assert "older version of the add-on" in setup.line
    assert runtime.worker_python(bpy.context) == setup.runtime.python


def test_pressed_in_the_window_it_works_in_the_background_and_a_cancel_ends_it(wheels, packages):
    from image_to_scene.core.worker.runtime.builds import BUILDS
    from image_to_scene.core.worker.runtime.installation import Installation, Source

    job = Installation(setup.store, Source(BUILDS["cpu"], Path(wheels)), Path(sys.executable), lock=setup.lock)
    started = time.perf_counter()
    setup.start(job)
    assert setup.job is job
    assert not bpy.ops.image_to_scene.install_runtime.poll()
    layout = Layout()
    draw_runtime(layout, bpy.context)
    assert ("operator", "image_to_scene.cancel_runtime", "", "X") in layout.drawn
    assert bpy.ops.image_to_scene.cancel_runtime() == {"FINISHED"}
    while not setup.advance():
        assert time.perf_counter() - started < PATIENCE
        time.sleep(0.01)
    assert setup.runtime is None
    assert setup.error == ""


def test_without_a_python_the_sidebar_asks_for_the_runtime_and_names_its_size(wheels):
    layout = Layout()
    draw_runtime(layout, bpy.context)
    text = " ".join(words[1] for words in layout.drawn if words[0] == "label")
    assert text.startswith("First the network's runtime is needed, about ")
    assert any(words[:2] == ("operator", "image_to_scene.install_runtime") for words in layout.drawn)


def test_the_dialog_names_a_download_only_where_there_is_one(wheels):
    def shown(wheels, build="cpu"):
        dialog = SimpleNamespace(layout=Layout(), build=build, wheels=wheels)
        runtime.IMAGETOSCENE_OT_install_runtime.draw(dialog, bpy.context)
        return dialog.layout.text

    assert "to download" in shown("") and "online access is off" in shown("")
    assert "to download" not in shown(wheels) and "on disk" in shown(wheels) and wheels in shown(wheels)
    assert "Unverified: torch-2.13.0+cpu-py3-none-any.whl" in shown(wheels)
    if sys.platform != "darwin":  # where there is one torch only, which is in the lock
        assert "Unverified: torch 2.13.0 for CPU from download.pytorch.org" in shown("")
        assert "Unverified: torch 2.13.0 for CUDA 13.0 from download.pytorch.org" in shown("", "cu130")
    assert "nverified" not in shown("", "index")


def test_the_preferences_show_how_things_are(wheels, preferences, tmp_path):
    def shown():
        layout = Layout()
        preferences_now = SimpleNamespace(layout=layout, runtime_build="cpu")
        ImageToScenePreferences.draw(preferences_now, bpy.context)
        return layout.text

    assert "Runtime: not installed" in shown()
    assert "to download" in shown()
    assert "repair_runtime" not in shown()
    with pytest.raises(RuntimeError):
        install(wheels=str(tmp_path))
    assert "ERROR" in shown()
    install(wheels=wheels, build="cpu")
    assert "Runtime: ready" in shown()
    assert "repair_runtime" in shown()
    setup.job = SimpleNamespace(progress=0.5, text="Installing: 5 of about 10 MB", log=["a line"])
    assert "Installing: 5 of about 10 MB" in shown()
    assert "a line" in shown()
    setup.job = None


def test_the_check_says_what_is_missing(wheels, preferences, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    preferences.worker_python = str(tmp_path / "bare" / "bin" / "python")
    with pytest.raises(RuntimeError, match="torch is missing"):
        bpy.ops.image_to_scene.check_python()
    install(wheels=wheels, build="cpu")
    preferences.worker_python = ""
    assert bpy.ops.image_to_scene.check_python() == {"FINISHED"}
    assert setup.check.findings.packages["torch"] == "2.13.0+cpu"


def test_a_report_needs_no_worker_and_names_nobody(wheels, preferences):
    preferences.worker_python = str(Path.home() / "my python")
    words = log.report_text(bpy.context)
    assert bpy.app.version_string in words
    assert "Runtime: not installed" in words
    assert str(Path.home()) not in words
    assert bpy.ops.image_to_scene.copy_report() == {"FINISHED"}


def test_closing_the_add_on_ends_what_runs(wheels):
    job = SimpleNamespace(cancelled=False, cancel=lambda: setattr(job, "cancelled", True), join=lambda _seconds: None)
    setup.job = job
    setup.close()
    assert job.cancelled
    assert setup.job is None
