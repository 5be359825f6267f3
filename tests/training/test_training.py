"""One step of training does its work, and what it writes can be read back, by us and by the package."""

import dataclasses

import numpy as np
import pytest
import torch

from core.model.config import BackboneConfig, CameraDecoderConfig, CameraEncoderConfig, HeadConfig, NetworkConfig
from core.model.network import Network
from core.model.weights import Checkpoint
from training import train
from training.checkpoint import export, load_state, save_state
from training.config import Recipe
from training.data import DataFolder, make_shots
from training.metrics import area_under_curve, delta1, pair_errors
from training.optimisation import learning_rate
from training.train import NANO, Trainer

TINY = NetworkConfig(
    backbone=BackboneConfig(
        embed_dim=64,
        depth=8,
        num_heads=1,
        img_size=126,
        alt_start=2,
        qknorm_start=2,
        rope_start=2,
        cat_token=True,
        out_layers=(3, 5, 6, 7),
    ),
    head=HeadConfig(type="dual_dpt", dim_in=128, features=8, out_channels=(8, 8, 8, 8)),
    cam_enc=CameraEncoderConfig(dim=64, trunk_depth=1, num_heads=1),
    cam_dec=CameraDecoderConfig(dim_in=128),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = DataFolder.create(tmp_path_factory.mktemp("data") / "scenes", 3)
    for index in range(3):
        folder.write(index, make_shots(index))
    folder.report(3)
    return DataFolder.open(folder.folder)


@pytest.fixture
def trainer(data, monkeypatch):
    monkeypatch.setattr(train, "NANO", TINY)
    return Trainer.start(dataclasses.replace(Recipe(), first_phase=0.0, images_per_step=4, warm_up=1e-9), data)


def total(trainer, batch):
    torch.manual_seed(0)
    return sum(float(value.detach()) for value in trainer.losses(batch).values())


def test_a_few_steps_reduce_the_loss_on_one_batch(trainer, monkeypatch):
    batch = trainer.sampler.draw(4)
    before = total(trainer, batch)
    monkeypatch.setattr(trainer.sampler, "draw", lambda images: batch)
    for _ in range(12):
        trainer.advance()
    assert total(trainer, batch) < 0.9 * before


def test_training_resumes_with_the_same_losses(trainer, data, tmp_path):
    for _ in range(2):
        trainer.advance()
    path = tmp_path / "state.safetensors"
    parts = (trainer.network, trainer.helpers, trainer.average.weights, trainer.optimiser)
    save_state(path, *parts, {"step": trainer.step})
    other = Trainer.start(trainer.recipe, data)
    facts = load_state(path, other.network, other.helpers, other.average.weights, other.optimiser)
    assert facts["step"] == trainer.step
    for _ in range(2):  # one step later too: the optimiser's moments came along
        batch = trainer.sampler.draw(4)
        assert total(other, batch) == pytest.approx(total(trainer, batch), rel=1e-6)
        for run in (trainer, other):
            run.sampler.draw = lambda images, batch=batch: batch
            run.seconds = 1.0
            torch.manual_seed(1)
            run.advance()
            del run.sampler.draw


def test_checkpoint_loads_strictly_and_holds_the_same_weights(tmp_path):
    torch.manual_seed(0)
    network = Network(NANO)
    export(tmp_path, "nano", NANO, dict(network.named_parameters()))
    loaded = Checkpoint(str(tmp_path)).fill("model.")
    assert loaded.config == NANO
    theirs = loaded.state_dict()
    assert theirs.keys() == network.state_dict().keys()
    for name, ours in network.state_dict().items():
        torch.testing.assert_close(theirs[name], ours.half().float(), rtol=0, atol=0)
    assert (tmp_path / "model.safetensors").stat().st_size <= 16e6


def test_learning_rate_rises_holds_and_ends_at_zero():
    recipe = Recipe()
    assert learning_rate(recipe, 0.5 * recipe.warm_up) == pytest.approx(0.5 * recipe.learning_rate)
    assert learning_rate(recipe, 0.9 * recipe.hold) == recipe.learning_rate
    assert learning_rate(recipe, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert learning_rate(recipe, 1.2) == pytest.approx(0.0, abs=1e-12)


def test_metrics_of_the_truth_and_of_known_errors():
    depth = np.random.default_rng(0).uniform(1, 3, (6, 8))
    assert delta1(7 * depth, depth) == 1.0  # the scale is free
    cameras = np.stack([np.eye(4)] * 2)
    cameras[1, :3, 3] = (1.0, 0.0, 0.0)
    turned = cameras.copy()
    angle = np.radians(10)
    turned[1, :2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    ((rotation, direction),) = pair_errors(turned, cameras)
    assert rotation == pytest.approx(10)
    assert direction == pytest.approx(0, abs=1e-4)
    assert area_under_curve([(10.5, 0.0)], 30) == pytest.approx(100 * 20 / 30)
    assert area_under_curve(pair_errors(cameras, cameras), 5) == 100
    assert pair_errors(np.stack([np.eye(4)] * 2), cameras)[0][1] == 90
