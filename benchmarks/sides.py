"""The two sides of a comparison, ours and the official package, with the same random weights; and what time is."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/core/model")]

import conftest  # noqa: E402, F401 - makes the checkout importable as `image_to_scene`
import networks  # noqa: E402
import numpy as np  # noqa: E402
import official_network  # noqa: E402
import torch  # noqa: E402

from image_to_scene.core.geometry.rays import cameras_from_rays, rays_from_cameras  # noqa: E402
from image_to_scene.core.model.prediction import open_model  # noqa: E402
from image_to_scene.core.model.presets import PRESETS  # noqa: E402

SIDES = ("official", "ours")
POSES = ("head", "rays", "given")
PRECISIONS = ("fp32", "mixed", "bf16", "fp16")
DTYPES = {"fp32": torch.float32, "mixed": torch.bfloat16, "bf16": torch.bfloat16, "fp16": torch.float16}


Side = Callable[[], Sequence[Any]]
"""Predicts the same pictures again and again; returns depth [H, W] of each view in main memory."""


def wall() -> float:
    """Seconds on the clock, when the device has finished."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


CLOCKS: dict[str, Callable[[], float]] = {"wall": wall, "processor": time.process_time}
"""`processor` is this process' time on any core, what the system does for it (memory, above all) included."""


def write_checkpoint(folder: Path, model: str) -> Path:
    """Save a preset's network with random weights as it would be on Hugging Face."""
    network = networks.randomise(_official(model))
    return Path(official_network.save_like_hugging_face(network, folder / model, {"model_name": f"da3-{model}"}))


def official(folder: Path, pixels: Sequence[Any], poses: str, device: str, precision: str) -> Side:
    """The official network at its best: without autocast in fp32, where its own API would choose fp16 on a CPU."""
    network, images = official_network_of(folder).to(device), networks.normalised(pixels).to(device)
    low, given = precision != "fp32", _given(pixels, device) if poses == "given" else ()
    rays = [torch.from_numpy(part).float().to(device) for part in ray_maps(pixels)] if poses == "rays" else None

    def predict() -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(device, DTYPES[precision] if low else None, enabled=low), quiet():
            depth = network(images, *given)["depth"][0]
            if rays is not None:
                official_cameras(*rays)
        return list(depth.cpu().numpy())

    return predict


def ours(folder: Path, pixels: Sequence[Any], poses: str, device: str, precision: str) -> Side:
    """Ours, from sRGB pictures to numpy arrays."""
    model = open_model(str(folder), device=device, precision=precision).load()  # type: ignore[arg-type]
    given = networks.orbit(len(pixels)) if poses == "given" else ()
    rays = ray_maps(pixels) if poses == "rays" else None

    def predict() -> torch.Tensor:
        prediction = model.predict(pixels, *(list(part) for part in given), want_rays=rays is not None)
        if rays is not None:
            our_cameras(*rays, _size(pixels))
        return [view.depth for view in prediction.views]

    return predict


BUILD = {"official": official, "ours": ours}


def ray_maps(pixels: Sequence[Any]) -> tuple[Any, Any]:
    """Make rays [V, h, w, 6] as from a good network, off by one per cent, and confidence; random weights give none."""
    (width, height), chance = _size(pixels), np.random.default_rng(0)
    poses, _ = networks.orbit(len(pixels))
    intrinsics = np.array([[0.9 * width, 0, width / 2], [0, 0.9 * width, height / 2], [0, 0, 1]])
    rays = rays_from_cameras(intrinsics, poses, (8 * width // 14, 8 * height // 14), (width, height))
    rays += 0.01 * chance.normal(size=rays.shape)
    return rays.astype(np.float32), (1 + chance.random(rays.shape[:-1])).astype(np.float32)


def official_cameras(rays: torch.Tensor, confidence: torch.Tensor) -> Any:
    """The official way from rays to cameras."""
    from depth_anything_3.utils.ray_utils import get_extrinsic_from_camray

    return get_extrinsic_from_camray(rays[None], confidence[None], *rays.shape[1:3])


def our_cameras(rays: Any, confidence: Any, size: tuple[int, int]) -> Any:
    """Our way from rays to cameras."""
    return [cameras_from_rays(*view, size) for view in zip(rays, confidence, strict=True)]


def quiet() -> contextlib.AbstractContextManager[Any]:
    """The official package talks while it is built and run."""
    return contextlib.redirect_stdout(io.StringIO())


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for checkpoints; mapped files cannot be removed on Windows."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def official_network_of(checkpoint: Path) -> Any:
    """Build the official network with the weights of a checkpoint that `write_checkpoint` made."""
    network = _official(checkpoint.name)
    _fill(network, checkpoint)
    return network


def _official(model: str) -> Any:
    with quiet():
        return official_network.official_network(PRESETS[model].network)


def _fill(network: Any, folder: Path) -> None:
    from safetensors.torch import load_file

    tensors = {key.removeprefix("model."): value for key, value in load_file(folder / "model.safetensors").items()}
    network.load_state_dict(tensors, strict=False)  # tensors that are shared stand there once


def _given(pixels: Sequence[Any], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    poses, intrinsics = networks.orbit(len(pixels))
    parts = (np.linalg.inv(poses), intrinsics)
    return tuple(torch.from_numpy(part).float()[None].to(device) for part in parts)  # type: ignore[return-value]


def _size(pixels: Sequence[Any]) -> tuple[int, int]:
    return pixels[0].shape[1], pixels[0].shape[0]
