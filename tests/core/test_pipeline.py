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
from image_to_scene.core.storage import load, save
from image_to_scene.core.types import Distortion, Mask, Request, View
from image_to_scene.core.worker.protocol import request_from_json, request_to_json

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
    assert result.facts["dropped_views"] == [2]
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
