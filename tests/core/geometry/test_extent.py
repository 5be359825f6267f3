"""How far geometry reaches: sizes follow the unit, clip ranges hold everything, sky counts for nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.geometry import extent as e
from image_to_scene.core.geometry.surfaces import point_cloud
from image_to_scene.core.types import ReconstructedView


def make_view(depth, centre=(4.0, 5.0, 6.0), **changes):
    height, width = np.shape(depth)
    camera = np.array([[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    camera[:3, 3] = centre
    values = {
        "source": Path("a.png"),
        "texture": Path("a.png"),
        "source_size": (width, height),
        "source_from_model": np.eye(3),
        "image": np.zeros((height, width, 3), np.uint8),
        "depth": np.asarray(depth, dtype=np.float32),
        "image_from_camera": np.array([[20.0, 0.0, 9.0], [0.0, 23.0, 6.5], [0.0, 0.0, 1.0]]),
        "world_from_camera": camera,
    }
    return ReconstructedView(**(values | changes))


def test_a_view_without_any_depth_has_harmless_sizes():
    nothing = [e.extent(make_view(np.full((4, 5), np.nan)))]
    near, far = e.clip_range(nothing)
    assert 0.0 < near < far
    assert e.scene_size(nothing) > 0.0
    assert e.point_radius(nothing) > 0.0
    assert nothing[0].known == 0


@given(st.floats(1e-3, 1e3))
def test_sizes_follow_the_unit_and_the_clip_range_holds_everything(unit):
    chance = np.random.default_rng(2)
    centres, depths = chance.normal(size=(3, 3)) * 2, chance.uniform(1.0, 9.0, (3, 6, 8))

    def views(scale):
        return [make_view(depths[i] * scale, scale * centres[i]) for i in range(3)]

    one, many = [[e.extent(view) for view in views(scale)] for scale in (1.0, unit)]
    for measure in (e.scene_size, e.point_radius, lambda x: e.clip_range(x)[0], lambda x: e.clip_range(x)[1]):
        assert measure(many) == pytest.approx(unit * measure(one), rel=1e-3)
    near, far = e.clip_range(one)
    points = np.concatenate([point_cloud(view).positions for view in views(1.0)])
    for view in views(1.0):
        assert near < view.depth.min()
        assert far > np.linalg.norm(points - view.world_from_camera[:3, 3], axis=1).max()


def test_sky_does_not_size_the_scene():
    depth = np.full((20, 20), 2.0)
    depth[:10] = 500.0
    with_sky = [e.extent(make_view(depth, sky=(depth > 100.0).astype(np.float32)))]
    assert e.scene_size(with_sky) < 10.0
    assert e.point_radius(with_sky) < 0.2


def test_what_is_no_depth_is_not_counted():
    depth = np.full((4, 5), 3.0)
    depth[0, :4] = np.nan, np.inf, 0.0, -1.0
    assert e.extent(make_view(depth)).known == 16
    assert e.extent(make_view(depth)).nearest == 3.0
