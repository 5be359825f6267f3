"""A real Blender for tests: the add-on registered once, an empty file for each test, and an end without a hang.

Blender 4.2 and 4.5 as Python modules crash or hang when the interpreter ends after a glTF export; so the process is
left at once when pytest has reported.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

_RESOURCES = tempfile.mkdtemp(prefix="image_to_scene_tests_")
os.environ["BLENDER_USER_RESOURCES"] = _RESOURCES  # before bpy is imported: tests never see the user's settings
atexit.register(shutil.rmtree, _RESOURCES, ignore_errors=True)

bpy = pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")

import image_to_scene  # noqa: E402
from image_to_scene.core.types import ReconstructedView, Reconstruction  # noqa: E402
from image_to_scene.core.worker.client import PYTHON_VARIABLE, find_python  # noqa: E402

_status = 0


def pytest_sessionfinish(exitstatus):
    global _status  # noqa: PLW0603
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join(2.0)  # those of a worker remove what its process put aside
    shutil.rmtree(_RESOURCES, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


@pytest.fixture(scope="session", autouse=True)
def registered():
    image_to_scene.register()
    yield
    image_to_scene.unregister()


@pytest.fixture(autouse=True)
def empty_file():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


@pytest.fixture
def save_picture():
    """Write [H, W, 3] sRGB bytes as a PNG, with Blender's own means: Pillow is not everywhere that Blender is."""

    def save(path, pixels):
        height, width = pixels.shape[:2]
        image = bpy.data.images.new("picture", width, height)
        rgba = np.ones((height, width, 4), np.float32)
        rgba[..., :3] = pixels[::-1] / 255.0
        image.pixels.foreach_set(rgba.reshape(-1))
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
        bpy.data.images.remove(image)
        return Path(path)

    return save


@pytest.fixture
def make_view(tmp_path, save_picture):
    """Make a view of a hilly surface, its photo `scale` times as large as the picture the network saw."""

    def make(name="photo", size=(24, 16), scale=2, K=None, world_from_camera=None, seed=0, **changes):
        width, height = size
        chance = np.random.default_rng(seed)
        photo = chance.integers(0, 256, (height * scale, width * scale, 3), dtype=np.uint8)
        path = tmp_path / f"{name}.png"
        if "texture" not in changes:
            save_picture(path, photo)
        x, y = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 2, height))
        depth = 4.0 + 0.5 * np.sin(x + seed) + 0.4 * np.cos(2 * y) + 0.2 * x
        view = ReconstructedView(
            source=path,
            texture=path,
            source_size=(width * scale, height * scale),
            source_from_model=np.diag([scale, scale, 1.0]),
            image=photo[::scale, ::scale],
            depth=depth.astype(np.float32),
            image_from_camera=np.array([[0.9 * width, 0, 0.5 * width], [0, 0.9 * width, 0.5 * height], [0, 0, 1.0]])
            if K is None
            else K,
            world_from_camera=np.eye(4) if world_from_camera is None else world_from_camera,
            confidence=chance.uniform(1, 5, (height, width)).astype(np.float32),
        )
        return replace(view, **changes)

    return make


@pytest.fixture
def make_reconstruction(make_view):
    """Make a reconstruction of two views that stand beside each other; keywords go to `Reconstruction`."""

    def make(**changes):
        beside = np.eye(4)
        beside[:3, 3] = (0.5, 0.1, -0.2)
        views = (make_view("left"), make_view("right", world_from_camera=beside, seed=1))
        values = {"views": views, "model": "nano", "settings": {"resolution": 24}, "facts": {"seconds": 1.5}}
        return Reconstruction(**(values | changes))

    return make


@pytest.fixture
def data_blocks():
    """List all that the file holds, to compare before and after; Blender links brushes by itself when it likes."""

    def listing():
        mine = (item for item in bpy.data.user_map() if not isinstance(item, bpy.types.Brush | bpy.types.Library))
        return sorted((type(item).__name__, item.name, item.users) for item in mine)

    return listing


@pytest.fixture
def render(tmp_path):
    """Render a scene as it is set up; return sRGB with alpha [H, W, 4] in [0, 1], rows from the top."""

    def render_scene(scene):
        path = tmp_path / "render.png"
        settings = scene.render.image_settings
        settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "8"
        scene.render.film_transparent = True
        scene.view_settings.view_transform = "Standard"
        scene.render.dither_intensity = 0.0
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True, scene=scene.name)
        image = bpy.data.images.load(str(path))
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        width, height = image.size
        bpy.data.images.remove(image)
        return pixels.reshape(height, width, 4)[::-1]

    return render_scene


@pytest.fixture
def workbench():
    """Set a scene up to show textures flat, one sample a pixel, exactly at its centre."""

    def set_up(scene, colour="TEXTURE"):
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.display.render_aa = "OFF"
        shading = scene.display.shading
        shading.light, shading.color_type = "FLAT", colour

    return set_up


@pytest.fixture(scope="session")
def worker_python():
    """Return the interpreter of the worker, which has torch."""
    python = find_python()
    has_torch = "import sys, importlib.util; sys.exit(importlib.util.find_spec('torch') is None)"
    if subprocess.run([python, "-I", "-c", has_torch], check=False).returncode:
        pytest.skip(f"{python} has no torch; name one that has in {PYTHON_VARIABLE}")
    return python


@pytest.fixture(scope="session")
def tiny_checkpoint(worker_python, tmp_path_factory):
    """Write a checkpoint of small random weights that knows several views."""
    return _written(worker_python, tmp_path_factory.mktemp("checkpoints") / "tiny", "any_view")


@pytest.fixture(scope="session")
def tiny_mono_checkpoint(worker_python, tmp_path_factory):
    """Write a checkpoint of small random weights that knows single pictures only."""
    return _written(worker_python, tmp_path_factory.mktemp("checkpoints") / "mono", "mono")


def _written(python, folder, kind):
    script = Path(__file__).resolve().parents[1] / "write_tiny_checkpoint.py"
    subprocess.run([python, script, folder, kind], check=True)
    return folder


@pytest.fixture
def pictures(tmp_path, save_picture):
    """Write two small pictures, one with a difficult name."""
    chance = np.random.default_rng(0)
    paths = tmp_path / "first.png", tmp_path / "zweites Bild – ö.png"
    return [save_picture(path, chance.integers(0, 256, (60, 80, 3), dtype=np.uint8)) for path in paths]


WRITE_MOVIE = """
import sys, av, numpy
with av.open(sys.argv[1], "w") as file:
    stream = file.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 80, 60, "yuv420p"
    for number in range(50):
        pixels = numpy.full((60, 80, 3), 5 * number, numpy.uint8)
        pixels[:20, 60:], pixels[40:, 60:] = 40, 220  # an image of one colour would be left out
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
    file.mux(stream.encode())
"""


@pytest.fixture(scope="session")
def movie(worker_python, tmp_path_factory):
    """Write a movie of two seconds, 25 frames each, that gets brighter, with the worker's Python, which has PyAV."""
    path = tmp_path_factory.mktemp("movies") / "walk.mp4"
    done = subprocess.run([worker_python, "-c", WRITE_MOVIE, path], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the worker's Python writes no movie: {done.stderr.splitlines()[-1]}")
    return path


@pytest.fixture
def floor_view(make_view):
    """Make views of a floor."""
    from floor_scene import make_floor_view

    return partial(make_floor_view, make_view)
