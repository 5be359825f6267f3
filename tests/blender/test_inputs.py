import itertools
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.errors import ImageError
from image_to_scene.core.types import View
from image_to_scene.operators import inputs
from image_to_scene.operators.inputs import Item, clips, files, images
from image_to_scene.panels import pictures as panel

RATE, FRAMES = 25.0, 50  # of the movie in conftest.py


@pytest.fixture
def chosen():
    return bpy.context.scene.image_to_scene


@pytest.fixture
def shot(tmp_path):
    """A folder with a numbered sequence of 30 empty files, from 101."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for number in range(101, 131):
        (folder / f"shot.{number:04d}.png").touch()
    return folder


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def add(folder, *names, **options):
    chosen_files = [{"name": name} for name in names]
    return bpy.ops.image_to_scene.add_pictures(directory=str(folder), files=chosen_files, **options)


def listed():
    return [(item.kind, item.name) for item in bpy.context.scene.image_to_scene.pictures]


def views():
    return inputs.views(bpy.context.scene.image_to_scene, bpy.context).views


def test_the_command_lines_entries_are_those_of_the_list(chosen):
    entry, plain = chosen.pictures.add(), Item()
    stored = set(entry.bl_rna.properties.keys()) - {"rna_type"}
    assert stored == {field.name for field in fields(Item)}
    for field in fields(Item):
        assert getattr(entry, field.name) == getattr(plain, field.name), field.name


def test_files_come_in_natural_order_once_and_unknown_ones_are_named(tmp_path):
    touch(tmp_path, "img10.png", "img2.png", "Img1.JPG", "notes.txt", "scene.blend")
    assert add(tmp_path, "img10.png", "notes.txt", "img2.png", "Img1.JPG", "scene.blend") == {"FINISHED"}
    names = [("FILE", "Img1.JPG"), ("FILE", "img2.png"), ("FILE", "img10.png")]
    assert listed() == names
    add(tmp_path, "img2.png", "Img1.JPG")
    assert listed() == names
    assert add(tmp_path, "notes.txt") == {"CANCELLED"}
    assert files.find([tmp_path / "notes.txt", tmp_path / "img2.png"]).refused == ("notes.txt",)


def test_a_folder_gives_its_pictures_and_not_those_of_folders_in_it(tmp_path):
    touch(tmp_path, "b.png", "a.jpg", "notes.txt", "._a.jpg")
    (tmp_path / "deeper.png").mkdir()
    assert bpy.ops.image_to_scene.add_folder(directory=str(tmp_path)) == {"FINISHED"}
    assert listed() == [("FILE", "a.jpg"), ("FILE", "b.png")]
    bpy.ops.image_to_scene.clear_pictures()
    bpy.ops.image_to_scene.add_pictures(filepath=str(tmp_path) + "/", directory=str(tmp_path))
    assert len(listed()) == 2, "the file browser with nothing selected"


def test_a_folder_without_pictures_is_one_sentence(tmp_path):
    with pytest.raises(RuntimeError, match="has no pictures or movies in it"):
        bpy.ops.image_to_scene.add_folder(directory=str(tmp_path))
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.image_to_scene.add_folder(directory=str(tmp_path / "nowhere"))
    assert listed() == []


def test_many_numbered_files_are_one_sequence_and_few_are_pictures(shot, tmp_path):
    bpy.ops.image_to_scene.add_folder(directory=str(shot))
    assert listed() == [("SEQUENCE", "shot.0101-0130.png")]
    bpy.ops.image_to_scene.clear_pictures()
    add(shot, *(f"shot.{number:04d}.png" for number in range(101, 113)))
    assert len(listed()) == 12
    bpy.ops.image_to_scene.clear_pictures()
    bpy.ops.image_to_scene.add_folder(directory=str(shot), numbered="PICTURES")
    assert len(listed()) == 30
    bpy.ops.image_to_scene.clear_pictures()
    add(shot, "shot.0107.png", numbered="SEQUENCE")
    assert listed() == [("SEQUENCE", "shot.0101-0130.png")], "one frame stands for all"
    walk = tmp_path / "walk"
    walk.mkdir()
    touch(walk, *(f"DSC{number}.jpg" for number in range(100, 200, 5)))
    assert {item.kind for item in files.find([walk]).items} == {"FILE"}


def test_what_a_drop_hands_over_is_added(shot):
    handler = bpy.types.IMAGETOSCENE_FH_pictures
    assert handler.bl_import_operator == "image_to_scene.drop_pictures"
    assert {".png", ".mp4"} < set(handler.bl_file_extensions.split(";"))
    assert handler.poll_drop(SimpleNamespace(area=SimpleNamespace(type="VIEW_3D")))
    assert not handler.poll_drop(SimpleNamespace(area=SimpleNamespace(type="IMAGE_EDITOR")))
    dropped = [{"name": "shot.0102.png"}, {"name": "shot.0101.png"}]
    bpy.ops.image_to_scene.drop_pictures("INVOKE_DEFAULT", directory=str(shot), files=dropped)
    assert listed() == [("FILE", "shot.0101.png"), ("FILE", "shot.0102.png")]


def test_the_frames_of_a_sequence_have_their_time(chosen, shot):
    bpy.context.scene.render.fps = 30
    bpy.ops.image_to_scene.add_folder(directory=str(shot))
    item = chosen.pictures[0]
    item.pick, item.frame_start, item.frame_end, item.frame_step = "STEP", 104, 125, 10
    assert views() == tuple(
        View(shot / f"shot.{number:04d}.png", time=(number - 101) / 30) for number in (104, 114, 124)
    )
    assert inputs.count(item) == 3


def test_a_sequence_with_holes_names_the_frames(chosen, shot):
    bpy.ops.image_to_scene.add_folder(directory=str(shot))
    (shot / "shot.0104.png").unlink()
    (shot / "shot.0106.png").unlink()
    item = chosen.pictures[0]
    item.pick = "STEP"
    with pytest.raises(ImageError, match=r"lacks frames 104, 106: "):
        views()
    item.frame_start = 107
    assert len(views()) == 24
    item.frame_start, item.frame_end = 200, 300
    with pytest.raises(ImageError, match="has the frames 101 to 130, so choose among these instead of 200 to 300"):
        views()


def test_a_sequence_whose_folder_is_gone(chosen, shot):
    bpy.ops.image_to_scene.add_folder(directory=str(shot))
    shot.rename(shot.with_name("elsewhere"))
    with pytest.raises(ImageError, match="cannot be read"):
        views()


def test_a_movie_gives_frames_by_count_and_by_time(chosen, movie):
    add(movie.parent, movie.name)
    (item,) = chosen.pictures
    assert (item.kind, item.clip_last, item.clip_rate) == ("MOVIE", FRAMES, RATE)
    assert len(views()) == inputs.count(item) == 8
    assert (views()[0].time, views()[-1].time) == (0.0, (FRAMES - 1) / RATE)
    item.pick, item.seconds = "STEP", 0.5
    assert [view.time for view in views()] == pytest.approx([0.0, 0.48, 1.0, 1.48]), "the frames shown then"
    item.frame_start, item.frame_end = 26, 38
    assert [view.time for view in views()] == pytest.approx([1.0, 1.48])
    assert {view.path for view in views()} == {movie}
    assert not bpy.data.movieclips


def test_what_only_looks_like_a_movie_is_refused_and_the_rest_added(tmp_path, movie):
    (tmp_path / "broken.mp4").write_bytes(b"nothing" * 50)
    (tmp_path / "walk.mp4").write_bytes(movie.read_bytes())
    assert add(tmp_path, "broken.mp4", "walk.mp4") == {"FINISHED"}
    assert listed() == [("MOVIE", "walk.mp4")]
    assert not bpy.data.movieclips


CLIP = (-20, 120)


@given(
    st.integers(-50, 50),
    st.integers(-50, 150),
    st.sampled_from(["STEP", "COUNT"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([("SEQUENCE", 0.0), ("MOVIE", 23.976), ("MOVIE", 60.0)]),
    st.floats(0.001, 5.0),
)
def test_chosen_frames_are_in_the_range_rise_and_start_with_it(first, last, pick, step, count, clip, seconds):
    kind, rate = clip
    item = Item(kind=kind, clip_rate=rate, frame_start=first, frame_end=last, pick=pick, frame_step=step, count=count)
    item.seconds, (item.clip_first, item.clip_last) = seconds, CLIP
    frames = clips.frames_of(item)
    first, last = max(first, CLIP[0]), min(last, CLIP[1])
    assert bool(frames) == (first <= last)
    assert all(first <= frame <= last for frame in frames)
    assert all(a < b for a, b in itertools.pairwise(frames))
    if frames:
        assert frames[0] == first
    if pick == "COUNT" and frames:
        assert len(frames) == min(count, last - first + 1)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True), st.sampled_from(["", "_v2", " (copy)"]))
def test_natural_order_is_the_order_of_the_numbers(numbers, after):
    names = [Path(f"/photos/Take{number}{after}.png") for number in numbers]
    ordered = sorted(names, key=files.natural)
    assert ordered == [Path(f"/photos/Take{number}{after}.png") for number in sorted(numbers)]


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=4))
def test_any_names_can_be_sorted_and_taken_apart(names):
    paths = [Path("/photos") / f"a{name.replace('/', '_')}.png" for name in names]
    sorted(paths, key=files.natural)
    for path in paths:
        if parts := clips.split(path):
            assert parts[0].name_of(parts[1]) == path


def make_image(name, rgba, **options):
    image = bpy.data.images.new(name, rgba.shape[1], rgba.shape[0], **options)
    image.pixels.foreach_set(rgba.astype(np.float32).ravel())
    return image


def test_the_image_editor_adds_the_image_that_it_shows():
    image = make_image("painting", np.ones((2, 2, 4)))
    area = bpy.context.window_manager.windows[0].screen.areas[0]
    before, area.type = area.type, "IMAGE_EDITOR"
    area.spaces.active.image = image
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area, region=area.regions[-1]):
        assert bpy.ops.image_to_scene.add_image("INVOKE_DEFAULT") == {"FINISHED"}
    area.type = before
    assert listed() == [("IMAGE", "painting")]


def test_selected_cameras_are_added_and_those_that_move_with_frames(chosen):
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 11, 30
    for name in ("shot 10", "shot 9", "other"):
        camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        scene.collection.objects.link(camera)
        camera.select_set(name != "other")
    bpy.data.objects["shot 9"].keyframe_insert("location", frame=11)
    assert bpy.ops.image_to_scene.add_cameras() == {"FINISHED"}
    assert listed() == [("CAMERA", "shot 9"), ("CAMERA", "shot 10")]
    moving, still = chosen.pictures
    assert (moving.is_animated, moving.frame_start, moving.frame_end, inputs.count(moving)) == (True, 11, 30, 8)
    assert (still.is_animated, still.camera, inputs.count(still)) == (False, bpy.data.objects["shot 10"], 1)
    for camera in bpy.context.selected_objects:
        camera.select_set(False)
    assert not bpy.ops.image_to_scene.add_cameras.poll()


def test_images_that_are_gone_or_empty_say_so(chosen):
    image = make_image("gone", np.ones((2, 2, 4)))
    bpy.ops.image_to_scene.add_image(image="gone")
    bpy.data.images.remove(image)
    with pytest.raises(ImageError, match="gone from the file"):
        views()
    with pytest.raises(ImageError, match="no pixels"):
        images.picture_of(an_image_without_file())
    with pytest.raises(RuntimeError, match="no image"):
        bpy.ops.image_to_scene.add_image(image="never was")


def an_image_without_file():
    image = bpy.data.images.new("empty", 1, 1)
    image.source, image.filepath = "FILE", "/nowhere/nothing.png"
    return image


def test_an_image_of_a_sequence_becomes_one(shot):
    image = bpy.data.images.new("shot", 1, 1)
    image.source, image.filepath = "SEQUENCE", str(shot / "shot.0110.png")
    bpy.ops.image_to_scene.add_image(image="shot")
    assert listed() == [("SEQUENCE", "shot.0101-0130.png")]


def test_every_change_of_the_list_can_be_undone(shot, tmp_path):
    touch(tmp_path, "a.png", "b.png")
    make_image("painting", np.ones((2, 2, 4)))
    bpy.ops.ed.undo_push(message="before")
    add_folder = bpy.ops.image_to_scene.add_folder
    steps = [
        lambda: add_folder("EXEC_DEFAULT", True, directory=str(shot)),
        lambda: bpy.ops.image_to_scene.add_image("EXEC_DEFAULT", True, image="painting"),
        lambda: bpy.ops.image_to_scene.add_pictures(
            "EXEC_DEFAULT", True, directory=str(tmp_path), files=[{"name": "a.png"}, {"name": "b.png"}]
        ),
        lambda: bpy.ops.image_to_scene.move_picture("EXEC_DEFAULT", True, direction="UP"),
        lambda: bpy.ops.image_to_scene.remove_picture("EXEC_DEFAULT", True),
        lambda: bpy.ops.image_to_scene.clear_pictures("EXEC_DEFAULT", True),
    ]
    states = [listed()]
    for step in steps:
        assert step() == {"FINISHED"}
        states.append(listed())
    assert len({str(state) for state in states[:-1]}) == len(states) - 1
    for state in states[-2::-1]:
        bpy.ops.ed.undo()
        assert listed() == state


def test_the_list_survives_saving(chosen, shot, tmp_path):
    bpy.ops.image_to_scene.add_folder(directory=str(shot))
    chosen.pictures[0].count = 3
    wanted = views()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    assert views() == wanted
    assert len(wanted) == 3


class Layout:
    """Takes every call of a draw function and notes the texts."""

    def __init__(self, texts):
        object.__setattr__(self, "texts", texts)

    def __getattr__(self, _name):
        def call(*_arguments, text="", **_keywords):
            self.texts.append(text)
            return Layout(self.texts)

        return call

    def icon(self, _block):
        return 1


def test_rows_details_and_total_are_drawn_also_of_what_is_missing(chosen, shot, movie, tmp_path):
    touch(tmp_path, "gone.png")
    add(tmp_path, "gone.png")
    (tmp_path / "gone.png").unlink()
    add(movie.parent, movie.name)
    bpy.ops.image_to_scene.add_folder(directory=str(shot))
    make_image("painting", np.ones((2, 2, 4)))
    bpy.ops.image_to_scene.add_image(image="painting")
    camera = bpy.data.objects.new("Shot Camera", bpy.data.cameras.new("camera"))
    entry = chosen.pictures.add()
    entry.kind, entry.camera = "CAMERA", camera
    chosen.pictures.add().kind = "CAMERA"
    texts = []
    for index, item in enumerate(chosen.pictures):
        chosen.active_picture = index
        panel.IMAGETOSCENE_UL_pictures.draw_item(None, None, Layout(texts), None, item, 0, None, "")
        for mask in ("NONE", "ALPHA", "FILE", "MASK"):
            for lens in ("AUTO", "CAMERA", "FSPY", "FOCAL"):
                item.mask_kind, item.lens_kind = mask, lens
                panel.draw_pictures(Layout(texts), chosen)
    assert {"gone.png", "walk.mp4", "8 frames", "shot.0101-0130.png", "painting", "Shot Camera", " is gone"} <= set(
        texts
    )
    assert "20 views" in texts
