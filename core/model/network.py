"""The whole network: backbone, dense head and camera head; tensors in, tensors out, trainable.

Source: arXiv 2511.10647 §3; upstream `src/depth_anything_3/model/da3.py` @2c21ea8. State-dict keys are the official
ones without their leading `model.`. Weights come from a checkpoint (`weights`) or from training; nothing is
initialised here beyond torch's defaults.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..types import ReferenceView
from .camera_head import CameraDecoder, CameraEncoder, CameraEncoding
from .config import NetworkConfig
from .dense_head import DenseHead, DenseMaps
from .vision_transformer import Features, OnStep, ViewGroup, VisionTransformer


class Output(NamedTuple):
    """Maps and cameras of a batch of views of one size; None where the network has no such part or was not asked."""

    depth: Tensor
    """[B, V, H, W] along Z, positive."""
    confidence: Tensor | None
    """[B, V, H, W] in (1, ∞)."""
    sky: Tensor | None
    """[B, V, H, W] ≥ 0, about 1 on sky."""
    rays: Tensor | None
    """[B, V, 8·rows, 8·columns, 6] direction (0:3) and origin (3:6)."""
    ray_confidence: Tensor | None
    """[B, V, 8·rows, 8·columns] in (1, ∞)."""
    cameras: CameraEncoding | None
    """[B, V, ·] world-from-camera of each view."""
    reference: Tensor
    """[B] index of the view that the network's world is tied to."""


class Network(nn.Module):
    """Depth Anything 3 of any size.

    The parts can be used alone: `encode` gives features, `dense_maps` reads maps from them, `cam_dec` reads cameras
    from `features.cameras`, `cam_enc` makes the camera tokens that `encode` takes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = nn.ModuleDict({"pretrained": VisionTransformer(config.backbone)})
        self.head = DenseHead(config.head, config.backbone.patch_size)
        self.cam_enc = CameraEncoder(config.cam_enc) if config.cam_enc else None
        self.cam_dec = CameraDecoder(config.cam_dec) if config.cam_dec else None

    def forward(
        self,
        images: Tensor,
        *,
        camera_tokens: Tensor | None = None,
        reference_view: ReferenceView = "saddle_balanced",
        want_rays: bool = False,
    ) -> Output:
        """Run everything on views of one size.

        Args:
            images: [B, V, 3, H, W] normalised pixels; H and W are multiples of the patch size.
            camera_tokens: [B, V, C] from `cam_enc`. None: cameras are unknown.
            reference_view: How the reference view is chosen where cameras are unknown.
            want_rays: Also compute rays and their confidence.
        """
        group = ViewGroup(images, tuple(range(images.shape[1])))
        features = self.encode([group], camera_tokens, reference_view=reference_view)
        maps = self.dense_maps(features.patches[0], images.shape[-2:], want_rays=want_rays)
        cameras = self.cam_dec(features.cameras) if self.cam_dec else None
        return Output(*maps, cameras=cameras, reference=features.reference)

    def encode(
        self,
        groups: Sequence[ViewGroup],
        camera_tokens: Tensor | None = None,
        *,
        reference_view: ReferenceView = "saddle_balanced",
        dtype: torch.dtype | None = None,
        on_step: OnStep | None = None,
    ) -> Features:
        """Run the backbone alone, on views of one or several sizes (see `VisionTransformer.forward`)."""
        backbone = self.backbone["pretrained"]
        return backbone(groups, camera_tokens, reference_view=reference_view, dtype=dtype, on_step=on_step)

    def dense_maps(self, patches: Sequence[Tensor], size: Sequence[int], *, want_rays: bool = False) -> DenseMaps:
        """Run the dense head alone.

        Args:
            patches: Four layers [B, V, P, D] of one group's features.
            size: Height and width of the views, pixels.
            want_rays: Also compute rays and their confidence.

        Returns:
            Maps with leading sizes [B, V].
        """
        patch = self.config.backbone.patch_size
        grid = (size[0] // patch, size[1] // patch)
        leading = patches[0].shape[:2]
        maps = self.head([layer.flatten(0, 1) for layer in patches], grid, want_rays=want_rays)
        return DenseMaps(**{k: m.unflatten(0, leading) for k, m in maps._asdict().items() if m is not None})
