"""Fifty pairs of SIGTERM and twenty SIGKILLs at random moments of batch runs. The seed is fixed; `make fuzz` runs it.

FUZZ_SECONDS is the time limit: what does not fit in it is said and left out.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "batch.py"
LIMIT = 120  # seconds
WRITE_IMAGE = """
import sys, numpy
from PIL import Image
for number, name in enumerate(sys.argv[1:]):
    levels = numpy.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=numpy.uint8)
    levels[:, :40] //= 4
    Image.fromarray(levels).save(name)
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    log: str
    seconds: float
    """From the last signal on."""

    @property
    def summary(self):
        (line,) = self.out.splitlines()
        return json.loads(line)


class Place:
    """Folders for a run: inputs, outputs and temporary files of its own."""

    def __init__(self, folder, python, output="place.glb"):
        self.out, self.scratch = folder / "out", folder / "scratch"
        self.out.mkdir()
        self.scratch.mkdir()
        self.images = [folder / "a.png", folder / "b.png"]
        self.model = folder / "tiny"
        subprocess.run([python, "-c", WRITE_IMAGE, *self.images], check=True)
        subprocess.run([python, ROOT / "tests" / "write_tiny_checkpoint.py", self.model, "any_view"], check=True)
        self.words = ["--images", *self.images, "--model", self.model, "--resolution", "70"]
        self.words += ["--output", self.out / output, "--save-reconstruction", self.out / "saved"]

    def start(self):
        command = [sys.executable, BATCH, *map(str, self.words)]
        variables = os.environ | {"TMPDIR": str(self.scratch)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.out, env=variables, **pipes)

    def finish(self, process, since=None):
        out, log = process.communicate(timeout=LIMIT)
        return Ended(process.returncode, out, log, time.monotonic() - (since or time.monotonic()))

    def left(self):
        """List what lies in the output folder and in the one for temporary files."""
        return sorted(path.name for path in self.out.iterdir()), sorted(path.name for path in self.scratch.iterdir())

    def workers(self):
        """List processes of this place's temporary folder, and those of its batch runs."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.scratch).encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def wait_for_workers(self, patience=10):
        deadline = time.monotonic() + patience
        while self.workers() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.workers()

    def clear(self):
        for path in (self.out / "place.glb", self.out / "place.blend"):
            path.unlink(missing_ok=True)
        subprocess.run(["rm", "-rf", str(self.out / "saved")], check=True)

    def is_whole(self):
        """Return whether all results are there; False where none is, and an error where some are."""
        names = [name for name in self.left()[0] if not name.startswith(".")]
        assert len(names) in (0, 2), names
        return bool(names)


pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals and /proc are Linux's here")

SEED = 14
PAIRS, KILLS = 50, 20
SECONDS = float(os.environ.get("FUZZ_SECONDS", "900"))


def measured(place):
    """Return how long a whole run takes."""
    started = time.monotonic()
    ended = place.finish(place.start())
    assert ended.code == 0, ended.log
    assert place.left()[1] == []
    place.clear()
    return time.monotonic() - started


def test_pairs_of_sigterm(tmp_path):
    place, chance, outcomes, slowest = Place(tmp_path, sys.executable), random.Random(SEED), Counter(), 0.0
    whole, deadline = measured(place), time.monotonic() + SECONDS / 2
    for done in range(PAIRS):
        if time.monotonic() > deadline:
            print(f"the time limit ended it after {done} of {PAIRS} pairs")
            break
        process = place.start()
        time.sleep(chance.uniform(0.1, whole))
        process.send_signal(signal.SIGTERM)
        time.sleep(chance.choice((0.0, 0.01, 0.2)))
        process.send_signal(signal.SIGTERM)
        ended = place.finish(process, time.monotonic())
        outcomes[ended.code] += 1
        assert place.wait_for_workers() == []
        if ended.code == -signal.SIGTERM:  # before Python ran a line of ours
            assert ended.out == ""
        else:
            slowest = max(slowest, ended.seconds)
            assert ended.code == (0 if ended.summary["ok"] else 130), ended.log
            assert "Traceback" not in ended.log, ended.log
        assert place.is_whole() == (ended.code == 0)
        place.clear()
        assert place.left() == ([], []), ended.log
    print(f"{dict(outcomes)} by exit code, slowest end {slowest:.2f} s, whole run {whole:.1f} s")


@pytest.mark.parametrize("output", ["place.glb", "place.blend"])
def test_sigkills(tmp_path, output):
    place, chance, outcomes = Place(tmp_path, sys.executable, output), random.Random(SEED), Counter()
    whole, deadline = measured(place), time.monotonic() + SECONDS / 4
    for done in range(KILLS // 2):
        if time.monotonic() > deadline:
            print(f"the time limit ended it after {done} of {KILLS // 2} kills")
            break
        process = place.start()
        if done % 2:  # while it is saving
            while process.poll() is None and not list(place.out.glob(".image_to_scene_*")):
                time.sleep(0.002)
            time.sleep(chance.uniform(0.0, 0.05))
        else:
            time.sleep(chance.uniform(0.1, whole))
        process.kill()
        outcomes[place.finish(process).code] += 1
        outcomes["staged"] += bool(list(place.out.glob(".image_to_scene_*")))
        assert place.wait_for_workers() == []
        place.is_whole()
        place.clear()
    time.sleep(2.5)  # what is younger is left alone
    assert place.finish(place.start()).code == 0
    assert place.is_whole()
    outputs, scratch = place.left()
    assert outputs == sorted([output, "saved"])
    assert scratch == []
    print(f"{dict(outcomes)}, whole run {whole:.1f} s")
