"""The teacher's objective: gradient, global-local, surface-normal and sky terms, blind to scale and shift of its depth.

Source: arXiv 2511.10647 §4.1 and eq. 4 to 7; the global-local loss is that of MoGe (arXiv 2410.19115 §3.2), there of
point maps, here of depth. Scale and shift are found anew in every call and held while gradients flow.
"""

# Some of torch gives Any:
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math

import torch
from torch import Tensor

from core.model.dense_head import DenseMaps

from .alignment import best_in_l1
from .batches import Batch
from .config import TeacherObjective
from .losses import gradient_loss, masked_mean, pixel_centres

Places = tuple[Tensor, Tensor]
"""Rows and columns of pixels, of one shape."""


def some_known(known: Tensor, count: int, random: torch.Generator) -> Places:
    """[N, count] places of known pixels of each of [N, H, W], drawn with repetition; any where none is known."""
    chances = known.flatten(1).double() + 1e-12
    flat = torch.multinomial(chances.cpu(), count, replacement=True, generator=random).to(known.device)
    return flat // known.shape[-1], flat % known.shape[-1]


def read(maps: Tensor, places: Places) -> Tensor:
    """Values of [N, H, W, ...] at places [N, ...]."""
    picture = torch.arange(len(maps), device=maps.device).view(-1, *[1] * (places[0].ndim - 1))
    return maps[picture, places[0], places[1]]


def nearness(depth: Tensor) -> Tensor:
    """1 / D, 0 where depth is not known."""
    return torch.where(depth > 0, 1 / depth.clamp_min(1e-6), torch.zeros_like(depth))


def aligned(depth: Tensor, true: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Predicted depth [N, H, W] brought to the true one by one scale and shift a picture."""
    places = some_known(true > 0, count, random)
    x, y = read(depth, places), read(true, places)
    scale, shift = best_in_l1(x, y, nearness(y))
    return scale[:, None, None] * depth + shift[:, None, None]


def relative_error(depth: Tensor, true: Tensor) -> Tensor:
    """Mean of |D̂ − D| / D over the known pixels of aligned depth."""
    return masked_mean((depth - true).abs() * nearness(true), true > 0)


def points(depth: Tensor, K: Tensor) -> Tensor:
    """Lift depth [N, H, W] to points [N, H, W, 3] in the camera's own axes."""
    pixels = pixel_centres(depth.shape[-2:], depth.shape[-2:], K)
    return torch.einsum("nij,hwj->nhwi", torch.linalg.inv(K), pixels) * depth[..., None]


def region_error(
    depth: Tensor, true: Tensor, K: Tensor, size: float, objective: TeacherObjective, random: torch.Generator
) -> Tensor:
    """Relative error inside balls around some known points, each ball with a scale and shift of its own.

    Args:
        depth: [N, H, W] predicted, in any scale and shift.
        true: [N, H, W].
        K: [N, 3, 3] image_from_camera, pixels.
        size: Radius of a ball, in half diagonals of the picture as seen at the depth of its centre.
        objective: How many balls, and how many pixels of each are looked at.
        random: Draws both.
    """
    height, width = true.shape[-2:]
    reach = size * math.hypot(height, width) / 2
    row, column = some_known(true > 0, objective.region_count, random)
    offsets = torch.rand((2, *row.shape, objective.region_points), generator=random).to(true.device)
    rows, columns = (
        (place[..., None] + (2 * reach * offset - reach).round().long())
        for place, offset in zip((row, column), offsets, strict=True)
    )
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = (rows.clamp(0, height - 1), columns.clamp(0, width - 1))
    lifted = points(true, K)
    centre, around = read(lifted, (row, column))[..., None, :], read(lifted, places)
    radius = reach / K[:, 0, 0, None, None] * centre[..., 2]
    near = (around - centre).norm(dim=-1) <= radius
    x, y = read(depth, places), read(true, places)
    weight = nearness(y) * (inside & near)
    scale, shift = best_in_l1(x, y, weight)
    error = (scale[..., None] * x + shift[..., None] - y).abs() * weight
    return error.sum() / (weight > 0).sum().clamp_min(1)


def four_normals(lifted: Tensor) -> Tensor:
    """[N, H−2, W−2, 4, 3] unnormalised normals of the four triangles that a point makes with its neighbours.

    They face away from the camera where the surface is seen from its front; their length is twice the triangle's area.
    """
    middle = lifted[:, 1:-1, 1:-1]
    right, below, left, above = lifted[:, 1:-1, 2:], lifted[:, 2:, 1:-1], lifted[:, 1:-1, :-2], lifted[:, :-2, 1:-1]
    spokes = torch.stack((right, below, left, above), -2) - middle[..., None, :]
    return torch.linalg.cross(spokes, spokes.roll(-1, -2))


def mean_normal(normals: Tensor) -> Tensor:
    """Mean direction [..., 3] of normals [..., 4, 3]; those of large triangles, whose corners are far, count less."""
    length = normals.norm(dim=-1, keepdim=True)
    weight = length.sum(-2, keepdim=True) - length
    return (weight * normals / length.clamp_min(1e-12)).sum(-2)


def angle(a: Tensor, b: Tensor) -> Tensor:
    """Radians between vectors [..., 3], with a gradient everywhere but at none and at a half turn."""
    a, b = (torch.nn.functional.normalize(v, dim=-1) for v in (a, b))
    return 2 * torch.asin((0.5 * (a - b).norm(dim=-1)).clamp(max=1 - 1e-6))


def normal_loss(depth: Tensor, true: Tensor, K: Tensor) -> Tensor:
    """Angles between predicted and true surface normals: of the mean one, and of the four that it is made of.

    Args:
        depth: [N, H, W] predicted, aligned with the true one.
        true: [N, H, W].
        K: [N, 3, 3] image_from_camera, pixels.
    """
    known = true > 0
    whole = known[:, 1:-1, 1:-1] & known[:, 1:-1, 2:] & known[:, 2:, 1:-1] & known[:, 1:-1, :-2] & known[:, :-2, 1:-1]
    predicted, wanted = four_normals(points(depth, K)), four_normals(points(true, K))
    error = angle(mean_normal(predicted), mean_normal(wanted)) + angle(predicted, wanted).sum(-1)
    return masked_mean(error, whole)


def teacher_objective(
    output: DenseMaps, batch: Batch, objective: TeacherObjective, random: torch.Generator
) -> dict[str, Tensor]:
    """All terms, already weighted; `output` has leading sizes [B, V], and each picture stands for itself."""
    assert output.sky is not None
    depth, true, K = (x.flatten(0, 1) for x in (output.depth, batch.depth, batch.image_from_camera))
    fitted = aligned(depth, true, 2 * objective.region_points, random)
    regions = [region_error(depth, true, K, size, objective, random) for size in objective.region_sizes]
    return {
        "gradient": objective.gradient * gradient_loss(fitted, true, true > 0),
        "regions": objective.regions * torch.stack([relative_error(fitted, true), *regions]).sum(),
        "normal": objective.normal * normal_loss(fitted, true, K),
        "sky": objective.sky * (output.sky - (batch.depth == 0).float()).square().mean(),
    }
