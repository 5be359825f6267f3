"""Whatever is said arrives as it was said, on one line; whatever else arrives is refused by name."""

import json
import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from image_to_scene.core.errors import WorkerError
from image_to_scene.core.types import Distortion, Lens, Mask, Progress, Request, View
from image_to_scene.core.worker.protocol import (
    CancelCommand,
    DescribeCommand,
    DeviceMessage,
    DownloadCommand,
    ErrorMessage,
    ExitCommand,
    ProgressMessage,
    ReadyMessage,
    ReconstructCommand,
    RemoveCommand,
    ResultMessage,
    WarningMessage,
    decode_command,
    decode_message,
    encode,
    request_id,
)

paths = st.text(st.characters(exclude_characters="\0"), min_size=1).map(Path)
ids = st.integers(1, 2**40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
facts = st.dictionaries(st.text(), json_values, max_size=3)


def matrices(size):
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    return st.none() | arrays.arrays(np.float64, (size, size), elements=numbers)


numbers = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.tuples(numbers, numbers)
masks = st.builds(Mask, paths, st.sampled_from(["luminance", "alpha"]), st.booleans())
distortions = st.builds(
    Distortion,
    st.sampled_from(["POLYNOMIAL", "DIVISION", "NUKE", "BROWN"]),
    st.lists(numbers, max_size=6).map(tuple),
    pairs,
    pairs,
)
pairs_of_numbers = st.tuples(numbers, numbers)
lenses = st.builds(
    Lens,
    pairs_of_numbers,
    pairs_of_numbers,
    st.sampled_from(["longer side", "width", "height"]),
    st.none() | st.tuples(st.integers(1), st.integers(1)),
    st.text(),
)
views = st.builds(
    View,
    path=paths,
    world_from_camera=matrices(4),
    image_from_camera=matrices(3),
    time=st.none() | numbers,
    mask=st.none() | masks,
    distortion=st.none() | distortions,
    lens=st.none() | lenses,
    as_stored=st.booleans(),
)
requests = st.builds(
    Request,
    views=st.lists(views, max_size=3).map(tuple),
    model=st.text(),
    resolution=st.none() | st.integers(14, 4096),
    mixed_sizes=st.sampled_from(["auto", "keep", "crop"]),
    reference_view=st.sampled_from(["saddle_balanced", "saddle_sim_range", "first", "middle"]),
    pose_source=st.sampled_from(["camera_head", "ray_map"]),
    point_source=st.sampled_from(["cameras", "rays"]),
    square_pixels=st.booleans(),
    field_of_view=st.floats(0.1, 3.0),
    device=st.sampled_from(["auto", "cpu", "cuda", "mps"]),
    precision=st.sampled_from(["auto", "fp32", "mixed", "bf16", "fp16"]),
    head_chunk=st.integers(1, 64),
    exif_lens=st.booleans(),
    exposure=st.floats(-32.0, 32.0),
)
messages = st.one_of(
    st.builds(ReadyMessage, st.text(), ids, st.dictionaries(st.text(), st.text(), max_size=3)),
    st.builds(ProgressMessage, ids, st.text(), st.integers(0), st.integers(0)),
    st.builds(DeviceMessage, ids, st.sampled_from(["cpu", "cuda", "mps"]), st.text(), st.integers(0), st.integers(0)),
    st.builds(WarningMessage, ids, st.text()),
    st.builds(ResultMessage, ids, st.lists(paths, max_size=3).map(tuple), st.lists(facts, max_size=3).map(tuple)),
    st.builds(ErrorMessage, ids, st.text(), st.text(), st.text()),
)
REQUEST = Request((View(Path("a.jpg"), world_from_camera=np.eye(4)),))


def sent(request):
    """A request on its way, as JSON types."""
    return json.loads(encode(ReconstructCommand(1, request, Path("o"))))


def arrived(command):
    return decode_command(json.dumps(command).encode()).request


def assert_same_request(ours, theirs):
    assert replace(ours, views=()) == replace(theirs, views=())
    for name in ("path", "time", "mask", "distortion", "lens", "as_stored"):
        assert [getattr(view, name) for view in ours.views] == [getattr(view, name) for view in theirs.views]
    for one, other in zip(ours.views, theirs.views, strict=True):
        for name in ("world_from_camera", "image_from_camera"):
            a, b = getattr(one, name), getattr(other, name)
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(a, b)
                assert b.dtype == np.float64


@given(ids, requests, paths)
def test_a_request_arrives_as_it_was_sent(number, request, output):
    line = encode(ReconstructCommand(number, request, output))
    command = decode_command(line)
    assert (command.id, command.output) == (number, output)
    assert_same_request(request, command.request)
    assert request_id(line) == number


@given(messages)
def test_a_message_is_one_ascii_line_and_arrives_as_it_was_sent(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert line.isascii()
    assert decode_message(line) == message


COMMANDS = [
    CancelCommand(3),
    ExitCommand(),
    DownloadCommand(1, "base"),
    RemoveCommand(2, "a"),
    DescribeCommand(1, "cpu"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_arrive(command):
    assert decode_command(encode(command)) == command


def test_a_path_that_is_not_unicode_arrives():
    request = Request((View(Path(os.fsdecode(b"caf\xe9 1.jpg"))),))
    assert_same_request(request, decode_command(encode(ReconstructCommand(1, request, Path("o")))).request)


def test_float32_cameras_keep_their_values():
    matrix = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    request = Request((View(Path("a"), image_from_camera=matrix),))
    np.testing.assert_array_equal(arrived(sent(request)).views[0].image_from_camera, matrix)


def test_a_progress_message_is_a_step():
    assert ProgressMessage(1, "Stage", 2, 3).progress == Progress("Stage", 2, 3)


@pytest.mark.parametrize("name", [item.name for item in fields(Request)])
def test_a_missing_field_is_named(name):
    command = sent(REQUEST)
    del command["request"][name]
    with pytest.raises(WorkerError, match=name):
        arrived(command)


def test_an_unknown_field_is_named():
    command = sent(REQUEST)
    command["request"]["colour"] = 1
    with pytest.raises(WorkerError, match="colour"):
        arrived(command)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("views", {}),
        ("views", None),
        ("views", [1]),
        ("model", 3),
        ("model", None),
        ("resolution", 1.5),
        ("resolution", True),
        ("resolution", "504"),
        ("mixed_sizes", "stretch"),
        ("device", ["cpu"]),
        ("square_pixels", 1),
        ("field_of_view", "wide"),
        ("field_of_view", True),
        ("head_chunk", 8.0),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(WorkerError, match=name):
        arrived({**sent(REQUEST), "request": {**sent(REQUEST)["request"], name: value}})


@pytest.mark.parametrize("matrix", [1, "I", [], [[1, 2], [3]], np.eye(3).tolist(), [["1"] * 4] * 4, [[None] * 4] * 4])
def test_a_wrong_matrix_is_named(matrix):
    command = sent(REQUEST)
    command["request"]["views"][0]["world_from_camera"] = matrix
    with pytest.raises(WorkerError, match=r"views\[0\]\.world_from_camera must be 4 rows of 4 numbers"):
        arrived(command)


def test_another_version_says_what_to_do():
    line = json.dumps({**json.loads(encode(CancelCommand(7))), "version": 1}).encode()
    with pytest.raises(WorkerError, match="restart Blender"):
        decode_command(line)
    assert request_id(line) == 7


@given(st.binary())
def test_noise_is_refused(noise):
    for decode in (decode_command, decode_message):
        with pytest.raises(WorkerError):
            decode(noise)
    assert request_id(noise) == 0


def test_a_deep_line_is_refused():
    with pytest.raises(WorkerError):
        decode_message(b"[" * 100_000)


def test_a_message_is_no_command():
    with pytest.raises(WorkerError, match="unknown type"):
        decode_command(encode(WarningMessage(1, "text")))
