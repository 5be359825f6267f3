"""Whatever a folder or selection brings is used, or named with the reason why not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

from image_to_scene.core.errors import ImageError
from image_to_scene.core.types import LeftOut
from image_to_scene.operators import accounting, inputs, pictures
from image_to_scene.operators.inputs import files, folders

sys.path.append(str(Path(__file__).parents[1]))
from write_many_kinds import LEFT_OUT, SILENT, USED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def many_kinds(worker_python, tmp_path_factory):
    """Write the folder of `write_many_kinds`."""
    folder = tmp_path_factory.mktemp("kinds") / "photos"
    folder.mkdir()
    script = ROOT / "tests" / "write_many_kinds.py"
    done = subprocess.run([worker_python, script, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the worker's Python cannot write all kinds: {done.stderr.splitlines()[-1]}")
    return folder


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


def names(found):
    return [item.name for item in found.items]


def left_out(found):
    return {item.name: item.reason for item in found.left_out}


def test_every_input_of_a_folder_is_accounted_for(many_kinds, tiny_checkpoint, tmp_path):
    inside = {path.name for path in many_kinds.iterdir()}
    assert inside == {*USED, *LEFT_OUT, *SILENT}
    words = ["--images", many_kinds, "--output", tmp_path / "out.glb", "--model", tiny_checkpoint, "--resolution", "70"]
    done = subprocess.run(
        [sys.executable, ROOT / "batch.py", *words], capture_output=True, text=True, env=os.environ, check=False
    )
    summary = json.loads(done.stdout)
    assert summary["ok"], summary
    account = summary["inputs"]
    assert account["given"] == account["used"] + len(account["left_out"]) == len(USED) + len(LEFT_OUT)
    assert account["used"] == summary["views"] == len(USED)
    reasons = {item["name"]: item["reason"] for item in account["left_out"]}
    assert set(reasons) == set(LEFT_OUT)
    for name, word in LEFT_OUT.items():
        assert word in reasons[name], name
    warnings = " ".join(summary["warnings"])
    for text in (
        "Left out of photos: 1 TXT file, 1 PDF file and 1 M4A file (neither images nor movies that can be read;",
        "Left out of photos: 2 MOV files (movies of Live Photos whose photos are used;",
        "Left out of photos: 1 DNG file (raw files whose photos of the same name are used;",
        "Left out of photos: deeper (folders in it",
        "animation.gif: only the first frame of the animation is used",
        "stereo.mpo: only the first image of several is used",
    ):
        assert text in warnings


def test_the_content_says_what_a_file_is(many_kinds, movie, tmp_path):
    shutil.copyfile(movie, tmp_path / "movie.jpg")
    shutil.copyfile(movie, tmp_path / "MVI_0001")
    shutil.copyfile(many_kinds / "picture.png", tmp_path / "still.mp4")
    found = files.find([tmp_path])
    kinds = {item.name: item.kind for item in found.items}
    assert kinds == {"movie.jpg": "MOVIE", "MVI_0001": "MOVIE", "still.mp4": "FILE"}
    assert not found.left_out


def test_of_raw_and_jpeg_the_jpeg_is_used(tmp_path):
    touch(tmp_path, "DSC_1.NEF", "DSC_1.JPG", "DSC_2.nef", "dsc_2.heic", "DSC_3.NEF")
    found = files.find([tmp_path])
    assert names(found) == ["DSC_1.JPG", "dsc_2.heic", "DSC_3.NEF"]
    assert set(left_out(found)) == {"DSC_1.NEF", "DSC_2.nef"}
    assert found.warnings == (
        f"Left out of {tmp_path.name}: 2 NEF files (raw files whose photos of the same name are used; add the raw "
        "files alone to develop them instead).",
    )
    alone = files.find([tmp_path / "DSC_1.NEF", tmp_path / "DSC_2.nef"])
    assert names(alone) == ["DSC_1.NEF", "DSC_2.nef"]
    assert not alone.left_out
    touch(tmp_path / "raw", "DSC_1.JPG")
    assert not files.find([tmp_path / "DSC_1.NEF", tmp_path / "raw" / "DSC_1.JPG"]).left_out, "of another folder"


@pytest.mark.parametrize("photo", ["IMG_1.JPG", "img_1.heic", "IMG_1.MP.jpg"])
def test_of_a_live_photo_the_photo_is_used(tmp_path, movie, monkeypatch, photo):
    partner = "IMG_1.MP" if ".MP." in photo else "IMG_1.MOV"
    touch(tmp_path, photo)
    shutil.copyfile(movie, tmp_path / partner)
    found = files.find([tmp_path])
    assert names(found) == [photo]
    assert "Live Photo" in left_out(found)[partner]
    assert [item.kind for item in files.find([tmp_path / partner]).items] == ["MOVIE"], "named alone"
    monkeypatch.setattr(folders, "LIVE_PHOTO", 1.0)
    assert set(names(files.find([tmp_path]))) == {photo, partner}, "a movie of two seconds"


def test_what_is_nobodys_input_is_not_named_and_what_is_hidden_is(tmp_path, many_kinds):
    touch(tmp_path, "a.png", ".DS_Store", "._a.png", "a.xmp", "a.AAE", "Thumbs.db", "desktop.ini", "a.json")
    assert not files.find([tmp_path]).left_out
    shutil.copyfile(many_kinds / "picture.png", tmp_path / "b.db")
    shutil.copyfile(many_kinds / "picture.png", tmp_path / ".c.png")
    found = files.find([tmp_path])
    assert set(left_out(found)) == {"b.db", ".c.png"}
    assert names(files.find([tmp_path / ".c.png"])) == [".c.png"], "named itself"


def test_folders_in_a_folder_are_named_where_they_have_images(tmp_path):
    touch(tmp_path, "a.png")
    touch(tmp_path / "day 2", "b.JPG")
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    touch(tmp_path / "deep" / "deeper", "c.heic")
    touch(tmp_path / "texts", "notes.txt")
    touch(tmp_path / ".thumbnails", "d.png")
    found = files.find([tmp_path])
    assert set(left_out(found)) == {"day 2", "deep"}
    assert found.warnings[0].startswith(
        f"Left out of {tmp_path.name}: day 2 and deep (folders in it, whose images are not"
    )
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"has no pictures or movies in it \(Left out of .*day 2 and deep"):
        files.find([tmp_path])


def test_what_is_named_twice_is_used_once_and_said(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    found = files.find([tmp_path / "a.png", tmp_path, tmp_path / "a.png"])
    assert names(found) == ["a.png", "b.png"]
    assert [item.name for item in found.left_out] == ["a.png", "a.png"]


def test_a_movie_that_cannot_be_read_is_left_out_of_a_folder_and_refused_alone(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "broken.mp4").write_bytes(b"nothing" * 50)
    found = files.find([tmp_path])
    assert names(found) == ["a.png"]
    assert "cannot be read as a movie" in left_out(found)["broken.mp4"]
    assert "1 MP4 file (not readable as movies" in found.warnings[0]
    assert not found.refused
    assert files.find([tmp_path / "broken.mp4", tmp_path / "a.png"]).refused == ("broken.mp4",)


def test_the_window_says_what_a_folder_leaves_out(many_kinds, capfd):
    assert bpy.ops.image_to_scene.add_folder(directory=str(many_kinds)) == {"FINISHED"}
    assert {item.name for item in bpy.context.scene.image_to_scene.pictures} == set(USED)
    said = capfd.readouterr()
    assert "1 TXT file" in said.out + said.err
    assert "Live Photos" in said.out + said.err


def test_the_file_browser_and_drops_take_every_kind():
    suffixes = set(bpy.types.IMAGETOSCENE_FH_pictures.bl_file_extensions.split(";"))
    assert {".heic", ".heif", ".hif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".avif", ".mov"} <= suffixes
    patterns = bpy.ops.image_to_scene.add_pictures.get_rna_type().properties["filter_glob"].default
    assert len(patterns) <= pictures.GLOB_LENGTH
    shown = {pattern[1:] for pattern in patterns.split(";")} | bpy.path.extensions_image | bpy.path.extensions_movie
    assert {".heic", ".hif", ".avif", ".dng", ".cr3", ".nef", ".arw", ".raf", ".jpg", ".mov"} <= shown


def test_an_account_adds_up(make_reconstruction):
    views = make_reconstruction().views
    gone = {"name": "walk.mp4 1.2 s", "reason": "repeats another frame", "view": 1}
    result = make_reconstruction(facts={"left_out": [gone]})
    given = inputs.Inputs((*views, views[0]), left_out=(LeftOut("notes.txt", "is no image"),))
    account = accounting.account(given, [result])
    assert account["given"] == account["used"] + len(account["left_out"]) == 4
    assert account["left_out"] == [
        {"name": "notes.txt", "reason": "is no image"},
        {"name": "walk.mp4 1.2 s", "reason": "repeats another frame"},
    ]
    json.dumps(account)
    assert accounting.sentence([result]) == "2 of 3 images and frames are used; left out: walk.mp4 1.2 s."
    assert accounting.sentence([make_reconstruction()]) is None
