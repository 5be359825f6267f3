import json
import os
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import bpy
import pytest

from image_to_scene.core.storage import save
from image_to_scene.core.worker.runtime.uv import LOCK, _places, platform_name

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
MANIFEST = tomllib.loads((ROOT / "blender_manifest.toml").read_text())

PLATFORMS = runpy.run_path(str(ROOT / "wheels" / "fetch.py"))["PLATFORMS"]

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
zip_file, folder, *words = sys.argv[1:]
repo = bpy.context.preferences.extensions.repos.new(
    name="test", module="test_repo", custom_directory=folder, remote_url="")
NAME = "bl_ext.test_repo.image_to_scene"

def install(zip_file):
    bpy.ops.extensions.package_install_files(filepath=zip_file, repo="test_repo", enable_on_install=True)
    assert addon_utils.check(NAME)[1], "the add-on is not enabled"

install(zip_file)
"""

USE = """
(saved,) = words
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
runtime = importlib.import_module(NAME + ".operators.runtime")
assert runtime.PACKAGE == NAME
bpy.context.preferences.addons[NAME].preferences.worker_python = sys.executable
assert str(runtime.worker_python(bpy.context)) == sys.executable
print("RESULT", json.dumps(first))
sys.stdout.flush()
os._exit(0)
"""

# The runtime as a user gets it: uv out of the zip's wheel, packages from a folder; then the add-on is updated.
INSTALL_RUNTIME = """
from pathlib import Path
newer, packages = map(Path, words)

def ready():
    runtime = importlib.import_module(NAME + ".operators.runtime")
    runtime.setup.lock = packages / "requirements.lock"
    return runtime

unpacked = [Path(entry) for entry in sys.path if list(Path(entry).glob("uv-*.data"))]
bits = [oct(path.stat().st_mode & 0o111) for entry in unpacked for path in entry.glob("uv-*.data/scripts/uv")]
assert ready().setup.line == "Runtime: not installed"
assert bpy.ops.image_to_scene.install_runtime(wheels=str(packages / "wheels"), build="cpu") == {"FINISHED"}
first = str(ready().worker_python(bpy.context))
install(str(newer))
again = str(ready().worker_python(bpy.context))
print("RESULT", json.dumps([bits, first, again, ready().setup.line]))
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
    assert {Path(name).suffix for name in names} <= {".py", ".toml", ".md", ".json", ".lock", ".safetensors", ""}


def test_a_stray_file_stays_out_of_the_zip(zip_file, tmp_path):
    checkout = tmp_path / "checkout"
    with zipfile.ZipFile(zip_file) as content:
        content.extractall(checkout)
    for name in ("stray.py", "notes.txt", ".env", "mine/a.py", "core/a.swp", "core/.hidden", "operators/a.blend"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).touch()
    tool("build", "--source-dir", checkout, "--output-filepath", tmp_path / "again.zip")
    assert names_in(tmp_path / "again.zip") == names_in(zip_file)


def test_the_zip_holds_the_preview_model(zip_file):
    assert {f"{CHECKPOINT}/{name}" for name in ("config.json", "model.safetensors", "README.md")} <= names_in(zip_file)


def test_the_version_has_its_place_in_the_changelog():
    assert f"## {MANIFEST['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_checkout_needs_no_wheels():
    assert "wheels" not in MANIFEST
    assert "platforms" not in MANIFEST


def test_it_installs_under_its_real_name_and_can_be_disabled_and_enabled(zip_file, make_reconstruction, tmp_path):
    save(make_reconstruction(), tmp_path / "saved")
    made = in_blender(INSTALL + USE, tmp_path, zip_file, tmp_path / "saved")
    assert made.count("CAMERA") == 2
    assert made.count("EMPTY") == 1


def test_a_zip_with_its_wheel_installs_the_runtime_and_an_update_keeps_it(tmp_path):
    if platform_name() not in PLATFORMS:
        pytest.skip(f"Blender has no extensions for {platform_name()}")
    zips = zips_with_a_wheel(tmp_path)
    assert {path.stem.partition("-")[2].partition("-")[2] for path in zips} == {
        "",
        *(name.replace("-", "_") for name in PLATFORMS),
    }
    (ours,) = (path for path in zips if path.stem.endswith(platform_name().replace("-", "_")))
    assert [Path(name).suffix for name in names_in(ours) if name.startswith("wheels/")] == [".whl"]
    subprocess.run([sys.executable, ROOT / "tests" / "write_stand_in_wheels.py", tmp_path / "packages"], check=True)
    bits, first, again, line = in_blender(INSTALL + INSTALL_RUNTIME, tmp_path, ours, newer(ours), tmp_path / "packages")
    assert bits == ["0o0"]
    assert ".user/test_repo/image_to_scene/r/1/" in Path(first).as_posix()
    assert again == first
    assert line.startswith("Runtime: ready, torch 2.13.0+cpu")


def in_blender(script, folder, *words):
    """Run a script in a Blender of its own, and read what it found."""
    (folder / "repo").mkdir()
    variables = os.environ | {"BLENDER_USER_RESOURCES": str(folder / "resources")}
    variables.pop("IMAGE_TO_SCENE_PYTHON", None)
    zip_file, *rest = words
    done = subprocess.run(
        [sys.executable, "-c", script, zip_file, folder / "repo", *rest],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.partition(" ")[2])


def zips_with_a_wheel(folder):
    """Build as `make wheels extension` does, with a wheel made of the uv beside this Python."""
    program = next((place for place in _places() if place.is_file()), None)
    if program is None:
        pytest.skip("uv is not installed beside this Python (requirements/development.txt)")
    version = json.loads(LOCK.read_text())["version"]
    wheels = folder / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / f"uv-{version}-py3-none-{PLATFORMS[platform_name()]}.whl", "w") as wheel:
        about = f"uv-{version}.dist-info"
        wheel.write(program, f"uv-{version}.data/scripts/{program.name}")
        wheel.writestr("uv/__init__.py", "")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: uv\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n")
        wheel.writestr(f"{about}/RECORD", "")
    subprocess.run([sys.executable, ROOT / "wheels" / "build.py", folder / "zips", wheels], check=True)
    return sorted((folder / "zips").glob("*.zip"))


def newer(zip_file):
    """Make a zip of a later version."""
    later = zip_file.with_name(f"later-{zip_file.name}")
    with zipfile.ZipFile(zip_file) as old, zipfile.ZipFile(later, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "blender_manifest.toml":
                content = content.replace(f'version = "{MANIFEST["version"]}"'.encode(), b'version = "99.0.0"', 1)
            new.writestr(name, content)
    return later
