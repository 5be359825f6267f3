"""A saved folder may name any file: only those inside, and those the artist chose, are opened, shown or copied."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_to_scene.core import outside
from image_to_scene.core.imaging.kinds import is_image
from image_to_scene.core.outside import NOTHING, Chosen, is_network, unopened_warning
from image_to_scene.core.storage import load, save
from image_to_scene.core.types import ReconstructedView, Reconstruction

ALL = Chosen(outside=True)
SECRET = b"root:x:0:0:root:/root:/bin/sh\n"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "walk" / "a.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (60, 40), "red").save(path)
    return path


@pytest.fixture
def saved(tmp_path, photo):
    view = ReconstructedView(
        source=photo,
        texture=photo,
        source_size=(60, 40),
        source_from_model=np.diag([10.0, 10.0, 1.0]),
        image=np.zeros((4, 6, 3), np.uint8),
        depth=np.ones((4, 6), np.float32),
        image_from_camera=np.array([[5.0, 0, 3], [0, 5.0, 2], [0, 0, 1]]),
    )
    save(Reconstruction((view,)), tmp_path / "saved")
    return tmp_path / "saved"


def name_in(folder, source, texture=None):
    """Let a saved folder name other files."""
    description = json.loads((folder / "reconstruction.json").read_text())
    description["views"][0].update(source=source, texture=texture or source)
    (folder / "reconstruction.json").write_text(json.dumps(description))


def hostile(tmp_path):
    """A text file that is none of the folder's business, by each way to name it."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    return (
        {"absolute": str(secret)},
        {"relative": "../secret"},
        {"relative": "x/../../secret"},
        {"relative": str(secret)},
    )


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize("chosen", [NOTHING, ALL, Chosen(folder=Path("/")), Chosen(outside=True, network=True)])
def test_a_file_that_is_no_image_is_never_followed_or_copied(tmp_path, saved, way, chosen):
    name_in(saved, {"relative": "a.png"}, hostile(tmp_path)[way])
    loaded = load(saved, chosen)
    assert loaded.views[0].texture is None
    save(loaded, tmp_path / "again")
    assert not (tmp_path / "again" / "textures").exists()
    assert all(SECRET not in path.read_bytes() for path in (tmp_path / "again").rglob("*") if path.is_file())


def test_an_image_outside_is_opened_only_when_chosen(saved, photo):
    (view,) = load(saved).views
    assert (view.source, view.texture, view.may_open_source) == (photo, None, False)
    for chosen in (ALL, Chosen(files=frozenset({photo})), Chosen(folder=photo.parent), Chosen(folder=photo.parents[1])):
        (view,) = load(saved, chosen).views
        assert (view.source, view.texture, view.may_open_source) == (photo, photo, True)
    assert load(saved, Chosen(files=frozenset({photo.with_name("b.png")}))).views[0].texture is None


def test_a_private_image_named_as_a_copy_is_not_taken_along(tmp_path, saved):
    Image.new("RGB", (9, 9)).save(tmp_path / "private.png")
    name_in(saved, {"relative": "a.png"}, {"absolute": str(tmp_path / "private.png")})
    save(load(saved), tmp_path / "again")
    assert not (tmp_path / "again" / "textures").exists()


def test_saving_again_keeps_the_place_of_what_was_not_opened(tmp_path, saved, photo):
    save(load(saved), tmp_path / "again")
    assert load(tmp_path / "again", ALL).views[0].texture == photo


def test_what_was_not_opened_is_named(saved, photo):
    loaded = load(saved)
    assert f'"{photo}"' in unopened_warning(loaded) and "Find Photos" in unopened_warning(loaded)
    several = replace(loaded, views=tuple(replace(loaded.views[0], source=Path(f"/p/{i}.png")) for i in range(9)))
    assert '"/p/2.png" and 6 more' in unopened_warning(several)
    assert unopened_warning(load(saved, ALL)) is None


def test_photos_are_found_in_another_folder_by_the_end_of_their_paths(tmp_path, saved, photo):
    moved = tmp_path / "disk"
    photo.parents[1].rename(moved)
    for folder in (moved, moved / "walk"):
        assert load(saved, Chosen(folder=folder)).views[0].texture == moved / "walk" / "a.png"
    name_in(saved, {"absolute": "C:\\pictures\\walk\\a.png"})  # saved on Windows
    assert load(saved, Chosen(folder=moved)).views[0].texture == moved / "walk" / "a.png"


def test_a_photo_that_is_gone_is_missing_and_not_withheld(saved, photo):
    photo.unlink()
    (view,) = load(saved, ALL).views
    assert (view.texture, view.may_open_source) == (photo, True)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_inside_leads_nowhere(tmp_path, saved, photo, link):
    if link == "file":
        (saved / "a.png").symlink_to(photo)
        name_in(saved, {"relative": "a.png"})
    else:
        (saved / "textures").symlink_to(photo.parent)
        name_in(saved, {"relative": "textures/a.png"})
    for chosen in (NOTHING, ALL):
        assert load(saved, chosen).views[0].texture is None


NETWORK = [
    "//server/share/a.png",
    "\\\\server\\share\\a.png",
    "\\/server/share/a.png",
    "\\\\?\\UNC\\server\\share\\a.png",
]


@pytest.mark.parametrize("path", [*NETWORK, "\\\\.\\pipe\\x"])
def test_network_paths_are_known_by_their_text(path):
    assert is_network(path)


@pytest.mark.parametrize("path", ["/a.png", "C:\\a.png", "a//b.png", "Z:/a.png"])
def test_other_paths_are_none(path):
    assert not is_network(path)


def forbid_touching(monkeypatch, beginning):
    """Fail at every call that asks the system about a path that begins so."""
    for name in ("stat", "lstat", "open", "readlink", "scandir"):
        original = getattr(os, name)

        def guarded(path, *arguments, original=original, **options):
            assert not str(path).startswith(beginning), f"{path} was touched"
            return original(path, *arguments, **options)

        monkeypatch.setattr(os, name, guarded)


@pytest.mark.parametrize("chosen", [NOTHING, ALL])
@pytest.mark.parametrize("key", ["absolute", "relative"])
def test_a_network_share_is_not_even_asked(tmp_path, saved, monkeypatch, key, chosen):
    name_in(saved, {key: "//server/share/a.png"})
    forbid_touching(monkeypatch, "//")
    loaded = load(saved, chosen)
    assert loaded.views[0].texture is None
    save(loaded, tmp_path / "again")
    assert load(tmp_path / "again").views[0].source == Path("//server/share/a.png")
    assert "//server/share/a.png" in unopened_warning(loaded)


def test_nothing_outside_is_touched_before_it_is_chosen(saved, photo, monkeypatch):
    forbid_touching(monkeypatch, str(photo.parent))
    load(saved)


def test_a_share_that_was_chosen_is_followed(monkeypatch):
    monkeypatch.setattr(outside, "is_regular", lambda path: True)
    share = Path("//server/share/a.png")
    for chosen in (Chosen(files=frozenset({share})), Chosen(outside=True, network=True)):
        assert chosen.allows(share, Path("/folder"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "TGA", "PPM", "SGI", "JPEG2000", "AVIF"])
def test_images_are_known_by_content(tmp_path, kind):
    if kind == "AVIF" and "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow writes no AVIF")
    path = tmp_path / ("picture" + (".tga" if kind == "TGA" else ".data"))
    Image.new("RGB", (30, 20), "teal").save(path, format=kind)
    assert is_image(path)


@pytest.mark.parametrize(
    "content", [SECRET, b"", b"BM\nsomething else", b"\x7fELF\x02\x01\x01", b"P12 x", b"II", b"{}"]
)
@pytest.mark.parametrize("suffix", [".png", ".tga", ""])
def test_other_files_are_none_whatever_their_names(tmp_path, content, suffix):
    (tmp_path / f"file{suffix}").write_bytes(content)
    assert not is_image(tmp_path / f"file{suffix}")


def test_a_pipe_is_not_opened(tmp_path, saved):
    os.mkfifo(tmp_path / "a.tga")
    assert not is_image(tmp_path / "a.tga")
    os.mkfifo(saved / "a.png")
    name_in(saved, {"relative": "a.png"})
    assert load(saved, ALL).views[0].texture is None
    assert not is_image(saved / "a.png")
