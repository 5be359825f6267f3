"""No result replaces an input, and all results of a run appear together or none does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

from image_to_scene.core.errors import StorageError
from image_to_scene.core.storage import load, save
from image_to_scene.operators import command
from image_to_scene.operators.scene import BuildOptions, build
from image_to_scene.operators.session import session
from image_to_scene.operators.targets import Targets


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def linked(kind, path, target):
    """Give a file another name."""
    try:
        path.symlink_to(target) if kind == "symbolic" else path.hardlink_to(target)
    except OSError as error:
        pytest.skip(f"this system makes no {kind} links ({error})")
    return path


@pytest.mark.parametrize("kind", ["same", "symbolic", "hard", "dotted"])
def test_an_output_is_no_input_by_whatever_name(out, kind):
    shot = out / "shot.blend"
    shot.write_bytes(b"months of work")
    others = {"same": lambda: shot, "dotted": lambda: out / "x" / ".." / "shot.blend"}
    (out / "x").mkdir()
    output = others[kind]() if kind in others else linked(kind, out / "other.blend", shot)
    with pytest.raises(StorageError, match="is an input"):
        Targets(output).check_inputs([shot])
    Targets(out / "new.blend").check_inputs([shot])


def test_two_outputs_are_two_places_and_none_lies_in_the_other(out):
    for output, folder, words in (
        (out / "place.glb", out / "Place.GLB", "name two places"),
        (out / "saved" / "place.glb", out / "saved", "lies in the folder"),
    ):
        output.parent.mkdir(exist_ok=True)
        with pytest.raises(StorageError, match=words):
            Targets(output, folder).check()


def test_a_folder_with_inputs_in_it_is_not_replaced(out):
    frames = out / "saved" / "textures"
    frames.mkdir(parents=True)
    with pytest.raises(StorageError, match="is an input and lies in"):
        Targets(out / "place.glb", out / "saved").check_inputs([frames / "000.png"])


def test_what_cannot_be_written_is_known_before_any_work(out):
    (out / "file").touch()
    (out / "photos").mkdir()
    (out / "photos" / "a.jpg").touch()
    (out / "place.glb").mkdir()
    for output, folder, words in (
        (out / "nowhere" / "a.glb", None, "does not exist"),
        (out / "place.glb", None, "is a folder"),
        (out / "a.glb", out / "file", "is a file"),
        (out / "a.glb", out / "file" / "saved", "cannot be made"),
        (out / "a.glb", out / "photos", "something other"),
    ):
        with pytest.raises(StorageError, match=words):
            Targets(output, folder).check()


def test_numbered_reconstructions_may_be_saved_again(out, make_reconstruction):
    targets = Targets(out / "a.glb", out / "saved")
    for _ in range(2):
        targets.check()
        targets.check_folders(2)
        targets.write(
            [make_reconstruction()] * 2, lambda place: place.write_bytes(b"new"), lambda: None, session.name_beside
        )
    assert names(out) == ["a.glb", "saved"]
    assert names(out / "saved") == ["000", "001"]
    with pytest.raises(StorageError, match="something other"):
        targets.check_folders(1)


def broken_rename(out, monkeypatch):
    """Let the last rename fail, that of the output."""

    def replace(_self, _target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("failure", ["writing", "cancelled", "renaming"])
@pytest.mark.parametrize("had", [True, False], ids=["over earlier results", "new"])
def test_all_results_appear_together_or_none_does(out, make_reconstruction, monkeypatch, failure, had):
    targets = Targets(out / "a.glb", out / "deep" / "saved")
    if had:
        targets.write(
            [make_reconstruction()], lambda place: place.write_bytes(b"old"), lambda: None, session.name_beside
        )
        (out / "deep" / "saved" / "notes.txt").write_text("the artist's own")
    before = {path: path.is_file() and path.read_bytes() for path in out.rglob("*")}

    def write(place):
        place.write_bytes(b"half")
        if failure == "writing":
            raise RuntimeError("Blender could not")

    def commit():
        if failure == "cancelled":
            raise StorageError("Cancelled.")

    if failure == "renaming":
        broken_rename(out, monkeypatch)
    with pytest.raises(StorageError):
        targets.write([make_reconstruction(model="other")], write, commit, session.name_beside)
    monkeypatch.undo()
    assert {path: path.is_file() and path.read_bytes() for path in out.rglob("*")} == before
    targets.write(
        [make_reconstruction(model="other")], lambda place: place.write_bytes(b"new"), lambda: None, session.name_beside
    )
    assert (out / "a.glb").read_bytes() == b"new"
    assert load(out / "deep" / "saved").model == "other"
    assert (out / "deep" / "saved" / "notes.txt").exists() == had
    assert names(out) == ["a.glb", "deep"]


def test_an_export_from_the_window_never_replaces_what_it_is_made_of(out, make_reconstruction):
    reconstruction = make_reconstruction()
    built = build(reconstruction, BuildOptions(), bpy.context.scene)
    assert built.root
    photo = reconstruction.views[0].source
    content = photo.read_bytes()
    listed = linked("hard", out / "photo.glb", photo)
    with pytest.raises(RuntimeError, match="is an input"):
        bpy.ops.image_to_scene.export_gltf(filepath=str(listed))
    assert photo.read_bytes() == content == listed.read_bytes()
    assert bpy.ops.image_to_scene.export_gltf(filepath=str(out / "shot.v2")) == {"FINISHED"}
    assert names(out) == ["photo.glb", "shot.v2.glb"]


def test_an_export_does_not_go_into_the_saved_reconstruction(out, make_reconstruction):
    save(make_reconstruction(), out / "saved")
    bpy.ops.image_to_scene.open_reconstruction(directory=str(out / "saved"))
    with pytest.raises(RuntimeError, match="lies in the saved reconstruction"):
        bpy.ops.image_to_scene.export_gltf(filepath=str(out / "saved" / "place.glb"))


def test_saving_never_replaces_a_folder_that_is_used_otherwise(out, make_reconstruction):
    save(make_reconstruction(), out / "other")
    shutil.copy(make_reconstruction().views[0].source, out / "other" / "used.png")
    bpy.context.scene.image_to_scene.pictures.add().path = str(out / "other" / "used.png")
    save(make_reconstruction(), out / "mine")
    bpy.ops.image_to_scene.open_reconstruction(directory=str(out / "mine"))
    with pytest.raises(RuntimeError, match="is in use"):
        bpy.ops.image_to_scene.save_reconstruction(filepath=str(out / "other"))
    assert bpy.ops.image_to_scene.save_reconstruction(filepath=str(out / "new")) == {"FINISHED"}


@pytest.fixture
def full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small disk")
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no disk be mounted")
    (disk / "ballast").write_bytes(bytes(60 * 1024))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # images of it may still be open


@pytest.mark.parametrize("name", ["place.glb", "place.blend"])
def test_a_full_disk_is_called_that_and_keeps_what_was_there(full_disk, make_reconstruction, name):
    reconstruction = make_reconstruction()
    built = build(reconstruction, BuildOptions(), bpy.context.scene)
    (full_disk / name).write_bytes(b"old")
    with pytest.raises(StorageError, match="the disk is full"):
        Targets(full_disk / name).write(
            [reconstruction], lambda place: command.write([built], place), lambda: None, session.name_beside
        )
    assert names(full_disk) == ["ballast", name]
    assert (full_disk / name).read_bytes() == b"old"
