"""What an artist chose becomes whole pictures: frames for movies, bad files named together, masks that fit."""

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="movies are opened with PyAV, which only the worker has")
pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from PIL import Image

from image_to_scene.core.errors import CameraError, ImageError
from image_to_scene.core.imaging.inputs import gather
from image_to_scene.core.imaging.kinds import is_movie
from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.types import Distortion, Lens, Mask, View

sys.path.insert(0, str(Path(__file__).parents[2]))

from write_movie import RATE, number_of, numbered_frame, turn, write

K = np.array([[70.0, 0.0, 30.0], [0.0, 80.0, 25.0], [0.0, 0.0, 1.0]])


def camera(x):
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix


@pytest.fixture
def movie(tmp_path):
    return write(tmp_path / "shot.mp4", [numbered_frame(i) for i in range(10)])


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (64, 48), (1, 2, 3)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def frames(tmp_path):
    (tmp_path / "frames").mkdir()
    return tmp_path / "frames"


def test_movies_are_told_by_their_suffix():
    assert all(is_movie(Path(name)) for name in ("a.mp4", "b.MOV", "c.d.mkv", "e.webm"))
    assert not any(is_movie(Path(name)) for name in ("a.png", "mp4", "b.gif", "c.mp4.jpg", ""))


def test_pictures_pass_as_they_are(picture, frames):
    views = (View(picture), View(picture, time=2.0, image_from_camera=K))
    inputs = gather(views, frames)
    assert (inputs.views, inputs.pictures, inputs.left_out, inputs.warnings) == (views, views, (), ())
    assert not list(frames.iterdir())


def test_movies_become_pictures_with_the_frames_own_time(movie, picture, frames):
    inputs = gather([View(movie, time=0.15), View(picture), View(movie), View(movie, time=99.0)], frames)
    assert [view.path for view in inputs.views] == [movie, picture, movie, movie]
    assert [view.time for view in inputs.views] == pytest.approx([4 / RATE, None, 0.0, 9 / RATE])
    numbers = [number_of(np.asarray(Image.open(inputs.pictures[i].path))) for i in (0, 2, 3)]
    assert numbers == [4, 0, 9]
    assert inputs.pictures[1].path == picture
    assert all(inputs.pictures[i].path.parent == frames for i in (0, 2, 3))


def test_a_frame_chosen_twice_is_taken_once_and_told(movie, frames):
    inputs = gather([View(movie, time=time) for time in (0.0, 0.01, 0.1, -1.0, 0.2)], frames)
    assert [(item.view, item.name) for item in inputs.left_out] == [
        (1, "shot.mp4 at 0.000 s"),
        (3, "shot.mp4 at 0.000 s"),
    ]
    assert [view.time for view in inputs.views] == pytest.approx([0.0, 0.1, 0.2])
    assert len(inputs.pictures) == 3
    assert inputs.warnings == ("shot.mp4 shows one frame at several of the chosen times: 2 of them are left out.",)


def test_different_cameras_of_one_frame_both_stay(movie, frames):
    views = [
        View(movie, time=0.0),
        View(movie, camera(1.0), K, time=0.0),
        View(movie, camera(2.0), K, time=0.01),
        View(movie, camera(1.0), K, time=0.02),
        View(movie, time=0.1),
    ]
    inputs = gather(views, frames)
    assert [item.view for item in inputs.left_out] == [0, 3], "one without a camera says nothing beside those with one"
    assert [view.world_from_camera is None for view in inputs.views] == [False, False, True]


def test_lenses_are_those_of_square_pixels(tmp_path, frames):
    """Given for the frame as it is stored and turned upright: 48 × 64 pixels, each as high as two are wide."""
    movie = write(tmp_path / "tall.mp4", [numbered_frame(0)], sample_aspect_ratio=Fraction(2))
    turn(movie, 0, 1, -1, 0)
    lens = Distortion("DIVISION", (0.1, 0.0), (70.0, 80.0), (30.0, 25.0))
    for inputs in (gather([View(movie, image_from_camera=K, distortion=lens)], frames),):
        for view in (inputs.views[0], inputs.pictures[0]):
            np.testing.assert_allclose(view.image_from_camera, np.diag([1.0, 2.0, 1.0]) @ K)
            assert view.distortion == Distortion("DIVISION", (0.1, 0.0), (70.0, 160.0), (30.0, 50.0))
        assert Image.open(inputs.pictures[0].path).size == (48, 128)


def test_every_bad_file_of_every_kind_is_named(tmp_path, movie, picture, frames):
    (tmp_path / "empty.mov").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    views = [
        View(movie),
        View(tmp_path / "empty.mov", time=1.0),
        View(tmp_path / "text.jpg"),
        View(picture, mask=Mask(tmp_path / "gone.png")),
        View(movie, mask=Mask(tmp_path / "gone.mp4")),
    ]
    with pytest.raises(ImageError) as caught:
        gather(views, frames)
    told = str(caught.value)
    assert told.startswith("4 files cannot be read")
    for name, reason in {"empty.mov": "is empty", "gone.png": "does not exist", "gone.mp4": "does not exist"}.items():
        assert f'"{tmp_path / name}" {reason}' in told
    assert "text.jpg" in told
    assert "shot.mp4" not in told
    with pytest.raises(ImageError, match=r"One movie cannot be read.*replace it with MP4"):
        gather(views[:2], frames)


def test_a_mask_of_another_shape_is_told_with_both_sizes(tmp_path, movie, picture, frames):
    Image.new("L", (640, 484)).save(tmp_path / "close.png")
    Image.new("L", (48, 64)).save(tmp_path / "turned.png")
    gather([View(path, mask=Mask(tmp_path / "close.png")) for path in (picture, movie)], frames)
    with pytest.raises(ImageError, match=r"turned\.png.*48 × 64.*photo\.png.*64 × 48"):
        gather([View(picture, mask=Mask(tmp_path / "turned.png"))], frames)


def test_a_mask_may_count_pixels_as_the_movie_stores_them(tmp_path, frames):
    movie = write(tmp_path / "wide.mp4", [numbered_frame(0)], sample_aspect_ratio=Fraction(2))
    for size in ((64, 48), (256, 96)):
        Image.new("L", size).save(tmp_path / "mask.png")
        gather([View(movie, mask=Mask(tmp_path / "mask.png"))], frames)


def test_a_masks_movie_is_read_at_the_views_time(tmp_path, movie, frames):
    matte = write(tmp_path / "matte.mov", [numbered_frame(100 + i) for i in range(10)], codec="qtrle", pixels="rgb24")
    inputs = gather(
        [View(movie, time=5 / RATE, mask=Mask(matte)), View(movie, time=7 / RATE, mask=Mask(matte))], frames
    )
    assert [number_of(np.asarray(Image.open(view.mask.path))) for view in inputs.pictures] == [105, 107]
    assert [view.mask.path for view in inputs.views] == [matte, matte]


def test_a_movie_masks_itself_by_its_alpha(tmp_path, frames):
    clear = np.full((48, 64, 4), 200, np.uint8)
    clear[:, :32, 3] = 0
    movie = write(tmp_path / "m.mov", [clear], codec="qtrle", pixels="argb")
    (picture,) = gather([View(movie, mask=Mask(movie, "alpha"))], frames).pictures
    assert picture.mask.path == picture.path
    assert Image.open(picture.path).mode == "RGBA"


def test_what_is_no_lens_or_moment_is_told_first(movie, frames):
    with pytest.raises(CameraError, match=r"shot\.mp4 has 1 coefficients"):
        gather([View(movie, distortion=Distortion("NUKE", (0.1,), (9.0, 9.0), (1.0, 1.0)))], frames)
    with pytest.raises(ImageError, match="give a time"):
        gather([View(movie, time=float("nan"))], frames)


def test_files_that_tell_no_size_are_left_to_reading(tmp_path, picture, frames):
    (tmp_path / "text.png").write_text("no picture")
    view = View(picture, mask=Mask(tmp_path / "text.png"))
    assert gather([view], frames).pictures == (view,)
    with pytest.raises(ImageError, match=r'One picture cannot be read.*text\.png" is not a picture'):
        prepare_views([view], resolution=28)


def test_progress_counts_frames(movie, picture, frames):
    steps = []
    gather([View(movie, time=0.0), View(movie, time=0.1), View(picture)], frames, steps.append)
    assert [(step.stage, step.done, step.total) for step in steps] == [("Taking frames", 1, 2), ("Taking frames", 2, 2)]


@pytest.mark.parametrize(("aspect", "size"), [(1, (64, 48)), (2, (128, 48)), (Fraction(1, 2), (64, 96))])
def test_a_lens_counts_for_a_movies_square_pixels(tmp_path, frames, aspect, size):
    path = write(tmp_path / "shot.mp4", [numbered_frame(i) for i in range(3)], sample_aspect_ratio=Fraction(aspect))
    for unit, side in (("longer side", max(size)), ("width", size[0]), ("height", size[1])):
        lens = Lens((0.5, 0.5), (0.25, -0.125), unit)
        inputs = gather([View(path, time=0.0, lens=lens)], frames)
        expected = [[side / 2, 0, size[0] / 2 + side / 4], [0, side / 2, size[1] / 2 - side / 8], [0, 0, 1]]
        for view in (*inputs.views, *inputs.pictures):
            np.testing.assert_allclose(view.image_from_camera, expected)
            assert view.lens is None


def test_a_lens_of_another_shape_is_named(picture, frames):
    lens = Lens((1.0, 1.0), size=(200, 60), origin="the fSpy file room.fspy")
    with pytest.raises(CameraError, match=r"photo\.png has 64×48 pixels, but the fSpy file room\.fspy is for 200×60"):
        gather([View(picture, lens=lens)], frames)
    (view,) = gather([View(picture, lens=replace(lens, size=(128, 96)))], frames).views
    np.testing.assert_allclose(view.image_from_camera[:2, 2], (32, 24))


def test_a_camera_set_up_for_a_file_as_blender_shows_it_is_taken_so(tmp_path, frames):
    """Blender shows a photo that EXIF turns as it is stored: so does a camera with a render of that shape see it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=exif)
    lens = Lens((1.0, 1.0), unit="width", size=(640, 480), origin="its camera")
    (view,) = gather([View(tmp_path / "turned.jpg", world_from_camera=camera(0), lens=lens)], frames).pictures
    assert view.as_stored
    np.testing.assert_allclose(view.image_from_camera, [[64, 0, 32], [0, 64, 24], [0, 0, 1]])
    with pytest.raises(CameraError, match="another shape"):  # without a camera that stands in Blender, nothing says so
        gather([View(tmp_path / "turned.jpg", lens=lens)], frames)
    upright = replace(lens, size=(480, 640))
    (view,) = gather([View(tmp_path / "turned.jpg", world_from_camera=camera(0), lens=upright)], frames).pictures
    assert not view.as_stored
    np.testing.assert_allclose(view.image_from_camera, [[48, 0, 24], [0, 48, 32], [0, 0, 1]])


def test_a_clip_that_changes_its_size_is_named_and_its_lens_fits_every_frame(tmp_path, frames):
    """The lens is that of the first frame, as whoever gives it has seen that."""
    parts = [
        write(tmp_path / f"{part}.ts", [numbered_frame(i).repeat(part, axis=0).repeat(part, axis=1) for i in range(5)])
        for part in (2, 1)
    ]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    views = [View(tmp_path / "joined.ts", image_from_camera=K, time=(number + 0.2) / RATE) for number in (1, 7)]
    inputs = gather(views, frames)
    assert inputs.warnings == (
        "joined.ts changes the size of its frames (128 × 96 and 64 × 48): each is used at its own size.",
    )
    np.testing.assert_allclose(inputs.views[0].image_from_camera, K)
    np.testing.assert_allclose(inputs.views[1].image_from_camera, np.diag([0.5, 0.5, 1.0]) @ K)
