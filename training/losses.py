"""The student's objective: depth, ray, point, camera and gradient terms, all of them L1.

Source: arXiv 2511.10647 §3.3, which leaves open whether a norm of several numbers is their sum or their mean: here the
mean, in the camera term of each of its three parts. Differs: the ray term has the confidence of its own branch, as the
published networks answer one. What else is not the paper's is an option of `StudentObjective`, off unless a recipe asks
for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.model.camera_head import CameraEncoding, quaternion_from_rotation
from core.model.dense_head import DenseMaps

from .batches import Batch
from .config import StudentObjective


def emphasis(depth: Tensor, near: float | None) -> Tensor:
    """Weight of a pixel of true depth: 1, or 1 / (D + near), with which relative errors count."""
    return torch.ones_like(depth) if near is None else 1 / (depth + near)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the pixels of a mask, 0 for an empty one."""
    return (values * mask).sum() / mask.sum().clamp_min(1)


def confident(error: Tensor, confidence: Tensor, mask: Tensor, weight: float) -> Tensor:
    """Error scaled by confidence, less the confidence's logarithm: smallest at confidence = weight / error."""
    return masked_mean(confidence * error - weight * confidence.log(), mask)


def gradient_loss(depth: Tensor, true: Tensor, mask: Tensor, near: float | None = None) -> Tensor:
    """Difference of the steps between neighbouring pixels, both known, along each axis [..., H, W]."""
    total = depth.new_zeros(())
    for axis in (-1, -2):
        first, second = (true.narrow(axis, start, true.shape[axis] - 1) for start in (0, 1))
        both = mask.narrow(axis, 0, first.shape[axis]) & mask.narrow(axis, 1, first.shape[axis])
        error = (depth.diff(dim=axis) - true.diff(dim=axis)).abs() * emphasis(torch.minimum(first, second), near)
        total = total + masked_mean(error, both)
    return total


def pixel_centres(grid: Sequence[int], size: Sequence[int], like: Tensor) -> Tensor:
    """[rows, columns, 3] homogeneous pixels of pictures of `size` (height, width) at the centres of a grid's cells."""
    rows, columns = grid
    u = (torch.arange(columns, device=like.device) + 0.5) * (size[1] / columns)
    v = (torch.arange(rows, device=like.device) + 0.5) * (size[0] / rows)
    places = (u.expand(rows, -1), v[:, None].expand(-1, columns), torch.ones(rows, columns, device=like.device))
    return torch.stack(places, -1).to(like.dtype)


def true_rays(batch: Batch, rows: int, columns: int) -> Tensor:
    """[B, V, rows, columns, 6] direction (camera-Z component 1) and origin at the centres of a ray map's cells."""
    pixels = pixel_centres((rows, columns), batch.depth.shape[-2:], batch.image_from_camera)
    world_from_image = batch.world_from_camera[..., :3, :3] @ torch.linalg.inv(batch.image_from_camera)
    directions = torch.einsum("bvij,hwj->bvhwi", world_from_image, pixels)
    origins = batch.world_from_camera[..., None, None, :3, 3].expand_as(directions)
    return torch.cat((directions, origins), -1)


def at_rays(depth: Tensor, rows: int, columns: int) -> Tensor:
    """Depth [..., H, W] at the pixels that hold the centres of a ray map's cells."""
    row = ((torch.arange(rows, device=depth.device) + 0.5) * (depth.shape[-2] / rows)).long()
    column = ((torch.arange(columns, device=depth.device) + 0.5) * (depth.shape[-1] / columns)).long()
    return depth[..., row[:, None], column]


def ray_and_point_loss(output: DenseMaps, batch: Batch, objective: StudentObjective) -> tuple[Tensor, Tensor]:
    """The ray map against the true one, and depth · direction + origin against the true points."""
    assert output.rays is not None and output.ray_confidence is not None
    rows, columns = output.rays.shape[2:4]
    rays = true_rays(batch, rows, columns)
    everywhere = torch.ones_like(output.ray_confidence, dtype=torch.bool)
    error = (output.rays - rays).abs().mean(-1)
    ray = confident(error, output.ray_confidence, everywhere, objective.confidence)
    true, depth = at_rays(batch.depth, rows, columns)[..., None], at_rays(output.depth, rows, columns)[..., None]
    points = true * rays[..., :3] + rays[..., 3:]
    distance = (depth * output.rays[..., :3] + output.rays[..., 3:] - points).abs().mean(-1)
    point = masked_mean(distance * emphasis(true[..., 0], objective.near), true[..., 0] > 0)
    return ray, point


def camera_loss(cameras: CameraEncoding, batch: Batch, field_of_view_weight: float = 1.0) -> Tensor:
    """Mean L1 of translation, of the quaternion (real part ≥ 0) and of the field of view, each for itself."""
    sizes = torch.tensor(batch.depth.shape[-2:], dtype=torch.float32, device=batch.depth.device)
    focal = torch.stack((batch.image_from_camera[..., 1, 1], batch.image_from_camera[..., 0, 0]), -1)
    field_of_view = 2 * torch.atan(sizes / 2 / focal)
    quaternion = quaternion_from_rotation(batch.world_from_camera)
    translation = (cameras.translation - batch.world_from_camera[..., :3, 3]).abs().mean()
    rotation = (cameras.quaternion - quaternion).abs().mean()
    return translation + rotation + field_of_view_weight * (cameras.field_of_view - field_of_view).abs().mean()


def baseline_loss(cameras: CameraEncoding, batch: Batch) -> Tensor:
    """Error of the step between every two camera centres, in parts of the true step: short ones count too."""
    centres, true = cameras.translation, batch.world_from_camera[..., :3, 3]
    first, second = torch.triu_indices(centres.shape[1], centres.shape[1], 1, device=centres.device)
    step, error = true[:, second] - true[:, first], centres[:, second] - centres[:, first]
    relative = (error - step).norm(dim=-1) / step.norm(dim=-1).clamp_min(0.05)
    return masked_mean(relative, torch.ones_like(relative, dtype=torch.bool))


def camera_objective(cameras: CameraEncoding, batch: Batch, objective: StudentObjective) -> dict[str, Tensor]:
    """The camera head's terms, already weighted."""
    terms = {"camera": objective.camera * camera_loss(cameras, batch, objective.field_of_view)}
    if objective.baseline:
        terms["baseline"] = objective.baseline * baseline_loss(cameras, batch)
    return terms


def dense_objective(output: DenseMaps, batch: Batch, objective: StudentObjective) -> dict[str, Tensor]:
    """The dense head's terms, already weighted; `output` has leading sizes [B, V]."""
    assert output.confidence is not None
    known = batch.depth > 0
    error = (output.depth - batch.depth).abs() * emphasis(batch.depth, objective.near)
    ray, point = ray_and_point_loss(output, batch, objective)
    return {
        "depth": objective.depth * confident(error, output.confidence, known, objective.confidence),
        "ray": objective.ray * ray,
        "point": objective.point * point,
        "gradient": objective.gradient * gradient_loss(output.depth, batch.depth, known, objective.near),
    }
