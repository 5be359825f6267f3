"""Scale and sky against what they were made from, and against the official network's own post-processing."""

import sys

import numpy as np
import pytest

from image_to_scene.core.geometry import alignment as a


def test_canonical_depth_is_metres_at_three_hundred_pixels():
    depth = np.linspace(1, 2, 4, dtype=np.float32).reshape(2, 2)
    np.testing.assert_array_equal(a.metric_depth_from_canonical(depth, 300.0), depth)
    assert a.metric_depth_from_canonical(depth, 450.0).dtype == np.float32
    np.testing.assert_allclose(a.metric_depth_from_canonical(depth, 450.0), depth * 1.5)


def nested_views(rng, views=2, shape=(40, 30), scale=3.5):
    depth = rng.uniform(1.0, 20.0, (views, *shape)).astype(np.float32)
    metres = (scale * depth * rng.normal(1.0, 0.1, depth.shape)).astype(np.float32)
    confidence = rng.uniform(1.0, 4.0, depth.shape).astype(np.float32)
    sky = (rng.random(depth.shape) < 0.25).astype(np.float32) * rng.uniform(0.2, 1.0, depth.shape).astype(np.float32)
    return depth, confidence, metres, sky


def test_the_nested_scale_and_sky_are_the_official_ones_where_nothing_is_drawn():
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the official package is only installed for Python 3.11")
    import torch
    from addict import Dict
    from depth_anything_3.model.da3 import NestedDepthAnything3Net as Official

    depth, confidence, metres, sky = nested_views(np.random.default_rng(3))
    tensors = [torch.from_numpy(array.copy())[None] for array in (depth, confidence, metres, sky)]
    output = Dict(depth=tensors[0], depth_conf=tensors[1], extrinsics=torch.eye(4)[None, None].repeat(1, 2, 1, 1))
    metric = Dict(depth=tensors[2], sky=tensors[3])
    output = Official._handle_sky_regions(None, Official._apply_depth_alignment(None, output, metric), metric)
    fit = a.metric_scale_nested(depth, confidence, metres, sky)
    assert fit.known
    assert fit.scale == pytest.approx(output.scale_factor, rel=1e-6)
    filled, sure = a.fill_sky_nested([d * np.float32(fit.scale) for d in depth], confidence, sky)
    np.testing.assert_allclose(np.stack(filled), output.depth[0].numpy(), rtol=1e-5)
    np.testing.assert_array_equal(np.stack(sure), output.depth_conf[0].numpy())


def test_the_sky_of_one_picture_is_the_official_one():
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the official package is only installed for Python 3.11")
    import torch
    from addict import Dict
    from depth_anything_3.model.da3 import DepthAnything3Net as Official

    depth, _, _, sky = nested_views(np.random.default_rng(4), views=1)
    output = Dict(depth=torch.from_numpy(depth.copy())[None], sky=torch.from_numpy(sky)[None])
    official = Official._process_mono_sky_estimation(None, output).depth[0, 0].numpy()
    np.testing.assert_allclose(a.fill_sky(depth[0], sky[0]), official, rtol=1e-6)


def test_views_of_any_size_share_one_nested_scale():
    rng = np.random.default_rng(5)
    first, second = nested_views(rng, 1, (8, 9)), nested_views(rng, 1, (6, 5))
    fit = a.metric_scale_nested(*([x[0], y[0]] for x, y in zip(first, second, strict=True)))
    assert fit.scale == pytest.approx(3.5, rel=0.1)
    assert 0.0 < fit.residual < 0.2


def test_all_sky_and_no_sky_leave_everything_as_it_is():
    depth, confidence, metres, sky = nested_views(np.random.default_rng(6))
    everywhere = np.ones_like(sky)
    assert not a.metric_scale_nested(depth, confidence, metres, everywhere).known
    np.testing.assert_array_equal(a.fill_sky_nested(depth, confidence, everywhere)[0], depth)
    np.testing.assert_array_equal(a.fill_sky(depth[0], everywhere[0]), depth[0])
    np.testing.assert_array_equal(a.fill_sky(depth[0], 0.0 * everywhere[0]), depth[0])


def test_a_nested_sky_stands_no_farther_than_two_hundred_metres():
    depth, confidence, _, sky = nested_views(np.random.default_rng(7))
    filled, _ = a.fill_sky_nested(depth * 1e4, confidence, sky)
    assert np.stack(filled)[sky >= a.SKY].max() == a.FARTHEST_SKY


def test_masked_pixels_take_no_part_in_scale_and_sky():
    """Garbage under the mask changes nothing; the sky under it is still put behind everything."""
    depth, confidence, metres, sky = nested_views(np.random.default_rng(8))
    mask = np.zeros(depth.shape, bool)
    mask[:, 10:30, 5:20] = True
    spoilt, wrong, sure = (
        np.where(mask, value, x) for value, x in ((900.0, depth), (0.02, metres), (99.0, confidence))
    )
    masks = [mask[0], mask[1]]
    left = [x[:, :, 20:] for x in (depth, confidence, metres, sky)]
    left_and_mask = [*left, [m[:, 20:] for m in masks]]
    assert a.metric_scale_nested(*left).scale == a.metric_scale_nested(*left_and_mask).scale  # nothing masked there
    assert a.metric_scale_nested(spoilt, sure, wrong, sky, masks) == a.metric_scale_nested(
        depth, np.where(mask, 0.0, confidence), metres, np.where(mask, 1.0, sky)
    )
    assert a.metric_scale_nested(spoilt, sure, wrong, sky, masks).scale == pytest.approx(3.5, rel=0.05)
    assert a.metric_scale_nested(spoilt, sure, wrong, sky).scale < 1.0
    for filled in (a.fill_sky_nested(spoilt, sure, sky, masks)[0], [a.fill_sky(spoilt[0], sky[0], masks[0])]):
        assert filled[0][sky[0] >= a.SKY].max() < 21.0


def test_a_mask_over_all_leaves_everything_as_it_is():
    depth, confidence, metres, sky = nested_views(np.random.default_rng(9))
    masks = [np.ones(depth.shape[1:], bool)] * 2
    assert not a.metric_scale_nested(depth, confidence, metres, sky, masks).known
    np.testing.assert_array_equal(a.fill_sky_nested(depth, confidence, sky, masks)[0], depth)
    np.testing.assert_array_equal(a.fill_sky(depth[0], sky[0], masks[0]), depth[0])
