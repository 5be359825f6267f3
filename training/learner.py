"""What the loop trains: a network that can say its losses on a batch. There are two, `student.py` and `teacher.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from core.model.device import choose_device
from core.model.network import Network
from core.types import Device, Precision

from .batches import Batch


@dataclass(frozen=True)
class Machine:
    """Where training runs and in which precision its matrix products are; weights and losses stay fp32."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, device: Device = "auto", precision: Precision = "auto") -> Machine:
        """Take what is there: bf16 where the device has it, else fp32 (fp16 would need its losses scaled).

        Raises:
            DeviceError: The machine has no such device, or the device no such precision.
        """
        choice = choose_device(device, precision)
        dtype = torch.bfloat16 if choice.precision == "bf16" else torch.float32
        return cls(torch.device(choice.device), dtype)

    def autocast(self) -> torch.autocast:
        """The context that a network runs in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)


@dataclass(frozen=True)
class Moment:
    """Where a run is; all chance of a step comes from here, so that a step can be repeated."""

    seed: int
    step: int
    progress: float
    is_alone: bool = False
    """Whether the helpers learn alone."""

    def random(self) -> np.random.Generator:
        """The step's own chance, the same at every call; batches are drawn with another."""
        return np.random.default_rng((self.seed, self.step, 1))

    def generator(self) -> torch.Generator:
        """The same for torch; always on the CPU."""
        return torch.Generator().manual_seed(int(self.random().integers(1 << 62)))


class Learner(Protocol):
    """A network and how it is taught."""

    network: Network
    helpers: nn.Module
    """Trained beside it and thrown away; may be empty."""

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """All weighted terms of a step; their sum is what falls."""
        ...

    def figures(self, network: Network, batch: Batch) -> dict[str, list[float]]:
        """What a network reaches on one held-out scene: numbers that can be pooled over scenes, by name.

        `rotation…` and `direction…` are the errors of its pairs of cameras, degrees.
        """
        ...
