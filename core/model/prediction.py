"""Run a model on pictures: numpy in, numpy out; the only place that owns device, precision and memory.

Source: upstream `src/depth_anything_3/api.py` and `model/da3.py` @2c21ea8. Differs: the head runs as precisely as the
backbone but for its last layers (upstream's is fp32 on every device, its backbone fp16 on a CPU), nothing is computed
that was not asked for, and metric scale and sky are left to `geometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..errors import CameraError, OutOfMemoryError
from ..types import (
    ByteArray,
    Device,
    FloatArray,
    OnProgress,
    Precision,
    Prediction,
    Progress,
    ReferenceView,
    ViewPrediction,
)
from .camera_head import CameraEncoding, encode_cameras, image_from_encoding, world_from_encoding
from .config import ModelConfig
from .dense_head import DenseMaps
from .device import Choice, choose_device
from .network import Network
from .vision_transformer import ViewGroup
from .weights import Checkpoint, is_camera_encoder, is_ray_branch, is_used_for_rays

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # red, green, blue over ImageNet
STAGE = "Predicting"


def load_model(
    name_or_path: str, *, device: Device = "auto", precision: Precision = "auto", preset: str | None = None
) -> Model:
    """Load a checkpoint.

    Args:
        name_or_path: A preset's name, a checkpoint folder, or a name in the Hugging Face cache.
        device: Where it shall run.
        precision: Of matrix products.
        preset: Which model it is, where neither its `config.json` nor its tensors tell.

    Raises:
        DeviceError: This machine has no such device or precision.
        WeightsError: The checkpoint is missing or not what its configuration says.
        OutOfMemoryError: The weights alone do not fit.
    """
    choice = choose_device(device, precision)
    return Model(Checkpoint(name_or_path, preset), choice)


class Model:
    """A loaded model; the weights of rarely used parts are read at their first use."""

    def __init__(self, checkpoint: Checkpoint, choice: Choice) -> None:
        self.config: ModelConfig = checkpoint.config
        self.choice = choice
        self._checkpoint = checkpoint
        with _memory_sentence(f"The weights of {self.config.title!r} do not fit into memory; choose a smaller model."):
            for prefix in checkpoint.networks:
                self._read(prefix, lambda key: not is_camera_encoder(key) and not is_ray_branch(key))

    def predict(
        self,
        pixels: Sequence[ByteArray],
        world_from_camera: Sequence[FloatArray] | None = None,
        image_from_camera: Sequence[FloatArray] | None = None,
        *,
        reference_view: ReferenceView = "saddle_balanced",
        want_rays: bool = False,
        head_chunk: int = 8,
        progress: OnProgress = lambda _: None,
    ) -> Prediction:
        """Say depth, and whatever else the model knows, of each picture.

        Args:
            pixels: One [H, W, 3] sRGB picture a view; sides are multiples of the patch size and may differ by view.
            world_from_camera: One [4, 4] a view, relative to the first view and of unit scale. None: unknown.
            image_from_camera: One [3, 3] a view, model pixels; only used together with `world_from_camera`.
            reference_view: How the reference view is chosen where cameras are unknown.
            want_rays: Also give rays and their confidence, where the model has them.
            head_chunk: Views that pass through the head at once; results do not depend on it.
            progress: Called after every transformer block and every chunk; may raise `CancelledError`.

        Raises:
            CameraError: Poses are given, but not pose and intrinsics for every view.
            OutOfMemoryError: The device has not enough memory.
        """
        height, width = max(pixels, key=lambda image: image.size).shape[:2]
        sentence = (
            f"{len(pixels)} pictures of {width} × {height} pixels do not fit into the memory of this device; "
            "choose fewer pictures, a lower resolution or a smaller model."
        )
        with _memory_sentence(sentence):
            encoding = None
            if world_from_camera is not None and self.config.takes_poses:
                encoding = _encode(pixels, world_from_camera, image_from_camera)
                self._read(self._prefixes[0], is_camera_encoder)
            if want_rays and self.config.has_rays:
                self._read(self._prefixes[0], is_used_for_rays)
            with torch.inference_mode(), self._precision():
                networks = [self._checkpoint.networks[prefix] for prefix in self._prefixes]
                groups = group_by_size(pixels, torch.device(self.choice.device))
                run = _Run(networks, groups, max(1, head_chunk), progress)
                views, reference = run.predict(encoding, reference_view, want_rays=want_rays)
        return Prediction(tuple(views), reference, self.choice.device, self.choice.precision)

    @property
    def _prefixes(self) -> list[str]:
        return list(self._checkpoint.networks)

    def _read(self, prefix: str, wanted: Callable[[str], bool]) -> None:
        self._checkpoint.fill(prefix, device=self.choice.device, dtype=self.choice.dtype, wanted=wanted)

    def _precision(self) -> torch.autocast:
        low = self.choice.precision != "fp32"
        return torch.autocast(self.choice.device, dtype=self.choice.dtype if low else None, enabled=low)


class _Run:
    """One prediction: views grouped by size, and a count of steps."""

    def __init__(
        self, networks: Sequence[Network], groups: Sequence[ViewGroup], chunk: int, progress: OnProgress
    ) -> None:
        self.networks, self.groups, self.chunk, self.progress = networks, groups, chunk, progress
        self.done, self.total = 0, sum(self._count_steps(network) for network in networks)

    def predict(
        self, encoding: CameraEncoding | None, reference_view: ReferenceView, *, want_rays: bool
    ) -> tuple[list[ViewPrediction], int]:
        """Run all networks; return the views in their own order and which of them is the reference."""
        first, *second = self.networks
        if not first.config.joins_views:
            return self._alone(first), 0
        views, reference = self._together(first, encoding, reference_view, want_rays=want_rays)
        for network in second:
            metric = self._alone(network)
            views = [replace(v, sky=m.sky, metric_depth=m.depth) for v, m in zip(views, metric, strict=True)]
        return views, reference

    def _together(
        self, network: Network, encoding: CameraEncoding | None, reference_view: ReferenceView, *, want_rays: bool
    ) -> tuple[list[ViewPrediction], int]:
        """Run an any-view network on all views at once."""
        device, tokens = self.groups[0].images.device, None
        if encoding is not None and network.cam_enc is not None:
            tokens = network.cam_enc(CameraEncoding(*(part.to(device) for part in encoding)))
        features = network.encode(self.groups, camera_tokens=tokens, reference_view=reference_view, on_step=self._step)
        views: dict[int, ViewPrediction] = {}
        for group, patches in zip(self.groups, features.patches, strict=True):
            for part in self._chunks(group):
                own = [layer[:, part] for layer in patches]
                maps = network.dense_maps(own, group.images.shape[-2:], want_rays=want_rays)
                views.update(zip(group.indices[part], _view_predictions(maps), strict=True))
                self._step()
        ordered = [views[index] for index in sorted(views)]
        if network.cam_dec is not None:
            ordered = _with_cameras(ordered, network.cam_dec(features.cameras))
        return ordered, int(features.reference[0])

    def _alone(self, network: Network) -> list[ViewPrediction]:
        """Run a single-view network on every view by itself."""
        views: dict[int, ViewPrediction] = {}
        for group in self.groups:
            for part in self._chunks(group):
                images = group.images[:, part]
                features = network.encode([ViewGroup(images, tuple(range(images.shape[1])))], on_step=self._step)
                maps = network.dense_maps(features.patches[0], images.shape[-2:])
                views.update(zip(group.indices[part], _view_predictions(maps), strict=True))
                self._step()
        return [views[index] for index in sorted(views)]

    def _chunks(self, group: ViewGroup) -> Iterator[slice]:
        for start in range(0, len(group.indices), self.chunk):
            yield slice(start, start + self.chunk)

    def _count_steps(self, network: Network) -> int:
        chunks = sum(len(list(self._chunks(group))) for group in self.groups)
        depth = network.config.backbone.depth
        return depth + chunks if network.config.joins_views else chunks * (depth + 1)

    def _step(self) -> None:
        """Wait for the device, so that progress is true and a cancelled run leaves no queue behind."""
        if self.groups[0].images.device.type != "cpu":
            torch.accelerator.synchronize()
        self.done += 1
        self.progress(Progress(STAGE, self.done, self.total))


def group_by_size(pixels: Sequence[ByteArray], device: torch.device) -> list[ViewGroup]:
    """Put [H, W, 3] pictures of one size together and normalise them as the backbone was trained."""
    places: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(pixels):
        places.setdefault(image.shape, []).append(index)
    mean, deviation = (torch.tensor(values, device=device)[:, None, None] for values in (MEAN, DEVIATION))
    groups = []
    for indices in places.values():
        stacked = torch.from_numpy(np.stack([pixels[index] for index in indices])).to(device)
        groups.append(ViewGroup(((stacked.movedim(-1, 1) / 255 - mean) / deviation)[None], tuple(indices)))
    return groups


def _encode(
    pixels: Sequence[ByteArray], world_from_camera: Sequence[FloatArray], image_from_camera: Sequence[FloatArray] | None
) -> CameraEncoding:
    """Known cameras [1, V, ...] the way the encoder reads them, in double precision until the last step."""
    if image_from_camera is None or not len(pixels) == len(world_from_camera) == len(image_from_camera):
        raise CameraError("Known cameras need a pose and intrinsics for every picture; give all of them or none.")
    world, image = (torch.from_numpy(np.stack(m).astype(np.float64)) for m in (world_from_camera, image_from_camera))
    sizes = torch.tensor([picture.shape[:2] for picture in pixels], dtype=torch.float64)
    return CameraEncoding(*(part.float()[None] for part in encode_cameras(world, image, sizes)))


def _view_predictions(maps: DenseMaps) -> list[ViewPrediction]:
    """One record a view from maps [1, N, ...]."""
    arrays = {name: _numpy(part[0]) for name, part in maps._asdict().items() if part is not None}
    return [ViewPrediction(**{name: array[i] for name, array in arrays.items()}) for i in range(len(arrays["depth"]))]


def _with_cameras(views: Sequence[ViewPrediction], encoding: CameraEncoding) -> list[ViewPrediction]:
    """Add the camera head's cameras [1, V, ...]."""
    cpu = CameraEncoding(*(part[0].double().cpu() for part in encoding))
    sizes = torch.tensor([view.depth.shape for view in views], dtype=torch.float64)
    cameras = zip(world_from_encoding(cpu).numpy(), image_from_encoding(cpu, sizes).numpy(), strict=True)
    return [
        replace(view, world_from_camera=world, image_from_camera=image)
        for view, (world, image) in zip(views, cameras, strict=True)
    ]


def _numpy(tensor: Tensor) -> FloatArray:
    return tensor.float().cpu().numpy()


@contextmanager
def _memory_sentence(sentence: str) -> Iterator[None]:
    """Turn the devices' different ways of running out of memory into one error."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(sentence) from error
    except RuntimeError as error:  # the CPU's allocator and MPS have no type of their own
        if not any(words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory")):
            raise
        raise OutOfMemoryError(sentence) from error
