"""The builds of torch that an artist can choose from, and what each costs: one table."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Size:
    """What all packages together take, in megabytes (10⁶ bytes)."""

    download: int
    disk: int

    def __str__(self) -> str:
        return f"{self.download_text} to download, {self.disk_text}"

    @property
    def download_text(self) -> str:
        """What goes over the network, for the artist."""
        return f"about {_amount(self.download)}"

    @property
    def disk_text(self) -> str:
        """What it takes where it lies, for the artist."""
        return f"{_amount(self.disk)} on disk"


@dataclass(frozen=True)
class Build:
    """One way to get torch."""

    name: str
    title: str
    description: str
    backend: str | None
    """uv's name of PyTorch's index; None: the package index itself, whose files are all in our lock."""


BUILDS: Final = {
    build.name: build
    for build in (
        Build("auto", "Automatic", "What suits this machine's graphics card and its driver, else the CPU", "auto"),
        Build("cpu", "CPU", "No graphics card is used: small, always works, slow", "cpu"),
        Build("cu130", "CUDA 13.0", "NVIDIA cards from 2018 on, with a driver of 2025 or later", "cu130"),
        Build("cu126", "CUDA 12.6", "NVIDIA cards with an older driver", "cu126"),
        Build("rocm7.2", "ROCm 7.2", "AMD cards, on Linux", "rocm7.2"),
        Build("index", "Package Index", "As PyPI or your mirror has it; every file's hash is known beforehand", None),
    )
}

_CPU: Final = {"linux": Size(270, 1000), "win32": Size(200, 800), "darwin": Size(190, 700)}
_CUDA: Final = {"linux": Size(2900, 5000), "win32": Size(2600, 5500)}
_ROCM: Final = Size(5000, 16000)


def backend_of(build: Build, system: str = sys.platform) -> str | None:
    """Return the index to ask: on a Mac there is one build only, which the package index has."""
    return None if system == "darwin" else build.backend


def size_of(build: Build, system: str = sys.platform, *, has_nvidia: bool | None = None) -> Size:
    """Return about what a build takes; the sizes of CUDA on Windows and of ROCm are estimates.

    Args:
        build: What is asked for.
        system: As `sys.platform` has it.
        has_nvidia: Whether an NVIDIA driver is there; None looks.
    """
    system = system if system in _CPU else "linux"
    if has_nvidia is None:
        has_nvidia = has_nvidia_driver(system)
    if build.name.startswith("rocm"):
        return _ROCM
    is_cuda = build.name.startswith("cu1") or (build.name == "auto" and has_nvidia)
    if is_cuda or (build.name == "index" and system == "linux"):
        return _CUDA.get(system, _CPU[system])
    return _CPU[system]


def has_nvidia_driver(system: str = sys.platform) -> bool:
    """Tell whether an NVIDIA driver is installed, by the files that come with it."""
    if system == "win32":
        return Path("C:/Windows/System32/nvcuda.dll").exists()
    return Path("/proc/driver/nvidia/version").exists()


def _amount(megabytes: int) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"
