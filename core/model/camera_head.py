"""Cameras to tokens and tokens to cameras; always in fp32.

A camera is encoded as nine numbers: translation and quaternion (x, y, z, w) of world-from-camera, and the full vertical
and horizontal field of view in radians. Source: arXiv 2511.10647 §3.1; upstream `src/depth_anything_3/model/`
`cam_enc.py`, `cam_dec.py` and `utils/transform.py` @2c21ea8.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import Block, Mlp
from .config import CameraDecoderConfig, CameraEncoderConfig


class CameraEncoding(NamedTuple):
    """Cameras as the network writes them; leading sizes are free."""

    translation: Tensor
    """[..., 3] camera centre in the network's world."""
    quaternion: Tensor
    """[..., 4] world-from-camera rotation as x, y, z, w; not normalised."""
    field_of_view: Tensor
    """[..., 2] full vertical and horizontal field of view, radians, ≥ 0."""


class CameraEncoder(nn.Module):
    """Turn known cameras into one token per view."""

    def __init__(self, config: CameraEncoderConfig) -> None:
        super().__init__()
        dim = config.dim
        self.pose_branch = Mlp(9, dim // 2, dim)
        self.token_norm = nn.LayerNorm(dim)
        self.trunk = nn.ModuleList(Block(dim, config.num_heads, eps=1e-5) for _ in range(config.trunk_depth))
        self.trunk_norm = nn.LayerNorm(dim)

    def forward(self, encoding: CameraEncoding) -> Tensor:
        """Map cameras [B, V, ...] to camera tokens [B, V, C]."""
        with torch.autocast(encoding.translation.device.type, enabled=False):
            x = self.token_norm(self.pose_branch(torch.cat(encoding, dim=-1).float()))
            for block in self.trunk:
                x = block(x)
            return self.trunk_norm(x)


class CameraDecoder(nn.Module):
    """Read the camera from a view's last camera token."""

    def __init__(self, config: CameraDecoderConfig) -> None:
        super().__init__()
        dim = config.dim_in
        self.backbone = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())
        self.fc_t = nn.Linear(dim, 3)
        self.fc_qvec = nn.Linear(dim, 4)
        self.fc_fov = nn.Sequential(nn.Linear(dim, 2), nn.ReLU())

    def forward(self, cameras: Tensor) -> CameraEncoding:
        """Map camera tokens [..., D] to cameras [..., ·]."""
        with torch.autocast(cameras.device.type, enabled=False):
            x = self.backbone(cameras.float())
            return CameraEncoding(self.fc_t(x), self.fc_qvec(x), self.fc_fov(x))


def encode_cameras(world_from_camera: Tensor, image_from_camera: Tensor, sizes: Tensor) -> CameraEncoding:
    """Write cameras the way the encoder reads them.

    Args:
        world_from_camera: [..., 4, 4] rigid, already normalised (relative to the first view, unit scale).
        image_from_camera: [..., 3, 3] intrinsics, model pixels; the principal point is ignored.
        sizes: [..., 2] height and width of the model picture, pixels.
    """
    focal = torch.stack((image_from_camera[..., 1, 1], image_from_camera[..., 0, 0]), dim=-1)
    field_of_view = 2 * torch.atan(sizes / 2 / focal)
    return CameraEncoding(world_from_camera[..., :3, 3], quaternion_from_rotation(world_from_camera), field_of_view)


def world_from_encoding(encoding: CameraEncoding) -> Tensor:
    """Return world-from-camera [..., 4, 4] of encoded cameras."""
    matrix = torch.eye(4, dtype=encoding.translation.dtype, device=encoding.translation.device)
    matrix = matrix.expand(*encoding.translation.shape[:-1], 4, 4).clone()
    matrix[..., :3, :3] = rotation_from_quaternion(encoding.quaternion)
    matrix[..., :3, 3] = encoding.translation
    return matrix


def image_from_encoding(encoding: CameraEncoding, sizes: Tensor) -> Tensor:
    """Return intrinsics [..., 3, 3] in pixels for pictures of `sizes` [..., 2] (height, width), centred."""
    focal = sizes / 2 / torch.tan(encoding.field_of_view / 2).clamp_min(1e-6)
    matrix = torch.zeros(*focal.shape[:-1], 3, 3, dtype=focal.dtype, device=focal.device)
    matrix[..., 0, 0], matrix[..., 1, 1] = focal[..., 1], focal[..., 0]
    matrix[..., 0, 2], matrix[..., 1, 2] = sizes[..., 1] / 2, sizes[..., 0] / 2
    matrix[..., 2, 2] = 1
    return matrix


def rotation_from_quaternion(quaternion: Tensor) -> Tensor:
    """Return the rotation [..., 3, 3] of a quaternion [..., 4] (x, y, z, w) of any length but zero."""
    x, y, z, w = functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def quaternion_from_rotation(rotation: Tensor) -> Tensor:
    """Return the unit quaternion [..., 4] (x, y, z, w ≥ 0) of a rotation [..., ≥3, ≥3].

    4·q·qᵀ is linear in the rotation; its row with the largest diagonal is the quaternion without loss of digits.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row[..., :3].unbind(-1) for row in rotation[..., :3, :].unbind(-2))
    one = torch.ones_like(xx)
    rows = (
        (one + xx - yy - zz, xy + yx, xz + zx, zy - yz),
        (xy + yx, one - xx + yy - zz, yz + zy, xz - zx),
        (xz + zx, yz + zy, one - xx - yy + zz, yx - xy),
        (zy - yz, xz - zx, yx - xy, one + xx + yy + zz),
    )
    outer = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1, keepdim=True)
    quaternion = functional.normalize(
        outer.gather(-2, largest[..., None].expand(*largest.shape, 4)).squeeze(-2), dim=-1
    )
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
