"""Files are recognised by what is in them; their suffix counts where that says nothing."""

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2]))
from write_dng import write_dng

from image_to_scene.core.imaging.kinds import IMAGE_SUFFIXES, MOVIE_SUFFIXES, content_of, is_movie, kind_of


def brands(major, *others):
    data = major + bytes(4) + b"".join(others)
    return struct.pack(">I", len(data) + 8) + b"ftyp" + data


CONTENTS = {
    "HEIF": (brands(b"heic", b"mif1", b"heic"), "image"),
    "HEIF, of some image": (brands(b"mif1", b"mif1", b"heix"), "image"),
    "AVIF": (brands(b"avif", b"mif1"), "image"),
    "AVIF, of some image": (brands(b"mif1", b"avif", b"miaf"), "image"),
    "MP4": (brands(b"isom", b"avc1"), "movie"),
    "MP4, of QuickTime": (brands(b"qt  "), "movie"),
    "MP4, of old QuickTime": (struct.pack(">I", 8) + b"wide" + struct.pack(">I", 99) + b"mdat", "movie"),
    "MATROSKA": (b"\x1a\x45\xdf\xa3\x01", "movie"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "movie"),
    "MPEG": (b"\0\0\1\xba\x44", "movie"),
    "MPEG, a transport stream": (3 * (b"G" + bytes(187)), "movie"),
    "MPEG, of a camcorder": (3 * (bytes(4) + b"G" + bytes(187)), "movie"),
    "RAW, CR3": (brands(b"crx ", b"isom"), "raw"),
    "RAW, RAF": (b"FUJIFILMCCD-RAW 0201", "raw"),
    "RAW, ORF": (b"IIRO\x08\0\0\0", "raw"),
    "RAW, RW2": (b"IIU\0\x18\0\0\0", "raw"),
    "EXR": (b"\x76\x2f\x31\x01\2\0\0\0", "image"),
    "JPEG2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "image"),
    "PPM": (b"P6\n# drawn\n2 2\n255\n" + bytes(12), "image"),
    "PSD": (b"8BPS\0\1", "image"),
}


@pytest.mark.parametrize("suffix", ["", ".jpg", ".mov", ".dng", ".txt"])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_content_counts_whatever_the_suffix(tmp_path, name, suffix):
    data, kind = CONTENTS[name]
    path = tmp_path / f"file{suffix}"
    path.write_bytes(data)
    assert content_of(path) == name.partition(",")[0]
    assert kind_of(path) == kind
    assert is_movie(path) == (kind == "movie")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "bmp", "gif", "jp2", "ppm", "sgi"])
def test_what_pillow_writes_is_an_image_without_its_suffix(tmp_path, suffix):
    image = pytest.importorskip("PIL.Image", reason="images are drawn by the worker's library")
    path = tmp_path / f"p.{suffix}"
    image.new("RGB", (4, 4)).save(path)
    assert kind_of(path.rename(tmp_path / "DSC_0001.MOV")) == "image"


def test_a_dng_is_told_from_other_tiffs_by_its_tag(tmp_path):
    path = write_dng(tmp_path / "p.tif", np.zeros((4, 4, 3)))
    assert (content_of(path), kind_of(path)) == ("RAW", "raw")
    (tmp_path / "p.nef").write_bytes(b"MM\0*\0\0\0\x08\0\1" + bytes(16))
    assert (content_of(tmp_path / "p.nef"), kind_of(tmp_path / "p.nef")) == ("TIFF", "raw"), "by its suffix"


@pytest.mark.parametrize(
    "data",
    [b"", b"BM is a band", b"P6 is a road", b"The moovie", b"II*\0", b"%PDF-1.7", b"\x01\xdaxy", b"RIFF\0\0\0\0WAVE"],
)
def test_what_only_looks_like_an_image_is_none(tmp_path, data):
    (tmp_path / "notes.txt").write_bytes(data)
    assert kind_of(tmp_path / "notes.txt") in ({"image"} if data.startswith(b"II*\0") else {None})
    (tmp_path / "song.m4a").write_bytes(brands(b"M4A ", b"isom"))
    assert kind_of(tmp_path / "song.m4a") is None


@pytest.mark.parametrize("name", ["gone", "folder", "pipe", "null\0"])
def test_what_cannot_be_looked_at_goes_by_its_suffix(tmp_path, name):
    path = tmp_path / f"{name}.mov"
    if name == "folder":
        path.mkdir()
    if name == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no named pipes in its folders")
        os.mkfifo(path)
    assert content_of(path) is None
    assert kind_of(path) == "movie"
    assert kind_of(path.with_suffix(".HEIC")) == "image"
    assert kind_of(path.with_suffix(".txt")) is None


def test_a_file_that_changes_is_looked_at_again(tmp_path):
    path = tmp_path / "p"
    path.write_bytes(b"8BPS\0\1")
    assert content_of(path) == "PSD"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x01\2\3")
    assert content_of(path) == "MATROSKA"


def test_no_suffix_is_both_of_an_image_and_of_a_movie():
    assert not IMAGE_SUFFIXES & MOVIE_SUFFIXES
    assert all(suffix == suffix.lower() for suffix in IMAGE_SUFFIXES | MOVIE_SUFFIXES)
