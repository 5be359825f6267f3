"""What training reads and writes: checkpoints for use, and a state to go on from. No pickle anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.model.config import NetworkConfig
from core.model.network import Network
from core.model.weights import Checkpoint

from .config import TrainingError

SHARED_NORM = "head.scratch.output_conv2_aux.{}.2."
"""The LayerNorm that all ray levels share; official files store it once, under level 0."""


def write(path: Path, content: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors beside the target and rename."""
    beside = path.with_name(path.name + ".part")
    save_file(dict(content), beside, metadata)
    beside.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write a description beside the target and rename."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def official_tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name a network's weights as official files do: prefix `model.`, the shared LayerNorm once; fp16."""
    repeated = tuple(SHARED_NORM.format(level) for level in (1, 2, 3))
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(repeated)}
    return {f"model.{name}": tensor.detach().to(torch.float16).contiguous() for name, tensor in kept.items()}


def export(folder: Path, name: str, config: NetworkConfig, weights: Mapping[str, Tensor]) -> None:
    """Write a checkpoint folder in the official layout, which `core.model` loads strictly."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "model.safetensors", official_tensors(weights), {"format": "pt"})
    values = {key: value for key, value in asdict(config).items() if value is not None}
    write_json(folder / "config.json", {"model_name": name, "config": values})


@torch.no_grad()
def read_weights(network: Network, name_or_folder: str) -> None:
    """Take the weights of a checkpoint of the same network.

    Raises:
        TrainingError: It is of another network.
        WeightsError: There is none, or it is not whole.
    """
    stored = Checkpoint(name_or_folder).fill("model.")
    if stored.config != network.config:
        raise TrainingError(
            f"{name_or_folder} is a checkpoint of another network; start from one that the recipe names."
        )
    network.load_state_dict(stored.state_dict())


def read_teacher(name_or_folder: str, device: torch.device) -> Network:
    """Read a whole checkpoint of a single-view network.

    Raises:
        TrainingError: It has no relative depth of single views.
        WeightsError: There is none, or it is not whole.
    """
    teacher = Checkpoint(name_or_folder).fill("model.", device=device)
    if teacher.config.joins_views or teacher.config.head.type != "dpt":
        raise TrainingError(f"{name_or_folder} is no single-view network; train one with the recipe `teacher`.")
    return teacher.eval()


def owned(network: Network, helpers: nn.Module) -> dict[str, nn.Parameter]:
    """All parameters that a run trains, by a name that is theirs alone."""
    modules = {"network": network, "helpers": helpers}
    return {f"{kind}.{name}": p for kind, module in modules.items() for name, p in module.named_parameters()}


def save_state(
    path: Path,
    network: Network,
    helpers: nn.Module,
    average: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    facts: Mapping[str, float],
) -> None:
    """Write everything that a run needs to go on: weights, their average, the optimiser's moments, and facts.

    No random state is among it: the chance of a step comes from its number.
    """
    tensors = {name: parameter.detach() for name, parameter in owned(network, helpers).items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.items()}
    for name, parameter in owned(network, helpers).items():
        moments = optimiser.state.get(parameter, {})
        tensors |= {f"optimiser.{name}.{key}": value for key, value in moments.items()}
    copies = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    write(path, copies, {"facts": json.dumps(dict(facts))})


@torch.no_grad()
def load_state(
    path: Path,
    network: Network,
    helpers: nn.Module,
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> dict[str, float]:
    """Read a state back into its owners and return its facts.

    Raises:
        TrainingError: It is not there, not whole, or of another network or other helpers; then nothing has changed.
    """
    trained = owned(network, helpers)
    targets = {**trained, **{f"average.{name}": tensor for name, tensor in average.items()}}
    with _opened(path) as file:
        stored = set(file.keys())
        if any(name not in stored or file.get_slice(name).get_shape() != [*t.shape] for name, t in targets.items()):
            raise TrainingError(
                f"{path} is a state of another network or of other helpers; name the recipe that wrote it, or give its"
                " checkpoint folder as --weights."
            )
        for name, target in targets.items():
            target.copy_(file.get_tensor(name))
        for name, parameter in trained.items():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (place := f"optimiser.{name}.{key}") in stored:
                    optimiser.state[parameter][key] = file.get_tensor(place).to(parameter.device)
        facts: dict[str, float] = json.loads(file.metadata()["facts"])
    return facts


def _opened(path: Path) -> Any:
    """Open a state, which is a context that closes it."""
    try:
        return safe_open(path, "pt")
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path} is no state of a run, or not whole: {error}; name another file.") from error
