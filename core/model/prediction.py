"""Run a model on pictures: numpy in, numpy out; the only place that owns device, precision and memory.

Source: upstream `src/depth_anything_3/api.py` and `model/da3.py` @2c21ea8. Differs: the head runs as precisely as the
backbone but for its last layers (upstream's is fp32 on every device, its backbone fp16 on a CPU), nothing is computed
that was not asked for, and metric scale and sky are left to `geometry`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..errors import CameraError, OutOfMemoryError, WeightsError
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
from .device import Choice, choose_device, describe_device
from .memory import Setup, advice, head_bytes, plan
from .network import Network
from .out_of_memory import FAILURES, is_out_of_memory, release_memory
from .vision_transformer import ViewGroup
from .weights import Checkpoint, is_camera_encoder, is_ray_branch, is_used_for_rays

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # red, green, blue over ImageNet
STAGE = "Predicting"


def open_model(
    name_or_path: str, *, device: Device = "auto", precision: Precision = "auto", preset: str | None = None
) -> Model:
    """Find and check a checkpoint; no weight is read yet.

    Args:
        name_or_path: A preset's name, a checkpoint folder, or a name in the Hugging Face cache.
        device: Where it shall run.
        precision: Of matrix products.
        preset: Which model it is, where neither its `config.json` nor its tensors tell.

    Raises:
        DeviceError: This machine has no such device or precision.
        WeightsError: The checkpoint is missing or not what its configuration says.
        OutOfMemoryError: The file alone does not fit into the address space.
    """
    choice = choose_device(device, precision)
    with _weights_sentence(name_or_path):
        return Model(Checkpoint(name_or_path, preset), choice)


class Model:
    """A model that is checked when opened and then loaded; weights of rarely used parts are read at their first use."""

    def __init__(self, checkpoint: Checkpoint, choice: Choice) -> None:
        self.config: ModelConfig = checkpoint.config
        self.choice = choice
        self._checkpoint = checkpoint

    def load(self) -> Model:
        """Read the weights that every run uses, unless they are there.

        Returns:
            This model.

        Raises:
            OutOfMemoryError: They do not fit.
        """
        with _weights_sentence(self.config.title):
            for prefix in self._prefixes:
                self._read(prefix, lambda key: not is_camera_encoder(key) and not is_ray_branch(key))
        return self

    def predict(
        self,
        pixels: Sequence[ByteArray],
        world_from_camera: Sequence[FloatArray] | None = None,
        image_from_camera: Sequence[FloatArray] | None = None,
        *,
        reference_view: ReferenceView = "saddle_balanced",
        want_rays: bool = False,
        head_chunk: int | None = None,
        progress: OnProgress = lambda _: None,
    ) -> Prediction:
        """Say depth, and whatever else the model knows, of each picture. The model must be loaded.

        Args:
            pixels: One [H, W, 3] sRGB picture a view; sides are multiples of the patch size and may differ by view.
            world_from_camera: One [4, 4] a view, relative to the first view and of unit scale. None: unknown.
            image_from_camera: One [3, 3] a view, model pixels; only used together with `world_from_camera`.
            reference_view: How the reference view is chosen where cameras are unknown.
            want_rays: Also give rays and their confidence, where the model has them.
            head_chunk: Views that pass through the head at once; results do not depend on it, and where memory runs
                out fewer do. None: as many as make it fastest.
            progress: Called after every transformer block and every chunk of views; may raise `CancelledError`.

        Raises:
            CameraError: Poses are given, but not pose and intrinsics for every view.
            OutOfMemoryError: The device has not enough memory; the sentence says what fits.
            WeightsError: What comes out are no numbers.
        """
        device = describe_device(self.choice.device)  # before, since allocators do not give everything back afterwards
        sizes = [(image.shape[1], image.shape[0]) for image in pixels]
        setup = Setup(*self.choice, want_rays, world_from_camera is not None)
        with _memory_sentence(lambda: advice(self.config, sizes, device.name, device.free, setup)):
            encoding = None
            if world_from_camera is not None and self.config.takes_poses:
                encoding = _encode(pixels, world_from_camera, image_from_camera)
                self._read(self._prefixes[0], is_camera_encoder)
            if want_rays and self.config.has_rays:
                self._read(self._prefixes[0], is_used_for_rays)
            with torch.inference_mode(), _autocast(self.choice.device, self.choice.dtype):
                networks = [self._checkpoint.networks[prefix] for prefix in self._prefixes]
                groups = group_by_size(pixels, torch.device(self.choice.device))
                chunk = head_chunk or plan(self.config, sizes, setup, free=device.free).head_chunk
                run = _Run(networks, groups, chunk, progress, self.choice)
                views, reference = run.predict(encoding, reference_view, want_rays=want_rays)
        self._check_numbers(run.broken)
        return Prediction(tuple(views), reference, self.choice.device, self.choice.precision, tuple(run.warnings))

    def _check_numbers(self, broken: set[int]) -> None:
        """Weights that are damaged without being misshapen, and numbers too large for half precision, end up here."""
        if broken:
            remedy = "" if self.choice.precision == "fp32" else "choose the precision fp32, or "
            raise WeightsError(
                f"The model {self.config.title!r} gave no numbers for picture {min(broken) + 1}, so its weights may be "
                f"damaged: {remedy}download them again."
            )

    @property
    def _prefixes(self) -> list[str]:
        return list(self._checkpoint.networks)

    def _read(self, prefix: str, wanted: Callable[[str], bool]) -> None:
        types = {"dtype": self.choice.dtype, "head_dtype": self.choice.head_dtype}
        self._checkpoint.fill(prefix, device=self.choice.device, wanted=wanted, **types)


class _Run:
    """One prediction: views grouped by size, and a count of steps, of which a block and a view's head are one each."""

    def __init__(
        self, networks: Sequence[Network], groups: Sequence[ViewGroup], chunk: int, progress: OnProgress, choice: Choice
    ) -> None:
        self.networks, self.groups, self.chunk, self.progress, self.choice = networks, groups, chunk, progress, choice
        self.warnings: list[str] = []
        self.broken: set[int] = set()
        """Views of which something is no number."""
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
        kept = self.choice.head_dtype
        features = network.encode(self.groups, tokens, reference_view=reference_view, dtype=kept, on_step=self._step)
        views: dict[int, ViewPrediction] = {}
        for group, patches in zip(self.groups, features.patches, strict=True):

            def read(part: slice, group: ViewGroup = group, patches: tuple[Tensor, ...] = patches) -> None:
                own = [layer[:, part] for layer in patches]
                _make_room(network, own[0], want_rays=want_rays)
                with _autocast(self.choice.device, self.choice.head_dtype):
                    maps = network.dense_maps(own, group.images.shape[-2:], want_rays=want_rays)
                views.update(self._taken(group.indices[part], maps))

            self._in_chunks(group, read)
        ordered = [views[index] for index in sorted(views)]
        if network.cam_dec is not None:
            cameras = network.cam_dec(features.cameras)
            self.broken |= set(_broken(range(len(ordered)), cameras))
            ordered = _with_cameras(ordered, cameras)
        return ordered, int(features.reference[0])

    def _alone(self, network: Network) -> list[ViewPrediction]:
        """Run a single-view network on every view by itself."""
        views: dict[int, ViewPrediction] = {}
        for group in self.groups:

            def see(part: slice, group: ViewGroup = group) -> None:
                images = group.images[:, part]
                count = images.shape[1]
                own = [ViewGroup(images, tuple(range(count)))]
                features = network.encode(own, dtype=self.choice.head_dtype, on_step=lambda: self._step(count))
                _make_room(network, features.patches[0][0])
                with _autocast(self.choice.device, self.choice.head_dtype):
                    maps = network.dense_maps(features.patches[0], images.shape[-2:])
                views.update(self._taken(group.indices[part], maps))

            self._in_chunks(group, see)
        return [views[index] for index in sorted(views)]

    def _taken(self, indices: Sequence[int], maps: DenseMaps) -> dict[int, ViewPrediction]:
        """Bring maps [1, N, ...] of some views into main memory."""
        self.broken |= set(_broken(indices, [part for part in maps if part is not None]))
        return dict(zip(indices, _view_predictions(maps), strict=True))

    def _in_chunks(self, group: ViewGroup, do: Callable[[slice], None]) -> None:
        """Do all views of a group, fewer at once from where memory runs out."""
        start, count = 0, len(group.indices)
        while start < count:
            part = slice(start, min(start + self.chunk, count))
            if self._fits(do, part):
                start = part.stop
                self._step(part.stop - part.start)

    def _fits(self, do: Callable[[slice], None], part: slice) -> bool:
        """Do some views, or find that these are too many at once."""
        done, size = self.done, part.stop - part.start
        try:
            do(part)
        except FAILURES as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
        else:
            return True
        release_memory()
        self.done, self.chunk = done, _next_chunk(self.chunk, size)
        self.warnings[:] = [
            f"Memory ran short, so the pictures went through the last part of the network {self.chunk} at a time: "
            "slower, with the same result."
        ]
        return False

    def _count_steps(self, network: Network) -> int:
        views, depth = sum(len(group.indices) for group in self.groups), network.config.backbone.depth
        return depth + views if network.config.joins_views else views * (depth + 1)

    def _step(self, count: int = 1) -> None:
        """Wait for the device, so that progress is true and a cancelled run leaves no queue behind."""
        if self.groups[0].images.device.type != "cpu":
            torch.accelerator.synchronize()
        self.done += count
        self.progress(Progress(STAGE, self.done, self.total))


def _autocast(device: str, dtype: torch.dtype) -> torch.autocast:
    """Compute matrix products in `dtype`, whatever an outer context says."""
    low = dtype != torch.float32
    return torch.autocast(device, dtype=dtype if low else None, enabled=low)


def _next_chunk(chunk: int, size: int) -> int:
    """Halve until `size` views, which were too many, no longer pass at once."""
    while chunk >= size:
        chunk = max(1, chunk // 2)
    return chunk


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


def _broken(indices: Sequence[int], parts: Sequence[Tensor]) -> list[int]:
    """Say which views have something in [1, N, ...] that is no number; looked for where it was computed."""
    whole = torch.stack([part[0].isfinite().flatten(1).all(dim=1) for part in parts]).all(dim=0)
    return [index for index, is_whole in zip(indices, whole.tolist(), strict=True) if not is_whole]


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


def _make_room(network: Network, patches: Tensor, *, want_rays: bool = False) -> None:
    """Fail, as the library of a CPU's convolutions may not, where the head will not find its memory.

    Args:
        network: The network.
        patches: [1, V, P, D] of the views that pass through the head at once.
        want_rays: Whether its ray branch runs, too.
    """
    if patches.device.type == "cpu":  # taken once and given back, without being touched
        torch.empty(int(head_bytes(network.config, patches[..., 0].numel(), want_rays=want_rays)), dtype=torch.uint8)


def _weights_sentence(name: str) -> AbstractContextManager[None]:
    return _memory_sentence(lambda: f"The model {name!r} does not fit into memory: choose a smaller one.")


@contextmanager
def _memory_sentence(say: Callable[[], str]) -> Iterator[None]:
    """Turn the devices' different ways of running out of memory into one error."""
    try:
        yield
    except FAILURES as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)
        release_memory()
        raise OutOfMemoryError(say()) from error
