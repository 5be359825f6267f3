"""How much memory a run will need, beside what its device has; asked at every redraw, so it reads no file."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core.model.config import ModelConfig
from ..core.model.memory import Setup, plan, typical_sizes
from ..core.model.presets import megabytes
from ..core.types import Device, Precision
from . import inputs, models
from .devices import devices
from .scene.file_size import blend_size, size_warning
from .settings import model_name


@dataclass(frozen=True)
class Needs:
    """Of one model with the settings as they are."""

    size: int
    """Bytes, about."""
    device: str
    """What to call the device; empty: not known yet."""
    total: int
    """Bytes that it has; 0: not known yet."""

    @property
    def is_too_much(self) -> bool:
        """Whether a run is sure to fail, as far as is known."""
        return 0 < self.total < self.size

    @property
    def text(self) -> str:
        """The same for the artist."""
        text = f"Memory: about {megabytes(self.size)}"
        if self.is_too_much:
            return f"{text}, but {self.device} has only {megabytes(self.total)}"
        return f"{text} of {megabytes(self.total)}" if self.total else text


def needs_of(model: str, settings: Any) -> Needs | None:
    """Estimate what a model needs for the pictures in the list, taking them for photos of the shape 4:3.

    Args:
        model: A preset or a folder.
        settings: The scene's.

    Returns:
        None where a folder does not tell what its model is.
    """
    config = models.config_of(model)
    if config is None:
        return None
    told = devices.get(settings.device)
    kind: Device = told.kind if told else "cpu" if settings.device == "auto" else settings.device
    name, total = (told.name, told.total) if told else ("", 0)
    views = max(1, sum(inputs.count(item) for item in settings.pictures))
    precision = _precision(kind, settings.precision)
    want_rays = settings.pose_source == "ray_map" or settings.point_source == "rays"
    setup = Setup(kind, precision, want_rays, with_poses=any(item.camera for item in settings.pictures))
    size = _size(config, views, settings.resolution or None, setup, total)
    return Needs(size, name, total)


@dataclass(frozen=True)
class FileSize:
    """What the .blend will take with the settings as they are."""

    size: int
    """Bytes, about."""
    warning: str | None
    """Sentence with the remedy where it is large."""

    @property
    def text(self) -> str:
        """The same for the artist."""
        return self.warning or f"In the .blend: about {megabytes(self.size)}"


def file_size_of(settings: Any) -> FileSize | None:
    """Estimate the size of the .blend for the images in the list; None where nothing is in it or nothing is built."""
    config = models.config_of(model_name(settings))
    views = sum(inputs.count(item) for item in settings.pictures)
    parts = {"points": settings.makes_point_cloud, "meshes": settings.makes_meshes}
    if config is None or not views or not any(parts.values()):
        return None
    sizes = typical_sizes(config, views if config.has_poses else 1, settings.resolution or None)
    size = blend_size(sizes[:1], cameras=settings.makes_cameras, **parts)
    more = blend_size(sizes[:1] * 2, cameras=settings.makes_cameras, **parts) - size
    size += more * (views - 1)
    return FileSize(size, size_warning(size, **parts))


@lru_cache(maxsize=64)
def _size(model: ModelConfig, views: int, resolution: int | None, setup: Setup, total: int) -> int:
    sizes = typical_sizes(model, views if model.has_poses else 1, resolution)
    return plan(model, sizes, setup, total=total).need.total


def _precision(device: Device, chosen: Precision) -> Precision:
    """What automatic precision comes to, but on graphics cards before 2017."""
    if chosen != "auto":
        return chosen
    return "bf16" if device == "cuda" else "fp32"
