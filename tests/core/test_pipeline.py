"""From files to a saved reconstruction through real networks with random weights."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_to_scene.core.errors import CancelledError, ImageError, OutOfMemoryError, WeightsError
from image_to_scene.core.geometry.cameras import invert_rigid
from image_to_scene.core.outside import Chosen
from image_to_scene.core.pipeline import Session, reconstruct
from image_to_scene.core.request_json import request_from_json, request_to_json
from image_to_scene.core.storage import load, save
from image_to_scene.core.types import Distortion, Mask, Request, View

pytest.importorskip("torch", reason="the network needs torch, which Blender's own Python does not have")
sys.path.insert(0, str(Path(__file__).parents[1]))

import write_movie
import write_tiny_checkpoint

K_SOURCE = np.array([[200.0, 0.0, 100.0], [0.0, 200.0, 70.0], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def joint(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("joint")
    write_tiny_checkpoint.write(folder, "any_view")
    return str(folder)


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("single")
    write_tiny_checkpoint.write(folder, "mono")
    return str(folder)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    """Smooth random pictures: two landscapes, one portrait that EXIF turns, and one that is a portrait by itself."""
    folder, rng = tmp_path_factory.mktemp("bilder mit ö"), np.random.default_rng(0)
    paths = []
    for name, size in (("a b", (200, 140)), ("c", (200, 140)), ("turned", (200, 140)), ("portrait", (140, 200))):
        small = Image.fromarray(rng.integers(0, 255, (7, 10, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if name == "turned" else 1
        paths.append(folder / f"{name}.jpg")
        small.resize(size, Image.Resampling.BICUBIC).save(paths[-1], exif=exif, quality=95)
    return paths


def views(paths: list[Path], **known: np.ndarray) -> tuple[View, ...]:
    return tuple(View(path, **{name: values[i] for name, values in known.items()}) for i, path in enumerate(paths))


def test_sets_of_mixed_shapes_run_whole(joint, pictures):
    (result,) = reconstruct(Request(views(pictures), model=joint))
    assert [view.depth.shape for view in result.views] == [(84, 126), (84, 126), (126, 84), (126, 84)]
    assert [view.source_size for view in result.views] == [(200, 140), (200, 140), (140, 200), (140, 200)]
    assert [view.texture == view.source for view in result.views] == [True, True, False, True]
    assert np.array_equal(result.views[0].world_from_camera, np.eye(4))
    for view in result.views:
        source = view.source_from_model @ view.image_from_camera
        assert source[0, 0] == pytest.approx(source[1, 1])
        assert np.isfinite(view.depth).all()


def test_cropping_gives_all_views_one_shape(joint, pictures):
    (result,) = reconstruct(Request(views(pictures), model=joint, mixed_sizes="crop"))
    assert {view.depth.shape for view in result.views} == {(84, 84)}


def test_saving_and_loading_keeps_everything(joint, pictures, tmp_path):
    session = Session()
    (result,) = session.reconstruct(Request(views(pictures), model=joint, point_source="rays"), lambda step: None)
    save(result, tmp_path / "saved")
    del session  # and with it the upright copy that the saved one must not need
    loaded = load(tmp_path / "saved", Chosen(outside=True))
    for before, after in zip(result.views, loaded.views, strict=True):
        for name in ("depth", "confidence", "points", "image", "world_from_camera", "image_from_camera"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert after.texture.is_file()
    assert (loaded.world, loaded.units, loaded.settings) == (result.world, result.units, result.settings)


def test_given_cameras_become_tokens_whatever_their_world(joint, pictures):
    """Moving, turning and scaling the given world moves, turns and scales the result, and nothing else."""
    rng = np.random.default_rng(3)
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = rng.normal(size=(3, 3))
    moved_from_given = np.eye(4)
    moved_from_given[:3, :3], _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved_from_given[:3, :3] *= np.sign(np.linalg.det(moved_from_given[:3, :3]))
    moved_from_given[:3, 3] = 5.0
    other = moved_from_given @ poses
    other[:, :3, 3] *= 40.0
    lenses = np.tile(K_SOURCE, (3, 1, 1))
    three = [pictures[0], pictures[1], pictures[0]]
    results = [
        reconstruct(Request(views(three, world_from_camera=given, image_from_camera=lenses), model=joint))[0]
        for given in (poses, other)
    ]
    assert [result.world for result in results] == ["given", "given"]
    for first, second, camera in zip(results[0].views, results[1].views, other, strict=True):
        np.testing.assert_allclose(second.depth, 40.0 * first.depth, rtol=2e-4)
        np.testing.assert_allclose(second.world_from_camera, camera, atol=1e-9)
    free = reconstruct(Request(views(three), model=joint))[0]
    assert not np.allclose(free.views[1].depth, results[0].views[1].depth, rtol=1e-2), "tokens change the prediction"


def test_pictures_a_model_cannot_relate_are_reconstructions_of_their_own(single, pictures):
    results = reconstruct(Request(views(pictures[:2]), model=single))
    assert [len(result.views) for result in results] == [1, 1]
    view = results[0].views[0]
    assert (view.world_from_camera, view.confidence, view.intrinsics_origin) == (None, None, "setting")
    assert view.sky is not None
    assert results[0].facts["licence"] == "unknown"


def test_mono_pictures_with_given_cameras_stand_in_one_world(single, pictures):
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 1.0
    known = {"world_from_camera": poses, "image_from_camera": np.tile(K_SOURCE, (2, 1, 1))}
    (result,) = reconstruct(Request(views(pictures[:2], **known), model=single))
    assert result.world == "given"
    assert not result.facts["scale_known"]
    assert result.facts["warnings"]


def test_ray_cameras_are_rigid_and_rebased(joint, pictures):
    (result,) = reconstruct(Request(views(pictures[:2]), model=joint, pose_source="ray_map"))
    assert np.array_equal(result.views[0].world_from_camera, np.eye(4))
    second = result.views[1].world_from_camera
    np.testing.assert_allclose(invert_rigid(second) @ second, np.eye(4), atol=1e-6)


def test_a_resolution_never_checked_is_told(joint, pictures):
    (result,) = reconstruct(Request(views(pictures[:1]), model=joint, resolution=168))
    assert "checked at 70 to 126 pixels: at 168" in result.facts["warnings"][0]
    (result,) = reconstruct(Request(views(pictures[:1]), model=joint))
    assert not result.facts["warnings"]


def test_bad_pictures_are_named_together_before_the_model_is_loaded(joint, pictures, tmp_path):
    steps, broken = [], [tmp_path / "one.png", tmp_path / "two.png"]
    for path in broken:
        path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"2 pictures.*one\.png.*empty.*two\.png.*empty"):
        reconstruct(Request(views([pictures[0], *broken]), model=joint), steps.append)
    assert not [step for step in steps if step.stage in ("Loading model", "Predicting")]


def test_a_missing_model_is_told_before_any_picture_is_read(pictures):
    steps = []
    with pytest.raises(WeightsError, match="No weights for 'no such model'"):
        reconstruct(Request(views(pictures), model="no such model"), steps.append)
    assert not steps


def test_pictures_are_read_once(joint, single, pictures):
    """Whether in one run or each in its own."""
    for model in (joint, single):
        steps = []
        reconstruct(Request(views(pictures[:3]), model=model), steps.append)
        reading = [(step.done, step.total) for step in steps if step.stage == "Reading pictures"]
        assert reading == [(1, 3), (2, 3), (3, 3)]
        assert not [step for step in steps if step.stage == "Checking pictures"]


def test_frames_masks_and_lenses_reach_the_saved_reconstruction(joint, pictures, tmp_path):
    """One request with all of them, as the worker gets it, through the network and the disk."""
    pytest.importorskip("av", reason="movies are opened with PyAV")
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (7, 10, 3), np.uint8).repeat(20, axis=0).repeat(20, axis=1) for _ in range(4)]
    movie = write_movie.write(tmp_path / "clip.mkv", frames, codec="ffv1", pixels="bgr0")
    half = np.zeros((140, 200), np.uint8)
    half[:, :100] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    lens = Distortion("POLYNOMIAL", (-0.2, 0.0, 0.0), (200.0, 200.0), (100.0, 70.0))
    asked = Request(
        (
            View(pictures[0], mask=Mask(tmp_path / "mask.png")),
            View(movie, time=0.05),
            View(movie, time=0.06),
            View(movie, time=0.11, distortion=lens, mask=Mask(tmp_path / "mask.png", inverted=True)),
        ),
        model=joint,
    )
    session = Session()
    (result,) = session.reconstruct(request_from_json(request_to_json(asked)), lambda step: None)
    assert [(item["name"], item["view"]) for item in result.facts["left_out"]] == [("clip.mkv at 0.033 s", 2)]
    assert "clip.mkv shows one frame at several" in result.facts["warnings"][0]
    save(result, tmp_path / "saved")
    del session, result
    photo, frame, straight = load(tmp_path / "saved").views
    assert [view.name for view in (photo, frame, straight)] == ["a b", "clip 0.033s", "clip 0.100s"]
    assert [view.source for view in (photo, frame, straight)] == [pictures[0], movie, movie]
    np.testing.assert_array_equal(np.asarray(Image.open(frame.texture)), frames[1])
    assert np.asarray(Image.open(straight.texture)).shape == (140, 200, 3)
    assert not np.array_equal(np.asarray(Image.open(straight.texture)), frames[3])
    assert (photo.mask == (np.arange(126) >= 63)).all()
    assert not frame.mask.any()
    assert straight.mask[:, :60].all()
    assert not straight.mask[:, 70:].any()


def test_a_sessions_copies_go_with_its_next_run(joint, pictures, tmp_path):
    session = Session()
    (first,) = session.reconstruct(Request(views(pictures[2:3]), model=joint), lambda step: None)
    assert first.views[0].texture.is_file()
    session.reconstruct(Request(views(pictures[:1]), model=joint), lambda step: None)
    assert not first.views[0].texture.exists()


def test_progress_counts_up_and_may_end_the_run(joint, pictures):
    steps = []
    reconstruct(Request(views(pictures[:2]), model=joint), steps.append)
    predicting = [step for step in steps if step.stage == "Predicting"]
    done = [step.done for step in predicting]
    assert done == sorted(set(done))
    assert done[-1] == predicting[0].total

    def cancel(step):
        if step.stage == "Predicting" and step.done == 2:
            raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        reconstruct(Request(views(pictures[:2]), model=joint), cancel)


def test_a_model_that_cannot_be_loaded_is_not_kept(joint, pictures, monkeypatch):
    def fail(model):
        raise OutOfMemoryError("Too large.")

    session = Session()
    with monkeypatch.context() as patched, pytest.raises(OutOfMemoryError):
        patched.setattr("image_to_scene.core.model.prediction.Model.load", fail)
        session.reconstruct(Request(views(pictures[:1]), model=joint), lambda step: None)
    assert session._loaded is None
    session.reconstruct(Request(views(pictures[:1]), model=joint), lambda step: None)


def test_the_model_stays_between_runs(joint, pictures):
    session = Session()
    session.reconstruct(Request(views(pictures[:1]), model=joint), lambda step: None)
    first = session._loaded[1]
    session.reconstruct(Request(views(pictures[:2]), model=joint), lambda step: None)
    assert session._loaded[1] is first


# --- what shows nothing, and what is no part of the place -------------------------------------------------------------


@pytest.fixture
def fading(tmp_path) -> Path:
    """A clip that fades in from black: three black frames, five with a pattern that moves, a white flash."""
    pytest.importorskip("av", reason="movies are opened with PyAV")
    small = Image.fromarray(np.random.default_rng(0).integers(0, 255, (7, 10, 3), dtype=np.uint8))
    pattern = np.asarray(small.resize((200, 140), Image.Resampling.BICUBIC))
    black = np.zeros_like(pattern)
    frames = [black] * 3 + [np.roll(pattern, 6 * i, axis=1) for i in range(5)] + [black + 255]
    return write_movie.write(tmp_path / "fading.mp4", frames)


def of_clip(movie: Path, numbers, **known) -> tuple[View, ...]:
    return tuple(View(movie, time=(number + 0.2) / write_movie.RATE, **known) for number in numbers)


def test_frames_of_one_colour_become_no_views(joint, fading):
    """Not even the first one, whose camera the world is tied to; one sentence for all of them."""
    (result,) = reconstruct(Request(of_clip(fading, range(9)), model=joint, reference_view="first"))
    assert [round(view.time * write_movie.RATE) for view in result.views] == [3, 4, 5, 6, 7]
    assert np.array_equal(result.views[0].world_from_camera, np.eye(4))
    assert [item["view"] for item in result.facts["left_out"]] == [0, 1, 2, 8]
    assert result.facts["left_out"][1]["name"] == "fading.mp4 at 0.033 s"
    assert "single colour" in result.facts["left_out"][1]["reason"]
    (warning,) = [text for text in result.facts["warnings"] if "single colour" in text]
    assert warning.startswith("fading.mp4 shows a single colour")
    assert "at 4 of the chosen times, which are left out: 0.000, 0.033, 0.067 and 0.267 s" in warning


def test_a_photo_of_a_lens_cap_is_left_out_by_name(joint, pictures, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 5, (140, 200, 3), dtype=np.uint8)).save(tmp_path / "cap.png")
    (result,) = reconstruct(Request(views([tmp_path / "cap.png", *pictures[:2]]), model=joint))
    assert [view.source for view in result.views] == pictures[:2]
    assert [(item["name"], item["view"]) for item in result.facts["left_out"]] == [("cap.png", 0)]
    assert result.facts["warnings"][0].startswith("cap.png shows a single colour")


def test_a_known_camera_saves_no_black_frame(joint, single, fading):
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = range(4)
    asked = tuple(
        View(fading, world_from_camera=pose, image_from_camera=K_SOURCE, time=(number + 0.2) / write_movie.RATE)
        for pose, number in zip(poses, (0, 3, 5, 7), strict=True)
    )
    for model in (joint, single):
        (result,) = reconstruct(Request(asked, model=model))
        assert [view.world_from_camera[0, 3] for view in result.views] == [1.0, 2.0, 3.0]
        assert [item["view"] for item in result.facts["left_out"]] == [0]


def test_pictures_that_are_not_related_lose_only_the_black_one(single, pictures, tmp_path):
    Image.new("RGB", (200, 140)).save(tmp_path / "black.png")
    results = reconstruct(Request(views([pictures[0], tmp_path / "black.png", pictures[1]]), model=single))
    assert [result.views[0].source for result in results] == pictures[:2]
    assert all(result.facts["left_out"][0]["view"] == 1 for result in results)


def test_repeated_and_uniform_frames_are_counted_by_the_request(joint, fading):
    (result,) = reconstruct(Request(of_clip(fading, (0, 3, 3, 1, 4)), model=joint))
    assert [item["view"] for item in result.facts["left_out"]] == [0, 2, 3]


def test_nothing_but_one_colour_is_an_error_that_says_so(joint, fading, tmp_path):
    with pytest.raises(ImageError, match=r"^fading\.mp4 shows nothing but a single colour at all chosen times.*choose"):
        reconstruct(Request(of_clip(fading, (0, 1, 8)), model=joint))
    for name in ("a.png", "b.png"):
        Image.new("RGB", (200, 140), (0, 200, 60)).save(tmp_path / name)
    with pytest.raises(ImageError, match=r"^a\.png and b\.png show nothing but a single colour \("):
        reconstruct(Request(views([tmp_path / "a.png", tmp_path / "b.png"]), model=joint))


def test_a_damaged_frame_is_left_out_by_name(joint, tmp_path):
    pytest.importorskip("av", reason="movies are opened with PyAV")
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (7, 10, 3), np.uint8).repeat(20, axis=0).repeat(20, axis=1) for _ in range(6)]
    movie = write_movie.write(tmp_path / "clip.mov", frames, codec="mjpeg", pixels="yuvj420p")
    write_movie.damage(movie, 3)
    (result,) = reconstruct(Request(of_clip(movie, range(6)), model=joint))
    assert [(item["name"], item["view"]) for item in result.facts["left_out"]] == [("clip.mov at 0.107 s", 3)]
    assert "clip.mov is damaged at 0.107 s" in result.facts["warnings"][0]
    with pytest.raises(ImageError, match=r"clip\.mov is damaged at 0\.107 s.*choose other times"):
        reconstruct(Request(of_clip(movie, [3]), model=joint))


def test_no_geometry_comes_of_burnt_in_bars(joint, pictures, tmp_path):
    """Cameras keep the whole frame, and the sentence is said once."""
    barred = []
    for path in pictures[:2]:
        pixels = np.zeros((200, 200, 3), np.uint8)
        pixels[30:170] = np.asarray(Image.open(path))
        barred.append(tmp_path / f"{path.stem}.png")
        Image.fromarray(pixels).save(barred[-1])
    (result,) = reconstruct(Request(views(barred), model=joint))
    (plain,) = reconstruct(Request(views(pictures[:2]), model=joint))
    for view, free in zip(result.views, plain.views, strict=True):
        np.testing.assert_array_equal(view.image, free.image)
        np.testing.assert_array_equal(view.depth, free.depth)
        assert view.source_size == (200, 200)
        moved = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 30.0], [0.0, 0.0, 1.0]])
        np.testing.assert_allclose(view.source_from_model, moved @ free.source_from_model, atol=1e-9)
    assert result.facts["warnings"] == [
        "a b.png and c.png: bars of 30 px above and below are masked; their cameras keep the whole frame."
    ]


def test_combed_images_of_a_clip_are_named(joint, pictures, tmp_path):
    """Frames of an interlaced movie that another program wrote as whole images, as Blender does with backgrounds."""
    asked = []
    for number in range(3):
        first = np.asarray(Image.open(pictures[number % 2]).resize((200, 140)))
        name = tmp_path / f"shot.{number:04}.png"
        Image.fromarray(write_movie.woven(first, np.roll(first, 9, axis=1), top_first=True)).save(name)
        asked.append(View(name, time=number / 25))
    (result,) = reconstruct(Request(tuple(asked), model=joint))
    (warning,) = [text for text in result.facts["warnings"] if "interlacing" in text]
    assert warning.startswith("shot.0000.png, shot.0001.png and shot.0002.png: two moments")
    clip = [View(path, time=0.1 * place) for place, path in enumerate(pictures[:2])]
    assert not reconstruct(Request(tuple(clip), model=joint))[0].facts["warnings"]
