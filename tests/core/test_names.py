"""Names of files that are too long for more, or no Unicode, never keep a run from its end."""

import dataclasses
import os

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_to_scene.core import names
from image_to_scene.core.errors import ImageError
from image_to_scene.core.imaging.copies import write_copy
from image_to_scene.core.outside import Chosen
from image_to_scene.core.storage import load, save
from image_to_scene.core.types import ReconstructedView, Reconstruction


@given(st.binary(max_size=300).map(os.fsdecode) | st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_readable_and_short_names_are_unicode(name):
    assert len(names.readable(name).encode().decode()) == len(name)
    short = names.short(name)
    assert len(short.encode()) <= names.LONGEST
    if names.readable(name) == name:
        assert name.startswith(short)


def test_errors_can_always_be_shown():
    assert str(ImageError("caf\udce9.png is empty.")) == "caf?.png is empty."
    assert str(ImageError()) == ""


def test_copies_of_files_with_the_longest_names_are_written_and_saved(tmp_path):
    source = tmp_path / ("ö" * 125 + ".png")
    Image.new("RGB", (4, 3)).save(source)
    copy = write_copy(np.zeros((3, 4, 3), np.uint8), source, tmp_path)
    view = ReconstructedView(
        source=source,
        texture=copy,
        source_size=(4, 3),
        source_from_model=np.eye(3),
        image=np.zeros((3, 4, 3), np.uint8),
        depth=np.ones((3, 4), np.float32),
        image_from_camera=np.array([[4.0, 0.0, 2.0], [0.0, 4.0, 1.5], [0.0, 0.0, 1.0]]),
    )
    other = dataclasses.replace(view, texture=source)
    save(Reconstruction((view, other)), tmp_path / "result")
    loaded = load(tmp_path / "result", Chosen(outside=True)).views
    assert loaded[0].texture.parent == tmp_path / "result" / "textures"
    assert loaded[1].texture == source
