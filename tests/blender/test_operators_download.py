"""Downloading, removing and looking at the device from Blender, against a hub on the loopback address."""

import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from drawing import Layout
from loopback_hub import LoopbackHub

from image_to_scene.core.errors import WeightsError
from image_to_scene.core.model.memory import Setup, plan, typical_sizes
from image_to_scene.core.model.presets import PRESETS, megabytes
from image_to_scene.core.worker.client import Worker
from image_to_scene.core.worker.protocol import DeviceMessage
from image_to_scene.operators import models
from image_to_scene.operators.consent import consent
from image_to_scene.operators.devices import devices
from image_to_scene.operators.download import Errand, check_online, errands
from image_to_scene.operators.needs import needs_of
from image_to_scene.operators.session import session
from image_to_scene.operators.settings import model_from
from image_to_scene.panels.models import draw_choice

FILES = {"config.json": b"{}", "model.safetensors": bytes(300_000)}
OPS = bpy.ops.image_to_scene


@pytest.fixture(autouse=True)
def settings():
    """The scene's settings; nothing of other tests is agreed to, known or running."""
    consent.give(is_given=False)
    devices.clear()
    bpy.context.preferences.system.use_online_access = True
    yield bpy.context.scene.image_to_scene
    errands.close()
    bpy.context.preferences.system.use_online_access = False


@pytest.fixture
def server(worker_python, tmp_path, monkeypatch):
    """A hub that the worker asks, and an empty cache."""
    has_hub = "import sys, importlib.util; sys.exit(importlib.util.find_spec('huggingface_hub') is None)"
    if subprocess.run([worker_python, "-I", "-c", has_hub], check=False).returncode:
        pytest.skip(f"{worker_python} has no huggingface_hub")
    server = LoopbackHub(FILES)
    with server.serve() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        models.catalogue.refresh()
        yield server
    monkeypatch.undo()
    models.catalogue.refresh()


def until(is_so):
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_model_is_downloaded_and_removed(server):
    assert OPS.download_model(model="small") == {"FINISHED"}
    assert "small" in models.catalogue.present
    assert errands.errand is None
    assert OPS.remove_model(model="small") == {"FINISHED"}
    assert models.catalogue.present == ("nano",)


def shown():
    """What the sidebar says of models."""
    layout = Layout()
    draw_choice(layout, bpy.context)
    return layout.text


def test_a_refusal_is_reported_and_shown(server, settings):
    server.refusal = 404
    with pytest.raises(RuntimeError, match=r"has no depth-anything/DA3-SMALL \(404\)"):
        OPS.download_model(model="small")
    assert errands.failure[0] == "small"
    assert "404" in errands.failure[1]
    settings.model = "base"  # the sidebar tells of what was asked for, whatever is chosen now
    assert "Small: " in shown() and "404" in shown()
    server.refusal = None
    assert OPS.download_model(model="small") == {"FINISHED"}
    assert errands.failure == ("", "")


def test_a_download_beside_a_run_can_be_cancelled(server, worker_python):
    server.slow = True
    errands.start(Errand("small", Worker(worker_python), lambda worker: worker.download("small")))
    assert not OPS.download_model.poll()
    assert not OPS.remove_model.poll()
    assert session.run is None
    until(lambda: any(path.endswith("tensors") and method == "GET" for method, path, _ in server.requests))
    assert not errands.advance()
    assert "Small: " in shown() and "cancel_download" in shown()
    assert OPS.cancel_download() == {"FINISHED"}
    until(errands.advance)
    assert errands.failure == ("", "")  # to cancel is no failure
    assert models.catalogue.present == ("nano",)
    assert not OPS.cancel_download.poll()
    server.slow = False
    assert OPS.download_model(model="small") == {"FINISHED"}


def test_nothing_is_downloaded_without_online_access(server):
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="online access is off: allow it in Preferences > System > Network"):
        OPS.download_model(model="small")
    assert server.requests == []
    with pytest.raises(WeightsError, match="online access is off"):
        check_online()


def test_a_non_commercial_licence_is_asked_for_once(server, settings):
    with pytest.raises(RuntimeError, match=r"licensed CC-BY-NC-4\.0"):
        OPS.download_model(model="large")
    assert server.requests == []
    assert OPS.download_model(model="large", accepts_non_commercial=True) == {"FINISHED"}
    assert settings.accepts_non_commercial
    assert OPS.download_model(model="giant") == {"FINISHED"}
    settings.accepts_non_commercial = False
    with pytest.raises(RuntimeError, match="licensed"):
        OPS.download_model(model="nested")


def test_a_folder_s_own_licence_is_shown_and_asked_for(settings, tmp_path):
    settings.model, settings.model_folder = "FOLDER", str(tmp_path)
    assert "Non-commercial" not in shown()
    (tmp_path / "config.json").write_text('{"model_name": "da3-large"}')
    models.catalogue.refresh()
    assert "CC-BY-NC-4.0: depth, cameras, rays" in shown()
    assert "accepts_non_commercial" in shown()
    assert "Memory: about" in shown()
    with pytest.raises(WeightsError, match=r"licensed CC-BY-NC-4\.0"):
        model_from(settings)
    settings.accepts_non_commercial = True
    assert model_from(settings) == str(tmp_path)


def test_the_answer_holds_for_every_file(settings):
    settings.accepts_non_commercial = True
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert bpy.context.scene.image_to_scene.accepts_non_commercial


def test_what_is_on_no_hub_is_refused(server):
    with pytest.raises(RuntimeError, match="on no hub"):
        OPS.download_model(model="nano")


def test_the_device_is_looked_at_without_a_run(worker_python, settings):
    settings.device = "cpu"
    planned = megabytes(plan(PRESETS["base"], typical_sizes(PRESETS["base"], 1, None)).need.total)
    assert needs_of("base", settings).text == f"Memory: about {planned}"
    assert OPS.check_device() == {"FINISHED"}
    assert devices["cpu"].kind == "cpu"
    assert needs_of("base", settings).text.startswith(f"Memory: about {planned} of ")


def test_a_run_that_will_not_fit_is_known_before(settings):
    devices["auto"] = DeviceMessage(1, "cuda", "A card", 8_000_000_000, 7_000_000_000)
    needs, base = needs_of("base", settings), PRESETS["base"]
    planned = plan(base, typical_sizes(base, 1, None), Setup("cuda", "bf16"), total=8_000_000_000)
    assert needs.text == f"Memory: about {megabytes(planned.need.total)} of 8.0 GB"
    assert not needs.is_too_much
    for i in range(8):
        settings.pictures.add().path = f"{i}.png"
    assert needs.size < needs_of("base", settings).size < 8e9
    assert needs_of("base", settings).size < needs_of("nested", settings).size
    settings.resolution = 2016
    assert needs_of("giant", settings).is_too_much
    settings.precision = "fp32"
    assert needs_of("giant", settings).size > needs_of("large", settings).size > needs_of("base", settings).size


def test_given_cameras_count_what_reads_them(settings):
    item, sizes = settings.pictures.add(), typical_sizes(PRESETS["base"], 1, None)
    alone, given = (plan(PRESETS["base"], sizes, Setup(with_poses=is_given)).need for is_given in (False, True))
    settings.device, item.path = "cpu", "1.png"
    before = needs_of("base", settings).size
    item.camera = bpy.data.objects.new("known", bpy.data.cameras.new("known"))
    assert needs_of("base", settings).size - before == given.weights - alone.weights > 0
