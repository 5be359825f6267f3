"""A full disk at every write: the worker's, and those of Blender's own process.

Files that grow beyond a limit stand for the disk: the system refuses both in the same way. A disk that really is full
is in `tests/core/test_full_disk.py`.
"""

import bpy
import pytest

from . import Case


def full_for_the_worker(stage, size, *names):
    """Let the worker's files stay below a size from a stage on."""

    def spoil(desk):
        for name in names:
            if name.endswith(".mp4"):
                values = {"clip_last": 25, "clip_rate": 25.0, "frame_end": 25, "count": 2}
                desk.entry(kind="MOVIE", name=name, path=str(desk.bring(name)), **values)
            else:
                desk.list(desk.bring(name))
        desk.stumble(stage, "full", size)

    return spoil


def full_for_blender(act):
    """Do something while Blender's own files stay below a few bytes."""

    def acting(desk):
        resource = pytest.importorskip("resource", reason="this system cannot limit the size of files")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
        try:
            act(desk)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return acting


def run(desk):
    desk.run()


def a_painted_image(desk):
    desk.entry(kind="IMAGE", name="Painting", image=bpy.data.images["Painting"])


def a_render(desk):
    desk.camera("Shot", picture_source="RENDER")


def a_drawn_mask(desk):
    desk.entry(name="good.png", path=str(desk.bring("good.png")), mask_kind="MASK", mask=bpy.data.masks.new("Matte"))


def built(desk):
    """Have a small result in one of two scenes, whose second view layer is shown."""
    bpy.data.scenes.new("Alternative")
    bpy.context.window.view_layer = bpy.context.scene.view_layers.new("Second")
    desk.settings.resolution = 28
    desk.list(desk.bring("good.png"))
    desk.run()
    desk.built = None


def save(desk):
    desk.press(bpy.ops.image_to_scene.save_reconstruction, filepath=str(desk.folder / "saved"))


def save_over_another(desk):
    built(desk)
    save(desk)


def export(desk):
    desk.press(bpy.ops.image_to_scene.export_gltf, filepath=str(desk.folder / "scene.glb"))


def worker_case(name, says, error, *values):
    return Case(f"full at {name}", full_for_the_worker(*values), error, says)


def blender_case(name, spoil, act, says, error, cause=""):
    return Case(f"full at {name}", spoil, error, says, act=full_for_blender(act), cause=cause)


NO_COPY = r'No upright copy of ".*{}" could be written to ".*" \(File too large\); free'
NOT_WRITTEN = r"^.*{} could not be written \(File too large\): check the disk or save elsewhere"

CASES = [
    worker_case("a frame", NO_COPY.format(r"walk\.mp4"), "ImageError", "Taking frames", 20, "walk.mp4"),
    worker_case("a copy", NO_COPY.format(r"rotated\.jpg"), "ImageError", "Starting", 20, "good.png", "rotated.jpg"),
    worker_case("an array", NOT_WRITTEN.format("000"), "StorageError", "Saving", 20, "good.png"),
    Case(
        "full at the description",
        full_for_the_worker("Saving", 600, "four pixels.png"),
        "StorageError",
        NOT_WRITTEN.format("000"),
        cause="full at an array",
    ),
    Case(
        "full at a texture",
        full_for_the_worker("Saving", 300_000, "large rotated.jpg"),
        "StorageError",
        NOT_WRITTEN.format("000"),
        cause="full at an array",
    ),
    blender_case("an image", a_painted_image, run, r"Painting could not be written to .*: free", "StorageError"),
    blender_case("a render", a_render, run, r"Shot 0007 cannot be rendered: .*; free", "CameraError"),
    blender_case("a mask", a_drawn_mask, run, r"Matte 0007 cannot be rendered: .*; free", "CameraError"),
    blender_case("saving", built, save, NOT_WRITTEN.format("saved"), "RefusedError"),
    blender_case(
        "saving over another", save_over_another, save, NOT_WRITTEN.format("saved"), "RefusedError", "full at saving"
    ),
    blender_case("exporting", built, export, r"glTF exporter failed \(File too large\): see", "RefusedError"),
]
