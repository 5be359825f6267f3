"""Grids and clouds: they lie where the depth says, face the camera, cover the picture, and tell where to cut."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.geometry import cameras as c
from image_to_scene.core.geometry import surfaces as s
from image_to_scene.core.types import ReconstructedView

K = np.array([[20.0, 0.0, 9.0], [0.0, 23.0, 6.5], [0.0, 0.0, 1.0]])


def make_view(depth, **changes):
    height, width = np.shape(depth)
    camera = np.array([[0.0, 0.0, 1.0, 4.0], [1.0, 0.0, 0.0, 5.0], [0.0, 1.0, 0.0, 6.0], [0.0, 0.0, 0.0, 1.0]])
    values = {
        "source": Path("a.png"),
        "texture": Path("a.png"),
        "source_size": (10 * width, 9 * height),
        "source_from_model": np.diag([10.0, 9.0, 1.0]),
        "image": np.arange(height * width * 3).reshape(height, width, 3).astype(np.uint8),
        "depth": np.asarray(depth, dtype=np.float32),
        "image_from_camera": K,
        "world_from_camera": camera,
    }
    return ReconstructedView(**(values | changes))


def plane_depth(shape, normal=(0.3, -0.4, 1.0), distance=5.0):
    """Depth of the plane n·x = distance as the camera K sees it."""
    u, v = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    directions = np.stack([u, v, np.ones(shape)], axis=-1) @ np.linalg.inv(K).T
    return distance / (directions @ normal)


SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 14))


@settings(max_examples=30)
@given(SHAPES, st.integers(0, 999))
def test_seen_through_its_own_camera_a_grid_is_the_picture(shape, seed):
    """Every vertex stands where its UV says, so the texture lands on itself and the border on the border."""
    view = make_view(np.random.default_rng(seed).uniform(0.5, 9.0, shape))
    surface = s.grid_surface(view)
    pixels, depth = c.project(surface.vertices.astype(float), view.image_from_camera, view.world_from_camera)
    expected = surface.uv * (1, -1) + (0, 1)
    np.testing.assert_allclose(pixels / shape[::-1], expected, atol=2e-5)
    np.testing.assert_allclose(depth, surface.measures["depth"], rtol=1e-4)
    assert set(surface.uv[:, 0]) >= {0.0, 1.0}
    assert set(surface.uv[:, 1]) >= {0.0, 1.0}
    assert (surface.measures["depth"] > 0.0).all()
    assert len(surface.quads) == (shape[0] + 1) * (shape[1] + 1)


def test_every_quad_faces_the_camera_and_none_is_missing():
    view = make_view(np.random.default_rng(0).uniform(2.0, 2.2, (7, 9)))
    surface = s.grid_surface(view)
    assert surface.vertices.shape == (9 * 11, 3)
    corners = surface.vertices[surface.quads]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = view.world_from_camera[:3, 3] - corners.mean(axis=1)
    assert (np.einsum("ij,ij->i", normals, towards) > 0.0).all()
    uv = surface.uv[surface.quads].astype(float)
    across, along = uv[:, 2] - uv[:, 0], uv[:, 3] - uv[:, 1]
    areas = 0.5 * (across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0])
    assert (areas > 0.0).all()  # counter-clockwise in the texture as well
    assert areas.sum() == pytest.approx(1.0)


def test_a_plane_stays_a_plane_out_to_the_border_and_is_never_a_jump():
    view = make_view(plane_depth((12, 16)), world_from_camera=np.eye(4))
    surface = s.grid_surface(view)
    np.testing.assert_allclose(surface.vertices @ (0.3, -0.4, 1.0), 5.0, rtol=1e-5)
    assert surface.measures["depth_jump"].max() < 1e-4


def test_a_floor_to_the_horizon_is_not_cut_although_its_ratios_are_large():
    rows = np.arange(40) + 0.6
    depth = np.repeat(10.0 / rows[:, None], 20, axis=1)
    assert (depth[0] / depth[1]).max() > 2.0
    assert s.depth_jump(depth.astype(np.float32)).max() < 1e-3


@given(st.floats(1e-3, 1e3), st.floats(1.05, 10.0), st.booleans())
def test_a_step_is_its_ratio_on_both_sides_at_any_scale(scale, ratio, upright):
    depth = np.full((9, 12), scale)
    depth[:, 6:] *= ratio
    jump = s.depth_jump((depth if upright else depth.T).astype(np.float32))
    jump = jump if upright else jump.T
    np.testing.assert_allclose(jump[:, 5:7], ratio - 1.0, rtol=1e-4, atol=1e-5)
    assert jump[:, :5].max() < 1e-5
    assert jump[:, 7:].max() < 1e-5
    corners = jump[:, :-1] > 0.5 * (ratio - 1.0)
    assert (corners & (jump[:, 1:] > 0.5 * (ratio - 1.0))).sum(axis=1).max() == 1  # one column of quads is cut


def test_a_blurred_edge_is_a_jump_all_through():
    depth = np.tile(np.concatenate([np.full(8, 1.0), np.linspace(1.0, 2.0, 6)[1:-1], np.full(8, 2.0)]), (9, 1))
    jump = s.depth_jump(depth.astype(np.float32))
    assert (jump[:, 7:13] > 0.05).all()
    assert jump[:, :6].max() < 1e-5


def test_unknown_depth_leaves_a_hole_and_no_loose_vertices():
    depth = np.full((8, 10), 3.0)
    depth[:, 7:], depth[2, 2], depth[0, 0], depth[4, 4] = np.nan, -1.0, np.inf, 0.0
    view = make_view(depth, confidence=np.full((8, 10), 2.0, np.float32), sky=np.zeros((8, 10), np.float32))
    surface = s.grid_surface(view)
    assert np.isfinite(surface.vertices).all()
    assert (surface.measures["confidence"] == 2.0).all()
    assert set(np.unique(surface.quads)) == set(range(len(surface.vertices)))
    assert surface.uv[:, 0].max() == pytest.approx(0.65)  # no ring around the hole, only around the picture
    cloud = s.point_cloud(view)
    assert len(cloud.positions) == 8 * 7 - 3
    assert (
        len(cloud.colours)
        == len(cloud.measures["confidence"])
        == len(cloud.measures["sky"])
        == len(cloud.measures["depth_jump"])
        == 8 * 7 - 3
    )


def test_a_view_without_any_depth_is_empty():
    view = make_view(np.full((4, 5), np.nan))
    assert len(s.grid_surface(view).vertices) == len(s.grid_surface(view).quads) == 0
    assert len(s.point_cloud(view).positions) == 0


def test_a_cropped_picture_keeps_its_place_in_the_source():
    crop = np.array([[10.0, 0.0, 30.0], [0.0, 9.0, 45.0], [0.0, 0.0, 1.0]])
    surface = s.grid_surface(make_view(np.ones((10, 6)), source_from_model=crop, source_size=(120, 180)))
    np.testing.assert_allclose([surface.uv.min(axis=0), surface.uv.max(axis=0)], [[0.25, 0.25], [0.75, 0.75]])


def test_points_from_rays_are_the_inner_vertices_and_the_ring_follows_them():
    rng = np.random.default_rng(1)
    plain = make_view(rng.uniform(2.0, 3.0, (6, 8)))
    offset = np.array([0.1, -0.2, 0.3], dtype=np.float32)
    points = s.view_points(plain) + offset
    moved = make_view(plain.depth, points=points)
    np.testing.assert_allclose(s.grid_surface(moved).vertices, s.grid_surface(plain).vertices + offset, atol=1e-5)
    np.testing.assert_array_equal(s.point_cloud(moved).positions, points.reshape(-1, 3))


def test_a_cloud_keeps_pixels_in_order():
    view = make_view(np.linspace(1, 2, 30).reshape(5, 6))
    cloud = s.point_cloud(view)
    np.testing.assert_array_equal(cloud.colours, view.image.reshape(-1, 3))
    np.testing.assert_array_equal(cloud.measures["depth"], view.depth.reshape(-1))
    assert set(cloud.measures) == {"depth", "depth_jump"}


def test_what_is_known_of_pixels_is_known_of_points_and_vertices():
    rng = np.random.default_rng(3)
    mask = rng.uniform(size=(6, 8)) > 0.5
    known = {"confidence": rng.uniform(1, 5, (6, 8)), "sky": rng.uniform(0, 1, (6, 8)), "mask": mask}
    rank = rng.uniform(0, 1, (6, 8))
    view = make_view(rng.uniform(2.0, 3.0, (6, 8)), **known)
    surface, cloud = s.grid_surface(view, rank), s.point_cloud(view, rank)
    for name, pixels in (known | {"confidence_rank": rank}).items():
        np.testing.assert_allclose(surface.measures[name].reshape(8, 10)[1:-1, 1:-1], pixels, rtol=1e-6)
        np.testing.assert_allclose(cloud.measures[name], pixels.reshape(-1), rtol=1e-6)
    assert set(surface.measures) == set(cloud.measures) == set(s.MEASURES)


def test_vertices_know_their_place_in_the_whole_grid():
    view = make_view(np.full((5, 7), 2.0))
    assert s.grid_surface(view).shape == (7, 9)
    np.testing.assert_array_equal(s.grid_surface(view).grid_index, np.arange(63))
    view.depth[1:4, 2:5] = np.nan
    surface = s.grid_surface(view)
    assert set(np.arange(63)) - set(surface.grid_index) == {9 * r + c for r in (2, 3, 4) for c in (3, 4, 5)}
    column = np.clip(surface.grid_index % 9 - 0.5, 0, 7)
    np.testing.assert_allclose(surface.uv[:, 0] * 7, column, atol=1e-6)
