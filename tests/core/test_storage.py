"""A saved reconstruction comes back as it was, or not at all and with a sentence that names the file."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_to_scene.core import storage
from image_to_scene.core.errors import StorageError
from image_to_scene.core.outside import Chosen
from image_to_scene.core.types import ReconstructedView, Reconstruction

PNG = b"\x89PNG\r\n\x1a\n"
OUTSIDE = Chosen(outside=True)
SIZES = [(7, 5), (5, 7), (6, 6)]  # (width, height): landscape, portrait and square in one set


def make_view(folder, index, size, *, complete=True):
    rng = np.random.default_rng(index)
    width, height = size
    source = folder / f"Büro {index}.png"
    source.write_bytes(PNG + b"picture %d" % index)
    depth = rng.uniform(1.0, 3.0, (height, width)).astype(np.float32)
    depth[0, 0] = np.nan
    camera = np.eye(4)
    camera[:3, 3] = rng.normal(size=3)
    return ReconstructedView(
        source=source,
        texture=source,
        source_size=(width * 10, height * 10),
        source_from_model=np.diag([10.0, 10.0, 1.0]),
        image=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        depth=depth,
        image_from_camera=np.array([[9.5, 0.0, width / 2], [0.0, 9.25, height / 2], [0.0, 0.0, 1.0]]),
        world_from_camera=camera if complete else None,
        confidence=np.nan_to_num(depth) + 1 if complete else None,
        sky=np.zeros_like(depth) if complete else None,
        mask=depth > 2 if complete else None,
        time=index / 3 if complete else None,
        points=rng.normal(size=(height, width, 3)).astype(np.float32) if complete else None,
        intrinsics_origin="model" if complete else "exif",
    )


def make_reconstruction(folder, *, complete=True, sizes=SIZES):
    folder.mkdir(parents=True, exist_ok=True)
    views = tuple(make_view(folder, i, size, complete=complete) for i, size in enumerate(sizes))
    settings_ = {"resolution": None, "square_pixels": True, "field_of_view": 1.0471975511965976}
    facts = {"seconds": 1.5, "warnings": ["Zu wenig Überlappung."]}
    return Reconstruction(views, "given", "metres", "nano", settings_, facts)


@pytest.fixture
def saved(tmp_path):
    storage.save(make_reconstruction(tmp_path / "photos"), tmp_path / "result")
    return tmp_path / "result"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_equal(first, second):
    for field in dataclasses.fields(Reconstruction):
        if field.name != "views":
            assert getattr(first, field.name) == getattr(second, field.name)
    for one, other in zip(first.views, second.views, strict=True):
        for field in dataclasses.fields(ReconstructedView):
            a, b = getattr(one, field.name), getattr(other, field.name)
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
            else:
                assert a == b


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("sizes", [SIZES, SIZES[:1]])
def test_what_is_saved_comes_back_exactly(tmp_path, complete, sizes):
    reconstruction = make_reconstruction(tmp_path / "photos", complete=complete, sizes=sizes)
    storage.save(reconstruction, tmp_path / "deep" / "Ergebnis ä")
    assert_equal(storage.load(tmp_path / "deep" / "Ergebnis ä", OUTSIDE), reconstruction)
    assert_equal(storage.load(tmp_path / "deep" / "Ergebnis ä" / "reconstruction.json", OUTSIDE), reconstruction)
    assert names(tmp_path / "deep") == ["Ergebnis ä"]


def test_the_folder_is_what_the_format_says(tmp_path, saved):
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in saved.glob("*.npy")}
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        "depth": ((3, 7, 7), "float32"),
        "confidence": ((3, 7, 7), "float32"),
        "sky": ((3, 7, 7), "float32"),
        "mask": ((3, 7, 7), "bool"),
        "points": ((3, 7, 7, 3), "float32"),
        "images": ((3, 7, 7, 3), "uint8"),
        "world_from_camera": ((3, 4, 4), "float64"),
        "image_from_camera": ((3, 3, 3), "float64"),
    }
    assert np.isnan(arrays["depth"][0, 5:]).all()
    assert np.isnan(arrays["depth"][1, :, 5:]).all()
    assert (arrays["images"][0, 5:] == 0).all()
    description = json.loads((saved / "reconstruction.json").read_text(encoding="utf-8"))
    assert description["version"] == 1
    assert [view["size"] for view in description["views"]] == [list(size) for size in SIZES]
    assert "\\" not in (saved / "reconstruction.json").read_text().replace("\\u", "")


def test_what_a_model_does_not_give_has_no_file(tmp_path):
    storage.save(make_reconstruction(tmp_path / "photos", complete=False), tmp_path / "result")
    assert names(tmp_path / "result") == ["depth.npy", "image_from_camera.npy", "images.npy", "reconstruction.json"]


def test_half_given_arrays_are_a_defect_and_leave_nothing(tmp_path):
    whole = make_reconstruction(tmp_path / "photos")
    views = (dataclasses.replace(whole.views[0], sky=None), *whole.views[1:])
    with pytest.raises(ValueError, match="sky"):
        storage.save(dataclasses.replace(whole, views=views), tmp_path / "result")
    assert names(tmp_path) == ["photos"]


def test_a_mask_of_one_view_leaves_nothing_of_the_others_out(tmp_path):
    whole = make_reconstruction(tmp_path / "photos")
    views = (whole.views[0], dataclasses.replace(whole.views[1], mask=None), whole.views[2])
    storage.save(dataclasses.replace(whole, views=views), tmp_path / "result")
    loaded = storage.load(tmp_path / "result").views
    assert not loaded[1].mask.any()
    np.testing.assert_array_equal(loaded[2].mask, views[2].mask)
    assert np.load(tmp_path / "result" / "mask.npy")[0, 5:].all(), "padding is no part of a picture"


def test_a_folder_from_before_masks_and_times_still_opens(tmp_path):
    storage.save(make_reconstruction(tmp_path / "photos", complete=False), tmp_path / "result")
    edit(tmp_path / "result", lambda d: [view.pop("time") for view in d["views"]])
    assert [(view.mask, view.time) for view in storage.load(tmp_path / "result").views] == [(None, None)] * 3


def test_frames_of_one_movie_keep_pictures_of_their_own(tmp_path):
    views = []
    for index, view in enumerate(make_reconstruction(tmp_path / "photos").views):
        frame = tmp_path / f"frame {index}.png"
        frame.write_bytes(PNG + b"frame %d" % index)
        views.append(dataclasses.replace(view, source=tmp_path / "photos" / "clip.mov", texture=frame, time=index / 24))
    storage.save(Reconstruction(tuple(views)), tmp_path / "result")
    loaded = storage.load(tmp_path / "result").views
    assert [view.texture.name for view in loaded] == [f"{i:03d}_clip {i / 24:.3f}s.png" for i in range(3)]
    assert [view.texture.read_bytes() for view in loaded] == [PNG + b"frame %d" % i for i in range(3)]
    assert [view.time for view in loaded] == [index / 24 for index in range(3)]
    assert {view.source.name for view in loaded} == {"clip.mov"}


def test_loading_maps_pixels_and_keeps_them_read_only(saved):
    view = storage.load(saved).views[1]
    assert not view.depth.flags.writeable
    assert not view.depth.flags.owndata
    assert view.world_from_camera.flags.writeable


def test_photos_are_found_when_everything_moves_together(tmp_path, saved):
    (tmp_path / "moved").mkdir()
    for name in ("photos", "result"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    views = storage.load(tmp_path / "moved" / "result", OUTSIDE).views
    assert [view.source.parent for view in views] == [tmp_path / "moved" / "photos"] * 3
    assert all(view.texture.is_file() for view in views)


def test_photos_are_found_when_only_the_folder_moves(tmp_path, saved):
    (tmp_path / "a").mkdir()
    saved.rename(tmp_path / "a" / "result")
    assert all(view.source.is_file() for view in storage.load(tmp_path / "a" / "result", OUTSIDE).views)


def test_a_photo_that_is_gone_keeps_the_place_where_it_was(tmp_path, saved):
    shutil.rmtree(tmp_path / "photos")
    assert storage.load(saved).views[0].source == tmp_path / "photos" / "Büro 0.png"


def test_photos_inside_the_folder_are_stored_relative_to_it(tmp_path):
    storage.save(make_reconstruction(tmp_path / "photos"), tmp_path / "result")
    inside = make_reconstruction(tmp_path / "result" / "photos")
    storage.save(inside, tmp_path / "result")
    (tmp_path / "result").rename(tmp_path / "elsewhere")
    views = storage.load(tmp_path / "elsewhere").views
    assert views[0].source == tmp_path / "elsewhere" / "photos" / "Büro 0.png"
    assert views[0].source.is_file()
    entry = json.loads((tmp_path / "elsewhere" / "reconstruction.json").read_text())["views"][0]
    assert entry["source"] == {"relative": "photos/Büro 0.png"}


def test_upright_copies_go_along_and_survive_saving_again(tmp_path):
    reconstruction = make_reconstruction(tmp_path / "photos")
    copy = tmp_path / "session" / "upright.jpg"
    copy.parent.mkdir()
    copy.write_bytes(PNG + b"upright")
    views = (dataclasses.replace(reconstruction.views[0], texture=copy), *reconstruction.views[1:])
    storage.save(dataclasses.replace(reconstruction, views=views), tmp_path / "result")
    shutil.rmtree(copy.parent)
    for target in ("result", "second"):  # in place of itself, then elsewhere
        storage.save(storage.load(tmp_path / "result"), tmp_path / target)
        loaded = storage.load(tmp_path / target, OUTSIDE).views
        assert loaded[0].texture == tmp_path / target / "textures" / "000_Büro 0.jpg"
        assert loaded[0].texture.read_bytes() == PNG + b"upright"
        assert loaded[0].source == reconstruction.views[0].source
        assert loaded[1].texture == loaded[1].source
    assert len(list((tmp_path / "second" / "textures").iterdir())) == 1


def test_an_earlier_reconstruction_is_replaced_and_other_files_stay(tmp_path, saved):
    (saved / "notes.txt").write_text("mine")
    (saved / "textures").mkdir()
    (saved / "textures" / "mine.png").write_text("mine, too")
    smaller = make_reconstruction(tmp_path / "photos", complete=False, sizes=SIZES[:2])
    storage.save(smaller, saved)
    assert_equal(storage.load(saved, OUTSIDE), smaller)
    assert (saved / "notes.txt").read_text() == "mine"
    assert (saved / "textures" / "mine.png").read_text() == "mine, too"
    assert not (saved / "confidence.npy").exists()
    assert names(tmp_path) == ["photos", "result"]


@pytest.mark.parametrize("kind", ["file", "foreign folder", "foreign json"])
def test_nothing_but_a_reconstruction_is_ever_replaced(tmp_path, kind):
    target = tmp_path / "result"
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / ("reconstruction.json" if kind == "foreign json" else "depth.npy")).write_text('{"version": 1}')
    with pytest.raises(StorageError, match="result"):
        storage.save(make_reconstruction(tmp_path / "photos"), target)
    assert names(tmp_path) == ["photos", "result"]
    assert target.is_file() or len(names(target)) == 1


def test_a_disk_that_refuses_is_told(tmp_path):
    reconstruction = make_reconstruction(tmp_path / "photos")
    with pytest.raises(StorageError, match="could not be written"):
        storage.save(reconstruction, reconstruction.views[0].source / "result")  # a file is no parent


def test_a_run_that_breaks_off_leaves_the_earlier_reconstruction(tmp_path, saved):
    """The second view does not fit the array: writing breaks in the middle of a file."""
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    whole = make_reconstruction(tmp_path / "photos")
    broken = dataclasses.replace(whole.views[1], confidence=np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match="broadcast"):
        storage.save(dataclasses.replace(whole, views=(whole.views[0], broken, whole.views[2])), saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert names(tmp_path) == ["photos", "result"]


def edit(saved, change):
    file = saved / "reconstruction.json"
    description = json.loads(file.read_text(encoding="utf-8"))
    change(description)
    file.write_text(json.dumps(description), encoding="utf-8")


def test_a_newer_version_asks_for_a_newer_add_on(saved):
    edit(saved, lambda d: d.update(version=2))
    with pytest.raises(StorageError, match=r"newer Image to Scene.*update"):
        storage.load(saved)


DAMAGE = {
    "no description": lambda d: (d / "reconstruction.json").unlink(),
    "no json": lambda d: (d / "reconstruction.json").write_text("{"),
    "not utf-8": lambda d: (d / "reconstruction.json").write_bytes(b"\xff\xfe"),
    "a list": lambda d: (d / "reconstruction.json").write_text("[]"),
    "foreign json": lambda d: (d / "reconstruction.json").write_text('{"version": 1}'),
    "no version": lambda d: edit(d, lambda j: j.pop("version")),
    "no views": lambda d: edit(d, lambda j: j.update(views=[])),
    "views of text": lambda d: edit(d, lambda j: j.update(views="abc")),
    "no source": lambda d: edit(d, lambda j: j["views"][1].pop("source")),
    "source without place": lambda d: edit(d, lambda j: j["views"][1].update(source={})),
    "size of text": lambda d: edit(d, lambda j: j["views"][0].update(size=["7", "5"])),
    "larger size": lambda d: edit(d, lambda j: j["views"][0].update(size=[8, 5])),
    "affine": lambda d: edit(d, lambda j: j["views"][0].update(source_from_model=[[1, 0], [0, 1]])),
    "unknown world": lambda d: edit(d, lambda j: j.update(world="moon")),
    "unknown origin": lambda d: edit(d, lambda j: j["views"][2].update(intrinsics_origin="guess")),
    "time of text": lambda d: edit(d, lambda j: j["views"][0].update(time="1")),
    "time without end": lambda d: edit(d, lambda j: j["views"][0].update(time=float("inf"))),
    "settings": lambda d: edit(d, lambda j: j.update(settings=7)),
    "unlisted": lambda d: edit(d, lambda j: j["arrays"].remove("depth")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_description_is_told_by_name(saved, damage):
    DAMAGE[damage](saved)
    with pytest.raises(StorageError, match=r"reconstruction\.json|depth\.npy"):
        storage.load(saved)


def replace_array(name, change):
    def damage(saved):
        array = np.load(saved / name)
        (saved / name).unlink()
        np.save(saved / name, change(array))

    return name, damage


def truncate(saved):
    with (saved / "depth.npy").open("r+b") as file:
        file.truncate(200)


def nan_camera(cameras):
    cameras[1, 0, 0] = np.nan
    return cameras


BROKEN_ARRAYS = {
    "missing": ("depth.npy", lambda d: (d / "depth.npy").unlink()),
    "missing optional": ("confidence.npy", lambda d: (d / "confidence.npy").unlink()),
    "empty": ("images.npy", lambda d: (d / "images.npy").write_bytes(b"")),
    "truncated": ("depth.npy", truncate),
    "longer": ("depth.npy", lambda d: (d / "depth.npy").open("ab").write(b"more")),
    "text": ("sky.npy", lambda d: (d / "sky.npy").write_text("not an array")),
    "pickle": ("depth.npy", lambda d: (d / "depth.npy").write_bytes(pickle.dumps([1.0, 2.0]))),
    "objects": replace_array("depth.npy", lambda a: a.astype(object)),
    "double": replace_array("depth.npy", lambda a: a.astype(np.float64)),
    "float image": replace_array("images.npy", lambda a: a.astype(np.float32)),
    "other endian": replace_array("depth.npy", lambda a: a.astype(">f4")),
    "mask of bytes": replace_array("mask.npy", lambda a: a.astype(np.uint8)),
    "fewer views": replace_array("confidence.npy", lambda a: a[:2]),
    "smaller": replace_array("points.npy", lambda a: a[:, :5]),
    "flat": replace_array("depth.npy", lambda a: a.ravel()),
    "camera of nan": replace_array("world_from_camera.npy", nan_camera),
    "scaled camera": replace_array("world_from_camera.npy", lambda a: a * 2.0),
    "lens of nan": replace_array("image_from_camera.npy", nan_camera),
    "no lens": replace_array("image_from_camera.npy", lambda a: a * 0.0),
}


@pytest.mark.parametrize("kind", BROKEN_ARRAYS)
def test_a_broken_array_is_told_by_name(saved, kind):
    name, damage = BROKEN_ARRAYS[kind]
    damage(saved)
    with pytest.raises(StorageError, match=name.replace(".", r"\.")):
        storage.load(saved)


def test_a_pickle_is_never_opened(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    np.save(saved / "depth.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(StorageError):
        storage.load(saved)
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 127), st.binary(min_size=1, max_size=6))
def test_no_header_whatever_gives_anything_but_an_array_or_a_sentence(saved, place, scribble):
    original = (saved / "depth.npy").read_bytes()
    damaged = original[:place] + scribble + original[place + len(scribble) :]
    (saved / "depth.npy").unlink()
    (saved / "depth.npy").write_bytes(damaged)
    try:
        storage.load(saved)
    except StorageError as error:
        assert "depth.npy" in str(error)
    finally:
        (saved / "depth.npy").unlink()
        (saved / "depth.npy").write_bytes(original)


def test_hundreds_of_views_are_written_one_by_one(tmp_path):
    view = make_reconstruction(tmp_path / "photos", sizes=[(40, 30)]).views[0]
    storage.save(Reconstruction((view,) * 300), tmp_path / "result")
    loaded = storage.load(tmp_path / "result")
    assert len(loaded.views) == 300
    np.testing.assert_array_equal(loaded.views[299].depth, view.depth)
