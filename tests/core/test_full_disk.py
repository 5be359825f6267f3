"""A disk that is full at any byte of a reconstruction: one sentence, nothing left, and never the end of the process.

A limit on the size of files is no full disk: through a memory map that one ends the process, which may be Blender.
"""

import errno
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from image_to_scene.core.disk import FULL, write_problem

SAVE = """
import os, runpy, sys
from pathlib import Path
runpy.run_path(sys.argv[1])
import numpy as np
from image_to_scene.core.errors import StorageError
from image_to_scene.core.storage import load, save
from image_to_scene.core.types import ReconstructedView, Reconstruction

disk, PAGE, pixels = Path(sys.argv[2]), 4096, np.ones((60, 80), np.float32)
frame = disk.parent / "frame.png"
frame.write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + bytes(2 * PAGE))
K = np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]])
view = ReconstructedView(disk / "a.png", frame, (80, 60), np.eye(3), np.zeros((60, 80, 3), np.uint8), pixels, K)
whole = Reconstruction((view, view))
ballast, free = disk / "ballast", 0
while True:
    ballast.write_bytes(b"")
    room = os.statvfs(disk)
    ballast.write_bytes(bytes((room.f_bavail - free) * room.f_frsize))
    before = sorted(disk.rglob("*"))
    try:
        save(whole, disk / "out")
        break
    except StorageError as error:
        assert "could not be written (No space left on device): check the disk" in str(error), error
        assert sorted(disk.rglob("*")) == before
    free += 1
assert len(load(disk / "out").views) == 2
print(free, sum(file.is_file() for file in (disk / "out").rglob("*")))
"""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own; what it holds is in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small disk")
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no disk be mounted")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_wherever_the_room_ends(small_disk):
    conftest = Path(__file__).parents[1] / "conftest.py"
    words = [sys.executable, "-c", SAVE, str(conftest), str(small_disk)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    pages, files = map(int, done.stdout.split())
    assert pages > 20 and files >= 5, "each of its files was the one that failed"


def test_a_full_disk_is_named_whatever_blender_says_of_it(small_disk):
    missing = FileNotFoundError(2, "No such file or directory")
    assert write_problem(missing, small_disk / "a.glb") == "No such file or directory"
    assert write_problem(OSError(errno.EDQUOT, "Quota"), small_disk / "a.glb") == FULL
    with suppress(OSError):
        (small_disk / "ballast").write_bytes(bytes(2 << 20))
    assert write_problem(missing, small_disk / "deep" / "a.glb").startswith(FULL)
