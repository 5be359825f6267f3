"""Runs through the window of a real Blender, which the environment variable IMAGE_TO_SCENE_BLENDER names.

`make_blender.sh` makes one. The command gets further arguments; everything that it must see lies in one folder, and
IMAGE_TO_SCENE_SCREENSHOTS names another one where the pictures of the window are kept.
"""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.storage import save
from core.types import ReconstructedView, Reconstruction

ROOT = Path(__file__).resolve().parents[2]
COMMAND = shlex.split(os.environ.get("IMAGE_TO_SCENE_BLENDER", ""))
BUNDLED = ROOT / "core" / "model" / "checkpoints" / "nano" / "model.safetensors"
SCRIPTS = ("director.py", "day_script.py", "endings_script.py", "panels_script.py", "slices_script.py")

pytestmark = pytest.mark.skipif(not COMMAND, reason="IMAGE_TO_SCENE_BLENDER names no Blender application")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The built zip."""
    path = tmp_path_factory.mktemp("package") / "image_to_scene.zip"
    bpy = Path(importlib.util.find_spec("bpy").origin).parent
    tool = next(bpy.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    words = ["build", "--source-dir", ROOT, "--output-filepath", path]
    subprocess.run([sys.executable, tool, *words], check=True, stdout=subprocess.DEVNULL)
    return path


@pytest.fixture
def folder(tmp_path, package):
    """Everything that a run needs: the zip, the scripts, the demo's pictures, and a model if none is bundled."""
    shutil.copy(package, tmp_path)
    (tmp_path / "pictures").mkdir()
    for number in (1, 3, 5):
        shutil.copy(ROOT / "demo" / "pictures" / f"table_{number}.png", tmp_path / "pictures")
    for name in SCRIPTS:
        shutil.copy(ROOT / "tests" / "app" / name, tmp_path)
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
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=560, check=False)


def run_in_window(folder, script):
    """Run a script to its end; return what it reports."""
    size = ("--window-geometry", "0", "0", "1280", "800")
    done = run(folder, *size, "--enable-event-simulate", "-P", folder / script, "--", folder)
    report = json.loads((folder / "report.json").read_text()) if (folder / "report.json").exists() else {}
    if kept := os.environ.get("IMAGE_TO_SCENE_SCREENSHOTS"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        for picture in folder.glob("*.png"):
            shutil.copy(picture, kept)
        (Path(kept) / f"{Path(script).stem}.json").write_text(json.dumps(report, indent=1))
    assert done.returncode == 0, (report, done.stdout[-3000:], done.stderr[-3000:])
    assert report["ok"]
    return report


def big_reconstruction(folder):
    """Eight views of 504 × 336 pixels of a bumpy wall."""
    rows, columns = np.mgrid[0:336, 0:504].astype(np.float32)
    depth = 3 + 0.2 * np.sin(columns / 40) * np.cos(rows / 30)
    image = np.stack((columns / 2, rows / 2, 255 - rows / 2), axis=-1).astype(np.uint8)
    confidence = 1 + 5 * np.abs(np.sin(rows / 50)).astype(np.float32)
    K = np.array([[400.0, 0, 252], [0, 400.0, 168], [0, 0, 1]])
    views = []
    for index in range(8):
        camera = np.eye(4)
        camera[0, 3] = 0.4 * index
        source = folder / f"view_{index}.png"
        views.append(ReconstructedView(source, source, (504, 336), np.eye(3), image, depth, K, camera, confidence))
    save(Reconstruction(tuple(views), model="nano"), folder / "big")


def save_floors(folder):
    """A floor and a wall before two cameras that are pitched down: as the first one sees them, and in a given world."""
    width, height, focal = 168, 126, 140.0
    columns, rows = np.mgrid[0:width, 0:height].astype(np.float32).transpose(0, 2, 1) + 0.5
    x, y = (columns - width / 2) / focal, (rows - height / 2) / focal
    sine, cosine = np.sin(np.radians(20)), np.cos(np.radians(20))
    down, ahead = y * cosine + sine, cosine - y * sine  # per unit of depth
    depth = np.minimum(np.where(down > 0, 1.5 / np.maximum(down, 1e-9), np.inf), 4.0 / ahead).astype(np.float32)
    image = np.stack((x * 100 + 128, y * 100 + 128, depth * 30), axis=-1).clip(0, 255).astype(np.uint8)
    confidence = 1 + 5 * np.abs(np.sin(columns / 9)).astype(np.float32)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    pitched = np.array([[1, 0, 0, 0], [0, -sine, cosine, 0], [0, -cosine, -sine, 1.5], [0, 0, 0, 1]])
    off = {"view": 0, "name": "Camera", "distance": 0.0123, "degrees": 0.4, "pixels": 3.2, "agrees": True}
    far_off = off | {"view": 1, "name": "Camera with a long name", "distance": 1.8, "pixels": 143.0, "agrees": False}
    told = {
        "licence": "CC-BY-NC-4.0",
        "warnings": ["A sentence that is longer than one line of the sidebar is wrapped."],
    }
    given = {"pivot": [0, 0, 1.5], "scale_known": True, "cameras": [off, far_off]}
    for world, facts in (("first_view", told), ("given", told | given)):
        views = []
        for index in range(2):
            camera = pitched.copy() if world == "given" else np.eye(4)
            camera[0, 3] = 0.3 * index
            source = folder / f"view_{index}.png"
            views.append(
                ReconstructedView(source, source, (width, height), np.eye(3), image, depth, K, camera, confidence)
            )
        save(Reconstruction(tuple(views), model="nano", world=world, facts=facts), folder / world)


def test_an_artists_day(folder):
    """Click through files, reconstruct, cancel, reconstruct, tune, save, reopen, export."""
    run_in_window(folder, "day_script.py")
    assert (folder / "day.glb").read_bytes()[:4] == b"glTF"


def test_whatever_ends_a_run(folder):
    run_in_window(folder, "endings_script.py")


def test_a_big_scene_is_built_in_slices(folder):
    big_reconstruction(folder)
    run_in_window(folder, "slices_script.py")


def test_models_and_placing_by_the_panels(folder):
    """Offline and without consent nothing is fetched; every button of Scale & Place does what it says, with undo."""
    save_floors(folder)
    shutil.copy(ROOT / "tests" / "loopback_hub.py", folder)
    run_in_window(folder, "panels_script.py")


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
