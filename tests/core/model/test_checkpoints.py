"""Checkpoints load as they are on Hugging Face, strictly, and only as far as they are used."""

import json
from dataclasses import asdict

import networks
import numpy as np
import official_network
import pytest
import torch
from safetensors.torch import load_file, save_file

from image_to_scene.core.errors import WeightsError
from image_to_scene.core.model import weights
from image_to_scene.core.model.prediction import open_model
from image_to_scene.core.model.presets import OFFICIAL_NAMES, PRESETS
from image_to_scene.core.model.weights import Checkpoint, empty_networks, match_tensors, recognise_tensors

NORMS = [f"model.head.scratch.output_conv2_aux.{level}.2.{name}" for level in range(4) for name in ("weight", "bias")]


def config_json(config):
    return {"model_name": "test", "config": {k: v for k, v in asdict(config).items() if v is not None}}


@pytest.fixture
def folder(tmp_path):
    """An official checkpoint of a small any-view network."""
    config = networks.any_view()
    network = networks.randomise(official_network.official_network(config))
    return official_network.save_like_hugging_face(network, tmp_path / "größe 1", config_json(config))


def change(folder, changes):
    """Rewrite a checkpoint with some tensors replaced, added, or (None) removed."""
    tensors = load_file(folder / "model.safetensors") | changes
    save_file({k: v for k, v in tensors.items() if v is not None}, folder / "model.safetensors")


def depth(model, **options):
    return model.predict(networks.pictures([(70, 98)] * 2), **options).views[1].depth


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - {"nano"}))
def test_every_preset_has_exactly_the_official_tensors(name):
    official_name = next(official for official, ours in OFFICIAL_NAMES.items() if ours == name)
    official = official_network.official_preset(official_name).state_dict()
    stored = {f"model.{key}": tuple(tensor.shape) for key, tensor in official.items()}
    model = PRESETS[name]
    source = match_tensors(empty_networks(model), stored, model)
    gaussian = {key for key in stored if ".gs_head." in key}
    assert set(source) == stored.keys() - gaussian
    assert bool(gaussian) == model.network.gaussians
    once = {key: shape for key, shape in stored.items() if not any(f"conv2_aux.{i}.2." in key for i in (1, 2, 3))}
    assert len(stored) - len(once) == (6 if model.has_rays else 0)
    match_tensors(empty_networks(model), once, model)  # as the files on Hugging Face are
    if name in ("mono", "metric"):
        with pytest.raises(WeightsError, match=r"fit two models.*da3mono-large.*da3metric-large"):
            recognise_tensors(once)
    else:
        assert recognise_tensors(once) is model


def test_the_shared_norm_may_be_stored_once_or_four_times(folder):
    stored = load_file(folder / "model.safetensors")
    assert [name for name in NORMS if name in stored] == NORMS[:2]
    expected = open_model(str(folder), device="cpu").load().predict(networks.pictures([(70, 98)]), want_rays=True)
    change(folder, {name: stored[NORMS[i % 2]].clone() for i, name in enumerate(NORMS)})
    every = open_model(str(folder), device="cpu").load().predict(networks.pictures([(70, 98)]), want_rays=True)
    assert np.array_equal(expected.views[0].rays, every.views[0].rays)
    change(folder, dict.fromkeys(NORMS[:6]))  # once, under the last level's name
    last = open_model(str(folder), device="cpu").load().predict(networks.pictures([(70, 98)]), want_rays=True)
    assert np.array_equal(expected.views[0].rays, last.views[0].rays)
    change(folder, dict.fromkeys(NORMS))
    with pytest.raises(WeightsError, match=r"output_conv2_aux\.0\.2\.weight is missing"):
        Checkpoint(str(folder))


KEY = "model.backbone.pretrained.blocks.3.attn.qkv.weight"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({KEY: None}, f"{KEY} is missing"),
        ({KEY: torch.zeros(192, 65)}, rf"{KEY} has the shape \[192, 65\] instead of \[192, 64\]"),
        ({KEY: torch.zeros(192, 64, dtype=torch.int64)}, f"{KEY} in .* is not stored as F32"),
        ({"model.backbone.extra": torch.zeros(1)}, r"1 tensors that 'test' does not have, .*backbone\.extra"),
        ({"model.gs_head.projects.0.weight": torch.zeros(1)}, "does not have, .*gs_head"),
    ],
)
def test_wrong_tensors_are_named(folder, changes, sentence):
    change(folder, changes)
    with pytest.raises(WeightsError, match=sentence):
        Checkpoint(str(folder))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x40\0\0\0\0\0\0\0{}"])
def test_broken_files_are_named(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.safetensors is not a whole safetensors file"):
        Checkpoint(str(folder))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_renamed_pickle_is_never_opened(folder, zipped):
    path = folder / "model.safetensors"
    torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"model\.safetensors is a pickle under another name"):
        Checkpoint(str(folder))


@pytest.mark.parametrize(("name", "preset"), [(n, p) for n, p in PRESETS.items() if p.repositories])
def test_the_table_says_how_large_the_files_are(name, preset):
    """Within the header, and for Giant within its Gaussian head, which we only leave alone."""
    weights = sum(p.numel() for network in empty_networks(preset).values() for p in network.parameters())
    gaussians = 35_628_486 if preset.network.gaussians else 0
    assert 0 < preset.download_size - 4 * (weights + gaussians) < 200_000


def test_a_truncated_file_is_named(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1000])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        Checkpoint(str(folder))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not readable JSON"),
        ("{}", "fit no known model"),
        ('{"config": {"backbone": {}}}', "part 'backbone'"),
        (
            '{"config": {"backbone": {"embed_dim": 64, "depth": 8, "num_heads": 2, "out_layers": [1, 3, 5, 7]}}}',
            "no part 'head'",
        ),
        (
            '{"config": {"backbone": {"embed_dim": 64, "depth": 8, "num_heads": 2, "out_layers": [1]}}}',
            "out_layers of backbone",
        ),
        ("[" * 100_000, "nested"),
        ('{"config": {"resolution": 1' + "0" * 5000 + "}}", "5001 digits"),
        ('{"config": {"backbone": {}, "surprise": 1}}', "unknown part 'surprise'"),
    ],
)
def test_wrong_configurations_are_refused(folder, text, sentence):
    (folder / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=sentence):
        Checkpoint(str(folder))


def test_a_named_preset_goes_before_config_json(folder):
    with pytest.raises(WeightsError, match="'Small'"):
        Checkpoint(str(folder), preset="da3-small")
    with pytest.raises(WeightsError, match="no model 'tiny'; choose one of nano, small"):
        Checkpoint(str(folder), preset="tiny")


@pytest.mark.parametrize(
    "values", [{"model_name": "da3-base"}, {"config": {"model_name": "da3-base"}}, {"model_name": "base"}]
)
def test_official_configurations_name_a_preset(folder, values):
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="'Base'"):  # recognised, and then found not to be
        Checkpoint(str(folder))


def test_a_configuration_says_resolution_and_range(folder):
    config = Checkpoint(str(folder)).config
    assert (config.name, config.resolution, config.resolution_range) == ("test", 126, (70, 126))
    assert (config.has_poses, config.takes_poses, config.has_rays, config.has_sky) == (True, True, True, False)


def test_rarely_used_weights_are_read_when_used(folder):
    model = open_model(str(folder), device="cpu").load()
    network = model._checkpoint.networks["model."]

    def unread():
        return {key for key, weight in network.named_parameters() if weight.is_meta}

    assert {key.split(".")[0] for key in unread()} == {"cam_enc", "head"}
    assert all("_aux." in key for key in unread() if key.startswith("head"))
    before = depth(model)
    depth(model, want_rays=True)
    assert all(
        key.startswith("cam_enc.") or "_aux.0." in key or "_aux.1." in key or "_aux.2." in key for key in unread()
    )
    poses, intrinsics = networks.orbit(2)
    depth(model, world_from_camera=list(poses), image_from_camera=list(intrinsics))
    assert not any(key.startswith("cam_enc.") for key in unread())
    assert np.array_equal(before, depth(model))


def test_weights_stored_in_half_precision_run_in_full(folder):
    stored = load_file(folder / "model.safetensors")
    halved = {key: tensor.half() for key, tensor in stored.items()}
    change(folder, halved)
    from_half = depth(open_model(str(folder), device="cpu").load())
    change(folder, {key: tensor.float() for key, tensor in halved.items()})
    assert np.array_equal(from_half, depth(open_model(str(folder), device="cpu").load()))


def test_bf16_is_close_to_fp32(folder):
    full = open_model(str(folder), device="cpu").load().predict(networks.pictures([(70, 98)] * 2))
    low = open_model(str(folder), device="cpu", precision="bf16").load().predict(networks.pictures([(70, 98)] * 2))
    assert (low.device, low.precision) == ("cpu", "bf16")
    for a, b in zip(full.views, low.views, strict=True):
        assert b.depth.dtype == np.float32
        assert np.median(np.abs(b.depth / a.depth - 1)) < 0.02  # eight bits of mantissa through eight blocks
        assert np.abs(b.world_from_camera - a.world_from_camera).max() < 0.05


def test_mixed_precision_has_the_cameras_of_bf16_and_depth_nearer_to_fp32(folder):
    pictures = networks.pictures([(70, 98)] * 2)
    full, low, mixed = (
        open_model(str(folder), device="cpu", precision=precision).load().predict(pictures)
        for precision in ("fp32", "bf16", "mixed")
    )
    for a, b, c in zip(full.views, low.views, mixed.views, strict=True):
        assert np.array_equal(b.world_from_camera, c.world_from_camera)
        assert np.median(np.abs(c.depth / a.depth - 1)) < np.median(np.abs(b.depth / a.depth - 1))


def test_checkpoints_are_found_in_the_hugging_face_cache(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    for name in ("small", "depth-anything/DA3-SMALL", "someone/else", "C:\\no folder\\", "../..", ""):
        with pytest.raises(WeightsError, match="on this machine: none"):
            weights.find_checkpoint(name)
    repository = tmp_path / "hub" / "models--depth-anything--DA3-SMALL"
    snapshot = repository / "snapshots" / ("0" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot.parent.mkdir()
    folder.rename(snapshot)
    for name in ("small", "da3-small", "depth-anything/DA3-SMALL", str(snapshot)):
        assert weights.find_checkpoint(name) == snapshot
    with pytest.raises(WeightsError, match=r"depth-anything/DA3-BASE .* on this machine: small"):
        weights.find_checkpoint("base")
    (tmp_path / "bundled").mkdir()
    snapshot.rename(tmp_path / "bundled" / "nano")
    assert weights.find_checkpoint("nano") == tmp_path / "bundled" / "nano"
