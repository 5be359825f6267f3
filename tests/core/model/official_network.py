"""The official package's network (`depth-anything-3`, test only), built to any of our configurations."""

import importlib.util
import json
import sys
import types
import warnings
from contextlib import contextmanager
from functools import partial

import torch
from safetensors.torch import save_model
from torch import nn


class _Absent(types.ModuleType):
    """Stands for a package that the network's modules import but no test calls (alignment of camera paths)."""

    __path__: list[str] = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return object


if importlib.util.find_spec("evo") is None:
    sys.modules |= {name: _Absent(name) for name in ("evo", "evo.core", "evo.core.trajectory")}
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\)")
from depth_anything_3.cfg import create_object, load_config  # noqa: E402
from depth_anything_3.model.cam_dec import CameraDec  # noqa: E402
from depth_anything_3.model.cam_enc import CameraEnc  # noqa: E402
from depth_anything_3.model.da3 import DepthAnything3Net, NestedDepthAnything3Net  # noqa: E402
from depth_anything_3.model.dinov2.dinov2 import DinoV2  # noqa: E402
from depth_anything_3.model.dinov2.vision_transformer import DinoVisionTransformer  # noqa: E402
from depth_anything_3.model.dpt import DPT  # noqa: E402
from depth_anything_3.model.dualdpt import DualDPT  # noqa: E402
from depth_anything_3.registry import MODEL_REGISTRY  # noqa: E402


@contextmanager
def on_meta():
    """Build modules without memory; the official transformer reads one number from a `linspace`, which needs some."""
    linspace = torch.linspace
    torch.linspace = partial(linspace, device="cpu")
    try:
        with torch.device("meta"):
            yield
    finally:
        torch.linspace = linspace


def official_network(config):
    """Build the official any-view, mono or metric network of these sizes, weights not yet set."""
    with on_meta():
        return _official_network(config).to_empty(device="cpu").eval()


def official_preset(name):
    """Build an official network as its own package describes it, without memory."""
    with on_meta():
        return create_object(load_config(MODEL_REGISTRY[name]))


def _official_network(config):
    cam_enc, cam_dec = config.cam_enc, config.cam_dec
    return DepthAnything3Net(
        _backbone(config.backbone),
        _head(config.head),
        cam_dec=CameraDec(cam_dec.dim_in) if cam_dec else None,
        cam_enc=CameraEnc(cam_enc.dim, trunk_depth=cam_enc.trunk_depth, num_heads=cam_enc.num_heads)
        if cam_enc
        else None,
    )


def official_nested(config, metric):
    """Build the official nested network from two configurations."""
    nested = NestedDepthAnything3Net.__new__(NestedDepthAnything3Net)
    nn.Module.__init__(nested)
    nested.da3, nested.da3_metric = official_network(config), official_network(metric)
    return nested.eval()


def _backbone(config):
    """The wrapper knows four sizes by name; its transformer takes any."""
    starts = {"alt_start": config.alt_start, "qknorm_start": config.qknorm_start, "rope_start": config.rope_start}
    wrapper = DinoV2.__new__(DinoV2)
    nn.Module.__init__(wrapper)
    wrapper.name, wrapper.out_layers, wrapper.cat_token = "any", list(config.out_layers), config.cat_token
    for name, value in starts.items():
        setattr(wrapper, name, value)
    wrapper.pretrained = DinoVisionTransformer(
        img_size=config.img_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        ffn_layer="swiglufused" if config.ffn == "swiglu" else "mlp",
        cat_token=config.cat_token,
        **starts,
    )
    return wrapper


def _head(config):
    kind = DualDPT if config.type == "dual_dpt" else DPT
    outputs = 2 if config.type == "dual_dpt" else 1
    return kind(config.dim_in, output_dim=outputs, features=config.features, out_channels=list(config.out_channels))


def save_like_hugging_face(network, folder, config_json):
    """Save as `from_pretrained` expects it: prefix `model.`, tensors that are shared kept under one name."""
    api = nn.Module()
    api.model = network
    folder.mkdir(parents=True, exist_ok=True)
    save_model(api, str(folder / "model.safetensors"), metadata={"format": "pt"})
    if config_json is not None:
        (folder / "config.json").write_text(json.dumps(config_json))
    return folder
