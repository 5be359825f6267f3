"""Where the network runs and how precisely: one small table.

Emulated bf16 and fp16 on the CPU are what makes other ports slow or hungry: asking a V100 for bf16 makes attention keep
its whole matrix (upstream issue 204), and fp16 on a CPU takes three times as long as fp32.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from ..errors import DeviceError
from ..types import Device, Precision
from .main_memory import main_memory


class Machine(NamedTuple):
    """What this machine has."""

    cuda_capability: tuple[int, int] | None
    """Compute capability of the first CUDA (or ROCm) device; None: there is none."""
    has_mps: bool
    """Whether Apple's Metal can be used."""


class DeviceFacts(NamedTuple):
    """What the artist may want to know of a device; 0 where the system does not tell."""

    kind: Device
    """Never `auto`."""
    name: str
    total: int
    """Bytes of its memory."""
    free: int
    """Bytes that could still be taken."""


class Choice(NamedTuple):
    """Where to run."""

    device: Device
    """Never `auto`."""
    precision: Precision
    """Never `auto`."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of matrix products in the backbone; cameras stay fp32."""
        low = {"mixed": torch.bfloat16, "bf16": torch.bfloat16, "fp16": torch.float16}
        return low.get(self.precision, torch.float32)

    @property
    def head_dtype(self) -> torch.dtype:
        """Type of convolutions in the dense head; its last layers, which meet an exponential, stay fp32."""
        return torch.float32 if self.precision == "mixed" else self.dtype


def this_machine() -> Machine:
    """Look at what torch can use here."""
    capability = torch.cuda.get_device_capability() if torch.cuda.is_available() else None
    return Machine(capability, torch.backends.mps.is_available())


def describe_device(device: Device = "auto") -> DeviceFacts:
    """Say what a device has; `auto` is the one that would be chosen.

    Raises:
        DeviceError: The machine has no such device.
    """
    kind = choose_device(device).device
    if kind == "cuda":
        free, total = torch.cuda.mem_get_info()
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # torch's own, to be taken again
        return DeviceFacts(kind, torch.cuda.get_device_name(), total, free + kept)
    if kind == "mps":
        total = torch.mps.recommended_max_memory()
        return DeviceFacts(kind, "Apple GPU", total, max(0, total - torch.mps.current_allocated_memory()))
    return DeviceFacts(kind, "CPU", *main_memory())


def choose_device(device: Device = "auto", precision: Precision = "auto", machine: Machine | None = None) -> Choice:
    """Choose where to run.

    Args:
        device: `auto` takes CUDA before MPS before CPU.
        precision: `auto` takes what is fast and sound there (see `_default_precision`).
        machine: What there is; None looks.

    Raises:
        DeviceError: The machine has no such device, or the device no such precision.
    """
    machine = machine or this_machine()
    if device == "auto":
        device = "cuda" if machine.cuda_capability else "mps" if machine.has_mps else "cpu"
    if device == "cuda" and machine.cuda_capability is None:
        raise DeviceError("No CUDA device was found; choose the device Auto or CPU, or install torch with CUDA.")
    if device == "mps" and not machine.has_mps:
        raise DeviceError("Apple's Metal (MPS) is not available on this machine; choose the device Auto or CPU.")
    if precision == "auto":
        return Choice(device, _default_precision(device, machine))
    if device == "cpu" and precision == "fp16":
        raise DeviceError("On a CPU fp16 is slower than fp32; choose the precision Auto, fp32 or bf16.")
    if device == "cuda" and precision in ("mixed", "bf16") and (machine.cuda_capability or (0, 0)) < (8, 0):
        raise DeviceError("This graphics card only emulates bf16; choose the precision Auto, fp16 or fp32.")
    return Choice(device, precision)


def _default_precision(device: Device, machine: Machine) -> Precision:
    """CUDA: bf16 from capability 8, fp16 from 7, fp32 below; elsewhere fp32."""
    if device != "cuda" or machine.cuda_capability is None or machine.cuda_capability < (7, 0):
        return "fp32"
    return "bf16" if machine.cuda_capability >= (8, 0) else "fp16"
