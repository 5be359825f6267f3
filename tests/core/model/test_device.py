"""The table of devices and precisions."""

import pytest
import torch

from image_to_scene.core.errors import DeviceError
from image_to_scene.core.model.device import Machine, choose_device, this_machine

NONE, APPLE = Machine(None, False), Machine(None, True)
PASCAL, VOLTA, TURING, AMPERE, HOPPER = (Machine(c, False) for c in ((6, 1), (7, 0), (7, 5), (8, 0), (9, 0)))


@pytest.mark.parametrize(
    ("machine", "device", "precision", "chosen"),
    [
        (NONE, "auto", "auto", ("cpu", "fp32")),
        (NONE, "cpu", "bf16", ("cpu", "bf16")),
        (NONE, "cpu", "mixed", ("cpu", "mixed")),
        (APPLE, "auto", "auto", ("mps", "fp32")),
        (APPLE, "mps", "fp16", ("mps", "fp16")),
        (APPLE, "cpu", "auto", ("cpu", "fp32")),
        (PASCAL, "auto", "auto", ("cuda", "fp32")),
        (PASCAL, "cuda", "fp16", ("cuda", "fp16")),
        (VOLTA, "auto", "auto", ("cuda", "fp16")),
        (TURING, "cuda", "auto", ("cuda", "fp16")),
        (TURING, "cuda", "fp32", ("cuda", "fp32")),
        (AMPERE, "auto", "auto", ("cuda", "bf16")),
        (HOPPER, "cuda", "auto", ("cuda", "bf16")),
        (HOPPER, "cuda", "fp16", ("cuda", "fp16")),
        (HOPPER, "cpu", "auto", ("cpu", "fp32")),
    ],
)
def test_choices(machine, device, precision, chosen):
    assert choose_device(device, precision, machine) == chosen


@pytest.mark.parametrize(
    ("machine", "device", "precision", "sentence"),
    [
        (NONE, "cuda", "auto", "No CUDA device was found"),
        (AMPERE, "mps", "auto", "Metal .* is not available"),
        (VOLTA, "cuda", "bf16", "only emulates bf16"),
        (VOLTA, "cuda", "mixed", "only emulates bf16"),
        (NONE, "cpu", "fp16", "fp16 is slower than fp32"),
        (NONE, "auto", "fp16", "fp16 is slower than fp32"),
    ],
)
def test_refusals_say_what_to_choose(machine, device, precision, sentence):
    with pytest.raises(DeviceError, match=rf"{sentence}.*; choose"):
        choose_device(device, precision, machine)


def test_this_machine_runs_what_is_chosen_for_it():
    choice = choose_device()
    torch.zeros(1, dtype=choice.dtype, device=choice.device)
    assert (this_machine().cuda_capability is not None) == torch.cuda.is_available()
