"""Choose the view whose camera becomes the network's world, from the views' class tokens.

Source: upstream `src/depth_anything_3/model/reference_view_selector.py` @2c21ea8. Differs: upstream moves the chosen
view to the front and back again; attention does not see the order of views, so it is enough to know which one it is.
`saddle_sim_range` mostly ends in a tie of the two most similar views, which upstream leaves to rounding; here the
earlier view is taken.
"""

# Calling a torch module gives Any:
# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

import torch
from torch import Tensor

from ..types import ReferenceView

TIE = 1e-5  # far above rounding, far below what tells two pictures apart
FEWEST_VIEWS = 3  # with fewer, the first view is the reference


def choose_reference_view(class_tokens: Tensor, strategy: ReferenceView) -> Tensor:
    """Return which view of each batch item is the reference.

    Args:
        class_tokens: [B, V, C] one token per view, before any view has seen another.
        strategy: `first`, `middle`, the view most typical in three measures (`saddle_balanced`), or the one whose
            similarities to the others spread widest (`saddle_sim_range`).

    Returns:
        [B] index, int64.
    """
    batch, views, _ = class_tokens.shape
    if views < FEWEST_VIEWS or strategy == "first":
        return torch.zeros(batch, dtype=torch.long, device=class_tokens.device)
    if strategy == "middle":
        return torch.full((batch,), views // 2, dtype=torch.long, device=class_tokens.device)
    tokens = class_tokens.detach().float()
    unit = tokens / tokens.norm(dim=-1, keepdim=True)
    similarity = unit @ unit.mT - torch.eye(views, device=tokens.device)  # [B, V, V]
    if strategy == "saddle_sim_range":
        spread = similarity.amax(-1) - similarity.amin(-1)
        return (spread > spread.amax(-1, keepdim=True) - TIE).long().argmax(-1)
    measures = (similarity.sum(-1) / (views - 1), tokens.norm(dim=-1), unit.var(dim=-1))
    return torch.stack([(_to_unit_range(m) - 0.5).abs() for m in measures]).sum(0).argmin(-1)


def _to_unit_range(measure: Tensor) -> Tensor:
    """Stretch [B, V] so that the smallest view is 0 and the largest 1."""
    low, high = measure.amin(-1, keepdim=True), measure.amax(-1, keepdim=True)
    return (measure - low) / (high - low + 1e-8)
