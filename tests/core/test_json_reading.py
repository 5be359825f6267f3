"""JSON from outside is plain finite data or one sentence, whatever is in the file."""

import json
import os

import pytest

from image_to_scene.core.json_reading import DEEPEST, JSONError, parse_json, read_json

REFUSED = {
    "nothing": (b"", "is empty"),
    "cut off": (b'{"a": [1, 2', "whole JSON"),
    "NaN": (b'{"a": NaN}', "NaN"),
    "infinity": (b"[-Infinity]", "-Infinity"),
    "large float": (b"[1e400]", "1e400"),
    "whole number beyond float": (b"[1" + b"0" * 400 + b"]", "401 digits"),
    "whole number beyond Python's limit": (b"[-" + b"9" * 5000 + b"]", "5001 digits"),
    "a little too deep": (b"[" * 65 + b"]" * 65, "nested"),
    "far too deep": (b"[" * 100_000, "nested"),
    "deep objects": (b'{"a":' * 100_000, "nested"),
    "key twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "UTF-16"),
    "UTF-16 without mark": ('{"a": 1}'.encode("utf-16-le"), "whole JSON"),
    "UTF-32": ('{"a": 1}'.encode("utf-32"), "UTF-32"),
    "Latin-1": (b'{"a": "caf\xe9"}', "UTF-8"),
    "control characters": (b'["a\nb"]', "whole JSON"),
    "two values": (b"{}{}", "whole JSON"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_plain_json_is_refused_in_a_sentence(tmp_path, kind):
    content, words = REFUSED[kind]
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(JSONError, match=r"^(is|holds|has) ") as caught:
        read_json(tmp_path / "a.json")
    assert words in str(caught.value) and len(str(caught.value)) < 200


def test_files_have_a_ceiling(tmp_path):
    (tmp_path / "a.json").write_bytes(b" " * 3000 + b"1")
    assert read_json(tmp_path / "a.json") == 1
    with pytest.raises(JSONError, match="larger than"):
        read_json(tmp_path / "a.json", 3000)


def test_a_sparse_terabyte_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(JSONError, match="larger than 64 MB"):
        read_json(tmp_path / "a.json")


def test_what_is_no_file_is_not_opened(tmp_path):
    with pytest.raises(JSONError, match="folder"):
        read_json(tmp_path)
    with pytest.raises(JSONError, match="does not exist"):
        read_json(tmp_path / "none.json")
    with pytest.raises(JSONError, match="name that no file can have"):
        read_json(tmp_path / "a\0.json")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(JSONError, match="pipe"):
            read_json(tmp_path / "pipe")


@pytest.mark.parametrize("value", [{}, [], None, True, 1.5, -(10**290), "ä\ud83d\ude00", {"a": [{"b": []}]}])
def test_everything_else_is_what_python_reads(value):
    content = json.dumps(value).encode()
    assert parse_json(content) == json.loads(content)
    assert parse_json(b"\xef\xbb\xbf" + content) == json.loads(content)


def test_the_deepest_that_is_read():
    content = b"[" * DEEPEST + b"]" * DEEPEST
    assert parse_json(content) == json.loads(content)


def test_lines_between_our_own_processes_may_hold_what_python_writes():
    assert parse_json(b"[Infinity]", finite=False) == [float("inf")]
    with pytest.raises(JSONError):
        parse_json(b"[1" + b"0" * 400 + b"]", finite=False)
