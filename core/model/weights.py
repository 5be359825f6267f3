"""Checkpoints: where they are, which network they are for, and their tensors, read strictly and only when used.

A checkpoint is a folder with `model.safetensors` and, usually, `config.json`, as on Hugging Face. The file is mapped
into memory; torch's own loader and pickle are never used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ..errors import WeightsError
from ..json_reading import JSONError, read_json
from .config import ModelConfig, NetworkConfig
from .hub_cache import cache_folder, cached_checkpoint
from .network import Network
from .presets import CONFIG, PRESETS, TENSORS, parse_config, preset_name

BUNDLED = Path(__file__).parent / "checkpoints"
CONFIG_LONGEST = 1 << 20  # bytes
STORED_TYPES = ("F32", "F16", "BF16")

Shapes = Mapping[str, tuple[int, ...]]
"""Names and shapes of the tensors in a file."""


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
        f"No weights for {name_or_folder!r} were found ({what} is missing); download them, choose a folder that holds "
        f"{TENSORS}, or one of the models that are on this machine: {here}."
    )


def _preset_folder(preset: ModelConfig) -> Path | None:
    cached = (_cached(repository) for repository in preset.repositories)
    return _folder(BUNDLED / preset.name) or next((folder for folder in cached if folder), None)


def _folder(path: Path) -> Path | None:
    return path if (path / TENSORS).is_file() else None


def _cached(repository: str) -> Path | None:
    """The repository's snapshot in the Hugging Face cache, without asking the network."""
    return cached_checkpoint(repository, cache_folder())


class Checkpoint:
    """A checked checkpoint, whose tensors are read into its networks when they are wanted."""

    def __init__(self, name_or_folder: str, preset: str | None = None) -> None:
        """Find, recognise and check a checkpoint; no tensor is read yet.

        Args:
            name_or_folder: See `find_checkpoint`.
            preset: Which model it is, where neither `config.json` nor the tensors tell.

        Raises:
            WeightsError: It is missing, unreadable or unknown, or a tensor is missing, surplus or misshapen.
        """
        self._file = find_checkpoint(name_or_folder) / TENSORS
        stored = _read_shapes(self._file)
        self.config = _told(preset) if preset else _recognise(self._file.parent, name_or_folder, stored)
        self.networks = empty_networks(self.config)
        self._source = match_tensors(self.networks, stored, self.config)

    def fill(
        self,
        prefix: str,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        head_dtype: torch.dtype = torch.float32,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> Network:
        """Read those wanted tensors of one network that have not been read yet.

        Args:
            prefix: Which of `networks`.
            device: Where they go.
            dtype: Type of the weights of the backbone's matrix products; everything else, cameras too, is fp32.
            head_dtype: The same for the dense head, whose last layers are fp32, too.
            wanted: Tells by a tensor's name inside the network whether it is wanted.
        """
        network = self.networks[prefix]
        with safe_open(self._file, framework="pt") as file:
            for path, module in network.named_modules():
                low = head_dtype if path.startswith("head.") else dtype
                kind = low if _is_product(path, module) else torch.float32
                for name, parameter in list(module.named_parameters(recurse=False)):
                    key = f"{path}.{name}"
                    if parameter.is_meta and wanted(key):
                        tensor = file.get_tensor(self._source[prefix + key]).to(device, kind)
                        module.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
        return network


def is_camera_encoder(key: str) -> bool:
    """Whether a tensor is only used where cameras are given."""
    return key.startswith("cam_enc.")


def is_ray_branch(key: str) -> bool:
    """Whether a tensor belongs to the branch that gives rays."""
    return "_aux." in key


def is_used_for_rays(key: str) -> bool:
    """Whether a tensor of the ray branch is used: rays are read from its finest level only."""
    coarse = re.search(r"output_conv1_aux\.[012]\.|output_conv2_aux\.[012]\.[05]\.", key)
    return is_ray_branch(key) and coarse is None


def _is_product(path: str, module: nn.Module) -> bool:
    """Whether a module's weights may have less than fp32: matrix products, but for cameras and last layers."""
    last = ("output_conv2.2", "sky_output_conv2.2", "output_conv2_aux.3.5")
    if path.startswith(("cam_enc", "cam_dec")) or path.endswith(last):
        return False
    return isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)


def empty_networks(model: ModelConfig) -> dict[str, Network]:
    """Return a model's networks under their prefix in the file; tensors have shapes but no memory."""
    if model.metric_network is None:
        return {"model.": _empty(model.network)}
    return {"model.da3.": _empty(model.network), "model.da3_metric.": _empty(model.metric_network)}


def _empty(config: NetworkConfig) -> Network:
    with torch.device("meta"):
        return Network(config).eval()


def match_tensors(networks: Mapping[str, Network], stored: Shapes, model: ModelConfig) -> dict[str, str]:
    """Compare names and shapes strictly; return each tensor's name in the file.

    Args:
        networks: From `empty_networks`.
        stored: What the file holds.
        model: Tells whether a Gaussian head is to be left alone.

    Raises:
        WeightsError: Naming a missing, surplus or misshapen tensor.
    """
    source = {}
    for prefix, network in networks.items():
        for key, tensor in network.state_dict().items():
            name = source[prefix + key] = _stored_name(prefix + key, stored, model)
            if stored[name] != tuple(tensor.shape):
                raise WeightsError(
                    f"The tensor {name} has the shape {list(stored[name])} instead of {list(tensor.shape)}: the "
                    f"weights are not those of {model.title!r}; choose the model that they are for."
                )
    surplus = sorted(stored.keys() - source.keys() - set(source.values()))
    if model.network.gaussians:
        surplus = [name for name in surplus if not name.startswith(f"{next(iter(networks))}gs_head.")]
    if surplus:
        raise WeightsError(
            f"The weights hold {len(surplus)} tensors that {model.title!r} does not have, the first is {surplus[0]}; "
            "choose the model that they are for."
        )
    return source


def _stored_name(name: str, stored: Shapes, model: ModelConfig) -> str:
    """A tensor's name in the file; the norm that all ray levels share may be there once, under any level's name."""
    others = [re.sub(r"(output_conv2_aux)\.\d\.2\.", rf"\1.{level}.2.", name) for level in range(4)]
    found = next((candidate for candidate in (name, *others) if candidate in stored), None)
    if found is None:
        raise WeightsError(
            f"The tensor {name} is missing from the weights of {model.title!r}; download them again, or choose the "
            "model that they are for."
        )
    return found


def _read_shapes(path: Path) -> Shapes:
    """Read names and shapes, but no tensor."""
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            if odd := next((name for name, part in slices.items() if part.get_dtype() not in STORED_TYPES), None):
                types = " or ".join(STORED_TYPES)
                raise WeightsError(f"The tensor {odd} in {path} is not stored as {types}: download it again.")
            return {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        if _is_pickle(path):
            raise WeightsError(
                f"{path} is a pickle under another name, which could run any program and is never opened; get the "
                "weights as a safetensors file."
            ) from error
        raise WeightsError(f"{path} is not a whole safetensors file ({error}); download it again.") from error


def _is_pickle(path: Path) -> bool:
    """Whether a file starts as torch's own: a zip archive, or a bare pickle."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError:
        return False
    return start == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"))


def _told(preset: str) -> ModelConfig:
    if preset_name(preset) not in PRESETS:
        raise WeightsError(f"There is no model {preset!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[preset_name(preset)]


def _recognise(folder: Path, name: str, stored: Shapes) -> ModelConfig:
    """Which model a checkpoint is: by its `config.json`, by the name it was asked for, or by its tensors."""
    asked = (model for model in PRESETS.values() if preset_name(name) in (model.name, *model.repositories))
    return _read_config(folder / CONFIG) or next(asked, None) or recognise_tensors(stored)


def _read_config(path: Path) -> ModelConfig | None:
    if not os.path.lexists(path):
        return None
    try:
        values = read_json(path, CONFIG_LONGEST)
    except JSONError as error:
        raise WeightsError(
            f"{path} is not readable JSON (it {error}); use the file that came with the weights."
        ) from error
    return parse_config(values) if isinstance(values, Mapping) else None


def recognise_tensors(stored: Shapes) -> ModelConfig:
    """Tell an official model by its tensors alone.

    Raises:
        WeightsError: They fit two models (mono and metric have the same) or none.
    """
    nested = any(name.startswith("model.da3_metric.") for name in stored)
    if not nested and any(".sky_output_conv2." in name for name in stored):
        raise WeightsError(
            f"The weights fit two models; write a {CONFIG} beside them with "
            '{"model_name": "da3mono-large"} or {"model_name": "da3metric-large"}.'
        )
    token = stored.get(f"model.{'da3.' if nested else ''}backbone.pretrained.camera_token", (0,))
    for model in PRESETS.values():
        if model.has_poses and model.network.backbone.embed_dim == token[-1] and nested == bool(model.metric_network):
            return model
    raise WeightsError(f"The weights fit no known model; put their {CONFIG} beside them.")
