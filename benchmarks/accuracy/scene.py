"""What is true of one scene, wherever it comes from: pictures, cameras, depth and surface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from image_to_scene.core.types import BoolArray, FloatArray

from .fusion import DepthMap, Protocol, fuse
from .scores import Scores
from .surface import score_surface


@dataclass(frozen=True)
class Pictures:
    """The pictures of a scene and how they were taken; any world, in which surface and cameras are the same."""

    name: str
    """Of the scene, unlike any other's of its kind."""
    kind: str
    """What the scene is of, or the data set that it is in."""
    files: tuple[Path, ...]
    world_from_camera: FloatArray
    """[V, 4, 4], OpenCV camera axes."""
    image_from_camera: FloatArray
    """[V, 3, 3] in pixels of the pictures, whose centre is (W/2, H/2)."""


@dataclass(frozen=True)
class TrueView:
    """What is known of one view, at the resolution at which it is compared."""

    depth: FloatArray
    """[H, W] along Z, NaN where unknown."""
    kept: BoolArray
    """[H, W] which pixels of a prediction are fused."""


class Scene(ABC):
    """A scene to compare with. Pixels are read when they are asked for, view by view."""

    pictures: Pictures

    @abstractmethod
    def view(self, index: int) -> TrueView:
        """Read what is true of one view."""

    @abstractmethod
    def score_surface(self, views: Iterable[DepthMap], *, given: bool) -> Scores:
        """Compare the surface that depth maps make with the true one.

        Args:
            views: In the true world and its unit, masked by what is `kept`.
            given: The true cameras were given, for data sets that then fuse otherwise.

        Returns:
            Nothing where this data set has no surface to compare with.
        """


class SomeViews(Scene):
    """Some views of a scene: cameras and depth of fewer pictures, which are not enough for its surface."""

    def __init__(self, scene: Scene, indices: Sequence[int]) -> None:
        self._scene, self._indices = scene, list(indices)
        whole = scene.pictures
        self.pictures = replace(
            whole,
            files=tuple(whole.files[index] for index in indices),
            world_from_camera=whole.world_from_camera[self._indices],
            image_from_camera=whole.image_from_camera[self._indices],
        )

    def view(self, index: int) -> TrueView:
        """Read what is true of one of them."""
        return self._scene.view(self._indices[index])

    def score_surface(self, views: Iterable[DepthMap], *, given: bool) -> Scores:
        """Compare nothing."""
        del views, given
        return {}


class FusedScene(Scene):
    """A scene whose surface is compared after fusion in a distance field, as most are."""

    protocol: Protocol

    @abstractmethod
    def surface(self) -> FloatArray:
        """Read points [N, 3] of the true surface."""

    def score_surface(self, views: Iterable[DepthMap], *, given: bool) -> Scores:
        """Fuse, and compare points; see `Scene`."""
        del given
        return asdict(score_surface(fuse(views, self.protocol), self.surface(), self.protocol))
