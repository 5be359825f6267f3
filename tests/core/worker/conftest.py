import contextlib
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from image_to_scene.core.types import Request, View
from image_to_scene.core.worker.client import Worker
from image_to_scene.core.worker.protocol import ErrorMessage, ResultMessage
from image_to_scene.core.worker.runtime.builds import BUILDS, Build
from image_to_scene.core.worker.runtime.installation import Installation, Source
from image_to_scene.core.worker.runtime.store import Store

sys.path.insert(0, str(Path(__file__).parents[2]))  # helpers that other tests share
from stand_in_index import Index

WRITE_WHEELS = Path(__file__).resolve().parents[2] / "write_stand_in_wheels.py"
SMALL_WORKER = Path(__file__).with_name("small_worker.py")
MODELS_WITH_TORCH = ("torch_memory", "cuda_memory", "busy_torch")
PATIENCE = 30  # seconds; for a machine that is busy with other things


class Runner:
    """A worker beside a folder, and the two questions every test asks: what came, and is it really over."""

    def __init__(self, worker, folder):
        self.worker = worker
        self.folder = folder

    def submit(self, model, views=2):
        paths = [self.folder / f"{i}.jpg" for i in range(views)]
        return self.worker.submit(Request(tuple(map(View, paths)), model=model), self.folder / "out")

    def run(self, model, views=2):
        """All messages of one request, its answer last."""
        return self.until_answer(self.submit(model, views))

    def until_answer(self, number):
        messages = self.until(lambda message: isinstance(message, ResultMessage | ErrorMessage))
        assert messages[-1].id == number
        assert not self.worker.is_busy
        return messages

    def until_hanging(self):
        return self.until(lambda message: getattr(message, "stage", "") == "Hanging")

    def until(self, is_last):
        messages, deadline = [], time.monotonic() + PATIENCE
        while not any(map(is_last, messages)):
            assert time.monotonic() < deadline, (messages, self.worker.log)
            time.sleep(0.01)
            messages += self.worker.poll()
        return messages


@pytest.fixture(autouse=True)
def torch_where_it_is_used(request):
    """Cases named after torch need it in the running Python, which the small worker shares."""
    if any(model in request.node.name for model in MODELS_WITH_TORCH) and find_spec("torch") is None:
        pytest.skip("the running Python has no torch")


@pytest.fixture
def runner(tmp_path):
    with contextlib.closing(Worker(Path(sys.executable), SMALL_WORKER)) as worker:
        yield Runner(worker, tmp_path)


@pytest.fixture
def small_worker():
    return SMALL_WORKER


@pytest.fixture
def until_gone():
    return seconds_until_gone


def is_running(pid):
    """Whether a process lives; one that only waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def seconds_until_gone(pid, limit=5):
    """How long a process still lives, at most `limit`."""
    started = time.monotonic()
    while is_running(pid) and time.monotonic() - started < limit:
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Wheels, an index's wheels, and their lock."""
    folder = tmp_path_factory.mktemp("packages") / "made"
    subprocess.run([sys.executable, WRITE_WHEELS, folder], check=True)
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "Jürgens Ordner – 写真")


@pytest.fixture
def install(store, packages):
    """Install, by default from the folder of wheels; return the job, which is over."""

    def run(wheels=packages / "wheels", build="cpu", lock=packages / "requirements.lock", **options):
        source = Source(build if isinstance(build, Build) else BUILDS[build], wheels)
        job = Installation(store, source, Path(sys.executable), lock=lock, **options)
        job.start()
        job.join(2 * PATIENCE)
        assert job.is_done
        if job.runtime is not None:
            job.tidy()
        return job

    return run


@pytest.fixture
def index(packages, monkeypatch):
    """A package index on the loopback address; it stops in the middle of the file that `hangs` names."""
    with Index(packages / "index") as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", server.address)
        yield server
