"""A quick look at held-out scenes while training runs, straight through the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from core.model.camera_head import world_from_encoding
from core.model.config import NetworkConfig
from core.model.network import Network
from core.model.vision_transformer import ViewGroup

from .auxiliary import Auxiliary
from .batches import Batch, collate, cut
from .data import DataFolder
from .metrics import area_under_curve, delta1, pair_errors

SIZE = (126, 84)
CHOSEN = (0, 2, 5, 7)


def held_out_batch(data: DataFolder, scene: int) -> Batch:
    """Four views of a scene, as they are."""
    images = cut(data.images[scene][list(CHOSEN)], SIZE, 1).astype(np.float32) / 255
    K = data.image_from_camera[scene][list(CHOSEN)].copy()
    K[:, :2, 2] = SIZE[0] / 2, SIZE[1] / 2
    return collate(
        [(images, cut(data.depth[scene][list(CHOSEN)], SIZE, 1), data.world_from_camera[scene][list(CHOSEN)], K)]
    )


@torch.no_grad()
def measure(
    config: NetworkConfig, weights: Mapping[str, Tensor], helpers: Auxiliary, data: DataFolder
) -> dict[str, float]:
    """δ1 of the dense and of the patch head, AUC30 without and with given cameras, default reference view."""
    network = Network(config)
    network.load_state_dict({**network.state_dict(), **weights})
    network.eval()
    assert network.cam_enc is not None and network.cam_dec is not None
    figures: dict[str, list[float]] = {"d1": [], "d1_given": [], "log_error": []}
    errors: dict[str, list[tuple[float, float]]] = {"auc30": [], "auc30_given": []}
    for scene in range(data.ready()):
        batch = held_out_batch(data, scene)
        group = ViewGroup(batch.images, tuple(range(len(CHOSEN))))
        for suffix, tokens in (("", None), ("_given", network.cam_enc(batch.given))):
            features = network.encode([group], camera_tokens=tokens)
            depth = network.dense_maps(features.patches[0], SIZE[::-1]).depth[0]
            cameras = world_from_encoding(network.cam_dec(features.cameras))[0]
            errors[f"auc30{suffix}"] += pair_errors(
                cameras.double().numpy(), batch.world_from_camera[0].double().numpy()
            )
            pairs = zip(depth.numpy(), batch.depth[0].numpy(), strict=True)
            figures[f"d1{suffix}"] += [delta1(p, t) for p, t in pairs]
            if not suffix:
                figures["log_error"].append(float(helpers.patch_depth(features, batch)))
    rotation, direction = np.median(np.array(errors["auc30"]), axis=0)
    means = {name: float(np.mean(values)) for name, values in figures.items()}
    curves = {name: area_under_curve(pairs, 30) for name, pairs in errors.items()}
    return {key: round(value, 4) for key, value in (means | curves | {"rot": rotation, "dir": direction}).items()}
