import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import bpy
import pytest

from image_to_scene.core.storage import save

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
MANIFEST = tomllib.loads((ROOT / "blender_manifest.toml").read_text())

FILES = {"__init__.py", "batch.py", "blender_manifest.toml", "LICENSE", "README.md", "CHANGELOG.md"}
FOLDERS = ("core", "operators", "panels")
CHECKPOINT = "core/model/checkpoints/nano"

# Runs in a Blender of its own, whose classes and extensions are nobody else's.
INSTALL = """
import importlib, json, os, sys
import bpy
import addon_utils

def end(kind, value, trace):
    import traceback
    traceback.print_exception(kind, value, trace)
    os._exit(1)

sys.excepthook = end
zip_file, folder, saved = sys.argv[1:]
repo = bpy.context.preferences.extensions.repos.new(
    name="test", module="test_repo", custom_directory=folder, remote_url="")
bpy.ops.extensions.package_install_files(filepath=zip_file, repo="test_repo", enable_on_install=True)
NAME = "bl_ext.test_repo.image_to_scene"
assert addon_utils.check(NAME)[1], "the add-on is not enabled"
assert NAME in bpy.context.preferences.addons
assert bpy.context.preferences.addons[NAME].preferences.worker_python == ""

def opened():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert bpy.ops.image_to_scene.open_reconstruction(directory=saved) == {"FINISHED"}
    return sorted(item.type for item in bpy.context.scene.objects)

first = opened()
bpy.ops.preferences.addon_disable(module=NAME)
assert not hasattr(bpy.types.Scene, "image_to_scene")
assert not hasattr(bpy.types, "IMAGETOSCENE_PT_main")
bpy.ops.preferences.addon_enable(module=NAME)
assert opened() == first
settings = importlib.import_module(NAME + ".operators.settings")
assert settings.PACKAGE == NAME
bpy.context.preferences.addons[NAME].preferences.worker_python = "/somewhere/python"
assert str(settings.worker_python(bpy.context)) == "/somewhere/python"
print("RESULT", json.dumps(first))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory):
    target = tmp_path_factory.mktemp("extension") / "image_to_scene.zip"
    tool("build", "--source-dir", ROOT, "--output-filepath", target)
    return target


def tool(*words):
    """Blender's own extension command."""
    done = subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_in(zip_file):
    with zipfile.ZipFile(zip_file) as content:
        return {name for name in content.namelist() if not name.endswith("/")}


def test_the_manifest_and_the_zip_are_valid(zip_file):
    tool("validate", ROOT)
    tool("validate", zip_file)


def test_the_zip_holds_what_runs_and_nothing_else(zip_file):
    names = names_in(zip_file)
    unexpected = {name for name in names - FILES if not name.startswith(tuple(f"{folder}/" for folder in FOLDERS))}
    assert unexpected == set()
    assert names >= FILES
    sources = {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert sources <= names
    assert {Path(name).suffix for name in names} <= {".py", ".toml", ".md", ".json", ".safetensors", ""}


def test_the_zip_holds_the_preview_model(zip_file):
    assert {f"{CHECKPOINT}/{name}" for name in ("config.json", "model.safetensors", "README.md")} <= names_in(zip_file)


def test_the_version_has_its_place_in_the_changelog():
    assert f"## {MANIFEST['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_needs_a_wheel_that_is_not_listed():
    listed = {Path(name).name for name in MANIFEST.get("wheels", ())}
    assert listed == {path.name for path in (ROOT / "wheels").glob("*.whl")}


def test_it_installs_under_its_real_name_and_can_be_disabled_and_enabled(zip_file, make_reconstruction, tmp_path):
    save(make_reconstruction(), tmp_path / "saved")
    (tmp_path / "repo").mkdir()
    words = [zip_file, tmp_path / "repo", tmp_path / "saved"]
    variables = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "resources")}
    done = subprocess.run(
        [sys.executable, "-c", INSTALL, *words], capture_output=True, text=True, env=variables, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    made = json.loads(line.partition(" ")[2])
    assert made.count("CAMERA") == 2
    assert made.count("EMPTY") == 1
