"""However a run or a process ends: within a second for the artist, with one answer, and leaving no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_to_scene.core.types import Request, View
from image_to_scene.core.worker.client import death_sentence
from image_to_scene.core.worker.protocol import ErrorMessage, ReconstructCommand, ResultMessage, encode

MAIN = Path(__file__).resolve().parents[3] / "core" / "worker" / "__main__.py"
CONFTEST = Path(__file__).resolve().parents[2] / "conftest.py"

PARENT = """
import runpy, sys, time
from pathlib import Path
conftest, small_worker, model, folder = sys.argv[1:]
runpy.run_path(conftest)
from image_to_scene.core.types import Request, View
from image_to_scene.core.worker.client import Worker
worker = Worker(Path(sys.executable), Path(small_worker))
worker.submit(Request((View(Path("a.jpg")),), model=model), Path(folder))
while not any(getattr(message, "stage", "") == "Hanging" for message in worker.poll()):
    time.sleep(0.01)
print(worker.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("model", ["steps", "sleep", "sleep_with_gil", "busy_torch"])
def test_cancel_answers_within_a_second_and_the_next_run_works(runner, until_gone, model):
    number = runner.submit(model)
    runner.until(lambda message: getattr(message, "stage", "") in ("Hanging", "Stepping"))
    pid = runner.worker.pid
    started = time.monotonic()
    runner.worker.cancel()
    runner.worker.cancel()
    answer = runner.until_answer(number)[-1]
    assert time.monotonic() - started < 1
    assert (answer.kind, answer.text) == ("CancelledError", "The reconstruction was cancelled.")
    if model == "steps":
        assert runner.worker.pid == pid
    else:
        assert until_gone(pid) < 1
    assert isinstance(runner.run("empty")[-1], ResultMessage)


def test_cancel_before_the_process_is_up(runner):
    number = runner.submit("steps")
    runner.worker.cancel()
    assert runner.until_answer(number)[-1].kind == "CancelledError"
    assert isinstance(runner.run("empty")[-1], ResultMessage)


def test_a_result_that_was_faster_than_its_cancel_is_still_cancelled(runner):
    number = runner.submit("empty")
    time.sleep(1)
    runner.worker.cancel()
    assert runner.until_answer(number)[-1].kind == "CancelledError"


def test_cancelling_nothing_does_nothing(runner):
    runner.worker.cancel()
    runner.run("empty")
    runner.worker.cancel()
    assert runner.worker.poll() == []
    assert isinstance(runner.run("empty")[-1], ResultMessage)


@pytest.mark.parametrize(
    ("model", "words"),
    [("killed", "memory ran out"), ("crash", "crashed (SIGSEGV)"), ("leave", "exit code 3")],
)
def test_a_process_that_ends_itself_is_one_error_and_the_next_run_works(runner, model, words):
    answer = runner.run(model)[-1]
    assert isinstance(answer, ErrorMessage)
    assert answer.kind == "WorkerError"
    assert words in answer.text
    if model == "crash":
        assert "the last words" in answer.trace
        assert "Segmentation fault" in answer.trace
    assert isinstance(runner.run("empty")[-1], ResultMessage)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no processes")
def test_a_worker_that_is_stopped_is_named_and_one_that_computes_is_not(runner, monkeypatch):
    monkeypatch.setattr("image_to_scene.core.worker.client.SILENCE_SECONDS", 4.0)
    number = runner.submit("sleep")
    runner.until_hanging()
    busy = time.monotonic() + 6
    while time.monotonic() < busy:
        assert runner.worker.silence == 0.0
        time.sleep(0.05)
    os.kill(runner.worker.pid, signal.SIGSTOP)
    time.sleep(5)
    assert runner.worker.silence >= 4.0
    assert runner.worker.is_busy
    os.kill(runner.worker.pid, signal.SIGCONT)
    time.sleep(2.5)
    assert runner.worker.silence == 0.0
    os.kill(runner.worker.pid, signal.SIGSTOP)
    runner.worker.cancel()
    assert runner.until_answer(number)[-1].kind == "CancelledError"


def test_a_process_that_is_killed_between_runs_is_replaced(runner, until_gone):
    runner.run("empty")
    pid = runner.worker.pid
    os.kill(pid, signal.SIGKILL)
    until_gone(pid)
    assert isinstance(runner.run("empty")[-1], ResultMessage)
    assert runner.worker.pid != pid


def test_windows_exit_codes_are_told_apart():
    assert "crashed (0xc0000005)" in death_sentence(0xC0000005)
    assert "exit code 1" in death_sentence(1)


@pytest.mark.parametrize("model", ["sleep", "sleep_with_gil", "busy_torch"])
def test_close_leaves_no_process(runner, until_gone, model):
    runner.submit(model)
    runner.until_hanging()
    pid = runner.worker.pid
    started = time.monotonic()
    runner.worker.close()
    assert time.monotonic() - started < 0.2
    assert until_gone(pid) < 1
    assert runner.worker.poll() == []
    assert isinstance(runner.run("empty")[-1], ResultMessage)


@pytest.mark.parametrize("model", ["sleep", "busy_torch"])
def test_a_crashed_parent_leaves_no_process(tmp_path, small_worker, until_gone, monkeypatch, model):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # nobody is left to remove what the parent made there
    arguments = [str(item) for item in (CONFTEST, small_worker, model, tmp_path)]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert until_gone(pid, 0.3) >= 0.3
    parent.kill()
    assert until_gone(pid) < 2
    parent.communicate()


def test_the_worker_ends_with_its_input_in_a_foreign_folder(tmp_path):
    """Started the way a person would, from anywhere and without -I; modules of the same names do not disturb it."""
    for name in ("protocol.py", "server.py", "core.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    done = subprocess.run(
        [sys.executable, MAIN], check=False, cwd=tmp_path, input=b"\nnonsense\n", capture_output=True, timeout=60
    )
    assert done.returncode == 0
    ready, complaint = done.stdout.splitlines()
    assert b'"ready"' in ready
    assert b'"id": 0' in complaint
    assert b"not a JSON object" in complaint


def test_a_request_that_is_refused_is_answered_under_its_number(small_worker):
    line = encode(ReconstructCommand(5, Request((View(Path("a")),)), Path("o"))).replace(
        b'"head_chunk"', b'"hed_chunk"'
    )
    done = subprocess.run([sys.executable, small_worker], check=False, input=line, capture_output=True, timeout=60)
    (answer,) = done.stdout.splitlines()[1:]
    assert b'"id": 5' in answer
    assert b"hed_chunk" in answer


actions = st.lists(
    st.sampled_from(["empty", "picture", "defect", "leave", "steps", "sleep", "cancel", "kill", "poll", "close"]),
    max_size=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_every_request_gets_exactly_one_answer(runner, actions):
    """Except those that close() takes the right to an answer from; the worker is usable after any sequence."""
    submitted, closed, answered = [], [], []

    def collect(messages):
        answered.extend(message.id for message in messages if isinstance(message, ResultMessage | ErrorMessage))

    for action in actions:
        if action == "cancel":
            runner.worker.cancel()
        elif action == "kill" and runner.worker.pid:
            os.kill(runner.worker.pid, signal.SIGKILL)
        elif action == "close":
            closed += submitted[-1:] if runner.worker.is_busy else []
            runner.worker.close()
        elif action not in ("kill", "poll") and not runner.worker.is_busy:
            submitted.append(runner.submit(action))
        collect(runner.worker.poll())
    if runner.worker.is_busy:
        runner.worker.cancel()
        collect(runner.until_answer(submitted[-1]))
    last = runner.submit("empty")
    collect(runner.until_answer(last))
    assert answered == [number for number in [*submitted, last] if number not in closed]
