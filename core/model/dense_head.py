"""The dense heads: a pyramid of convolutions turns four layers of patches into maps of depth, confidence, rays, sky.

Source: Vision Transformers for Dense Prediction, arXiv 2103.13413; arXiv 2511.10647 §3.2; upstream
`src/depth_anything_3/model/dualdpt.py`, `dpt.py` and `utils/head_utils.py` @2c21ea8. Differs: 1×1 convolutions run
before the upsampling with which they commute, the ray branch runs only when asked and only on the level it is read
from, everything is laid out channels last. Attribute names are those of the official checkpoints.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import HeadConfig

LEVELS = (1, 2, 3, 4)  # finest to coarsest


class DenseMaps(NamedTuple):
    """What a head says of N views of one size; None where it does not speak or was not asked."""

    depth: Tensor
    """[N, H, W] along Z, positive."""
    confidence: Tensor | None = None
    """[N, H, W] in (1, ∞)."""
    sky: Tensor | None = None
    """[N, H, W] ≥ 0, about 1 on sky."""
    rays: Tensor | None = None
    """[N, 8·rows, 8·columns, 6] direction (0:3) and origin (3:6)."""
    ray_confidence: Tensor | None = None
    """[N, 8·rows, 8·columns] in (1, ∞)."""


class ResidualConvUnit(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Refine [N, F, h, w]."""
        return x + self.conv2(functional.relu_(self.conv1(functional.relu(x))))


class FusionBlock(nn.Module):
    """Join the coarser level's result with this level and enlarge it."""

    def __init__(self, features: int, *, lateral: bool) -> None:
        super().__init__()
        if lateral:
            self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(self, size: Sequence[int], x: Tensor, lateral: Tensor | None = None) -> Tensor:
        """Return [N, F, *size] from the coarser `x` and this level's `lateral`, both [N, F, h, w]."""
        if lateral is not None:
            x = x + self.resConfUnit1(lateral)
        return enlarge(self.out_conv(self.resConfUnit2(x)), size)


class Scratch(nn.Module):
    """The pyramid's convolutions (`scratch` in the checkpoints)."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        features = config.features
        for level, channels in zip(LEVELS, config.out_channels, strict=True):
            self.add_module(f"layer{level}_rn", nn.Conv2d(channels, features, 3, padding=1, bias=False))
        self._add_fusion(features, "")
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        if config.type == "dpt":
            self.output_conv2 = _last_layers(features // 2, 1)
            self.sky_output_conv2 = _last_layers(features // 2, 1)
            return
        self.output_conv2 = _last_layers(features // 2, 2)
        self._add_fusion(features, "_aux")
        norm = nn.LayerNorm(32)  # one for all levels
        self.output_conv1_aux = nn.ModuleList(_five_convs(features) for _ in LEVELS)
        self.output_conv2_aux = nn.ModuleList(_ray_layers(features // 2, norm) for _ in LEVELS)

    def _add_fusion(self, features: int, suffix: str) -> None:
        for level in LEVELS:
            self.add_module(f"refinenet{level}{suffix}", FusionBlock(features, lateral=level != LEVELS[-1]))

    def reduce(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Bring the four levels [N, ·, h, w] to the same number of channels."""
        return [self.get_submodule(f"layer{level}_rn")(x) for level, x in zip(LEVELS, pyramid, strict=True)]

    def fuse(self, levels: Sequence[Tensor], suffix: str = "") -> Tensor:
        """Fuse from coarse to fine; the result [N, F, 8·rows, 8·columns] is twice as large as the finest level."""
        one, two, three, four = levels
        height, width = one.shape[-2:]
        x = self.get_submodule(f"refinenet4{suffix}")(three.shape[-2:], four)
        x = self.get_submodule(f"refinenet3{suffix}")(two.shape[-2:], x, three)
        x = self.get_submodule(f"refinenet2{suffix}")(one.shape[-2:], x, two)
        return self.get_submodule(f"refinenet1{suffix}")((2 * height, 2 * width), x, one)


class DenseHead(nn.Module):
    """DualDPT of the any-view networks, or the DPT of mono and metric."""

    def __init__(self, config: HeadConfig, patch_size: int) -> None:
        super().__init__()
        self.config, self.patch_size = config, patch_size
        self.is_dual = config.type == "dual_dpt"
        first, second, _, fourth = config.out_channels
        self.norm = nn.LayerNorm(config.dim_in) if self.is_dual else nn.Identity()
        self.projects = nn.ModuleList(nn.Conv2d(config.dim_in, channels, 1) for channels in config.out_channels)
        self.resize_layers = nn.ModuleList(
            (
                nn.ConvTranspose2d(first, first, 4, stride=4),
                nn.ConvTranspose2d(second, second, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(fourth, fourth, 3, stride=2, padding=1),
            )
        )
        self.scratch = Scratch(config)

    def forward(self, patches: Sequence[Tensor], grid: tuple[int, int], *, want_rays: bool = False) -> DenseMaps:
        """Read the maps.

        Args:
            patches: Four layers [N, P, D] of the backbone, N views of one size.
            grid: Rows and columns of patches, P = rows · columns.
            want_rays: Also run the ray branch of the dual head.
        """
        size = (grid[0] * self.patch_size, grid[1] * self.patch_size)
        aspect = size[1] / size[0]
        levels = self.scratch.reduce(self._pyramid(patches, grid, aspect))
        x = enlarge(self.scratch.output_conv1(self.scratch.fuse(levels)), size)
        if not self.is_dual:
            depth = _last(self.scratch.output_conv2, x)
            sky = _last(self.scratch.sky_output_conv2, x)
            return DenseMaps(depth=depth[:, 0].exp(), sky=sky[:, 0].relu())
        logits = _last(self.scratch.output_conv2, _placed(x, aspect))
        maps = DenseMaps(depth=logits[:, 0].exp(), confidence=logits[:, 1].exp() + 1)
        if not want_rays:
            return maps
        rays = self._rays(levels, aspect)
        return maps._replace(rays=rays[..., :6], ray_confidence=rays[..., 6].exp() + 1)

    def _pyramid(self, patches: Sequence[Tensor], grid: tuple[int, int], aspect: float) -> list[Tensor]:
        """Four levels at 4, 2, 1 and ½ times the patch grid."""
        pyramid = []
        for tokens, project, resize in zip(patches, self.projects, self.resize_layers, strict=True):
            x = project(self.norm(tokens).unflatten(1, grid).movedim(-1, 1))
            pyramid.append(resize(_placed(x, aspect) if self.is_dual else x))
        return pyramid

    def _rays(self, levels: Sequence[Tensor], aspect: float) -> Tensor:
        """[N, 8·rows, 8·columns, 7] ray direction, origin and confidence's logarithm."""
        x = self.scratch.output_conv1_aux[-1](self.scratch.fuse(levels, "_aux"))
        conv, norm, last = self.scratch.output_conv2_aux[-1].children()
        x = conv(_placed(x, aspect)).movedim(1, -1)
        return _in_fp32(last, functional.relu(norm(x)).movedim(-1, 1)).movedim(1, -1)


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resample [N, C, h, w] to [N, C, *size], corners onto corners."""
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


@lru_cache(maxsize=12)  # six tables for one picture size
@torch.inference_mode(mode=False)
def image_position(
    channels: int, size: tuple[int, int], aspect: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return a tenth of sine waves along the picture, [1, C, h, w] channels last.

    The first half of the channels are waves of the column, the second half of the row.

    Args:
        channels: C, a multiple of 4.
        size: h and w.
        aspect: Width over height of the picture, whose diagonal has length 2.
        device: Where the table lies.
        dtype: Of what it is added to: sums of two types are slow on a CPU.

    Source: upstream `utils/head_utils.py` @2c21ea8 (the grid is that of MoGe, arXiv 2410.19115).
    """
    diagonal = (aspect**2 + 1) ** 0.5
    quarter = channels // 4
    frequencies = 100.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)

    def waves(count: int, span: float) -> Tensor:
        places = torch.linspace(-span * (count - 1) / count, span * (count - 1) / count, count, dtype=torch.float64)
        angles = places[:, None] * frequencies
        return (0.1 * torch.cat((angles.sin(), angles.cos()), dim=-1)).float()  # [count, C/2]

    rows, columns = waves(size[0], 1 / diagonal), waves(size[1], aspect / diagonal)
    joint = (columns.expand(size[0], -1, -1), rows[:, None].expand(-1, size[1], -1))
    return torch.cat(joint, dim=-1).to(device, dtype).movedim(-1, 0)[None]


def _placed(x: Tensor, aspect: float) -> Tensor:
    """Tell each pixel of [N, C, h, w] where in the picture it is; changes the freshly computed `x`."""
    return x.add_(image_position(x.shape[1], (x.shape[2], x.shape[3]), aspect, x.device, x.dtype))


def _last(layers: nn.Sequential, x: Tensor) -> Tensor:
    """Run conv, ReLU and the last conv, whose result meets an exponential and is therefore fp32."""
    return _in_fp32(layers[2], functional.relu_(layers[0](x)))


def _in_fp32(layer: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())


def _last_layers(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, outputs, 1))


def _five_convs(features: int) -> nn.Sequential:
    widths = (features, features // 2) * 3
    return nn.Sequential(*(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)))


def _ray_layers(channels: int, norm: nn.LayerNorm) -> nn.ModuleDict:
    """Layers of one ray level under the checkpoint's numbers; what stands between them has no weights."""
    return nn.ModuleDict({"0": nn.Conv2d(channels, 32, 3, padding=1), "2": norm, "5": nn.Conv2d(32, 7, 1)})
