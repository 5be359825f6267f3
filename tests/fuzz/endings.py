"""A batch run that is interrupted, and everything that must be true afterwards. POSIX only."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "batch.py"
LIMIT = 120  # seconds
WRITE_IMAGE = """
import sys, numpy
from PIL import Image
for number, name in enumerate(sys.argv[1:]):
    Image.fromarray(numpy.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=numpy.uint8)).save(name)
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
