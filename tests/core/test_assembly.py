"""A perfect prediction becomes the true scene, whichever way cameras, unit and world come about."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.assembly import (
    UNKNOWN_SCALE,
    WRONG_CAMERA,
    assemble,
    known_cameras,
    pose_tokens,
)
from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry.cameras import intrinsics_from_field_of_view, invert_rigid, unproject
from image_to_scene.core.geometry.rays import rays_from_cameras
from image_to_scene.core.imaging.preparation import PreparedView
from image_to_scene.core.measured import ANGLES, CONTRADICTED, UNSURE_UP
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


def partly(a_request: Request, *unknown: int) -> Request:
    """The same request with some cameras not known."""
    views = [View(view.path) if i in unknown else view for i, view in enumerate(a_request.views)]
    return Request(**{**vars(a_request), "views": tuple(views)})


def in_network_world(truth: np.ndarray, unit: float) -> np.ndarray:
    """The cameras as a network says them: from the first one's place, in a unit of its own."""
    seen = np.linalg.inv(truth[0]) @ truth
    seen[:, :3, 3] /= unit
    return seen


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


def test_intrinsics_alone_make_no_token():
    assert pose_tokens((View(Path("a.png"), None, K_SOURCE),)) is None


def test_tokens_need_every_place_and_every_lens():
    truth = cameras(2)
    whole, bare = View(Path("a.png"), truth[0], K_SOURCE), View(Path("b.png"))
    no_lens = View(Path("c.png"), truth[1])
    assert known_cameras((whole, no_lens))
    assert not known_cameras((whole, bare))
    assert not known_cameras(())
    assert pose_tokens((whole, bare)) is None
    assert pose_tokens((whole, no_lens)) is None
    assert len(pose_tokens((whole, View(Path("c.png"), truth[1], K_SOURCE)))) == 2
    with pytest.raises(CameraError, match="mirrored"):
        known_cameras((bare, View(Path("c.png"), np.diag([-1.0, 1.0, 1.0, 1.0]))))


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(3, 6),
    unit=st.floats(0.01, 100.0),
    point_source=st.sampled_from(["cameras", "rays"]),
    seed=st.integers(0, 1000),
)
def test_unknown_cameras_find_their_place_among_known_ones(count, unit, point_source, seed):
    truth, depth = cameras(count, seed), depths(count)
    a_request = partly(request(count, truth, point_source=point_source), 0, count - 1)
    if count == 3:  # one known camera fixes no scale
        unit = 1.0
    result = built(a_request, predicted(in_network_world(truth, unit), [d / np.float32(unit) for d in depth]), None)
    assert result.world == "given"
    assert result.facts["scale_known"] == (count > 3)
    for view, camera in zip(result.views, truth, strict=True):
        np.testing.assert_allclose(view.world_from_camera, camera, atol=1e-6)
    expected = np.stack([unproject(depth[i], K, truth[i]) for i in range(count)])
    np.testing.assert_allclose(world_points(result), expected, atol=1e-3 * max(1.0, np.abs(expected).max()))
    told = result.facts["cameras"]
    assert [item["view"] for item in told] == (list(range(1, count - 1)) if count > 3 else [])
    assert all(item["distance"] < 1e-5 and item["pixels"] < 0.05 and item["degrees"] < 0.01 for item in told)


def test_one_known_camera_among_others_holds_and_its_centre_is_the_pivot():
    truth, depth = cameras(3), depths(3)
    result = built(partly(request(3, truth), 0, 2), predicted(in_network_world(truth, 4.0), depth))
    np.testing.assert_allclose(result.views[1].world_from_camera, truth[1], atol=1e-12)
    np.testing.assert_allclose(result.facts["pivot"], truth[1, :3, 3])
    assert result.facts["cameras"] == []
    assert result.facts["warnings"] == [UNKNOWN_SCALE]
    for view, camera in zip(result.views, truth, strict=True):  # turned right, a quarter of the way off
        np.testing.assert_allclose(view.world_from_camera[:3, :3], camera[:3, :3], atol=1e-9)
        step = view.world_from_camera[:3, 3] - truth[1, :3, 3]
        np.testing.assert_allclose(4.0 * step, camera[:3, 3] - truth[1, :3, 3], atol=1e-9)


def test_a_wrong_camera_stands_where_it_was_given_and_is_named():
    truth, depth = cameras(5), depths(5)
    told = truth.copy()
    told[3, :3, 3] += (0.0, 2.0, 0.0)
    a_request = partly(request(5, told), 4)
    result = built(a_request, predicted(in_network_world(truth, 3.0), [d / np.float32(3.0) for d in depth]))
    np.testing.assert_allclose(result.views[3].world_from_camera, told[3], atol=1e-12)
    np.testing.assert_allclose(result.views[4].world_from_camera, truth[4], atol=1e-6)
    assert [item["agrees"] for item in result.facts["cameras"]] == [True, True, True, False]
    wrong = result.facts["cameras"][3]
    assert wrong["name"] == "photo 3"
    assert wrong["distance"] == pytest.approx(2.0, rel=1e-6)
    assert wrong["degrees"] == pytest.approx(0.0, abs=1e-5)
    assert 100.0 < wrong["pixels"] < 540.0  # about 300 px focal length · 2 / depth of 1 to 3
    assert result.facts["warnings"] == [WRONG_CAMERA.format("photo 3")]


def test_cameras_known_to_a_model_that_has_none_stay():
    truth = cameras(2)
    alone = Prediction(tuple(ViewPrediction(depth) for depth in depths(2)))
    result = built(request(2, truth), alone, K)
    for view, camera in zip(result.views, truth, strict=True):
        np.testing.assert_allclose(view.world_from_camera, camera, atol=1e-12)
    assert result.facts["cameras"] == []
    assert result.facts["warnings"] == [UNKNOWN_SCALE]


def test_a_known_lens_turns_the_rays_and_leaves_depth_and_cameras():
    truth, depth = cameras(2), depths(2)
    longer = np.diag([1.25, 1.25, 1.0]) @ K + np.array([[0, 0, -0.25 * K[0, 2]], [0, 0, -0.25 * K[1, 2]], [0, 0, 0]])
    own = built(request(2, square_pixels=False), predicted(truth, depth))
    for keywords, origin in (({"lens": longer}, "given"), ({"exif": longer}, "exif")):
        views = prepared(2, **keywords)
        result = assemble(request(2), views, [Path("a")] * 2, predicted(truth, depth))
        for view, same in zip(result.views, own.views, strict=True):
            assert view.intrinsics_origin == origin
            np.testing.assert_array_equal(view.depth, same.depth)
            np.testing.assert_allclose(view.world_from_camera, same.world_from_camera, atol=1e-12)
            across = unproject(view.depth, view.image_from_camera, np.eye(4))[..., :2]
            whole = unproject(same.depth, same.image_from_camera, np.eye(4))[..., :2]
            np.testing.assert_allclose(across, whole / 1.25, atol=1e-5)  # narrower by the ratio of focal lengths


@pytest.mark.parametrize("ratio", [1.2, 0.5, 0.13, 4.0, 7.5])
def test_a_measured_lens_is_used_whatever_the_network_sees(ratio):
    """A photo of a 112 mm lens came out at 61° instead of 18°; a strong contradiction is told with both angles."""
    exif = np.diag([ratio, ratio, 1.0]) @ K
    prediction, path = predicted(cameras(1), depths(1)), [Path("photo 0.png")]
    result = assemble(request(1), prepared(1, None, exif), path, prediction)
    assert result.views[0].intrinsics_origin == "exif"
    np.testing.assert_allclose(result.views[0].image_from_camera, exif)
    angles = [2 * np.degrees(np.arctan(W / (k[0, 0] + k[1, 1]))) for k in (exif, K)]
    sentence = CONTRADICTED.format(ANGLES.format("photo 0.png", *angles))
    assert result.facts["warnings"] == ([] if ratio == 1.2 else [sentence])
    ignored = assemble(request(1, exif_lens=False), prepared(1, None, exif), path, prediction)
    assert (ignored.views[0].intrinsics_origin, ignored.facts["warnings"]) == ("model", [])


def test_many_contradictions_are_one_sentence():
    views = [
        replace(view, exif_image_from_camera=np.diag([r, r, 1.0]) @ K)
        for view, r in zip(prepared(5), range(3, 8), strict=True)
    ]
    result = assemble(request(5), views, [Path("a")] * 5, predicted(cameras(5), depths(5)))
    (sentence,) = result.facts["warnings"]
    assert "photo 2.png has 17° (the network sees 75°) and 2 more." in sentence
    assert "--ignore-exif" in sentence and "Lens from EXIF" in sentence


def test_notes_of_the_metadata_are_told_once_and_not_of_a_given_lens():
    def warnings(lens, **values):
        views = [replace(view, lens_notes=("Lens of {}.",), notes=("Odd {}.",)) for view in prepared(2, lens)]
        return assemble(request(2, **values), views, [Path("a")] * 2, predicted(cameras(2), depths(2))).facts[
            "warnings"
        ]

    names = "photo 0.png, photo 1.png"
    assert warnings(None) == [f"Lens of {names}.", f"Odd {names}."]
    assert warnings(None, exif_lens=False) == warnings(K) == [f"Odd {names}."]


def test_a_measured_up_arrives_in_the_world_and_views_that_contradict_it_are_told():
    """Three nadir cameras: the mean of their own ups would be anything, that of gravity is up."""
    truth, up = cameras(3), np.array([0.1, -0.2, -0.97])
    up /= np.linalg.norm(up)
    views = [
        replace(view, up=camera[:3, :3].T @ truth[0, :3, :3] @ up)
        for view, camera in zip(prepared(3), truth, strict=True)
    ]
    views[1] = replace(views[1], up=None)
    prediction = predicted(truth, depths(3))
    result = assemble(request(3), views, [Path("a")] * 3, prediction)
    np.testing.assert_allclose(result.facts["up"], up, atol=1e-9)
    assert "up" not in assemble(request(3), prepared(3), [Path("a")] * 3, prediction).facts
    views[2] = replace(views[2], up=-views[2].up)
    result = assemble(request(3), views, [Path("a")] * 3, prediction)
    assert "up" not in result.facts and result.facts["warnings"] == [UNSURE_UP]


def test_a_known_lens_makes_the_metres_of_a_nested_model():
    """Twice the focal length: what the metric network sees is twice as far, and so are all things and cameras."""
    truth, depth = cameras(2), depths(2)
    nested = Prediction(
        tuple(
            ViewPrediction(**{**vars(v), "sky": np.zeros((H, W), np.float32), "metric_depth": v.depth})
            for v in predicted(truth, depth).views
        )
    )
    own = built(request(2, square_pixels=False), nested)
    longer = built(request(2), nested, np.diag([2.0, 2.0, 1.0]) @ K)
    assert longer.facts["scale"] == pytest.approx(2.0 * own.facts["scale"])


def test_masks_and_moments_come_along_and_masked_pixels_tell_no_scale():
    truth, depth = cameras(2), depths(2)
    mask = np.zeros((H, W), bool)
    mask[:, :20] = True
    spoilt = [np.where(mask, np.float32(500.0), d) for d in depth]
    nested = Prediction(
        tuple(
            ViewPrediction(**{**vars(v), "depth": s, "sky": np.zeros((H, W), np.float32), "metric_depth": v.depth})
            for v, s in zip(predicted(truth, depth).views, spoilt, strict=True)
        )
    )
    views = [replace(view, mask=mask) for view in prepared(2)]
    moments = Request(tuple(View(Path("clip.mp4"), time=0.5 * i) for i in range(2)), square_pixels=False)
    result = assemble(moments, views, [Path("a.png"), Path("b.png")], nested)
    assert result.facts["scale"] == pytest.approx((K[0, 0] + K[1, 1]) / 2 / 300.0, rel=1e-5)
    for i, view in enumerate(result.views):
        assert np.array_equal(view.mask, mask)
        assert view.time == 0.5 * i


def test_masked_pixels_do_not_count_in_residuals():
    truth, depth = cameras(4), depths(4)
    mask = np.zeros((H, W), bool)
    mask[:, : W - 4] = True
    told = truth.copy()
    told[3, :3, 3] += (0.1, 0.0, 0.0)
    near = [np.where(mask, np.float32(0.01), d) for d in depth]  # parallax is largest where nobody shall look
    views = [replace(view, mask=mask) for view in prepared(4)]
    paths = [Path("a.png")] * 4
    result = assemble(request(4, told), views, paths, predicted(truth, near))
    assert result.facts["cameras"][3]["pixels"] < 60.0
    unmasked = assemble(request(4, told), prepared(4), paths, predicted(truth, near))
    assert unmasked.facts["cameras"][3]["pixels"] > 300.0
