"""Small configurations and well-conditioned random weights for tests."""

import numpy as np
import torch

from image_to_scene.core.model.config import (
    BackboneConfig,
    CameraDecoderConfig,
    CameraEncoderConfig,
    HeadConfig,
    NetworkConfig,
)


def any_view(embed_dim=64, depth=8, heads=2, ffn="mlp", alt_start=2, features=16, out_layers=(3, 5, 6, 7)):
    """An any-view network of a few hundred thousand weights; one output layer is a local block on purpose."""
    return NetworkConfig(
        backbone=BackboneConfig(
            embed_dim=embed_dim,
            depth=depth,
            num_heads=heads,
            out_layers=out_layers,
            ffn=ffn,
            img_size=126,
            alt_start=alt_start,
            qknorm_start=alt_start,
            rope_start=alt_start,
            cat_token=True,
        ),
        head=HeadConfig("dual_dpt", 2 * embed_dim, features, (12, 16, 24, 32)),
        cam_enc=CameraEncoderConfig(embed_dim, trunk_depth=2, num_heads=16),
        cam_dec=CameraDecoderConfig(2 * embed_dim),
        resolution=126,
        resolution_range=(70, 126),
    )


def mono(embed_dim=64, depth=4, heads=2):
    """A single-view network with sky."""
    return NetworkConfig(
        backbone=BackboneConfig(embed_dim, depth, heads, (0, 1, 2, 3), img_size=126),
        head=HeadConfig("dpt", embed_dim, 16, (12, 16, 24, 32)),
        resolution=126,
        resolution_range=(70, 126),
    )


def randomise(module, seed=0):
    """Fill all weights so that every layer matters: default values hide exchanged or missing layers.

    Matrices keep the variance of what passes through; scales of norms and layers spread around their usual size.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(module.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim >= 2 and not name.endswith(("token", "pos_embed")):
                weight.copy_(noise * (weight[0].numel() ** -0.5))
            elif name.endswith("gamma"):
                weight.copy_(0.3 + 0.1 * noise)
            elif name.endswith("weight"):
                weight.copy_(1 + 0.2 * noise)
            else:
                weight.copy_(0.3 * noise)
            if "fc_fov.0.bias" in name:
                weight.fill_(1.0)  # a field of view of zero is no camera
            if "fc_fov.0.weight" in name:
                weight.mul_(0.1)
            if "output_conv2.2.weight" in name:
                weight.mul_(0.5)  # depth spreads over one order of magnitude, not two: errors grow with the exponent
    return module.eval()


def relative_error(ours, theirs):
    """Largest difference over the reference's own size at that place or, near zero, over its typical size."""
    ours, theirs = ours.double(), theirs.double()
    return float(((ours - theirs).abs() / theirs.abs().clamp_min(theirs.abs().mean())).max())


def pictures(sizes, seed=0):
    """Random pictures [H, W, 3] that are smooth enough to resemble any."""
    generator = np.random.default_rng(seed)
    waves = [generator.normal(size=(3, 3)) for _ in sizes]
    results = []
    for (height, width), wave in zip(sizes, waves, strict=True):
        y, x = np.mgrid[0:height, 0:width] / 40.0
        values = [np.sin(a * x + b * y + c) for a, b, c in wave]
        noise = generator.normal(scale=0.1, size=(height, width, 3))
        results.append(((np.stack(values, -1) * 0.4 + 0.5 + noise).clip(0, 1) * 255).astype(np.uint8))
    return results


def normalised(images):
    """[1, V, 3, H, W] as the official preprocessing hands pictures of one size to the network."""
    mean, deviation = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    stacked = (np.stack(images).astype(np.float32) / 255 - mean) / deviation
    return torch.from_numpy(stacked).movedim(-1, 1)[None].contiguous()


def orbit(views):
    """Rigid world_from_camera [V, 4, 4] around the origin, the first one the identity, and intrinsics for 98 × 70."""
    generator = np.random.default_rng(views)
    poses = np.tile(np.eye(4), (views, 1, 1))
    for i in range(1, views):
        poses[i, :3, :3] = rotation_matrix(generator.normal(size=3) * 0.4)
        poses[i, :3, 3] = generator.normal(size=3)
    intrinsics = np.tile(np.array([[90.0, 0, 47], [0, 80.0, 36], [0, 0, 1]]), (views, 1, 1))
    return poses, intrinsics


def rotation_matrix(vector):
    """Matrix of a rotation vector, radians (Rodrigues)."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
