"""The installed extension's own command in a real Blender, which the environment variable IMAGE_TO_SCENE_BLENDER names.

`make_blender.sh` makes one. Everything that it must see lies in one folder.
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
BLENDER = shlex.split(os.environ.get("IMAGE_TO_SCENE_BLENDER", ""))

pytestmark = pytest.mark.skipif(not BLENDER, reason="IMAGE_TO_SCENE_BLENDER names no Blender application")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with pictures, a small model, and a Blender user's settings with the extension in them."""
    folder = tmp_path_factory.mktemp("installed")
    bpy = Path(importlib.util.find_spec("bpy").origin).parent
    tool = next(bpy.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    words = ["build", "--source-dir", ROOT, "--output-filepath", folder / "image_to_scene.zip"]
    subprocess.run([sys.executable, tool, *words], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [sys.executable, ROOT / "tests" / "write_tiny_checkpoint.py", folder / "model", "any_view"], check=True
    )
    (folder / "pictures").mkdir()
    for number in (1, 3):
        shutil.copy(ROOT / "demo" / "pictures" / f"table_{number}.png", folder / "pictures")
    done = blender(folder, "extension", "install-file", "-r", "user_default", "-e", folder / "image_to_scene.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def blender(folder, *words):
    variables = {"IMAGE_TO_SCENE_SHARE": str(folder), "BLENDER_USER_RESOURCES": str(folder / "resources")}
    command = [*BLENDER, "-b", "--command", *map(str, words)]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False)


def test_help_names_the_command(installed):
    done = blender(installed, "image_to_scene", "--help")
    assert done.returncode == 0, done.stderr
    assert "blender --command image_to_scene" in done.stdout
    assert "--images" in done.stdout


def test_a_folder_of_pictures_becomes_a_file(installed):
    output = installed / "place.glb"
    words = ["--images", installed / "pictures", "--model", installed / "model", "--resolution", "70"]
    done = blender(installed, "image_to_scene", *words, "--output", output)
    assert done.returncode == 0, done.stderr
    (summary,) = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert (summary["ok"], summary["views"], summary["output"]) == (True, 2, str(output))
    assert output.stat().st_size > 1000


def test_a_failure_has_its_exit_code(installed):
    done = blender(installed, "image_to_scene", "--images", installed / "pictures", "--output", installed / "place.obj")
    assert done.returncode == 2, done.stderr
    assert "must end in .glb or .blend" in done.stdout
