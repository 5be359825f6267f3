import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

from image_to_scene.core import types
from image_to_scene.core.storage import load
from image_to_scene.operators import arguments, input_arguments, usage
from image_to_scene.operators.inputs import clips
from image_to_scene.operators.scene.glb import read_glb

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    """Where the output goes: a folder of its own, so that a test sees everything that is left in it."""
    place = tmp_path / "out"
    place.mkdir()
    return place


@pytest.fixture
def batch(folder, pictures, tiny_checkpoint):
    """Run batch.py on the two pictures; further arguments replace the usual ones of the same name."""

    def run(*further, script=ROOT / "batch.py", **environment):
        usual = {"--images": pictures, "--model": [tiny_checkpoint], "--resolution": ["70"]}
        words = [word for name, values in usual.items() if name not in further for word in (name, *values)]
        process = [sys.executable, script, *words, *further]
        variables = os.environ | environment
        return subprocess.run(process, capture_output=True, text=True, cwd=folder, env=variables, check=False)

    return run


def summary_of(done):
    """The one line on standard output."""
    lines = done.stdout.splitlines()
    assert len(lines) == 1, (done.stdout, done.stderr)
    return json.loads(lines[0])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_cameras(folder):
    views = []
    for x in (0.0, 0.5):
        turned = np.array([[1, 0, 0, x], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], dtype=float)
        lens = [[85.0, 0, 41.0], [0, 85.0, 29.0], [0, 0, 1]]
        views.append({"world_from_camera": turned.tolist(), "image_from_camera": lens})
    file = folder.parent / "cameras.json"
    file.write_text(json.dumps({"views": views}))
    return file, views


def rotated_jpeg(path):
    """A JPEG of 80×60 pixels that EXIF says to turn by 90 degrees."""
    image = bpy.data.images.new("turned", 80, 60)
    image.pixels.foreach_set(np.random.default_rng(1).random(80 * 60 * 4, np.float32))
    image.filepath_raw, image.file_format = str(path), "JPEG"
    image.save()
    content = path.read_bytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + tiff
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:])
    return path


def test_a_glb_and_a_saved_reconstruction_and_nothing_else(batch, folder, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = batch("--output", "place.glb", "--save-reconstruction", "saved", TMPDIR=str(scratch))
    assert done.returncode == 0, done.stderr
    assert names(folder) == ["place.glb", "saved"]
    summary = summary_of(done)
    assert summary["ok"] is True
    assert (summary["output"], summary["reconstructions"]) == (str(folder / "place.glb"), [str(folder / "saved")])
    saved = load(folder / "saved")
    assert summary["views"] == len(saved.views) == 2
    assert summary["points"] == sum(view.depth.size for view in saved.views)
    assert summary["device"] == saved.facts["device"]
    document = read_glb(folder / "place.glb").document
    assert len(document["cameras"]) == 2
    assert re.search(r"^[A-Z][a-z ]+ \d+/\d+$", done.stderr, re.MULTILINE), "progress, at least of one step"
    assert list(scratch.iterdir()) == []


def test_a_blend_with_known_cameras_and_a_turned_picture(batch, folder, tmp_path, pictures):
    cameras, views = write_cameras(folder)
    turned = rotated_jpeg(tmp_path / "turned.jpg")
    views[1]["image_from_camera"] = [[85.0, 0, 29.0], [0, 85.0, 41.0], [0, 0, 1]]
    cameras.write_text(json.dumps({"views": views}))
    done = batch("--output", "place.blend", "--cameras", cameras, "--images", pictures[0], turned)
    assert done.returncode == 0, done.stderr
    assert summary_of(done)["world"] == "given"
    assert names(folder) == ["place.blend"]
    bpy.ops.wm.open_mainfile(filepath=str(folder / "place.blend"))
    scene = bpy.context.scene
    assert scene.view_settings.view_transform == "Standard"
    assert (scene.render.resolution_x, scene.render.resolution_y) == (80, 60)
    assert scene.camera.name.startswith("first")
    np.testing.assert_allclose(np.array(scene.camera.matrix_world)[:3, 3], (0, 0, 1.5), atol=1e-6)
    images = {image.name: image for image in bpy.data.images if image.size[0]}
    first, upright = images["first.png"], next(image for name, image in images.items() if "turned" in name)
    assert first.filepath == "//../first.png"
    assert first.packed_file is None and tuple(first.size) == (80, 60)
    assert upright.packed_file is not None and tuple(upright.size) == (60, 80)


def test_pictures_that_nothing_relates_share_one_file(batch, folder, tiny_mono_checkpoint):
    done = batch("--model", tiny_mono_checkpoint, "--output", "both.glb", "--save-reconstruction", "saved")
    assert done.returncode == 0, done.stderr
    assert summary_of(done)["reconstructions"] == [str(folder / "saved" / name) for name in ("000", "001")]
    document = read_glb(folder / "both.glb").document
    roots = document["scenes"][document["scene"]]["nodes"]
    assert len(roots) == 1
    assert len(document["nodes"][roots[0]]["children"]) == 2


def test_a_movie_a_sequence_and_a_lens_end_in_one_file(batch, folder, movie, pictures):
    sequence = folder.parent / "shot"
    sequence.mkdir()
    for number in range(20):
        shutil.copy(pictures[0], sequence / f"shot.{number:03d}.png")
    words = ["--images", movie, sequence, "--count", "2", "--lens", "40", "--save-reconstruction", "saved"]
    done = batch("--output", "clip.blend", *words)
    assert done.returncode == 0, done.stderr
    assert summary_of(done)["views"] == 4
    saved = load(folder / "saved").views
    assert [view.time for view in saved] == pytest.approx([0.0, 49 / 25, 0.0, 19 / 24])
    assert [view.source.name for view in saved] == ["walk.mp4", "walk.mp4", "shot.000.png", "shot.019.png"]
    for view in saved:
        source_from_camera = view.source_from_model @ view.image_from_camera
        np.testing.assert_allclose(source_from_camera[[0, 1], [0, 1]], 80 * 40 / 36, rtol=1e-6)


BAD_INPUT = {
    "no pictures": (["--images"], 2, "--images"),
    "an unknown option": (["--fast"], 2, "--fast"),
    "a wrong number": (["--resolution", "0"], 2, "at least 1"),
    "a wrong kind of output": (["--output", "place.obj"], 2, "place.obj"),
    "no folder for the output": (["--output", "nowhere/place.glb"], 8, "nowhere"),
    "no file with cameras": (["--cameras", "missing.json"], 4, "missing.json"),
    "no interpreter": (["--python", "nothing"], 9, "not a program that can be run"),
    "weights that need agreement": (["--model", "large"], 5, "non-commercial"),
    "no model": (["--model", "nothing"], 5, "No weights for 'nothing'"),
    "a missing picture": (["--images", "nothing.png"], 3, "nothing.png"),
    "no such device": (["--device", "mps"], 6, "MPS"),
}


@pytest.mark.parametrize(("further", "code", "words"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_has_a_sentence_and_a_code_and_leaves_no_file(batch, folder, further, code, words):
    (folder / "place.glb").write_bytes(b"from yesterday")
    target = [] if "--output" in further else ["--output", "place.glb"]
    done = batch(*target, *further)
    assert done.returncode == code, done.stderr
    summary = summary_of(done)
    assert summary["ok"] is False
    assert words in summary["error"]
    assert f"error: {summary['error']}" in done.stderr
    assert names(folder) == ["place.glb"]
    assert (folder / "place.glb").read_bytes() == b"from yesterday"


def test_the_scene_with_the_cameras_is_never_replaced(batch, folder):
    shot = folder / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot), copy=True)
    content = shot.read_bytes()
    (folder / "link.blend").hardlink_to(shot)
    for output in ("shot.blend", "link.blend"):
        done = batch("--cameras", "shot.blend", "--output", output)
        assert done.returncode == 8, done.stderr
        assert "is an input" in summary_of(done)["error"]
    assert shot.read_bytes() == content
    assert names(folder) == ["link.blend", "shot.blend"]


def test_a_folder_for_the_reconstruction_that_holds_photos_is_refused_before_any_work(batch, folder, pictures):
    done = batch("--output", "place.glb", "--save-reconstruction", pictures[0].parent)
    assert done.returncode == 8
    assert "Starting" not in done.stderr
    assert names(folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that asks a process to end")
def test_an_interrupted_run_leaves_nothing(folder, pictures, tiny_checkpoint):
    words = ["--images", *pictures, "--model", tiny_checkpoint, "--output", "place.glb"]
    process = [sys.executable, ROOT / "batch.py", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(process, cwd=folder, **pipes) as running:
        assert any("Starting" in line for line in running.stderr)  # Blender may have spoken before
        running.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        out, _ = running.communicate()
        assert time.monotonic() - stopped < 5
    assert running.returncode == 130
    assert json.loads(out)["kind"] == "CancelledError"
    assert names(folder) == []


def test_it_runs_from_a_folder_of_any_name(batch, folder, tmp_path):
    place = tmp_path / "image-to scene (1)"
    leave = shutil.ignore_patterns("__pycache__")
    place.mkdir()
    for name in ("core", "operators"):
        shutil.copytree(ROOT / name, place / name, ignore=leave)
    for name in ("__init__.py", "batch.py"):
        shutil.copy(ROOT / name, place)
    done = batch("--output", "nowhere/place.glb", script=place / "batch.py")
    assert done.returncode == 8, done.stderr


def test_help_names_every_option_and_goes_to_standard_output(batch):
    done = batch("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--images", "world_from_camera", "exit codes", "examples"))


def parsed(*words):
    return arguments.parse(["--images", "a.png", "--output", "b.glb", *words], io.StringIO(), "test")


def test_untouched_arguments_are_the_defaults_of_a_request():
    views = (types.View(Path("a.png")),)
    request = arguments.request_from(parsed(), views, "nano")
    assert request.field_of_view == pytest.approx(types.Request.field_of_view)
    expected = vars(types.Request(views)) | {"field_of_view": request.field_of_view}
    assert vars(request) == expected


def test_every_setting_of_a_request_has_an_argument():
    given = parsed(
        "--exact-pixels", "--mixed-sizes=crop", "--reference-view=first", "--pose-source=ray_map", "--ignore-exif"
    )
    more = parsed("--point-source=rays", "--field-of-view=90", "--device=cpu", "--precision=fp32", "--resolution=70")
    assert arguments.request_from(parsed("--exposure", "-1.5"), (), "nano").exposure == -1.5
    with pytest.raises(usage.UsageError, match="--exposure"):
        parsed("--exposure=nan")
    request = arguments.request_from(given, (), "nano")
    assert not request.square_pixels
    assert not request.exif_lens
    assert (request.mixed_sizes, request.reference_view, request.pose_source) == ("crop", "first", "ray_map")
    request = arguments.request_from(more, (), "nano")
    assert (request.point_source, request.device, request.precision, request.resolution) == ("rays", "cpu", "fp32", 70)
    assert request.field_of_view == pytest.approx(np.pi / 2)


def test_what_to_build_can_be_chosen():
    options = arguments.build_options_from(parsed("--build", "cameras", "points"))
    assert (options.cameras, options.point_cloud, options.meshes) == (True, True, False)


def items(folder, images, *words):
    """Entries of a command line with those pictures and further words."""
    named = [str(folder / image) for image in images.split()]
    given = arguments.parse(["--images", *named, "--output", "b.glb", *words], io.StringIO(), "test")
    return input_arguments.items_from(given, rate=24.0).items


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_patterns_and_folders_are_filled_in_and_the_order_of_names_stays(tmp_path):
    touch(tmp_path, "b10.png", "b2.png", "c.jpg", "[x].png", "notes.txt")
    assert [item.name for item in items(tmp_path, "c.jpg b*.png [x].png")] == [
        "c.jpg",
        "b2.png",
        "b10.png",
        "[x].png",
    ]
    assert [item.name for item in items(tmp_path, ".")] == ["[x].png", "b2.png", "b10.png", "c.jpg"]


def test_frames_of_a_sequence_are_chosen_by_number_time_and_count(tmp_path):
    touch(tmp_path, *(f"shot.{number:04d}.png" for number in range(1001, 1121)))
    assert len(items(tmp_path, ".")) == 120, "photos, unless frames are chosen"

    def frames(*words):
        (item,) = items(tmp_path, ".", *words)
        return clips.frames_of(item)

    assert frames("--frames=1010:1030:10") == [1010, 1020, 1030]
    assert frames("--frames=:1050", "--every=1") == [1001, 1025, 1049]
    assert frames("--count=3") == [1001, 1061, 1120]
    assert len(frames("--numbered=sequence")) == 8


def test_masks_and_lens_go_to_every_entry(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png", "d.png")
    first, second = items(tmp_path, "a.png b.png", f"--masks={tmp_path}", "--lens=50/24")
    assert (first.mask_kind, first.mask_path, second.mask_path) == ("FILE", str(tmp_path), str(tmp_path))
    assert (second.lens_kind, second.lens_focal, second.lens_sensor) == ("FOCAL", 50.0, 24.0)
    (alone,) = items(tmp_path, "a.png", "--masks", "alpha", "--lens", "35")
    assert (alone.mask_kind, alone.lens_sensor) == ("ALPHA", 36.0)
    (known,) = items(tmp_path, "a.png", "--lens", str(tmp_path / "a.fspy"))
    assert (known.lens_kind, known.lens_path) == ("FSPY", str(tmp_path / "a.fspy"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--frames=5"], "START:END:STEP"),
        (["--frames=1:9:0"], "at least 1"),
        (["--every=0"], "above 0"),
        (["--every=1", "--count=2"], "not allowed with"),
        (["--count=2"], "--numbered sequence"),
        (["--lens=wide"], "wide"),
        (["--masks", "x.png", "y.png"], "2 files for 1 pictures"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(tmp_path, words, sentence):
    touch(tmp_path, "a.png")
    with pytest.raises(usage.UsageError, match=re.escape(sentence)):
        items(tmp_path, "a.png", *words)


@pytest.fixture
def full_folder(tmp_path):
    """Make a folder with a file in which no folder can be made: without the right to, or without the room where root
    has every right."""
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    if sys.platform == "win32":
        pytest.skip("Windows knows no folder that its owner may not write to")
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    words = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=2", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no disk be mounted")
    (folder / "thesis.txt").write_text("years of work")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_what_is_in_the_folder_for_temporary_files_stays_where_blender_has_none_of_its_own(batch, full_folder):
    done = batch("--help", TMPDIR=str(full_folder))
    assert done.returncode == 0, done.stderr
    assert names(full_folder) == ["thesis.txt"]
    assert (full_folder / "thesis.txt").read_text() == "years of work"
