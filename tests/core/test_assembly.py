"""A perfect prediction becomes the true scene, whichever way cameras, unit and world come about."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.assembly import UNKNOWN_SCALE, assemble, known_cameras, pose_tokens
from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry.cameras import intrinsics_from_field_of_view, invert_rigid, unproject
from image_to_scene.core.geometry.rays import rays_from_cameras
from image_to_scene.core.imaging.preparation import PreparedView
from image_to_scene.core.types import Prediction, Request, View, ViewPrediction

W, H = 42, 28
SOURCE_FROM_MODEL = np.diag([10.0, 12.0, 1.0])  # the source has other proportions, so fx ≠ fy in model pixels
SOURCE_SIZE = (W * 10, H * 12)
K_SOURCE = np.array([[300.0, 0.0, 200.0], [0.0, 300.0, 180.0], [0.0, 0.0, 1.0]])
K = np.linalg.inv(SOURCE_FROM_MODEL) @ K_SOURCE


def cameras(count: int, seed: int = 0) -> np.ndarray:
    """Rigid [count, 4, 4], apart from each other and all looking roughly along +Z."""
    rng = np.random.default_rng(seed)
    result = np.tile(np.eye(4), (count, 1, 1))
    for i in range(count):
        q, _ = np.linalg.qr(np.eye(3) + 0.2 * rng.normal(size=(3, 3)))
        result[i, :3, :3] = q * np.sign(np.diag(q))
        if np.linalg.det(result[i, :3, :3]) < 0:
            result[i, :3, 0] *= -1
        result[i, :3, 3] = rng.normal(size=3)
    return result


def depths(count: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(1.0, 3.0, (H, W)).astype(np.float32) for _ in range(count)]


def prepared(count: int, lens: np.ndarray | None = None, exif: np.ndarray | None = None) -> list[PreparedView]:
    pixels = np.zeros((H, W, 3), np.uint8)
    return [PreparedView(pixels, SOURCE_SIZE, SOURCE_FROM_MODEL, lens, exif, False) for _ in range(count)]


def predicted(world_from_camera: np.ndarray, depth: list[np.ndarray], **extra: object) -> Prediction:
    size = (8 * (W // 14), 8 * (H // 14))
    rays = rays_from_cameras(K, world_from_camera, size, (W, H))
    return Prediction(
        tuple(
            ViewPrediction(
                depth=depth[i],
                confidence=np.full((H, W), 2.0, np.float32),
                rays=rays[i],
                ray_confidence=np.ones(rays.shape[1:3]),
                world_from_camera=world_from_camera[i],
                image_from_camera=K,
                **extra,
            )
            for i in range(len(depth))
        )
    )


def request(count: int, world_from_camera: np.ndarray | None = None, **settings_: object) -> Request:
    views = tuple(
        View(
            Path(f"photo {i}.png"),
            None if world_from_camera is None else world_from_camera[i],
            None if world_from_camera is None else K_SOURCE,
        )
        for i in range(count)
    )
    return Request(views, **settings_)


def built(a_request: Request, prediction: Prediction, lens: np.ndarray | None = None, **options: object):
    count = len(a_request.views)
    textures = [view.path for view in a_request.views]
    return assemble(a_request, prepared(count, lens), textures, prediction, **options)


def world_points(reconstruction) -> np.ndarray:
    return np.stack(
        [
            unproject(view.depth, view.image_from_camera, view.world_from_camera)
            if view.points is None
            else view.points
            for view in reconstruction.views
        ]
    )


@pytest.mark.parametrize("point_source", ["cameras", "rays"])
@pytest.mark.parametrize("pose_source", ["camera_head", "ray_map"])
def test_first_view_is_the_world(pose_source, point_source):
    truth, depth = cameras(3), depths(3)
    result = built(request(3, pose_source=pose_source, point_source=point_source), predicted(truth, depth))
    assert result.world == "first_view"
    assert np.array_equal(result.views[0].world_from_camera, np.eye(4))
    first_from_world = invert_rigid(truth[0])
    expected = np.stack([unproject(depth[i], K, first_from_world @ truth[i]) for i in range(3)])
    np.testing.assert_allclose(world_points(result), expected, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 5),
    unit=st.floats(0.01, 100.0),
    point_source=st.sampled_from(["cameras", "rays"]),
    seed=st.integers(0, 1000),
)
def test_given_cameras_hold_and_set_the_unit(count, unit, point_source, seed):
    """The network sees the same scene in another world and unit; the result stands in the given one."""
    truth, depth = cameras(count, seed), depths(count)
    seen = np.linalg.inv(truth[0]) @ truth  # the network's world: the first view's
    seen[:, :3, 3] /= unit
    result = built(
        request(count, truth, point_source=point_source), predicted(seen, [d / np.float32(unit) for d in depth]), K
    )
    assert result.world == "given"
    assert result.facts["scale_known"]
    assert result.facts["scale"] == pytest.approx(unit, rel=1e-6)
    expected = np.stack([unproject(depth[i], K, truth[i]) for i in range(count)])
    np.testing.assert_allclose(world_points(result), expected, atol=1e-3 * max(1.0, np.abs(expected).max()))
    for view, camera in zip(result.views, truth, strict=True):
        np.testing.assert_allclose(view.world_from_camera, camera, atol=1e-12)
        assert view.intrinsics_origin == "given"


def test_a_given_camera_of_few_digits_becomes_exactly_rigid():
    truth = cameras(2)
    result = built(request(2, np.round(truth, 3)), predicted(truth, depths(2)), K)
    for view, camera in zip(result.views, truth, strict=True):
        rotation = view.world_from_camera[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(view.world_from_camera, camera, atol=2e-3)


def test_one_given_camera_tells_no_scale():
    truth = cameras(1)
    result = built(request(1, truth), predicted(np.eye(4)[None], depths(1)), K)
    assert not result.facts["scale_known"]
    assert result.facts["warnings"] == [UNKNOWN_SCALE]


def test_square_pixels_hold_in_the_source():
    uneven = np.diag([1.0, 1.2, 1.0]) @ K
    prediction = Prediction((ViewPrediction(depths(1)[0], world_from_camera=np.eye(4), image_from_camera=uneven),))
    squared = SOURCE_FROM_MODEL @ built(request(1), prediction).views[0].image_from_camera
    assert squared[0, 0] == pytest.approx(squared[1, 1])
    exact = built(request(1, square_pixels=False), prediction).views[0].image_from_camera
    assert np.array_equal(exact, uneven)


def test_intrinsics_by_rank_when_the_model_has_none():
    """A given lens before EXIF before the setting, and the result says which."""
    alone = Prediction((ViewPrediction(depths(1)[0]),))
    path = [Path("photo 0.png")]
    lens, exif = K * [[1.1], [1.1], [1.0]], K * [[0.9], [0.9], [1.0]]
    for chosen, origin, view in (
        (lens, "given", prepared(1, lens, exif)),
        (exif, "exif", prepared(1, None, exif)),
    ):
        result = assemble(request(1), view, path, alone)
        assert result.views[0].intrinsics_origin == origin
        assert np.array_equal(result.views[0].image_from_camera, chosen)
    fallback = assemble(request(1, field_of_view=0.9), prepared(1), path, alone).views[0]
    assert fallback.intrinsics_origin == "setting"
    assert fallback.world_from_camera is None
    np.testing.assert_allclose(
        SOURCE_FROM_MODEL @ fallback.image_from_camera, intrinsics_from_field_of_view(0.9, SOURCE_SIZE)
    )


def test_canonical_metric_depth_becomes_metres():
    depth = depths(1)
    result = built(request(1), Prediction((ViewPrediction(depth[0]),)), K, canonical_metric=True)
    focal = (K[0, 0] + K[1, 1]) / 2
    assert result.units == "metres"
    np.testing.assert_allclose(result.views[0].depth, depth[0] * focal / 300.0, rtol=1e-6)


def test_nested_prediction_comes_out_in_metres_with_the_sky_behind():
    truth, depth = cameras(2), depths(2)
    sky = np.zeros((H, W), np.float32)
    sky[:5] = 1.0
    focal = np.float32((K[0, 0] + K[1, 1]) / 2)
    prediction = predicted(truth, depth)
    nested = Prediction(
        tuple(
            ViewPrediction(**{**vars(view), "sky": sky, "metric_depth": 7.0 * view.depth * np.float32(300.0) / focal})
            for view in prediction.views
        )
    )
    result = built(request(2, square_pixels=False), nested)
    assert result.units == "metres"
    assert result.facts["scale"] == pytest.approx(7.0, rel=1e-5)
    for view, true_depth in zip(result.views, depth, strict=True):
        np.testing.assert_allclose(view.depth[5:], 7.0 * true_depth[5:], rtol=1e-5)
        assert view.depth[:5].min() >= np.quantile(view.depth[5:], 0.97)
        assert view.confidence[:5].max() == 1.0
    baseline = np.linalg.norm(truth[1, :3, 3] - truth[0, :3, 3])
    assert np.linalg.norm(result.views[1].world_from_camera[:3, 3]) == pytest.approx(7.0 * baseline, rel=1e-5)


def test_cameras_for_some_pictures_are_refused():
    truth = cameras(2)
    posed, bare = View(Path("a.png"), truth[0], K_SOURCE), View(Path("b.png"))
    with pytest.raises(CameraError, match="1 of 2 pictures"):
        known_cameras((posed, bare))
    with pytest.raises(CameraError, match="no intrinsics"):
        known_cameras((View(Path("a.png"), truth[0]),))


def test_intrinsics_alone_make_no_token():
    assert pose_tokens((View(Path("a.png"), None, K_SOURCE),)) is None
