"""However a batch run ends: one line, one code, nothing half written, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from image_to_scene.core import temporary
from image_to_scene.operators.ending import Ending

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--images", "/none.png", "--output", "/nowhere/place.glb"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell and signals of POSIX are needed")


def shell(line, folder, **variables):
    """Run batch.py as the shell line's "$@", which fails with code 8 and a sentence."""
    command = ["sh", "-c", line, "sh", sys.executable, str(ROOT / "batch.py"), *WORDS]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | variables, check=False)


@posix
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('"$@" >&-', "stderr"),
        ('"$@" >/dev/full', "full"),
        ('"$@" 2>&-', "stdout"),
        ('"$@" <&- >&- 2>&-', "nowhere"),
        ('mkdir gone; cd gone; rmdir ../gone; "$@"', "stdout"),
        ('LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 "$@"', "stdout"),
    ],
    ids=["closed output", "full output", "closed errors", "all closed", "deleted folder", "plain locale"],
)
def test_the_code_is_the_same_and_the_line_is_one(tmp_path, line, told):
    if told == "full" and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(line, tmp_path)
    assert done.returncode == 8, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if told == "stdout":
        (text,) = done.stdout.splitlines()
        assert json.loads(text)["kind"] == "StorageError"
    else:
        assert done.stdout == ""
        assert done.stderr.count('"ok": false') == (told == "full")


@posix
def test_a_relative_name_in_a_deleted_folder_is_a_wrong_argument(tmp_path):
    done = shell('mkdir gone; cd gone; rmdir ../gone; "$@" --cameras shot.json', tmp_path)
    assert done.returncode == 2, done.stderr
    assert "has been deleted" in json.loads(done.stdout)["error"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")
def test_a_worker_that_is_stopped_is_named_and_a_signal_still_ends_the_run(tmp_path, pictures, tiny_checkpoint):
    words = ["--images", *pictures, "--model", tiny_checkpoint, "--output", tmp_path / "place.glb"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, ROOT / "batch.py", *words], **pipes) as process:
        assert any("Starting" in line for line in process.stderr)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGSTOP)
        assert any("has not answered for 10 seconds" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        out, log = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == 130, log
    assert json.loads(out)["kind"] == "CancelledError"


@posix
def test_a_second_signal_changes_nothing_and_a_stuck_run_is_ended(tmp_path):
    script = f"""
import runpy, sys, time
runpy.run_path({str(ROOT / "tests" / "conftest.py")!r})
from image_to_scene.operators.ending import ending
from image_to_scene.operators.output import take_output
out = take_output()
ending.listen(out)
print("ready", file=sys.stderr, flush=True)
time.sleep(30)
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:
        assert "ready" in process.stderr.readline()
        started = time.monotonic()
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=20)
    assert time.monotonic() - started < 3
    assert process.returncode == 130, log
    (line,) = out.splitlines()
    assert json.loads(line)["kind"] == "CancelledError"


def test_what_has_been_claimed_is_not_taken_back():
    ending = Ending()
    ending.claim()
    ending.claim()
    ending._ask()
    assert ending.is_asked


@posix
def test_folders_of_killed_processes_are_swept_and_others_stay(tmp_path, monkeypatch):
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    script = f"""
import os, runpy, sys
from pathlib import Path
os.umask(0)
runpy.run_path({str(ROOT / "tests" / "conftest.py")!r})
from image_to_scene.core.temporary import OwnedFolder
folder = OwnedFolder()
print(oct(folder.path.stat().st_mode & 0o777))
staged = folder.name_beside(Path({str(out / "place.blend")!r}))
for path in (staged, staged.with_name(staged.name + "@")):
    path.touch()
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(out.iterdir())) == 2
    alive = temporary.OwnedFolder()
    (scratch / "image_to_scene_mine").mkdir()
    (scratch / "image_to_scene_mine" / "thesis.txt").touch()
    temporary.sweep()
    assert len(list(scratch.iterdir())) == 3, "what is young stays"
    for owner in scratch.glob("*/.owner"):
        os.utime(owner, (1, 1))
    temporary.sweep()
    assert sorted(scratch.iterdir()) == sorted([alive.path, scratch / "image_to_scene_mine"])
    assert list(out.iterdir()) == []
    alive.close()
    assert [path.name for path in scratch.iterdir()] == ["image_to_scene_mine"]
