"""What a case works on: an artist's file with a few things in it, a folder of material, and the add-on's settings."""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

import image_to_scene
from image_to_scene.core.errors import ImageToSceneError
from image_to_scene.core.names import readable
from image_to_scene.operators.reconstruct import IMAGETOSCENE_OT_reconstruct
from image_to_scene.operators.scene import find_roots
from image_to_scene.operators.session import session
from image_to_scene.operators.work import work

from . import digest

SIZE = (80, 60)
PATIENCE = 60
"""Seconds, for a busy machine: a run that is not over by then hangs."""


class RefusedError(ImageToSceneError):
    """An operator reported a warning and did nothing, or an error that came without its class."""


class Desk:
    """One case's.

    Args:
        folder: The artist's, empty.
        material: What `write_material` wrote.
        checkpoint: That works.
        python: The worker's interpreter; runs `stumbling_worker`, where the system allows.
        plan: The stumbling worker's.
    """

    def __init__(self, folder, material, checkpoint, python, plan):
        self.folder, self.material, self.checkpoint = folder, material, checkpoint
        self.python, self.plan = python, plan
        self.due = None
        """What is to happen in a run, and at which stage."""
        self.at_end = contextlib.ExitStack()
        self.built, self.warnings = None, []
        self.camera_count = 0
        lay_out_scene()
        self.set_up()

    @property
    def preferences(self):
        """The add-on's; opening a file may take them away."""
        entries = bpy.context.preferences.addons
        found = next((entry for entry in entries if entry.module == image_to_scene.__name__), None) or entries.new()
        found.module = image_to_scene.__name__
        return found.preferences

    @property
    def settings(self):
        """The scene's, of whatever file is open."""
        return bpy.context.scene.image_to_scene

    def set_up(self):
        """Make everything good."""
        settings = self.settings
        self.preferences.worker_python = str(self.python)
        self.plan.with_suffix(".leave").unlink(missing_ok=True)
        settings.model, settings.model_folder, settings.resolution = "FOLDER", str(self.checkpoint), 70
        settings.device = "cpu"
        settings.up_mode, settings.makes_point_cloud, settings.makes_meshes = "GROUND", True, True
        settings.pictures.clear()
        self.plan.unlink(missing_ok=True)

    # --- input ---

    def bring(self, name, to=None):
        """Put a file of the material into the artist's folder."""
        target = os.path.join(os.fsencode(self.folder), os.fsencode(to or name))
        shutil.copy(self.material / "pictures" / name, target)
        return Path(os.fsdecode(target))

    def list(self, *paths):
        """Fill the list with files, as they are."""
        for path in paths:
            self.entry(name=readable(path.name), path=str(path))

    def entry(self, **values):
        """Add an entry of any kind."""
        item = self.settings.pictures.add()
        for key, value in values.items():
            setattr(item, key, value)
        return item

    def add(self, *paths):
        """Add files as the file browser does.

        Raises:
            RefusedError: The operator reports that one is left out.
        """
        files = [{"name": path.name} for path in paths]
        self.press(bpy.ops.image_to_scene.add_pictures, directory=str(paths[0].parent), files=files)

    def press(self, operator, **values):
        """Call an operator.

        Raises:
            RefusedError: It reports an error or a warning.
        """
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                operator(**values)
        except RuntimeError as error:
            raise RefusedError(str(error).removeprefix("Error: ").strip()) from error
        if "Warning: " in said.getvalue():
            raise RefusedError(said.getvalue().partition("Warning: ")[2].strip())

    def camera(self, name, place=(0.0, -5.0, 1.0), picture=None, **values):
        """Put a camera into scene and list, with a picture behind it that nobody else has."""
        self.camera_count += 1
        camera = add_object(name, bpy.data.cameras.new(name))
        camera.location, camera.rotation_euler = place, (1.4, 0.0, 0.2 * self.camera_count)
        picture = picture or self.bring("good.png", f"behind {name}.png")
        background = camera.data.background_images.new()
        background.image = bpy.data.images.load(str(picture), check_existing=True)
        camera.data.show_background_images = True
        self.entry(kind="CAMERA", name=name, camera=camera, **values)
        return camera

    def model(self, name):
        """Choose a checkpoint of the material."""
        self.settings.model_folder = str(self.material / "checkpoints" / name)

    def stumble(self, stage, act, value=None):
        """Let the worker stumble once."""
        if sys.platform == "win32":
            pytest.skip("what takes the place of the worker's Python is a shell script")
        self.plan.with_suffix(".leave").unlink(missing_ok=True)
        self.plan.write_text(json.dumps({"stage": stage, "act": act, "value": value}))

    def once(self, stage, happening):
        """Let something happen at a stage of the next run; a worker that is at it waits so long."""
        self.due = stage, happening
        if stage != "Building":
            self.stumble(stage, "wait")

    def _look(self, task):
        if self.due is not None and task.progress.stage == self.due[0]:
            (_, happening), self.due = self.due, None
            happening()
            self.plan.with_suffix(".leave").touch()

    # --- runs ---

    def run(self, operator=IMAGETOSCENE_OT_reconstruct):
        """Do what an operator does, with its error as it is.

        Raises:
            ImageToSceneError: Whatever it reports.
        """
        task, order, scene = operator.begin(None, bpy.context)
        steps = work(task, order, scene)
        task.at_end.callback(steps.close)
        deadline = time.monotonic() + PATIENCE
        try:
            while session.run is task:  # as `modal` looks
                next(steps)
                self._look(task)
                time.sleep(0 if task.is_done else 0.005)
                assert time.monotonic() < deadline, session.log
        except StopIteration as end:
            self.built, self.warnings = (
                end.value,
                [*task.warnings, *(text for item in end.value for text in item.warnings)],
            )
        finally:
            session.finish(task)

    def good_run(self):
        """Show that everything works after all, by the operator itself; cameras alone, since geometry takes longer."""
        self.set_up()
        settings = self.settings
        settings.up_mode, settings.makes_point_cloud, settings.makes_meshes = "AS_PREDICTED", False, False
        self.list(self.material / "pictures" / "good.png", self.material / "pictures" / "other.png")
        before = len(find_roots(bpy.context.scene))
        assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}
        roots = find_roots(bpy.context.scene)
        assert len(roots) == before + 1
        kinds = [item.type for item in roots[-1].children_recursive]
        assert kinds == ["CAMERA"] * 2 and session.run is None, kinds

    # --- what is left ---

    def state(self):
        """Tell all that must stay: the file, the folder, and runs in the session's scratch folder."""
        found = digest.of_file() | digest.of_folder(self.folder)
        scratch = session._scratch
        runs = [path.name for path in scratch.path.glob("tmp*")] if scratch else []
        return found | {"runs": sorted(runs)}


def add_object(name, data=None, **values):
    """Put an object into the scene."""
    item = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(item)
    for key, value in values.items():
        setattr(item, key, value)
    return item


def lay_out_scene():
    """Make what an artist would not want to lose."""
    scene = bpy.context.scene
    mesh = bpy.data.meshes.new("Chair")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 1)], [], [(0, 1, 2, 3)])
    mesh.materials.append(bpy.data.materials.new("Oak"))
    chair = add_object("Chair", mesh, location=(1, 2, 3), scale=(1, -2, 0.5))
    add_object("Lamp", bpy.data.lights.new("Lamp", "POINT"), parent=chair)
    image = bpy.data.images.new("Painting", 8, 8)
    image.pixels.foreach_set(np.linspace(0, 1, 256, dtype=np.float32))
    image.pack()
    scene.collection.children.link(bpy.data.collections.new("Props"))
    for frame in (1, 20):
        chair.keyframe_insert("location", frame=frame)
    scene.frame_set(7)
    chair.location.y = 9.0  # not keyed
    scene.cursor.location = (3, 2, 1)
    scene.timeline_markers.new("cut", frame=5)
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene["note"] = "mine"
    bpy.context.view_layer.objects.active = chair
    chair.select_set(True)


def scratch_folders():
    """Find the temporary folders that this add-on's processes have put aside."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("image_to_scene_*")}
