"""What a model is said to need is what it takes, and when there is less the run goes on with less or says what fits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.model.main_memory import main_memory
from image_to_scene.core.model.memory import advice, count_weights, need, plan, typical_sizes
from image_to_scene.core.model.presets import PRESETS, ModelConfig
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
    assert 6 < needs["giant"] < 12


models = st.sampled_from([PRESETS["small"], PRESETS["giant"], PRESETS["metric"], PRESETS["nested"]])


@given(models, st.integers(1, 40), st.integers(28, 1400), st.booleans())
def test_more_never_needs_less(model, views, resolution, want_rays):
    def run(views, resolution, chunk=8):
        sizes = typical_sizes(model, views, resolution)
        return need(model, sizes, head_chunk=chunk, want_rays=want_rays).run

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
        assert need(model, typical_sizes(model, views, lower), head_chunk=1).run <= (free or 1e18) * 1.1  # rounding


@on_linux
def test_the_system_s_memory_is_told():
    memory = main_memory()
    assert 2**28 < memory.free <= memory.total


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
        return need(model, sizes, device="cuda", precision="bf16", head_chunk=chunk).total

    room = int(part * total(8))
    planned = plan(model, sizes, device="cuda", precision="bf16", total=room)
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
def test_a_run_that_cannot_fit_says_what_does(child):
    told = child(model="wide", views=12, size=[392, 294], chunk=8, room=200e6)
    assert told["error"] == "OutOfMemoryError"
    found = re.search(r"most (\d+) pictures or a resolution of (\d+), or a smaller model", told["text"])
    assert found, told["text"]
    fewer = child(model="wide", views=int(found[1]), size=[392, 294], chunk=8, room=200e6)
    assert fewer["error"] is None, fewer


@on_linux
def test_weights_that_do_not_fit_are_one_sentence(child):
    told = child(model="small", views=1, size=[98, 70], chunk=8, room=20e6, limits_loading=True)
    assert told["error"] == "OutOfMemoryError"
    assert re.fullmatch(r"The model '.*small' does not fit into memory: choose a smaller one\.", told["text"])


def test_an_own_model_is_estimated_too():
    model = ModelConfig("mine", "Mine", networks.any_view())
    assert 0 < need(model, [(98, 70)] * 2).weights < 10e6
