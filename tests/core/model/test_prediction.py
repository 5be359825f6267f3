"""What a prediction depends on, and what it does not."""

import networks
import numpy as np
import official_network
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import relative_error
from test_checkpoints import config_json

from image_to_scene.core.errors import CameraError, CancelledError, OutOfMemoryError, WeightsError
from image_to_scene.core.model import attention, dense_head, presets, rotary
from image_to_scene.core.model.network import Network
from image_to_scene.core.model.prediction import _memory_sentence, open_model
from image_to_scene.core.model.vision_transformer import ViewGroup

SAME = 1e-5  # sums come out in another order


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = networks.any_view()
    network = networks.randomise(official_network.official_network(config))
    folder = tmp_path_factory.mktemp("any_view")
    return open_model(
        str(official_network.save_like_hugging_face(network, folder, config_json(config))), device="cpu"
    ).load()


@pytest.fixture(scope="module")
def mono(tmp_path_factory):
    config = networks.mono()
    network = networks.randomise(official_network.official_network(config))
    folder = tmp_path_factory.mktemp("mono")
    return open_model(
        str(official_network.save_like_hugging_face(network, folder, config_json(config))), device="cpu"
    ).load()


def assert_same(ours, theirs):
    for name in ("depth", "confidence", "sky", "rays", "ray_confidence", "world_from_camera", "image_from_camera"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape
            a, b = torch.from_numpy(a), torch.from_numpy(b)
            error = (a - b).abs().max() if name == "sky" else relative_error(a, b)  # sky is 0 on ground, 1 on sky
            assert error < SAME, name


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_the_chunk_changes_nothing(model, mono, chunk):
    images = networks.pictures([(70, 98), (70, 98), (56, 70), (70, 98), (56, 70)])
    for network in (model, mono):
        expected = network.predict(images, want_rays=True, head_chunk=8)
        for a, b in zip(network.predict(images, want_rays=True, head_chunk=chunk).views, expected.views, strict=True):
            assert_same(a, b)


@pytest.mark.parametrize("rows", [5, 40, 71, 100_000])
def test_how_many_tokens_pass_at_once_changes_nothing(model, mono, monkeypatch, rows):
    """Of views of 36 and 21 tokens: slices that end within views, between them, or never."""
    images = networks.pictures([(70, 98), (70, 98), (56, 70), (70, 98), (56, 70)])
    expected = [network.predict(images, want_rays=True) for network in (model, mono)]
    monkeypatch.setattr(attention, "ROWS", rows)
    for network, whole in zip((model, mono), expected, strict=True):
        for a, b in zip(network.predict(images, want_rays=True).views, whole.views, strict=True):
            assert_same(a, b)


@pytest.mark.parametrize("rows", [40, 100_000])
def test_learning_sees_what_predicting_sees(model, monkeypatch, rows):
    """Gradients take another way through a block, and a batch lays its scenes one behind the other."""
    monkeypatch.setattr(attention, "ROWS", rows)
    network = model._checkpoint.fill("model.")
    images = torch.cat([networks.normalised(networks.pictures([(70, 98)] * 3, seed)) for seed in range(2)])
    learning = network(images.requires_grad_())
    with torch.no_grad():
        predicting = network(images)
    learning.depth.sum().backward()
    assert images.grad.isfinite().all()
    assert relative_error(predicting.depth, learning.depth.detach()) < SAME
    assert relative_error(predicting.cameras.translation, learning.cameras.translation.detach()) < SAME


def test_features_can_be_kept_in_half_precision(model):
    network = model._checkpoint.fill("model.")
    group = ViewGroup(networks.normalised(networks.pictures([(70, 98)] * 3)), (0, 1, 2))
    with torch.no_grad():
        whole, half = network.encode([group]), network.encode([group], dtype=torch.bfloat16)
    for a, b in zip(whole.patches[0], half.patches[0], strict=True):
        assert torch.equal(a.bfloat16(), b)
    assert torch.equal(whole.cameras, half.cameras)


def test_what_is_not_asked_for_is_not_there(model, mono):
    images = networks.pictures([(70, 98)] * 2)
    view = model.predict(images).views[0]
    assert (view.rays, view.ray_confidence, view.sky, view.metric_depth) == (None,) * 4
    view = mono.predict(images, [np.eye(4)] * 2, [np.eye(3)] * 2, want_rays=True).views[0]
    assert (view.rays, view.confidence, view.world_from_camera, view.metric_depth) == (None,) * 4
    assert view.depth.shape == view.sky.shape == (70, 98)


def test_shapes_and_types(model):
    view = model.predict(networks.pictures([(70, 98)] * 2), want_rays=True).views[1]
    assert (view.depth.shape, view.rays.shape, view.ray_confidence.shape) == ((70, 98), (40, 56, 6), (40, 56))
    assert {a.dtype for a in (view.depth, view.confidence, view.rays)} == {np.dtype(np.float32)}
    assert {a.dtype for a in (view.world_from_camera, view.image_from_camera)} == {np.dtype(np.float64)}
    rotation = view.world_from_camera[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0
    assert view.depth.min() > 0 and view.confidence.min() > 1
    assert view.image_from_camera[0, 2] == 49 and view.image_from_camera[1, 2] == 35


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(5)), first=st.integers(0, 4))
def test_the_order_of_pictures_changes_nothing_but_the_order(model, order, first):
    """Views of several sizes share one sequence; only the reference view stands out."""
    images = networks.pictures([(70, 98), (56, 70), (70, 98), (98, 42), (56, 70)])
    order = [first, *(i for i in order if i != first)]
    same_reference = [first, *(i for i in range(5) if i != first)]
    expected = model.predict([images[i] for i in same_reference], reference_view="first")
    moved = model.predict([images[i] for i in order], reference_view="first")
    for place, index in enumerate(order):
        assert_same(moved.views[place], expected.views[same_reference.index(index)])


@pytest.mark.parametrize("strategy", ["first", "middle", "saddle_balanced", "saddle_sim_range"])
@pytest.mark.parametrize("with_cameras", [False, True])
def test_groups_of_one_size_are_one_group(model, strategy, with_cameras):
    """Views that run in several groups, as those of mixed sizes do, give what they give in one."""
    network = model._checkpoint.fill("model.")
    images = networks.normalised(networks.pictures([(70, 98)] * 4))
    tokens = torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(0)) if with_cameras else None
    groups = [ViewGroup(images[:, [1, 3]], (1, 3)), ViewGroup(images[:, [2, 0]], (2, 0))]
    with torch.inference_mode():
        one = network.encode([ViewGroup(images, (0, 1, 2, 3))], camera_tokens=tokens, reference_view=strategy)
        two = network.encode(groups, camera_tokens=tokens, reference_view=strategy)
    assert torch.equal(one.reference, two.reference)
    assert relative_error(two.cameras, one.cameras) < SAME
    for group, layers in zip(groups, two.patches, strict=True):
        for whole, part in zip(one.patches[0], layers, strict=True):
            assert relative_error(part, whole[:, list(group.indices)]) < SAME


def test_a_batch_is_its_items(model):
    network = model._checkpoint.fill("model.")
    images = torch.cat([networks.normalised(networks.pictures([(70, 98)] * 3, seed)) for seed in (1, 2)])
    with torch.inference_mode():
        both = network(images, want_rays=True)
        for item in range(2):
            one = network(images[item : item + 1], want_rays=True)
            assert both.reference[item] == one.reference[0]
            assert relative_error(both.depth[item], one.depth[0]) < SAME
            assert relative_error(both.rays[item], one.rays[0]) < SAME
            assert relative_error(both.cameras.translation[item], one.cameras.translation[0]) < SAME


def test_single_view_networks_see_one_picture_at_a_time(mono):
    images = networks.pictures([(70, 98), (70, 98), (56, 70)])
    together = mono.predict(images)
    for image, view in zip(images, together.views, strict=True):
        assert_same(view, mono.predict([image]).views[0])


def test_nested_models_run_both_networks(tmp_path, monkeypatch):
    """Depth, cameras and rays of the first network, sky and canonical metric depth of the second."""
    any_view, metric = networks.any_view(), networks.mono()
    nested = networks.randomise(official_network.official_nested(any_view, metric))
    folder = official_network.save_like_hugging_face(nested, tmp_path, None)
    small = presets.ModelConfig("nested", "Nested", any_view, metric, is_metric=True)
    monkeypatch.setitem(presets.PRESETS, "nested", small)
    model = open_model(str(folder), device="cpu", preset="nested").load()
    images = networks.pictures([(70, 98)] * 3)
    views = model.predict(images, want_rays=True).views
    x = networks.normalised(images)
    with torch.inference_mode():
        features, _ = nested.da3.backbone(x, cam_token=None, export_feat_layers=[])
        first = nested.da3.head(features, 70, 98, patch_start_idx=0)
        second = nested.da3_metric.head(nested.da3_metric.backbone(x)[0], 70, 98, patch_start_idx=0)
    assert (model.config.is_metric, model.config.has_poses, model.config.has_sky) == (True, True, True)
    for i, view in enumerate(views):
        assert relative_error(torch.from_numpy(view.depth), first.depth[0, i]) < SAME
        assert relative_error(torch.from_numpy(view.metric_depth), second.depth[0, i]) < SAME
        assert np.abs(view.sky - second.sky[0, i].numpy()).max() < SAME
        assert view.world_from_camera is not None


def test_progress_counts_every_block_and_chunk(model, mono):
    steps = []
    model.predict(networks.pictures([(70, 98)] * 5 + [(56, 70)]), head_chunk=2, progress=steps.append)
    assert [step.done for step in steps] == [*range(1, 8 + 1), 10, 12, 13, 14]
    assert {step.total for step in steps} == {14}
    steps.clear()
    mono.predict(networks.pictures([(70, 98)] * 3), head_chunk=2, progress=steps.append)
    assert [step.done for step in steps] == [2, 4, 6, 8, 10, 11, 12, 13, 14, 15]
    assert {step.total for step in steps} == {15}


@pytest.mark.parametrize("last_step", [1, 5, 11])
def test_a_run_ends_where_it_is_cancelled(model, last_step):
    def cancel(step):
        assert step.done <= last_step
        if step.done == last_step:
            raise CancelledError("enough")

    images = networks.pictures([(70, 98)] * 3)
    with pytest.raises(CancelledError):
        model.predict(images, progress=cancel)
    assert len(model.predict(images).views) == 3


def test_incomplete_cameras_are_refused(model):
    images = networks.pictures([(70, 98)] * 2)
    for world, image in (([np.eye(4)], [np.eye(3)]), ([np.eye(4)] * 2, None), ([np.eye(4)] * 2, [np.eye(3)])):
        with pytest.raises(CameraError, match="for every picture"):
            model.predict(images, world, image)


def test_running_out_of_memory_is_one_sentence():
    with pytest.raises(OutOfMemoryError, match="too large"), _memory_sentence(lambda: "too large"):
        torch.empty(2**55)
    with pytest.raises(RuntimeError, match="shape"), _memory_sentence(lambda: "too large"):
        torch.empty(2).reshape(3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_without_numbers_are_one_sentence(tmp_path, precision):
    network = networks.randomise(Network(networks.any_view()))
    with torch.no_grad():
        network.head.scratch.output_conv2[2].bias[0] = float("nan")
    folder = official_network.save_like_hugging_face(network, tmp_path, config_json(networks.any_view()))
    damaged = open_model(str(folder), device="cpu", precision=precision).load()
    remedy = "choose the precision fp32, or " if precision == "bf16" else ""
    with pytest.raises(WeightsError, match=f"no numbers for picture 1, .* may be damaged: {remedy}download them again"):
        damaged.predict(networks.pictures([(70, 98)] * 2))


def test_tables_are_computed_once_per_resolution(model):
    images = networks.pictures([(70, 98), (56, 70)])
    model.predict(images)
    before = [f.cache_info().misses for f in (rotary.patch_table, rotary.camera_table, dense_head.image_position)]
    table = model._checkpoint.networks["model."].backbone["pretrained"]._positions
    kept = dict(table)
    model.predict(images)
    assert before == [
        f.cache_info().misses for f in (rotary.patch_table, rotary.camera_table, dense_head.image_position)
    ]
    assert kept.keys() == table.keys() and all(kept[key] is table[key] for key in kept)


def test_the_network_trains_and_its_tables_follow():
    """After predicting, training works with the same tables; after a step, predicting sees the new weights."""
    torch.manual_seed(0)
    network = networks.randomise(Network(networks.any_view()))
    images = networks.normalised(networks.pictures([(70, 98)] * 2))

    def predict():
        with torch.inference_mode():
            return network(images, want_rays=True)

    before = predict()
    output = network(images, want_rays=True)
    assert torch.equal(output.depth, before.depth)
    loss = output.depth.log().mean() + output.rays.abs().mean() + torch.cat(output.cameras, -1).sum()
    loss.backward()
    unused = {k.split(".")[0] for k, p in network.named_parameters() if p.grad is None and "_aux" not in k}
    assert unused == {"cam_enc"}
    torch.optim.SGD(network.parameters(), lr=1e-2).step()
    fresh = Network(networks.any_view()).eval()
    fresh.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected = fresh(images, want_rays=True)
    assert torch.equal(predict().depth, expected.depth)
    assert not torch.equal(before.depth, expected.depth)
