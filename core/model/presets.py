"""Every model that can be chosen by name, as one table; imports no torch, so that the window may read it.

Sizes: arXiv 2511.10647 §3 and upstream `src/depth_anything_3/configs/*.yaml` @2c21ea8. Licences and repositories:
upstream README at the same commit. Download sizes: four bytes a weight of those networks, and the file's header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..names import LONGEST, readable
from .config import (
    BackboneConfig,
    CameraDecoderConfig,
    CameraEncoderConfig,
    HeadConfig,
    ModelConfig,
    NetworkConfig,
    parse_network,
)


def _any_view(dim: int, heads: int, depth: int, start: int, out_layers: tuple[int, ...]) -> NetworkConfig:
    """Sizes that all official any-view networks share, with the head of the large ones."""
    return NetworkConfig(
        BackboneConfig(
            embed_dim=dim,
            depth=depth,
            num_heads=heads,
            out_layers=out_layers,
            alt_start=start,
            qknorm_start=start,
            rope_start=start,
            cat_token=True,
        ),
        HeadConfig("dual_dpt", 2 * dim, 256, (256, 512, 1024, 1024)),
        CameraEncoderConfig(dim),
        CameraDecoderConfig(2 * dim),
    )


def _with_head(network: NetworkConfig, features: int, out_channels: tuple[int, ...]) -> NetworkConfig:
    return replace(network, head=replace(network.head, features=features, out_channels=out_channels))


_SMALL = _with_head(_any_view(384, 6, 12, 4, (5, 7, 9, 11)), 64, (48, 96, 192, 384))
_BASE = _with_head(_any_view(768, 12, 12, 4, (5, 7, 9, 11)), 128, (96, 192, 384, 768))
_LARGE = _any_view(1024, 16, 24, 8, (11, 15, 19, 23))
_GIANT = _any_view(1536, 24, 40, 13, (19, 27, 33, 39))
_GIANT = replace(_GIANT, backbone=replace(_GIANT.backbone, ffn="swiglu"), gaussians=True)
_MONO = NetworkConfig(
    BackboneConfig(embed_dim=1024, depth=24, num_heads=16, out_layers=(4, 11, 17, 23)),
    HeadConfig("dpt", 1024, 256, (256, 512, 1024, 1024)),
)
_NANO = _with_head(_any_view(192, 3, 10, 2, (3, 5, 7, 9)), 32, (24, 32, 48, 96))
_NANO = replace(
    _NANO,
    backbone=replace(_NANO.backbone, img_size=126),
    cam_enc=CameraEncoderConfig(192, trunk_depth=2, num_heads=3),
    resolution=126,
    resolution_range=(126, 126),
)

PRESETS: Mapping[str, ModelConfig] = {
    model.name: model
    for model in (
        ModelConfig("nano", "Nano (preview)", _NANO, licence="CC0-1.0"),
        ModelConfig(
            "small",
            "Small",
            _SMALL,
            licence="Apache-2.0",
            repositories=("depth-anything/DA3-SMALL",),
            download_size=137_248_308,
        ),
        ModelConfig(
            "base",
            "Base",
            _BASE,
            licence="Apache-2.0",
            repositories=("depth-anything/DA3-BASE",),
            download_size=541_517_468,
        ),
        ModelConfig(
            "large",
            "Large",
            _LARGE,
            licence="CC-BY-NC-4.0",
            repositories=("depth-anything/DA3-LARGE-1.1", "depth-anything/DA3-LARGE"),
            download_size=1_643_843_276,
        ),
        ModelConfig(
            "giant",
            "Giant",
            _GIANT,
            licence="CC-BY-NC-4.0",
            repositories=("depth-anything/DA3-GIANT-1.1", "depth-anything/DA3-GIANT"),
            download_size=5_422_814_092,
        ),
        ModelConfig(
            "nested",
            "Nested (giant with metric scale)",
            _GIANT,
            _MONO,
            is_metric=True,
            licence="CC-BY-NC-4.0",
            repositories=("depth-anything/DA3NESTED-GIANT-LARGE-1.1", "depth-anything/DA3NESTED-GIANT-LARGE"),
            download_size=6_759_557_500,
        ),
        ModelConfig(
            "metric",
            "Metric (single pictures)",
            _MONO,
            is_metric=True,
            licence="Apache-2.0",
            repositories=("depth-anything/DA3METRIC-LARGE",),
            download_size=1_336_734_456,
        ),
        ModelConfig(
            "mono",
            "Mono (single pictures, relative depth)",
            _MONO,
            licence="Apache-2.0",
            repositories=("depth-anything/DA3MONO-LARGE",),
            download_size=1_336_734_456,
        ),
    )
}
"""Every model that can be chosen by name."""

OFFICIAL_NAMES: Mapping[str, str] = {
    "da3-nano": "nano",
    "da3-small": "small",
    "da3-base": "base",
    "da3-large": "large",
    "da3-giant": "giant",
    "da3nested-giant-large": "nested",
    "da3metric-large": "metric",
    "da3mono-large": "mono",
}
"""`model_name` of a checkpoint's `config.json` → preset."""


TENSORS, CONFIG = "model.safetensors", "config.json"
"""The files of a checkpoint, on the hub and in a folder."""


@dataclass(frozen=True)
class Pinned:
    """A repository's files as they are known beforehand, not from the server that sends them."""

    commit: str
    """40 hexadecimal digits."""
    sha256: Mapping[str, str]
    """SHA-256 of `CONFIG` and `TENSORS`, 64 hexadecimal digits each."""


PINNED: Mapping[str, Pinned] = {}
"""By repository. Entries come from a trusted copy of the files, never from a mirror's own headers; until a repository
has one, a download is compared only with the checksum that its server gives."""


def preset_name(name: str) -> str:
    """Return the preset's own name for an official one."""
    return OFFICIAL_NAMES.get(name, name)


def megabytes(size: float) -> str:
    """Say a number of bytes as people read it: `540 MB`, `1.6 GB`."""
    return f"{size / 1e6:.0f} MB" if size < 0.9995e9 else f"{size / 1e9:.1f} GB"


def parse_config(values: Mapping[str, Any]) -> ModelConfig | None:
    """Read a checkpoint's `config.json`.

    Args:
        values: The file's object. Its `config` gives sizes (see `parse_network`); else `model_name`, here or inside
            `config`, names a preset.

    Returns:
        The model, or None where the file says too little.

    Raises:
        WeightsError: The sizes are not valid.
    """
    sizes = values.get("config")
    sizes = sizes if isinstance(sizes, Mapping) else {}
    name = values.get("model_name", sizes.get("model_name"))
    preset = PRESETS.get(preset_name(str(name)))
    if "backbone" not in sizes:
        return preset
    network = parse_network({key: value for key, value in sizes.items() if key != "model_name"})
    if preset is not None:
        return replace(preset, network=network)
    title = readable(str(name or "Custom checkpoint"))[:LONGEST]
    return ModelConfig(title if name else "custom", title, network)
