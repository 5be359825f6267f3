"""What a real worker process does beside reconstructing: it brings and removes checkpoints, and knows its device."""

import contextlib
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from loopback_hub import LoopbackHub

from image_to_scene.core.errors import CancelledError, WeightsError
from image_to_scene.core.worker.client import Worker
from image_to_scene.core.worker.protocol import DeviceMessage, ErrorMessage, ProgressMessage, ResultMessage

TESTS = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec("huggingface_hub") is None, reason="the running Python, the worker's, has no huggingface_hub"
)


@pytest.fixture
def server():
    return LoopbackHub({"config.json": b"{}", "model.safetensors": bytes(300_000)})


@pytest.fixture
def worker(server, tmp_path, monkeypatch):
    with server.serve() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with contextlib.closing(Worker(Path(sys.executable))) as worker:
            yield worker


def cached(tmp_path):
    return list((tmp_path / "hub").glob("models--depth-anything--DA3-SMALL/snapshots/*/model.safetensors"))


def answer(worker, number):
    """All messages of a task, its answer last."""
    messages, until = [], time.monotonic() + 30
    while not messages or not isinstance(messages[-1], ResultMessage | ErrorMessage):
        assert time.monotonic() < until, messages
        messages += worker.poll()
        time.sleep(0.01)
    assert messages[-1].id == number
    return messages


def test_a_download_counts_bytes_and_names_the_folder(worker, tmp_path):
    messages = answer(worker, worker.download("small"))
    (path,) = cached(tmp_path)
    assert messages[-1] == ResultMessage(messages[-1].id, (path.parent,))
    steps = [message.progress for message in messages if isinstance(message, ProgressMessage)]
    assert steps[-1].done == steps[-1].total == 300_002
    assert "libtorch" not in Path(f"/proc/{worker.pid}/maps").read_text()
    assert worker.wait(worker.remove("small")).facts == ({"freed": 300_002},)
    assert cached(tmp_path) == []


def test_a_cancelled_download_is_taken_up_again(worker, server, tmp_path):
    server.slow = True
    number = worker.download("small")
    while not any(path.endswith("tensors") and method == "GET" for method, path, _ in server.requests):
        worker.poll()
    started = time.monotonic()
    worker.cancel()
    message = answer(worker, number)[-1]
    assert time.monotonic() - started < 1
    assert (message.kind, message.text) == (CancelledError.__name__, "The download was cancelled.")
    assert cached(tmp_path) == []
    server.slow = False
    worker.wait(worker.download("small"))
    assert len(cached(tmp_path)) == 1


def test_a_refusal_is_the_hub_s_own_sentence(worker, server):
    server.refusal = 404
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"has no depth-anything/DA3-SMALL \(404\)"):
            worker.wait(worker.download("small"))


@pytest.mark.skipif(find_spec("torch") is None, reason="the running Python has no torch")
def test_a_device_is_described_without_a_model(worker):
    messages = answer(worker, worker.describe("cpu"))
    (device,) = (message for message in messages if isinstance(message, DeviceMessage))
    assert (device.kind, device.name) == ("cpu", "CPU")
    assert 2**28 < device.free <= device.total


@pytest.mark.skipif(find_spec("torch") is None, reason="the running Python has no torch")
def test_what_was_downloaded_can_be_used(worker, server, tmp_path):
    from PIL import Image

    from image_to_scene.core.types import Request, View

    folder = tmp_path / "tiny"
    subprocess.run([sys.executable, TESTS / "write_tiny_checkpoint.py", folder, "any_view"], check=True)
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    Image.linear_gradient("L").resize((98, 70)).convert("RGB").save(tmp_path / "picture.png")
    request = Request((View(tmp_path / "picture.png"),), model="small", resolution=98, device="cpu")
    with pytest.raises(WeightsError, match="No weights for 'small'"):
        worker.wait(worker.submit(request, tmp_path / "out"))
    worker.wait(worker.download("small"))
    messages = answer(worker, worker.submit(request, tmp_path / "out"))
    assert isinstance(messages[-1], ResultMessage), messages[-1]
    assert [message.kind for message in messages if isinstance(message, DeviceMessage)] == ["cpu"]
