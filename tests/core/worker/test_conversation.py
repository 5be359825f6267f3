"""What a real worker process says, and that every request gets exactly one answer, whatever goes wrong."""

import os
import signal
import sys
import threading
import time
import venv
from pathlib import Path

import numpy as np
import pytest

from image_to_scene.core import errors
from image_to_scene.core.types import Progress, Request, View
from image_to_scene.core.worker.child import environment
from image_to_scene.core.worker.client import Worker, error_from, find_python
from image_to_scene.core.worker.protocol import (
    ErrorMessage,
    ProgressMessage,
    ReadyMessage,
    ResultMessage,
    WarningMessage,
)

REQUEST = Request((View(Path("a.jpg")),), model="empty")


def steps(messages):
    return [message.progress for message in messages if isinstance(message, ProgressMessage)]


def test_ready_comes_first_and_once_and_names_the_interpreter(runner):
    messages = runner.run("empty")
    assert [isinstance(message, ReadyMessage) for message in messages] == [True] + [False] * (len(messages) - 1)
    ready = messages[0]
    assert ready.python == sys.executable
    assert ready.pid == runner.worker.pid
    assert runner.worker.ready == ready
    assert ready.versions["numpy"] == np.__version__


def test_ready_does_not_wait_for_torch(runner):
    runner.worker.start()
    (ready,) = runner.until(lambda message: isinstance(message, ReadyMessage))
    libraries = Path(f"/proc/{ready.pid}/maps").read_text()
    assert "numpy" in libraries
    assert "libtorch" not in libraries


def test_progress_comes_in_order_with_counts(runner):
    run = [Progress("Running the network", done, 5) for done in range(6)]
    start = [Progress("Starting", done, 1) for done in range(2)]
    end = [Progress("Saving", done, 2) for done in range(3)]
    assert steps(runner.run("reconstruction", views=5)) == start + run + end


def test_what_libraries_print_and_read_does_not_reach_the_protocol(runner):
    assert isinstance(runner.run("chatter")[-1], ResultMessage)
    assert isinstance(runner.run("empty")[-1], ResultMessage)
    for line in ("a line from Python", "ünïcode", "a line from C", "a line from a grandchild", "the last words"):
        assert line in runner.worker.log
    assert len(runner.worker.log) < 200 * 2001


def test_the_process_and_its_session_are_kept(runner):
    runner.run("empty")
    pid = runner.worker.pid
    runner.run("empty")
    assert runner.worker.pid == pid


def test_reconstructions_are_saved_beside_each_other(runner):
    from image_to_scene.core.storage import load

    runner.run("empty")
    answer = runner.run("reconstruction")[-1]
    assert isinstance(answer, ResultMessage), answer
    assert answer.folders == (runner.folder / "out" / "000", runner.folder / "out" / "001")
    assert [facts["runs"] for facts in answer.facts] == [2, 2]
    for folder in answer.folders:
        loaded = load(folder)
        np.testing.assert_array_equal(loaded.views[0].depth, np.ones((3, 4), np.float32))


def test_warnings_are_told_once(runner):
    messages = runner.run("reconstruction")
    assert [message.text for message in messages if isinstance(message, WarningMessage)] == ["Small."]


@pytest.mark.parametrize("name", ["with spaces", "Überflug – 写真", "quote ' \" and $(x)", "line\nbreak"])
def test_paths_arrive_as_they_are(runner, name):
    runner.folder = runner.folder / name
    runner.folder.mkdir()
    for i in range(2):
        (runner.folder / f"{i}.jpg").touch()
    answer = runner.run("reconstruction")[-1]
    assert isinstance(answer, ResultMessage), answer
    assert answer.facts[0]["all_exist"]
    assert answer.facts[0]["sources"] == [str(runner.folder / f"{i}.jpg") for i in range(2)]
    assert all(folder.is_dir() for folder in answer.folders)


def test_the_environment_is_scrubbed(runner, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere/x.py")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HOME", "/a home")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    answer = runner.run("reconstruction")[-1]
    assert isinstance(answer, ResultMessage), answer
    seen = answer.facts[0]["environment"]
    assert (seen["HF_HOME"], seen["OPENBLAS_NUM_THREADS"]) == ("/a home", "1")
    assert not {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "CUDA_VISIBLE_DEVICES"} & seen.keys()


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
def test_a_cards_memory_grows_in_place_where_the_system_can_do_that(monkeypatch, system):
    monkeypatch.setattr(sys, "platform", system)
    name = "PYTORCH_ALLOC_CONF"
    assert environment("scratch", {}).get(name) == ("expandable_segments:True" if system == "linux" else None)
    assert environment("scratch", {name: "max_split_size_mb:64"})[name] == "max_split_size_mb:64"


def test_temporary_files_go_with_the_process(runner):
    answer = runner.run("reconstruction")[-1]
    assert isinstance(answer, ResultMessage), answer
    scratch = Path(answer.facts[0]["environment"]["TMPDIR"])
    assert scratch.is_dir()
    (scratch / "copy.png").write_bytes(b"x")
    runner.worker.close()
    deadline = time.monotonic() + 5
    while scratch.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not scratch.exists()


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("picture", errors.ImageError, "Picture a.jpg is broken: replace it."),
        ("weights", errors.WeightsError, "lacks head.norm.weight"),
        ("numpy_memory", errors.OutOfMemoryError, "lower resolution"),
        ("torch_memory", errors.OutOfMemoryError, "lower resolution"),
        ("cuda_memory", errors.OutOfMemoryError, "lower resolution"),
        ("package", errors.WorkerError, "has no a_package_that_nobody_has: install torch"),
        ("own_module", errors.WorkerError, "defect (ModuleNotFoundError)"),
        ("file", errors.WorkerError, "/no/such/folder"),
        ("defect", errors.WorkerError, "defect (ZeroDivisionError)"),
        ("unspeakable", errors.WorkerError, "defect"),
    ],
)
def test_each_failure_is_one_sentence_and_the_next_run_works(runner, model, kind, words):
    answer = runner.run(model)[-1]
    assert isinstance(answer, ErrorMessage)
    assert words in answer.text
    assert answer.text.count("\n") == 0
    assert "Traceback" in answer.trace
    assert type(error_from(answer)) is kind
    assert isinstance(runner.run("empty")[-1], ResultMessage)


def test_the_model_survives_an_error_of_the_artist_but_not_a_defect(runner):
    runner.run("picture")
    pid = runner.worker.pid
    assert pid is not None
    runner.run("defect")
    assert runner.worker.pid is None
    runner.run("empty")
    assert runner.worker.pid not in (None, pid)


def test_wait_returns_the_result_and_reports_the_steps(runner):
    seen = []
    result = runner.worker.wait(runner.submit("empty", views=3), seen.append)
    assert isinstance(result, ResultMessage)
    assert [step.done for step in seen if step.stage == "Running the network"] == [0, 1, 2, 3]


def test_wait_raises_the_class_that_the_worker_names(runner):
    with pytest.raises(errors.ImageError, match=r"a\.jpg") as caught:
        runner.worker.wait(runner.submit("picture"))
    assert any("Traceback" in note for note in caught.value.__notes__)


def test_wait_cancels_when_a_step_says_so(runner):
    def cancel(progress):
        if progress.done == 3:
            raise errors.CancelledError("Enough.")

    with pytest.raises(errors.CancelledError):
        runner.worker.wait(runner.submit("steps"), cancel)
    assert isinstance(runner.run("empty")[-1], ResultMessage)


def test_waiting_for_nothing_does_not_wait_for_ever(runner):
    with pytest.raises(errors.WorkerError, match="not running"):
        runner.worker.wait(1)


def test_a_second_request_has_to_wait(runner):
    number = runner.submit("steps")
    with pytest.raises(errors.WorkerError, match="already running"):
        runner.submit("empty")
    runner.worker.cancel()
    runner.until_answer(number)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that suspends a process")
def test_no_call_waits_for_a_process_that_stands_still(runner):
    """Thousands of views are more than a pipe holds; nobody reads them until all calls have returned."""
    views = tuple(View(Path(f"{'x' * 100}{i}.jpg"), np.eye(4), np.eye(3)) for i in range(5000))
    runner.worker.start()
    os.kill(runner.worker.pid, signal.SIGSTOP)
    numbers = []

    def call():
        numbers.append(runner.worker.submit(Request(views, model="empty"), runner.folder))
        runner.worker.poll()

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(60)
    assert not caller.is_alive()
    os.kill(runner.worker.pid, signal.SIGCONT)
    assert isinstance(runner.until_answer(numbers[0])[-1], ResultMessage)


def test_dead_processes_leave_no_threads(runner):
    before = set(threading.enumerate())
    for _ in range(3):
        runner.run("leave")
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("name", ["nothing here/python", ".", "picture.jpg"])
def test_what_is_no_program_is_refused(tmp_path, name):
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(errors.WorkerError, match="IMAGE_TO_SCENE_PYTHON"):
        Worker(tmp_path / name).submit(REQUEST, tmp_path)


def test_blender_is_refused(tmp_path):
    blender = tmp_path / "blender"
    blender.write_text("#!/bin/sh\nsleep 60\n")
    blender.chmod(0o755)
    with pytest.raises(errors.WorkerError, match="is Blender"):
        Worker(blender).submit(REQUEST, tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x01\x02", "cannot be started"),
        (b"#!/bin/sh\necho I am no Python >&2\nexit 1\n", "I am no Python"),
        (b"#!/bin/sh\nexit 9\n", "exit code 9"),
        (b"#!/bin/sh\necho hello\nexec sleep 60\n", "hello"),
    ],
)
def test_a_program_that_is_no_python_ends_in_one_sentence(tmp_path, content, words):
    program = tmp_path / "python"
    program.write_bytes(content)
    program.chmod(0o755)
    worker = Worker(program)
    with pytest.raises(errors.WorkerError, match=words):
        worker.wait(worker.submit(REQUEST, tmp_path))
    worker.close()


def torchless_python(folder, packages=()):
    """A real interpreter with nothing but links to some packages of this one."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    ours = Path(np.__file__).parents[1]
    for name in packages:
        (site / name).symlink_to(ours / name)
    return folder / "bin" / "python"


def test_a_python_without_torch_says_which_and_what_to_do(tmp_path):
    python = torchless_python(tmp_path / "an environment", ["numpy", "numpy.libs"])
    worker = Worker(python)
    for _ in range(2):
        with pytest.raises(
            errors.WorkerError, match=r"has no torch.*preferences or in IMAGE_TO_SCENE_PYTHON"
        ) as caught:
            worker.wait(worker.submit(REQUEST, tmp_path))
        assert str(python) in str(caught.value)
    worker.close()


def test_a_python_without_anything_says_which_and_what_to_do(tmp_path):
    python = torchless_python(tmp_path / "bare")
    worker = Worker(python)
    with pytest.raises(errors.WorkerError, match=r"No module named 'numpy'.*IMAGE_TO_SCENE_PYTHON") as caught:
        worker.wait(worker.submit(REQUEST, tmp_path))
    assert str(python) in str(caught.value)


def test_the_interpreter_is_the_preferences_then_the_environments_then_the_running_one(tmp_path):
    one, other = torchless_python(tmp_path / "one"), torchless_python(tmp_path / "other")
    assert find_python(one, {"IMAGE_TO_SCENE_PYTHON": str(other)}) == one
    assert find_python(None, {"IMAGE_TO_SCENE_PYTHON": str(other)}) == other
    assert find_python(None, {"IMAGE_TO_SCENE_PYTHON": ""}) == Path(sys.executable)
