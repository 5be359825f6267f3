"""A request that a file remembers is read by every version of the add-on that can understand it."""

from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest

from image_to_scene.core.errors import StorageError
from image_to_scene.core.json_dataclasses import MismatchError
from image_to_scene.core.request_json import VERSION, request_from_json, request_to_json
from image_to_scene.core.types import Mask, Request, View

REQUEST = Request(
    (View(Path("a.jpg"), world_from_camera=np.eye(4), mask=Mask(Path("m.png"))), View(Path("b.jpg"), time=0.5)),
    model="base",
    resolution=252,
)
OPTIONAL = [item.name for item in fields(Request) if item.default is not MISSING]


def same(one, other):
    """Compare requests by their JSON: arrays have no equality of their own."""
    return request_to_json(one) == request_to_json(other)


def test_a_request_comes_back():
    assert same(request_from_json(request_to_json(REQUEST)), REQUEST)


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_setting_takes_its_default(name):
    data = request_to_json(REQUEST)
    del data[name]
    assert getattr(request_from_json(data), name) == getattr(Request(()), name)


@pytest.mark.parametrize("name", [item.name for item in fields(View) if item.default is not MISSING])
def test_a_missing_key_of_a_view_takes_its_default(name):
    data = request_to_json(REQUEST)
    del data["views"][0][name]
    assert getattr(request_from_json(data).views[0], name) == getattr(View(Path("a")), name)


def test_unknown_keys_at_every_level_are_ignored():
    data = request_to_json(REQUEST) | {"colour": "red"}
    data["views"][0] |= {"exposure": 1.5}
    data["views"][0]["mask"] |= {"softness": 3}
    assert same(request_from_json(data), REQUEST)


def test_a_request_without_a_version_is_of_the_first():
    data = request_to_json(REQUEST)
    del data["version"]
    assert same(request_from_json(data), REQUEST)


def test_a_newer_version_is_refused_with_what_to_do():
    with pytest.raises(StorageError, match=r"newer Image to Scene .* update the add-on"):
        request_from_json(request_to_json(REQUEST) | {"version": VERSION + 1})


@pytest.mark.parametrize("data", [None, 1, [], {}, {"views": 3}, {"views": [{}]}, {"views": [], "version": True}])
def test_what_is_no_request_is_refused(data):
    with pytest.raises(MismatchError):
        request_from_json(data)


@pytest.mark.parametrize(
    ("name", "value"), [("views", [1]), ("model", None), ("resolution", True), ("device", ["cpu"]), ("head_chunk", 8.0)]
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(MismatchError, match=name):
        request_from_json(request_to_json(REQUEST) | {name: value})
