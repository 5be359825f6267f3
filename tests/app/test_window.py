"""One run through the window of a real Blender, which the environment variable IMAGE_TO_SCENE_BLENDER names.

`make_blender.sh` makes one. The command gets further arguments; everything that it must see lies in one folder.
"""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = shlex.split(os.environ.get("IMAGE_TO_SCENE_BLENDER", ""))
BUNDLED = ROOT / "core" / "model" / "checkpoints" / "nano" / "model.safetensors"

pytestmark = pytest.mark.skipif(not COMMAND, reason="IMAGE_TO_SCENE_BLENDER names no Blender application")


@pytest.fixture
def folder(tmp_path):
    """Everything that the run needs: the built zip, the script, the demo's pictures, and a model if none is bundled."""
    bpy = Path(importlib.util.find_spec("bpy").origin).parent
    tool = next(bpy.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    words = ["build", "--source-dir", ROOT, "--output-filepath", tmp_path / "image_to_scene.zip"]
    subprocess.run([sys.executable, tool, *words], check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "pictures").mkdir()
    for number in (1, 3, 5):
        shutil.copy(ROOT / "demo" / "pictures" / f"table_{number}.png", tmp_path / "pictures")
    shutil.copy(ROOT / "tests" / "app" / "window_script.py", tmp_path)
    if not BUNDLED.exists():
        write = ROOT / "tests" / "write_tiny_checkpoint.py"
        subprocess.run([sys.executable, write, tmp_path / "model", "any_view"], check=True)
    return tmp_path


def run(folder, *arguments):
    variables = os.environ | {
        "IMAGE_TO_SCENE_SHARE": str(folder),
        "BLENDER_USER_RESOURCES": str(folder / "resources"),
    }
    command = [*COMMAND, "--factory-startup", *map(str, arguments)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=500, check=False)


def test_the_window(folder):
    size = ("--window-geometry", "0", "0", "1280", "800")
    done = run(folder, *size, "--enable-event-simulate", "-P", folder / "window_script.py", "--", folder)
    report = json.loads((folder / "report.json").read_text()) if (folder / "report.json").exists() else {}
    assert done.returncode == 0, (report, done.stdout[-3000:], done.stderr[-3000:])
    assert report["ok"]


def test_the_command_line_in_the_background(folder):
    """The same batch file, run by an application: its own lines come first on standard output, the summary last."""
    shutil.unpack_archive(folder / "image_to_scene.zip", folder / "unpacked")
    model = ["--model", folder / "model"] if (folder / "model").exists() else []
    words = ["--images", *sorted((folder / "pictures").iterdir()), *model, "--output", folder / "place.glb"]
    done = run(folder, "-b", "--python", folder / "unpacked" / "batch.py", "--", *words)
    assert done.returncode == 0, (done.stdout, done.stderr[-3000:])
    lines = [line for line in done.stdout.splitlines() if line]
    assert json.loads(lines[-1])["output"] == str(folder / "place.glb")
    assert sum(line.startswith("{") for line in lines) == 1
    assert (folder / "place.glb").exists()
