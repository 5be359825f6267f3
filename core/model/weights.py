"""Checkpoints: where they are, which network they are for, and their tensors, read strictly and only when used.

A checkpoint is a folder with `model.safetensors` and, usually, `config.json`, as on Hugging Face. The file is mapped
into memory; torch's own loader and pickle are never used.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import WeightsError
from .config import ModelConfig
from .network import Network
from .presets import PRESETS, parse_config, preset_name

TENSORS = "model.safetensors"
BUNDLED = Path(__file__).parent / "checkpoints"
STORED_TYPES = frozenset({"F32", "F16", "BF16"})

Shapes = Mapping[str, tuple[int, ...]]


def find_checkpoint(name_or_folder: str) -> Path:
    """Find a checkpoint's folder on this machine; nothing is downloaded.

    Args:
        name_or_folder: A preset's name (`base`, `da3-base`), a folder, or a name in the Hugging Face cache.

    Raises:
        WeightsError: There is no such checkpoint here; the sentence lists those there are.
    """
    preset = PRESETS.get(preset_name(name_or_folder))
    if found := _preset_folder(preset) if preset else _folder(Path(name_or_folder)) or _cached(name_or_folder):
        return found
    here = ", ".join(name for name, model in PRESETS.items() if _preset_folder(model)) or "none"
    what = f"{preset.repositories[0]} in the Hugging Face cache" if preset and preset.repositories else TENSORS
    raise WeightsError(
        f"No weights for {name_or_folder!r} were found ({what} is missing); choose a folder that holds {TENSORS}, "
        f"or one of the models that are on this machine: {here}."
    )


def _preset_folder(preset: ModelConfig) -> Path | None:
    cached = (_cached(repository) for repository in preset.repositories)
    return _folder(BUNDLED / preset.name) or next((folder for folder in cached if folder), None)


def _folder(path: Path) -> Path | None:
    return path if (path / TENSORS).is_file() else None


def _cached(repository: str) -> Path | None:
    """The repository's snapshot in the Hugging Face cache, without asking the network."""
    try:
        path = try_to_load_from_cache(repository, TENSORS)
    except HFValidationError:
        return None
    return Path(path).parent if isinstance(path, str) else None


class Checkpoint:
    """A checked checkpoint whose tensors are still on disk."""

    def __init__(self, name_or_folder: str, preset: str | None = None) -> None:
        """Find, recognise and check a checkpoint.

        Args:
            name_or_folder: See `find_checkpoint`.
            preset: Which model it is, where neither `config.json` nor the tensors tell.

        Raises:
            WeightsError: It is missing, unreadable or unknown, or a tensor is missing, surplus or misshapen.
        """
        self.folder = find_checkpoint(name_or_folder)
        self._stored = _read_shapes(self.folder / TENSORS)
        named = preset_name(preset) if preset else preset_name(name_or_folder)
        self.config = _recognise(self.folder, self._stored, PRESETS.get(named), forced=preset is not None)
        self.networks = {prefix: _empty(config) for prefix, config in _parts(self.config).items()}
        self._source = self._check()

    def _check(self) -> dict[str, str]:
        """Compare names and shapes with the networks; return the stored name of every tensor."""
        source = {}
        for prefix, network in self.networks.items():
            for key, tensor in network.state_dict().items():
                name = self._stored_name(prefix + key)
                if self._stored[name] != tuple(tensor.shape):
                    raise WeightsError(
                        f"The tensor {name} has the shape {list(self._stored[name])} instead of {list(tensor.shape)}; "
                        f"the weights in {self.folder} are not those of the model {self.config.title!r}."
                    )
                source[prefix + key] = name
        if surplus := sorted(name for name in self._stored.keys() - source.keys() if not self._is_gaussian(name)):
            raise WeightsError(
                f"The tensor {surplus[0]} does not belong to the model {self.config.title!r} "
                f"({len(surplus)} surplus in {self.folder}); choose the model that the weights are for."
            )
        return source

    def _stored_name(self, name: str) -> str:
        """A tensor's name in the file: its own, or that of the level which the shared norm was stored under."""
        candidates = [name, *(name.replace(f"_aux.{level}.2.", f"_aux.{other}.2.") for level, other in _SHARED)]
        stored = next((candidate for candidate in candidates if candidate in self._stored), None)
        if stored is None:
            raise WeightsError(
                f"The tensor {name} is missing from {self.folder / TENSORS}; download the weights of "
                f"{self.config.title!r} again or choose the model that they are for."
            )
        return stored

    def _is_gaussian(self, name: str) -> bool:
        return self.config.network.gaussians and name.startswith(f"{next(iter(self.networks))}gs_head.")

    def fill(
        self,
        prefix: str,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> Network:
        """Read wanted tensors of one network that have not been read yet.

        Args:
            prefix: Which of `networks`.
            device: Where they go.
            dtype: Type of the weights of matrix products; everything else, the last layers and cameras are fp32.
            wanted: Tells by its name inside the network whether a tensor is wanted.
        """
        network = self.networks[prefix]
        with safe_open(self.folder / TENSORS, framework="pt") as file:
            for path, module in network.named_modules():
                for name, parameter in list(module.named_parameters(recurse=False)):
                    key = f"{path}.{name}"
                    if parameter.is_meta and wanted(key):
                        tensor = file.get_tensor(self._source[prefix + key])
                        kind = dtype if _is_product(path, module) else torch.float32
                        module.register_parameter(name, nn.Parameter(tensor.to(device, kind), requires_grad=False))
        return network


# The ray branch's four levels share one norm: files hold it four times, or once under the first name.
_SHARED = [(level, other) for level in range(4) for other in range(4)]
_LAST_LAYERS = ("output_conv2.2", "sky_output_conv2.2", "output_conv2_aux.3.5")


def is_camera_encoder(key: str) -> bool:
    """Whether a tensor is only used where cameras are given."""
    return key.startswith("cam_enc.")


def is_ray_branch(key: str) -> bool:
    """Whether a tensor is only used, or only stored, for rays."""
    return "_aux." in key


def is_used_for_rays(key: str) -> bool:
    """Whether a tensor of the ray branch is used: only its finest level is read from."""
    coarse = re.search(r"output_conv1_aux\.[012]\.|output_conv2_aux\.[012]\.[05]\.", key)
    return is_ray_branch(key) and coarse is None


def _is_product(path: str, module: nn.Module) -> bool:
    """Whether a module's weights may have less than fp32: matrix products, but for cameras and last layers."""
    if path.startswith(("cam_enc", "cam_dec")) or path.endswith(_LAST_LAYERS):
        return False
    return isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)


def _parts(config: ModelConfig) -> dict[str, Any]:
    """Sizes of each network of a model under its prefix in the file."""
    if config.metric_network is None:
        return {"model.": config.network}
    return {"model.da3.": config.network, "model.da3_metric.": config.metric_network}


def _empty(config: Any) -> Network:
    """A network whose tensors have shapes but no memory."""
    with torch.device("meta"):
        return Network(config).eval()


def _read_shapes(path: Path) -> Shapes:
    """Read names and shapes, but no tensor."""
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            if odd := next((name for name, part in slices.items() if part.get_dtype() not in STORED_TYPES), None):
                raise WeightsError(f"The tensor {odd} in {path} is not of a floating-point type that can be used.")
            return {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file ({error}); download it again.") from error


def _recognise(folder: Path, stored: Shapes, preset: ModelConfig | None, *, forced: bool) -> ModelConfig:
    """Which model a checkpoint is: told by the caller, by `config.json`, by its name, or by its tensors."""
    if forced and preset is None:
        raise WeightsError(f"There is no such preset; choose one of {', '.join(PRESETS)}.")
    if forced and preset is not None:
        return preset
    return _read_config(folder / "config.json") or preset or _recognise_tensors(folder, stored)


def _read_config(path: Path) -> ModelConfig | None:
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise WeightsError(
            f"{path} cannot be read as JSON ({error}); use the file that came with the weights."
        ) from error
    return parse_config(values) if isinstance(values, Mapping) else None


def _recognise_tensors(folder: Path, stored: Shapes) -> ModelConfig:
    """Official networks differ in width; mono and metric have the same tensors."""
    if any(".sky_output_conv2." in name for name in stored) and not _has_prefix(stored, "model.da3."):
        raise WeightsError(
            f"The weights in {folder} have no usable config.json and fit both 'mono' and 'metric'; "
            "say which of the two they are."
        )
    nested = _has_prefix(stored, "model.da3_metric.")
    token = stored.get(f"model.{'da3.' if nested else ''}backbone.pretrained.camera_token", (0,))
    for model in PRESETS.values():
        if model.has_poses and model.network.backbone.embed_dim == token[-1] and nested == bool(model.metric_network):
            return model
    raise WeightsError(f"The weights in {folder} have no usable config.json and fit no preset; add their config.json.")


def _has_prefix(stored: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in stored)


def save_checkpoint(network: Network, name: str, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a checkpoint folder in the official layout.

    Args:
        network: The trained network; its configuration is written beside its weights.
        name: `model_name` in `config.json`.
        folder: Made where needed; each file is written beside and renamed.
        dtype: Type of the stored tensors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = {"model_name": name, "config": {k: v for k, v in asdict(network.config).items() if v is not None}}
    beside = folder / f"config.json.{os.getpid()}.part"
    beside.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    beside.replace(folder / "config.json")
    repeated = tuple(f"output_conv2_aux.{level}.2." for level in (1, 2, 3))
    tensors: dict[str, Tensor] = {
        f"model.{key}": tensor.detach().to("cpu", dtype).contiguous()
        for key, tensor in network.state_dict().items()
        if not any(part in key for part in repeated)
    }
    beside = folder / f"{TENSORS}.{os.getpid()}.part"
    save_file(tensors, beside, metadata={"format": "pt"})
    beside.replace(folder / TENSORS)
