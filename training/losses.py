"""The objective of the paper: depth, ray, point, camera and gradient terms.

Source: arXiv 2511.10647 §3.3. Differs: depth-like errors are weighted by 1 / (D + 0.3), so that near and far count
alike, and the ray term has the confidence of its own branch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.model.camera_head import CameraEncoding, quaternion_from_rotation
from core.model.dense_head import DenseMaps

from .batches import Batch
from .config import LossWeights


def nearness(depth: Tensor) -> Tensor:
    """Weight of a pixel of true depth: relative errors count, nothing near is endlessly important."""
    return 1 / (depth + 0.3)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the pixels of a mask, 0 for an empty one."""
    return (values * mask).sum() / mask.sum().clamp_min(1)


def confident(error: Tensor, confidence: Tensor, mask: Tensor, weight: float) -> Tensor:
    """Error scaled by confidence, less the confidence's logarithm: smallest at confidence = weight / error."""
    return masked_mean(confidence * error - weight * confidence.log(), mask)


def gradient_loss(depth: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Difference of the steps between neighbouring pixels, both known."""
    total = depth.new_zeros(())
    for axis in (-1, -2):
        near, far = true.narrow(axis, 0, true.shape[axis] - 1), true.narrow(axis, 1, true.shape[axis] - 1)
        both = mask.narrow(axis, 0, near.shape[axis]) & mask.narrow(axis, 1, near.shape[axis])
        error = (depth.diff(dim=axis) - true.diff(dim=axis)).abs() * nearness(torch.minimum(near, far))
        total = total + masked_mean(error, both)
    return total


def true_rays(batch: Batch, rows: int, columns: int) -> Tensor:
    """[B, V, rows, columns, 6] direction (camera-Z component 1) and origin at the centres of a ray map's cells."""
    height, width = batch.depth.shape[-2:]
    u = (torch.arange(columns) + 0.5) * (width / columns)
    v = (torch.arange(rows) + 0.5) * (height / rows)
    pixels = torch.stack((u.expand(rows, -1), v[:, None].expand(-1, columns), torch.ones(rows, columns)), -1)
    world_from_image = batch.world_from_camera[..., :3, :3] @ torch.linalg.inv(batch.image_from_camera)
    directions = torch.einsum("bvij,hwj->bvhwi", world_from_image, pixels)
    origins = batch.world_from_camera[..., None, None, :3, 3].expand_as(directions)
    return torch.cat((directions, origins), -1)


def at_rays(depth: Tensor, rows: int, columns: int) -> Tensor:
    """The pixels [..., rows, columns] of [..., H, W] that hold the centres of a ray map's cells."""
    row = ((torch.arange(rows) + 0.5) * (depth.shape[-2] / rows)).long()
    column = ((torch.arange(columns) + 0.5) * (depth.shape[-1] / columns)).long()
    return depth[..., row[:, None], column]


def ray_and_point_loss(output: DenseMaps, batch: Batch, weights: LossWeights) -> tuple[Tensor, Tensor]:
    """The ray map against the true one, and depth · direction + origin against the true points."""
    assert output.rays is not None and output.ray_confidence is not None
    rows, columns = output.rays.shape[2:4]
    rays = true_rays(batch, rows, columns)
    everywhere = torch.ones_like(output.ray_confidence, dtype=torch.bool)
    error = (output.rays - rays).abs().mean(-1)
    ray = confident(error, output.ray_confidence, everywhere, weights.confidence)
    true, depth = at_rays(batch.depth, rows, columns)[..., None], at_rays(output.depth, rows, columns)[..., None]
    points = true * rays[..., :3] + rays[..., 3:]
    distance = (depth * output.rays[..., :3] + output.rays[..., 3:] - points).abs().mean(-1)
    point = masked_mean(distance * nearness(true[..., 0]), true[..., 0] > 0)
    return ray, point


def camera_loss(cameras: CameraEncoding, batch: Batch) -> Tensor:
    """L1 of translation, unit quaternion (real part ≥ 0) and, at half weight, field of view."""
    sizes = torch.tensor(batch.depth.shape[-2:], dtype=torch.float32)
    focal = torch.stack((batch.image_from_camera[..., 1, 1], batch.image_from_camera[..., 0, 0]), -1)
    field_of_view = 2 * torch.atan(sizes / 2 / focal)
    quaternion = quaternion_from_rotation(batch.world_from_camera)
    translation = (cameras.translation - batch.world_from_camera[..., :3, 3]).abs().mean()
    rotation = (cameras.quaternion - quaternion).abs().mean()
    return translation + rotation + 0.5 * (cameras.field_of_view - field_of_view).abs().mean()


def baseline_loss(cameras: CameraEncoding, batch: Batch) -> Tensor:
    """Error of the step between every two camera centres, in parts of the true step: short ones count too."""
    centres, true = cameras.translation, batch.world_from_camera[..., :3, 3]
    first, second = torch.triu_indices(centres.shape[1], centres.shape[1], 1)
    step, error = true[:, second] - true[:, first], centres[:, second] - centres[:, first]
    return masked_mean(
        (error - step).norm(dim=-1) / step.norm(dim=-1).clamp_min(0.05), torch.ones_like(step[..., 0], dtype=torch.bool)
    )


def dense_objective(output: DenseMaps, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """The dense head's terms, already weighted; `output` has leading sizes [B, V]."""
    assert output.confidence is not None
    known = batch.depth > 0
    error = (output.depth - batch.depth).abs() * nearness(batch.depth)
    ray, point = ray_and_point_loss(output, batch, weights)
    return {
        "depth": weights.depth * confident(error, output.confidence, known, weights.confidence),
        "ray": weights.ray * ray,
        "point": weights.point * point,
        "gradient": weights.gradient * gradient_loss(output.depth, batch.depth, known),
    }
