"""The algebra of cameras: laws, not examples, and the official normalisation where it is right."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.errors import CameraError
from image_to_scene.core.geometry import cameras as c

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(16, 6000), st.integers(16, 6000))


def random_cameras(rng, count=None, spread=3.0):
    """Rigid transforms, uniformly turned."""
    shape = () if count is None else (count,)
    q, r = np.linalg.qr(rng.normal(size=(*shape, 3, 3)))
    q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    q[..., 0] *= np.linalg.det(q)[..., None]
    cameras = np.zeros((*shape, 4, 4))
    cameras[..., :3, :3], cameras[..., :3, 3], cameras[..., 3, 3] = q, rng.normal(size=(*shape, 3)) * spread, 1.0
    return cameras


def random_intrinsics(rng, size, count=None):
    """Pinhole intrinsics with fx ≠ fy and the principal point anywhere in the middle half."""
    K = np.zeros((*(() if count is None else (count,)), 3, 3))
    K[..., 0, 0], K[..., 1, 1] = max(size) * rng.uniform(0.4, 3.0, (2, *K.shape[:-2]))
    K[..., 0, 2], K[..., 1, 2] = (side * rng.uniform(0.25, 0.75, K.shape[:-2]) for side in size)
    K[..., 2, 2] = 1.0
    return K


@given(SEEDS)
def test_inverting_twice_changes_nothing_and_inverts(seed):
    m = random_cameras(np.random.default_rng(seed), 4)
    np.testing.assert_allclose(c.invert_rigid(c.invert_rigid(m)), m, atol=1e-12)
    np.testing.assert_allclose(c.invert_rigid(m), np.linalg.inv(m), atol=1e-12)


@given(SEEDS)
def test_rebasing_keeps_what_cameras_are_to_each_other(seed):
    m = random_cameras(np.random.default_rng(seed), 5)
    rebased = c.rebase(m, 2)
    assert (rebased[2] == np.eye(4)).all()
    between = c.invert_rigid(m[:, None]) @ m
    np.testing.assert_allclose(c.invert_rigid(rebased[:, None]) @ rebased, between, atol=1e-12)


@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_projection_undoes_unprojection_at_pixel_centres(seed, height, width):
    rng = np.random.default_rng(seed)
    K, camera = random_intrinsics(rng, (width, height)), random_cameras(rng)
    depth = rng.uniform(0.1, 50.0, (height, width))
    pixels, seen = c.project(c.unproject(depth, K, camera).reshape(-1, 3), K, camera)
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    np.testing.assert_allclose(pixels.reshape(height, width, 2), np.stack([u, v], -1), atol=1e-8)
    np.testing.assert_allclose(seen.reshape(height, width), depth, rtol=1e-10)


def test_a_batch_equals_a_loop():
    rng = np.random.default_rng(1)
    size, views = (7, 5), 3
    K, cameras = random_intrinsics(rng, size, views), random_cameras(rng, views)
    depth, affine = rng.uniform(1.0, 5.0, (views, 5, 7)), np.diag([3.0, 2.0, 1.0])
    points = rng.normal(size=(views, 11, 3))
    for batch, single in [
        (c.unproject(depth, K, cameras), lambda i: c.unproject(depth[i], K[i], cameras[i])),
        (c.project(points, K, cameras)[0], lambda i: c.project(points[i], K[i], cameras[i])[0]),
        (c.invert_rigid(cameras), lambda i: c.invert_rigid(cameras[i])),
        (c.blender_from_opencv(cameras), lambda i: c.blender_from_opencv(cameras[i])),
        (c.square_pixels(K, affine), lambda i: c.square_pixels(K[i], affine)),
        (c.transform_intrinsics(affine, K), lambda i: c.transform_intrinsics(affine, K[i])),
    ]:
        np.testing.assert_allclose(batch, np.stack([single(i) for i in range(views)]), rtol=1e-12)


def test_unprojection_keeps_unknown_depth_unknown_and_single_precision_single():
    depth = np.array([[1.0, np.nan]], dtype=np.float32)
    points = c.unproject(depth, np.diag([10.0, 10.0, 1.0]), np.eye(4))
    assert points.dtype == np.float32
    assert np.isfinite(points[0, 0]).all()
    assert np.isnan(points[0, 1]).all()


@given(SEEDS, SIZES, st.sampled_from([12.0, 36.0, 100.0]))
def test_a_lens_says_all_of_the_intrinsics(seed, size, sensor_width):
    K = random_intrinsics(np.random.default_rng(seed), size)
    lens = c.lens_from_intrinsics(K, size, sensor_width)
    assert min(lens.aspect_x, lens.aspect_y) >= 1.0
    np.testing.assert_allclose(c.intrinsics_from_lens(lens), K, rtol=1e-9)


@given(SIZES, st.floats(0.5, 2.0), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_every_sensor_fit_gives_intrinsics_that_a_horizontal_one_can_say(size, aspect, shift_x, shift_y):
    """AUTO equals the fit that it stands for: the longer side as rendered, measured by the sensor's width."""
    width, height = size
    fit = "HORIZONTAL" if width >= height * aspect else "VERTICAL"
    settings = {"lens": 40.0, "width": width, "height": height, "shift_x": shift_x, "shift_y": shift_y}
    settings |= {"aspect_y": aspect, "sensor_width": 30.0, "sensor_height": 30.0}
    auto = c.intrinsics_from_lens(c.CameraLens(**settings, sensor_fit="AUTO"))
    np.testing.assert_allclose(auto, c.intrinsics_from_lens(c.CameraLens(**settings, sensor_fit=fit)), rtol=1e-12)
    again = c.intrinsics_from_lens(c.lens_from_intrinsics(auto, size))
    np.testing.assert_allclose(again, auto, rtol=1e-9)


@given(SEEDS, SIZES, st.floats(0.2, 20.0), st.floats(0.2, 20.0))
def test_square_pixels_are_square_in_the_source_and_keep_their_area(seed, size, scale_x, scale_y):
    K = random_intrinsics(np.random.default_rng(seed), size)
    source_from_model = np.array([[scale_x, 0.0, 13.0], [0.0, scale_y, -4.0], [0.0, 0.0, 1.0]])
    before = c.transform_intrinsics(source_from_model, K)
    after = c.transform_intrinsics(source_from_model, c.square_pixels(K, source_from_model))
    assert after[0, 0] == pytest.approx(after[1, 1], rel=1e-12)
    assert after[0, 0] * after[1, 1] == pytest.approx(before[0, 0] * before[1, 1], rel=1e-12)
    np.testing.assert_allclose(after[:2, 2], before[:2, 2], rtol=1e-12)


@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_a_field_of_view_spans_the_longer_side(size):
    K = c.intrinsics_from_field_of_view(math.radians(90.0), size)
    corner = np.linalg.inv(K) @ (*size, 1.0)
    assert np.abs(corner[:2]).max() == pytest.approx(math.tan(math.radians(45.0)))
    assert K[0, 0] == K[1, 1]


def test_camera_axes_turn_to_blenders_and_back():
    m = random_cameras(np.random.default_rng(2), 3)
    blender = c.blender_from_opencv(m)
    np.testing.assert_array_equal(blender[..., :3, 2], -m[..., :3, 2])  # looks along −Z
    np.testing.assert_array_equal(blender[..., :3, 1], -m[..., :3, 1])  # up is +Y
    np.testing.assert_array_equal(blender[..., :3, (0, 3)], m[..., :3, (0, 3)])
    np.testing.assert_array_equal(c.blender_from_opencv(blender), m)


def test_the_first_picture_looks_along_y_with_z_up():
    first = c.BLENDER_FROM_FIRST_VIEW @ c.blender_from_opencv(np.eye(4))
    np.testing.assert_array_equal(-first[:3, 2], (0.0, 1.0, 0.0))
    np.testing.assert_array_equal(first[:3, 1], (0.0, 0.0, 1.0))
    assert np.linalg.det(c.BLENDER_FROM_FIRST_VIEW) == pytest.approx(1.0)


@pytest.mark.parametrize("views", [1, 2, 3, 9])
@given(seed=SEEDS, exponent=st.floats(-6.0, 6.0))
def test_scaling_the_given_world_leaves_tokens_alone(views, seed, exponent):
    given_cameras = random_cameras(np.random.default_rng(seed), views)
    scaled = given_cameras.copy()
    scaled[:, :3, 3] *= 10.0**exponent
    np.testing.assert_allclose(c.normalise_for_tokens(scaled), c.normalise_for_tokens(given_cameras), atol=1e-9)


@pytest.mark.parametrize("views", [2, 3, 9])
@given(seed=SEEDS)
def test_moving_the_given_world_leaves_tokens_alone(views, seed):
    rng = np.random.default_rng(seed)
    given_cameras, moved_by = random_cameras(rng, views), random_cameras(rng)
    tokens = c.normalise_for_tokens(given_cameras)
    np.testing.assert_allclose(c.normalise_for_tokens(moved_by @ given_cameras), tokens, atol=1e-9)


@pytest.mark.parametrize("views", [3, 4, 9])
@pytest.mark.parametrize("spread", [3.0, 1e-3])
def test_tokens_equal_the_official_ones_where_those_do_not_depend_on_the_unit(views, spread, official_normalisation):
    cameras = random_cameras(np.random.default_rng(views), views, spread)
    official = official_normalisation(cameras)
    if spread == 3.0:
        np.testing.assert_allclose(c.normalise_for_tokens(cameras), official, atol=1e-5)
    else:  # clamped: the official translations vanish with the unit
        assert np.abs(official[:, :3, 3]).max() < 0.2
        assert np.abs(c.normalise_for_tokens(cameras)[:, :3, 3]).max() > 0.9


def test_two_views_stand_one_unit_apart_where_the_official_ones_follow_the_unit(official_normalisation):
    cameras = random_cameras(np.random.default_rng(0), 2)
    distance = np.linalg.norm(cameras[1, :3, 3] - cameras[0, :3, 3])
    assert np.linalg.norm(c.normalise_for_tokens(cameras)[1, :3, 3]) == pytest.approx(1.0)
    assert np.linalg.norm(official_normalisation(cameras)[1, :3, 3]) == pytest.approx(distance / 0.1, rel=1e-4)


def test_views_that_share_a_place_do_not_blow_up():
    cameras = random_cameras(np.random.default_rng(3), 4)
    cameras[:, :3, 3] = (100.0, -7.0, 3.0)
    assert np.abs(c.normalise_for_tokens(cameras)[:, :3, 3]).max() < 1e-9
    cameras[3, :3, 3] += (0.0, 4.0, 0.0)  # three of four in one place: the median is 0, the distance is not
    np.testing.assert_allclose(
        np.linalg.norm(c.normalise_for_tokens(cameras)[:, :3, 3], axis=1), [0, 0, 0, 1], atol=1e-9
    )


@pytest.fixture
def official_normalisation():
    """The official `_normalize_extrinsics` as world_from_camera in and out."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the official package is only installed for Python 3.11")
    import torch
    from depth_anything_3.utils.geometry import affine_inverse

    def reference(world_from_camera):
        """Runs the official method; its module imports exporters that are not installed, so it is cut out of it."""
        import ast
        import importlib.util
        from pathlib import Path

        folder = Path(importlib.util.find_spec("depth_anything_3").submodule_search_locations[0])
        tree = ast.parse((folder / "api.py").read_text(encoding="utf-8"))
        methods = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_normalize_extrinsics"]
        scope = {"torch": torch, "affine_inverse": affine_inverse}
        exec(compile(ast.Module(methods, []), "api.py", "exec"), scope)
        extrinsics = torch.from_numpy(np.linalg.inv(world_from_camera)).float()[None]
        return np.linalg.inv(scope["_normalize_extrinsics"](None, extrinsics)[0].double().numpy())

    return reference


GOOD = np.eye(4)
BAD_CAMERAS = {
    "shape": np.eye(3),
    "not a matrix": [["a", "b"]],
    "finite": np.full((4, 4), np.nan),
    "last row": np.diag([1.0, 1.0, 1.0, 2.0]),
    "scaled": np.diag([2.0, 2.0, 2.0, 1.0]),
    "mirrored": np.diag([1.0, 1.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("sentence", BAD_CAMERAS)
def test_what_is_no_camera_is_refused_by_name(sentence):
    with pytest.raises(CameraError, match=f"^The camera of a.jpg .*{sentence}"):
        c.check_rigid(BAD_CAMERAS[sentence], "The camera of a.jpg")


@given(SEEDS)
def test_cameras_rounded_to_four_digits_are_cameras(seed):
    cameras = np.round(random_cameras(np.random.default_rng(seed), 3), 4)
    np.testing.assert_array_equal(c.check_rigid(cameras), cameras)


BAD_INTRINSICS = {
    "shape": np.eye(4),
    "finite": np.full((3, 3), np.inf),
    "last row": np.diag([1.0, 1.0, 2.0]),
    "not above zero": np.diag([100.0, -100.0, 1.0]),
    "skew": np.array([[100.0, 3.0, 50.0], [0.0, 100.0, 50.0], [0.0, 0.0, 1.0]]),
}


@pytest.mark.parametrize("sentence", BAD_INTRINSICS)
def test_what_are_no_intrinsics_is_refused_by_name(sentence):
    with pytest.raises(CameraError, match=f"^The camera of a.jpg .*{sentence}"):
        c.check_intrinsics(BAD_INTRINSICS[sentence], "The camera of a.jpg")
