"""Several pictures at a time are as if they were read one after the other: results, errors, cancel, warnings."""

import os
import re
import threading
import time
import warnings
from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from image_to_scene.core.errors import CancelledError, ImageError
from image_to_scene.core.imaging.preparation import prepare_views
from image_to_scene.core.imaging.reading import check_pictures, read_picture
from image_to_scene.core.imaging.threads import in_order, thread_count
from image_to_scene.core.types import Distortion, Mask, View

SIZE = (420, 310)
several_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core: pictures are read one after the other")


def swapped_profile():
    """sRGB with red and blue exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


@pytest.fixture
def mix(tmp_path, natural_picture):
    """Views of many kinds, some of which need copies; one of them comes again and again, so its copy does, too."""
    turned, clear = Image.Exif(), np.dstack([natural_picture(*SIZE, seed=2), np.full(SIZE[::-1], 90, np.uint8)])
    turned[0x0112] = 6
    turned.get_ifd(0x8769)[0xA405] = 35
    Image.fromarray(natural_picture(*SIZE)).save(tmp_path / "turned.jpg", exif=turned, icc_profile=swapped_profile())
    Image.fromarray(natural_picture(*SIZE, seed=1)).save(tmp_path / "plain.jpg")
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(natural_picture(*SIZE, seed=3)[..., 0].astype(np.uint16) * 256).save(tmp_path / "deep.png")
    Image.fromarray(np.tri(*SIZE[::-1], dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    lens = Distortion("DIVISION", (0.1, 0.0), (400.0, 400.0), (SIZE[0] / 2, SIZE[1] / 2))
    views = [View(tmp_path / name) for name in ("turned.jpg", "plain.jpg", "clear.png", "deep.png", "turned.jpg")]
    masked = [View(tmp_path / "plain.jpg", mask=Mask(tmp_path / "mask.png"), distortion=lens)]
    return (views + masked + views[:1]) * 2


@pytest.fixture
def broken(tmp_path):
    """Two files that cannot be read, for two reasons."""
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "empty.jpg").touch()
    return View(tmp_path / "broken.png"), View(tmp_path / "empty.jpg")


def told(prepared):
    """All that a prepared view says, in bytes, and its texture's."""
    values = [getattr(prepared, field.name) for field in fields(prepared)]
    plain = [value.tobytes() if isinstance(value, np.ndarray) else repr(value) for value in values]
    return [*plain, prepared.pixels.shape, prepared.texture.read_bytes()]


def assert_process_is_as_it_was(before):
    assert (threading.active_count(), list(warnings.filters), warnings.showwarning) == before


@pytest.fixture
def before():
    return threading.active_count(), list(warnings.filters), warnings.showwarning


@several_cores
def test_two_are_read_at_a_time():
    """Each waits until the other has begun too."""
    meeting = threading.Barrier(2, timeout=20.0)
    in_order(lambda item: meeting.wait(), [0, 1], 1, "Reading")


@given(items=st.integers(0, 5000), largest=st.integers(0, 10**9))
def test_memory_bounds_the_threads(items, largest):
    threads = thread_count(items, largest)
    assert 1 <= threads <= max(1, items)
    assert threads == 1 or threads * largest <= 50_000_000


def test_together_equals_one_by_one_bit_for_bit(mix, tmp_path, before):
    (tmp_path / "copies").mkdir()
    together = [told(view) for view in prepare_views(mix, resolution=126, copies=tmp_path / "copies")]
    alone = [told(prepare_views([view], resolution=126, copies=tmp_path / "copies")[0]) for view in mix]
    assert together == alone
    assert len(list((tmp_path / "copies").iterdir())) == 4, "one copy of each that needs one, and nothing half-written"
    assert_process_is_as_it_was(before)


def test_every_bad_file_is_named_in_order(mix, broken, before):
    bad, worse = broken
    steps = []
    masked = View(mix[0].path, mask=Mask(worse.path))
    with pytest.raises(ImageError) as caught:
        prepare_views([*mix[:5], masked, worse, bad, *mix[5:], bad], resolution=126, on_progress=steps.append)
    assert re.search(r'2 pictures.*empty\.jpg" is empty; ".*broken\.png" is not a picture', str(caught.value))
    assert [step.done for step in steps if step.stage == "Reading pictures"] == [1, 2, 3, 4, 5]
    assert_process_is_as_it_was(before)


def test_a_flaw_that_no_file_has_is_told_as_it_is(mix, tmp_path, before):
    """Where copies cannot be written, reading fails and all pictures are whole."""
    with pytest.raises(ImageError, match="No upright copy of"):
        prepare_views(mix, resolution=126, copies=tmp_path / "no such folder")
    assert_process_is_as_it_was(before)


def test_a_cancel_ends_it_soon(before):
    """Of 400 that take a hundredth of a second each, those under way are read to their end, the rest never."""
    begun, heard = [], []

    def read(item):
        begun.append(item)
        time.sleep(0.01)

    def cancel(progress):
        heard.append((progress.done, threading.current_thread()))
        if progress.done == 3:
            raise CancelledError("Enough.")

    with pytest.raises(CancelledError):
        in_order(read, range(400), 1, "Reading", cancel)
    assert_process_is_as_it_was(before)
    assert heard == [(done, threading.main_thread()) for done in (1, 2, 3)]
    count = len(begun)
    time.sleep(0.05)
    assert len(begun) == count < 400


@pytest.mark.parametrize("count", [1, 12])
def test_pillows_warnings_are_not_heard(tmp_path, count):
    path = tmp_path / "odd.jpg"
    Image.new("RGB", (40, 30)).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    with pytest.warns(UserWarning, match="EXIF"):
        read_picture(path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        check_pictures([path] * count)
        prepare_views([View(path, mask=Mask(path))] * count, resolution=28)
    assert not heard
