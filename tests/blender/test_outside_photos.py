"""Open Reconstruction and the photos it names outside its folder: never without the artist, never twice asked."""

import json
from pathlib import Path

import bpy
import numpy as np
import pytest

from image_to_scene.core.storage import save
from image_to_scene.operators import memory, own_folders
from image_to_scene.operators.session import session


@pytest.fixture
def saved(make_reconstruction, tmp_path):
    """A reconstruction that came from someone else: nothing in this session has its photos."""
    save(make_reconstruction(), tmp_path / "received")
    return tmp_path / "received"


def opened(folder, **properties):
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert bpy.ops.image_to_scene.open_reconstruction(directory=str(folder), **properties) == {"FINISHED"}


def shown():
    """The files that Blender's images refer to."""
    return {Path(bpy.path.abspath(image.filepath)) for image in bpy.data.images if image.filepath}


def test_photos_outside_wait_for_the_artist(saved, tmp_path, capfd):
    opened(saved)
    assert shown() == set()
    text = capfd.readouterr()
    assert f'"{tmp_path / "left.png"}"' in text.out + text.err
    kinds = [item.type for item in bpy.context.scene.objects]
    assert kinds.count("CAMERA") == 2 and "MESH" in kinds


def test_the_setting_takes_them(saved, tmp_path):
    opened(saved, use_outside=True)
    assert shown() == {tmp_path / "left.png", tmp_path / "right.png"}
    opened(saved)
    assert shown() == set(), "it counts once"


def test_find_photos_builds_in_place(saved, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("left.png", "right.png"):
        (tmp_path / name).rename(moved / name)
    opened(saved)
    before = sorted(item.name for item in bpy.context.scene.objects)
    assert bpy.ops.image_to_scene.find_photos(directory=str(moved)) == {"FINISHED"}
    assert shown() == {moved / "left.png", moved / "right.png"}
    assert sorted(item.name for item in bpy.context.scene.objects) == before


def test_find_photos_needs_an_opened_reconstruction():
    assert not bpy.ops.image_to_scene.find_photos.poll()


def test_private_images_and_files_stay_out_of_a_strangers_folder(saved, tmp_path, save_picture):
    save_picture(tmp_path / "private.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "secret").write_text("root:x:0:0")
    description = json.loads((saved / "reconstruction.json").read_text())
    for view, name in zip(description["views"], ("private.png", "secret"), strict=True):
        view["source"] = {"relative": "photo.png"}
        view["texture"] = {"relative": f"../{name}"}
    (saved / "reconstruction.json").write_text(json.dumps(description))
    opened(saved)
    assert shown() == set()
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "again"))
    assert not (tmp_path / "again" / "textures").exists()
    opened(tmp_path / "again")
    assert shown() == set(), "to save a stranger's folder does not make its photos the artist's"


@pytest.fixture
def made(tiny_checkpoint, pictures):
    """A reconstruction that this session made."""
    settings = bpy.context.scene.image_to_scene
    settings.model, settings.model_folder, settings.resolution = "FOLDER", str(tiny_checkpoint), 70
    files = [{"name": path.name} for path in pictures]
    bpy.ops.image_to_scene.add_pictures(directory=str(pictures[0].parent), files=files)
    assert bpy.ops.image_to_scene.reconstruct() == {"FINISHED"}
    assert shown() == set(pictures)
    return pictures


def forget():
    """Start Blender anew, as far as the session knows."""
    session.close()
    session._chosen = frozenset()


def test_what_the_artist_saved_opens_with_its_photos_tomorrow(made, tmp_path):
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "mine"))
    forget()
    opened(tmp_path / "mine")
    assert shown() == set(made)
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "copy"))
    opened(tmp_path / "copy")
    assert shown() == set(made)


def test_what_was_changed_since_is_not_the_artists(made, tmp_path):
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "mine"))
    forget()
    with (tmp_path / "mine" / "reconstruction.json").open("a") as file:
        file.write(" ")
    opened(tmp_path / "mine")
    assert shown() == set()


def test_photos_of_this_session_are_known(made, tmp_path, monkeypatch):
    monkeypatch.setattr(own_folders, "_known", list)
    bpy.ops.image_to_scene.save_reconstruction(filepath=str(tmp_path / "mine"))
    opened(tmp_path / "mine")
    assert shown() == set(made)


def test_a_blend_asks_no_server_but_its_own(monkeypatch):
    root, asked = bpy.data.objects.new("Root", None), []
    monkeypatch.setattr(memory, "is_reconstruction", lambda place: asked.append(place) or False)
    for place in ("//evil/share/out", "\\\\evil\\share\\out", "/here/out"):
        root[memory.SAVED_KEY] = json.dumps([place])
        monkeypatch.setattr(bpy.path, "abspath", lambda path: path)
        assert memory.remembered_folder(root) is None
    assert asked == [Path("/here/out")]
