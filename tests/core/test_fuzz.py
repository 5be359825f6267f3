"""Damage of every kind to what is read back: only ever the one error that is written for the artist."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.errors import StorageError, WorkerError
from image_to_scene.core.storage import DESCRIPTION, load, save
from image_to_scene.core.types import Mask, ReconstructedView, Reconstruction, Request, View
from image_to_scene.core.worker.protocol import (
    ReconstructCommand,
    ResultMessage,
    decode_command,
    decode_message,
    encode,
    request_id,
)

LINES = (
    encode(
        ReconstructCommand(
            3, Request((View(Path("a.png"), np.eye(4), np.eye(3), 0.5, Mask(Path("m.png"))),)), Path("o")
        )
    ),
    encode(ResultMessage(3, (Path("o/000"),), ({"seconds": 1.5},))),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(data, way=()):
    """Every place in JSON data, as a way of keys."""
    yield way
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*way, key))


def changed(data, way, value):
    """The same data with another value at one place."""
    if not way:
        return value
    copy = data.copy()
    copy[way[0]] = changed(data[way[0]], way[1:], value)
    return copy


@st.composite
def damaged_json(draw, text):
    data = json.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        data = changed(data, draw(st.sampled_from(list(places(data)))), draw(values))
    return json.dumps(data)


def damaged_bytes(content):
    """Bytes cut off, exchanged, or put in."""
    part = st.tuples(st.integers(0, len(content)), st.integers(0, 40), st.binary(max_size=40))
    return part.map(lambda p: content[: p[0]] + p[2] + content[p[0] + p[1] :])


def read_line(line):
    for decode in (decode_command, decode_message):
        try:
            decode(line)
        except WorkerError as error:
            assert str(error)
    assert type(request_id(line)) is int


@given(line=st.binary(max_size=200) | st.sampled_from(LINES).flatmap(damaged_bytes))
def test_any_bytes_are_a_line_or_refused(line):
    read_line(line)


@given(line=st.sampled_from(LINES).flatmap(damaged_json))
def test_any_json_is_a_line_or_refused(line):
    read_line(line.encode())


@pytest.mark.parametrize("opening", ["[", '{"id":', '{"type":['])
def test_deep_lines_are_refused(opening):
    read_line(opening.encode() * 100_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A saved reconstruction with all that one can have."""
    folder, pixels = tmp_path_factory.mktemp("fuzz"), np.ones((4, 6), np.float32)
    K = np.array([[5.0, 0, 3], [0, 5.0, 2], [0, 0, 1]])
    view = ReconstructedView(
        source=folder / "a.png",
        texture=folder / "a.png",
        source_size=(6, 4),
        source_from_model=np.eye(3),
        image=np.zeros((4, 6, 3), np.uint8),
        depth=pixels,
        image_from_camera=K,
        world_from_camera=np.eye(4),
        confidence=2 * pixels,
        sky=0 * pixels,
        mask=pixels > 2,
        time=0.5,
    )
    save(Reconstruction((view, view)), folder / "whole")
    return folder


def load_damaged(whole, name, content):
    """Put other bytes in place of a file, and use all that is read."""
    folder = whole / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole / "whole", folder)
    (folder / name).write_bytes(content)
    try:
        views = load(folder).views
    except StorageError as error:
        assert str(folder) in str(error)
        return
    for view in views:
        assert view.depth.shape == view.image.shape[:2]
        assert np.isfinite(view.image_from_camera).all()


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_description_is_refused_or_read(whole, data):
    text = (whole / "whole" / DESCRIPTION).read_text()
    content = data.draw(damaged_json(text).map(str.encode) | damaged_bytes(text.encode()))
    load_damaged(whole, DESCRIPTION, content)


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_array_is_refused_or_read(whole, data):
    name = data.draw(st.sampled_from(sorted(path.name for path in (whole / "whole").glob("*.npy"))))
    load_damaged(whole, name, data.draw(damaged_bytes((whole / "whole" / name).read_bytes())))


@settings(max_examples=30)
@given(data=st.data())
def test_an_array_in_place_of_another_is_refused_or_read(whole, data):
    names = sorted(path.name for path in (whole / "whole").glob("*.npy"))
    one, other = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
    load_damaged(whole, one, (whole / "whole" / other).read_bytes())


@pytest.mark.parametrize(
    "shape", ["(2, 1000000000, 1000000000)", "(2, -4, 6)", "(2, 4, 6" + "0" * 300 + ")", "2", "()"]
)
def test_an_absurd_header_takes_no_memory(whole, shape):
    content = (whole / "whole" / "depth.npy").read_bytes()
    load_damaged(whole, "depth.npy", content.replace(b"(2, 4, 6)", shape.encode()))
