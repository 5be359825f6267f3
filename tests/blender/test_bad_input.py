"""Whatever an artist brings: a sentence of its own or a result, nothing else changes, and a good run follows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

import image_to_scene
from image_to_scene.core import errors
from image_to_scene.core.errors import ImageToSceneError
from image_to_scene.operators.session import session

sys.path.append(str(Path(__file__).parent))
from bad_input import blend_file, cameras, checkpoints, disk, files, lenses, worker
from bad_input.desk import Desk

TABLES = (files, cameras, lenses, checkpoints, worker, disk, blend_file)
CASES = [
    pytest.param(case, id=f"{table.__name__.rpartition('.')[2]}-{case.name[:40].encode('ascii', 'replace').decode()}")
    for table in TABLES
    for case in table.CASES
]
FOREIGN = re.compile(r"Traceback|\b\w+(Error|Exception)\b|<[\w ]+ object|0x[0-9a-f]{6}|\bNone\b|Errno|\bb'")
"""What no artist should read."""
REMEDY = re.compile(
    r"\b(scale|add|bring|choose|close|free|get|give|install|lay|leave|let|link|make|name|place|put|replace|save|see|set|solve|switch|take|try|"
    r"undistort|update|use|reconstruct|restart|download|unmask)\b",
    re.IGNORECASE,
)
said: dict[str, str] = {}
"""Causes by the sentences that they gave."""


@pytest.fixture(scope="module")
def material(worker_python, tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    script = Path(__file__).parent / "bad_input" / "write_material.py"
    subprocess.run([worker_python, script, tiny_checkpoint, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def stumbling(worker_python, tmp_path_factory):
    """A program that takes the place of the worker's Python, and the file that tells it where to stumble."""
    folder = tmp_path_factory.mktemp("stumbling")
    if sys.platform == "win32":
        return worker_python, folder / "plan.json"
    program, script = folder / "python", Path(__file__).parent / "bad_input" / "stumbling_worker.py"
    program.write_text(f'#!/bin/sh\nexec "{worker_python}" -I -u -X utf8 "{script}" "{folder}/plan.json"\n')
    program.chmod(0o755)
    return program, folder / "plan.json"


@pytest.fixture
def desk(empty_file, material, stumbling, tiny_checkpoint, tmp_path):
    folder = tmp_path / "artist's"
    folder.mkdir()
    yield Desk(folder, material, tiny_checkpoint, *stumbling)
    for left in [item for item in bpy.context.preferences.addons if item.module == image_to_scene.__name__]:
        bpy.context.preferences.addons.remove(left)


def attempt(case, desk):
    """Do what the artist does; return the error."""
    try:
        case.act(desk)
    except ImageToSceneError as error:
        return error
    return None


def check_sentence(case, error):
    text = str(error)
    assert type(error).__name__ == case.error, text
    assert re.search(case.says, text), text
    assert text.endswith(".") and not FOREIGN.search(text), text
    assert case.error == "CancelledError" or REMEDY.search(text), text
    assert error.__class__ is getattr(errors, case.error, error.__class__)
    told = re.sub(r'[^" ]*[^"]*\.(png|jpg|webp|gif|mp4|mkv)', "…", text)
    assert said.setdefault(told, case.cause or case.name) == (case.cause or case.name), text


@pytest.mark.parametrize("case", CASES)
def test_bad_input(case, desk):
    case.spoil(desk)
    before = desk.state()
    error = attempt(case, desk)
    assert session.run is None and desk.due is None
    changed = changes(before, desk.state(), case.own)
    if case.error or case.ends:
        assert bool(error) == bool(case.error), error
        assert not desk.built
        if case.error:
            check_sentence(case, error)
        assert changed == {}
        desk.good_run()
    else:
        assert error is None, error
        assert desk.built
        assert not case.says or any(re.search(case.says, text) for text in desk.warnings), desk.warnings
        assert {key: pair for key, pair in changed.items() if pair[0] is not None and not is_of_results(key)} == {}


def is_of_results(key):
    """Whether a place changes wherever something is built: how many use a data-block, and which runs are kept."""
    return key == "runs" or key.endswith(".users")


def changes(before, after, own):
    """What is not as it was, as pairs; None stands for what is not there."""
    keys = [key for key in before.keys() | after.keys() if not re.search(own, os.fsdecode(key))]
    pairs = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
