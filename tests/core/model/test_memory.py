"""What a model is said to need is what it takes, and when there is less the run goes on with less or says what fits."""

import json
import os
import re
import subprocess
import sys
import weakref
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from image_to_scene.core.model.main_memory import container_memory, main_memory
from image_to_scene.core.model.memory import Setup, advice, count_weights, need, plan, typical_sizes
from image_to_scene.core.model.out_of_memory import is_out_of_memory
from image_to_scene.core.model.presets import PRESETS, ModelConfig
from image_to_scene.core.model.vision_transformer import ViewGroup
from image_to_scene.core.model.weights import empty_networks, is_camera_encoder, is_ray_branch, is_used_for_rays

CHILD = Path(__file__).with_name("limited_run.py")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits, and tells, how much a process takes")


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """Run a prediction in a process of its own, and hear how it went."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def run(**arguments):
        command = [sys.executable, CHILD, folder, json.dumps(arguments)]
        alone = os.environ | {"OMP_NUM_THREADS": "1"}  # a thread begun in little memory crashes
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
@pytest.mark.parametrize("want_rays", [False, True])
@pytest.mark.parametrize("with_poses", [False, True])
def test_weights_are_counted_exactly(preset, want_rays, with_poses):
    for network in empty_networks(preset).values():
        names = {
            name: weight.numel()
            for name, weight in network.named_parameters()
            if (with_poses or not is_camera_encoder(name))
            and (not is_ray_branch(name) or (want_rays and is_used_for_rays(name)))
        }
        assert count_weights(network.config, want_rays=want_rays, with_poses=with_poses) == sum(names.values())


def test_official_sizes_give_sensible_needs():
    """Eight photos with Base fit a small graphics card; Giant takes a large one."""
    needs = {name: need(PRESETS[name], typical_sizes(PRESETS[name], 8, None)).total / 1e9 for name in PRESETS}
    assert needs["nano"] < needs["small"] < needs["base"] < needs["large"] < needs["giant"] < needs["nested"]
    assert 1 < needs["base"] < 3
    assert 5 < needs["giant"] < 12


models = st.sampled_from([PRESETS["small"], PRESETS["giant"], PRESETS["metric"], PRESETS["nested"]])


@given(models, st.integers(1, 40), st.integers(28, 1400), st.booleans())
def test_more_never_needs_less(model, views, resolution, want_rays):
    def run(views, resolution, chunk=8):
        sizes = typical_sizes(model, views, resolution)
        return need(model, sizes, Setup(want_rays=want_rays), head_chunk=chunk).run

    assert run(views, resolution) <= run(views + 1, resolution)
    assert run(views, resolution) <= run(views, resolution + 14)
    assert run(views, resolution, 1) <= run(views, resolution, 4)


@given(models, st.integers(1, 40), st.integers(28, 1400), st.floats(0.0, 2.0))
def test_advice_is_less_than_what_failed_and_fits(model, views, resolution, part):
    sizes = typical_sizes(model, views, resolution)
    free = int(part * need(model, sizes, head_chunk=1).run)
    text = advice(model, sizes, "a device", free)
    assert text.count("\n") == 0
    assert text.endswith("smaller model.")
    if found := re.search(r"most (\d+) pictures", text):
        fewer = int(found[1])
        assert fewer < views
        assert need(model, sizes[:fewer], head_chunk=1).run <= (free or 1e18)
    if found := re.search(r"resolution of (\d+)", text):
        lower = int(found[1])
        assert lower < max(sizes[0])
        assert need(model, typical_sizes(model, views, lower), head_chunk=1).run <= (free or 1e18)


@on_linux
def test_the_system_s_memory_is_told():
    memory = main_memory()
    assert 2**28 < memory.free <= memory.total


@pytest.mark.parametrize(("taken", "free"), [("300", 800), ("2000", 0)])
def test_a_container_has_what_its_limit_leaves(tmp_path, taken, free):
    files = {"memory.max": "1000\n", "memory.current": f"{taken}\n", "memory.stat": "anon 5\ninactive_file 100\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert container_memory(tmp_path) == (1000, free)
    (tmp_path / "memory.max").write_text("max\n")
    with pytest.raises(ValueError, match="max"):
        container_memory(tmp_path)


@on_linux
def test_the_estimate_is_what_a_process_takes(child):
    """Small, a little larger than its own resolution; `benchmarks/growth.py` has more of them."""
    told = child(model="small", views=3, size=[616, 462], chunk=None)
    planned = plan(PRESETS["small"], [(616, 462)] * 3)
    assert told["peak"] == pytest.approx(planned.need.total, rel=0.15)


@given(models, st.integers(1, 40), st.integers(28, 1400), st.floats(0.05, 2.0))
def test_a_plan_takes_fewer_at_once_only_where_more_do_not_fit(model, views, resolution, part):
    sizes = typical_sizes(model, views, resolution)

    def total(chunk):
        return need(model, sizes, Setup("cuda", "bf16"), head_chunk=chunk).total

    room = int(part * total(8))
    planned = plan(model, sizes, Setup("cuda", "bf16"), total=room)
    assert planned.need.total == total(planned.head_chunk)
    assert planned.fits == (total(1) <= room)
    assert planned.fits == (planned.need.total <= room)
    if planned.head_chunk < 8:
        assert total(2 * planned.head_chunk) > room


@on_linux
@pytest.mark.parametrize("kind", ["any_view", "one_view"])
def test_a_run_that_is_short_of_memory_goes_on_with_smaller_chunks(child, kind):
    """The limit is between what one view's head takes and what eight take."""
    plenty = child(model=kind, views=8, size=[392, 294], chunk=8)
    short = child(model=kind, views=8, size=[392, 294], chunk=8, room=plenty["taken"] * 0.75)
    assert plenty["warnings"] == []
    (warning,) = short["warnings"]
    assert re.search(r"Memory ran short, .* [124] at a time: slower, with the same result", warning)
    np.testing.assert_allclose(short["depth"], plenty["depth"], rtol=1e-5)
    assert short["last"] == short["total"]


@on_linux
@pytest.mark.parametrize("share", [0.55, 0.65])
def test_a_run_that_cannot_fit_says_what_does(child, share):
    """The limit is a share of the least that this machine needs: torch takes more on some processors than on others.

    Not close to all of it: what was taken counts address space that the allocator reserved and can do without.
    """
    room = share * child(model="wide", views=12, size=[392, 294], chunk=1)["taken"]
    told = child(model="wide", views=12, size=[392, 294], chunk=8, room=room)
    assert told["error"] == "OutOfMemoryError"
    found = re.search(r"at most (?:(\d+) pictures?)?(?: or )?(?:a resolution of (\d+))?, or a smaller", told["text"])
    assert found and any(found.groups()), told["text"]
    views, longest = int(found[1] or 12), 392 if found[1] else int(found[2])
    fewer = child(model="wide", views=views, size=[longest, longest * 3 // 56 * 14], chunk=8, room=room)
    assert fewer["error"] is None, fewer


@on_linux
def test_weights_that_do_not_fit_are_one_sentence(child):
    told = child(model="small", views=1, size=[98, 70], chunk=8, room=20e6, limits_loading=True)
    assert told["error"] == "OutOfMemoryError"
    assert re.fullmatch(r"The model '.*small' does not fit into memory: choose a smaller one\.", told["text"])


def test_an_own_model_is_estimated_too():
    model = ModelConfig("mine", "Mine", networks.any_view())
    assert 0 < need(model, [(98, 70)] * 2).weights < 10e6


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) == expected


class AllocatedBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive but for those known before, and the most there ever were."""

    def __init__(self, known):
        super().__init__()
        self.now = self.most = 0
        self.known = set(known)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self.known:
                storage = tensor.untyped_storage()
                self.known.add(storage._cdata)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.free, storage._cdata, storage.nbytes())
        return result

    def free(self, key, size):
        self.known.remove(key)
        self.now -= size


class AsOnCard(TorchFunctionMode):
    """Types as a card's autocast chooses them, and attention as its kernels take memory: for their result alone."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is functional.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        kinds = {functional.linear: self.kind, torch.conv2d: self.kind, functional.layer_norm: torch.float32}
        if kind := kinds.get(func):
            args = [arg.to(kind) if isinstance(arg, torch.Tensor) else arg for arg in args]
        return func(*args, **(kwargs or {}))


SAME = [(504, 336)] * 200
FP32, BF16 = torch.float32, torch.bfloat16
MIXED = [(504, 336)] * 20 + [(336, 504)] * 15 + [(252, 252)] * 10


@pytest.mark.parametrize("precision", ["fp32", "mixed", "bf16"])
@pytest.mark.parametrize("model", ["small", "giant"])
@pytest.mark.parametrize("sizes", [SAME, MIXED], ids=["one_size", "three_sizes"])
def test_the_estimate_of_a_graphics_card_is_what_its_tensors_take(model, sizes, precision):
    """The backbone on tensors without memory."""
    kind, kept = {"fp32": (FP32, FP32), "mixed": (BF16, FP32), "bf16": (BF16, BF16)}[precision]
    network = empty_networks(PRESETS[model])["model."]
    for module in network.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            module.to(kind)
    weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
    with AllocatedBytes(weights) as allocated, AsOnCard(kind), torch.no_grad():
        groups = [
            ViewGroup(
                torch.empty(1, sizes.count((w, h)), 3, h, w, device="meta"),
                tuple(i for i, size in enumerate(sizes) if size == (w, h)),
            )
            for w, h in dict.fromkeys(sizes)
        ]
        network.encode(groups, reference_view="first", dtype=kept)
    planned = need(PRESETS[model], sizes, Setup("cuda", precision), head_chunk=1)
    assert planned.run / 1.08 == pytest.approx(allocated.most, rel=0.1)  # less what is added for gaps
