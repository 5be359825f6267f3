"""Train the bundled network from scratch: `python -m training.train --data DATA --monitor MONITOR --output RUN`.

The run follows the clock: it ends after `--minutes`, whatever the machine's speed, with the learning rate at zero.
It writes `state.safetensors` (resumable), `checkpoint/` (usable), `curve.jsonl` (held-out figures) every few minutes.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from core.model.config import BackboneConfig, CameraDecoderConfig, CameraEncoderConfig, HeadConfig, NetworkConfig
from core.model.network import Network
from core.model.vision_transformer import ViewGroup

from .auxiliary import Auxiliary, patch_centres
from .batches import Batch, Sampler
from .checkpoint import export, load_state, save_state
from .config import Recipe
from .data import DataFolder
from .losses import baseline_loss, camera_loss, dense_objective
from .monitor import measure
from .optimisation import Average, initialise, learning_rate, make_optimiser

log = logging.getLogger(__name__)

NANO = NetworkConfig(
    backbone=BackboneConfig(
        embed_dim=192,
        depth=10,
        num_heads=3,
        img_size=126,
        alt_start=2,
        qknorm_start=2,
        rope_start=2,
        cat_token=True,
        out_layers=(3, 5, 7, 9),
    ),
    head=HeadConfig(type="dual_dpt", dim_in=384, features=32, out_channels=(24, 32, 48, 96)),
    cam_enc=CameraEncoderConfig(dim=192, trunk_depth=2, num_heads=3),
    cam_dec=CameraDecoderConfig(dim_in=384),
    resolution=126,
    resolution_range=(126, 126),
)


@dataclass
class Trainer:
    """A run: what it owns, and one step."""

    recipe: Recipe
    sampler: Sampler
    network: Network
    helpers: Auxiliary
    average: Average
    optimiser: torch.optim.AdamW
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @classmethod
    def start(cls, recipe: Recipe, data: DataFolder) -> Trainer:
        """Build everything from the recipe's seed."""
        torch.manual_seed(recipe.seed)
        network = Network(NANO)
        initialise(network)
        helpers = Auxiliary(network)
        optimiser = make_optimiser(network, helpers, recipe)
        return cls(recipe, Sampler(data, recipe.seed), network, helpers, Average.of(network), optimiser)

    @property
    def progress(self) -> float:
        """Part of the run that is over."""
        return self.seconds / (60 * self.recipe.minutes)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """All weighted terms of this phase."""
        given = bool(torch.rand(()) < self.recipe.pose_probability)
        assert self.network.cam_enc is not None and self.network.cam_dec is not None
        tokens = self.network.cam_enc(batch.given) if given else None
        group = ViewGroup(batch.images, tuple(range(batch.images.shape[1])))
        features = self.network.encode([group], camera_tokens=tokens, reference_view="first")
        cameras = self.network.cam_dec(features.cameras)
        centres, weights = patch_centres(batch), self.recipe.weights
        helping = self.helpers.matching(batch, centres)
        terms = {
            **{name: getattr(weights, name) * value for name, value in helping.items()},
            "probe": weights.probe * self.helpers.probing(features, batch, centres),
            "patch": weights.patch * self.helpers.patch_depth(features, batch),
            "camera": weights.camera * camera_loss(cameras, batch),
            "baseline": weights.baseline * baseline_loss(cameras, batch),
        }
        if self.progress >= self.recipe.first_phase:
            terms |= self.dense_losses(features.patches[0], batch)
        return terms

    def dense_losses(self, patches: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """The dense head's terms, on some of the pictures: the head costs twice what the backbone does."""
        count = batch.depth.shape[0] * batch.depth.shape[1]
        chosen = torch.randperm(count)[: self.recipe.dense_images]
        layers = [layer.flatten(0, 1)[chosen, None] for layer in patches]
        maps = self.network.dense_maps(layers, batch.depth.shape[-2:], want_rays=True)
        return dense_objective(maps, batch.of_pictures(chosen), self.recipe.weights)

    def advance(self) -> None:
        """Make one step and move the clock."""
        began = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * learning_rate(self.recipe, self.progress)
        batch = self.sampler.draw(self.recipe.images_per_step)
        terms = self.losses(batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip, foreach=True)
        self.optimiser.step()
        self.average.update(self.recipe.average)
        self.step += 1
        self.images += batch.images.shape[0] * batch.images.shape[1]
        self.seconds += time.perf_counter() - began
        for name, value in terms.items():
            self.sums[name] += float(value.detach())
        self.sums["steps"] += 1

    def means(self) -> dict[str, float]:
        """Mean of each term since the last call."""
        steps = self.sums.pop("steps", 1.0)
        result = {name: round(total / steps, 4) for name, total in self.sums.items()}
        self.sums.clear()
        return result


def pause(trainer: Trainer, output: Path, monitor: DataFolder) -> None:
    """Save, measure on held-out scenes, log; the clock of the recipe includes it."""
    began = time.perf_counter()
    trainer.sampler.ready = trainer.sampler.data.ready()
    facts = {"step": trainer.step, "images": trainer.images, "seconds": trainer.seconds}
    save_state(
        output / "state.safetensors",
        trainer.network,
        trainer.helpers,
        trainer.average.weights,
        trainer.optimiser,
        facts,
    )
    export(output / "checkpoint", "nano", NANO, trainer.average.weights)
    figures = measure(NANO, trainer.average.weights, trainer.helpers, monitor)
    line = {
        "time": time.strftime("%H:%M:%S"),
        **facts,
        "progress": round(trainer.progress, 4),
        "ready": trainer.sampler.ready,
        **trainer.means(),
        **figures,
    }
    with (output / "curve.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    log.info("%s", line)
    trainer.seconds += time.perf_counter() - began


def resume(trainer: Trainer, state: Path, *, new_sitting: bool) -> None:
    """Go on from a saved state; a new sitting keeps what was learned but starts the clock again."""
    facts = load_state(state, trainer.network, trainer.helpers, trainer.average.weights, trainer.optimiser)
    trainer.step, trainer.images = int(facts["step"]), int(facts["images"])
    trainer.seconds = 0.0 if new_sitting else facts["seconds"]
    trainer.average.steps = trainer.step
    trainer.sampler = Sampler(trainer.sampler.data, trainer.recipe.seed + trainer.step)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--monitor", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=Recipe.minutes)
    parser.add_argument("--every", type=float, default=3.0, help="minutes between looks at the held-out scenes")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--after", type=Path, help="state of an earlier sitting that this one goes on from")
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    return parser.parse_args()


def main() -> None:
    """Train to the end of the clock."""
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(seed=options.seed, minutes=options.minutes, learning_rate=options.learning_rate)
    if options.after:
        recipe = replace(recipe, first_phase=0.0, hold=0.25)
    trainer = Trainer.start(recipe, DataFolder.open(options.data))
    state = options.output / "state.safetensors"
    if state.exists():
        resume(trainer, state, new_sitting=False)
    elif options.after:
        resume(trainer, options.after, new_sitting=True)
    monitor, looked = DataFolder.open(options.monitor), trainer.seconds
    while trainer.progress < 1:
        trainer.advance()
        if trainer.seconds - looked > 60 * options.every or trainer.progress >= 1:
            pause(trainer, options.output, monitor)
            looked = trainer.seconds


if __name__ == "__main__":
    main()
