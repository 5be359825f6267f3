"""The kind of a file: image, camera raw or movie, recognised by its content whatever its suffix.

The standard library only: Blender's process, which decodes neither as the worker does, must decide alike. A suffix
counts only where the content has no signature of its own (TGA), is not known here, or cannot be looked at.

Source: the signatures are those of the formats' own specifications; brands of ISO/IEC 14496-12 files are registered at
mp4ra.org, HEIF's in ISO/IEC 23008-12, DNG's tag 50706 in Adobe's Digital Negative Specification.
"""

from __future__ import annotations

import functools
import re
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

Kind = Literal["image", "raw", "movie"]

MOVIE_SUFFIXES: Final = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".qt", ".movie", ".mkv", ".webm", ".avi", ".divx", ".xvid", ".flv", ".wmv", ".asf"),
        *(".mpg", ".mpeg", ".mpg2", ".m2v", ".vob", ".mts", ".m2ts", ".m2t", ".ts", ".mxf", ".dv", ".3gp", ".3g2"),
        *(".ogv", ".ogg"),
    }
)
"""Lower-case suffixes of movies."""
RAW_SUFFIXES: Final = frozenset(
    {
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".rw2", ".rwl", ".orf"),
        *(".pef", ".srw", ".x3f", ".3fr", ".fff", ".iiq", ".mef", ".mos", ".mrw", ".erf", ".kdc", ".dcr", ".gpr"),
    }
)
"""Lower-case suffixes of camera raw files."""
IMAGE_SUFFIXES: Final = RAW_SUFFIXES | {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".webp", ".avif", ".jp2", ".j2k", ".j2c"),
    *(".bmp", ".tga", ".gif", ".ppm", ".pgm", ".pnm", ".pbm", ".pfm", ".psd", ".sgi", ".rgb", ".rgba"),
    *(".heic", ".heif", ".hif", ".exr", ".hdr"),
}
"""Lower-case suffixes of images that the worker reads."""

_SOUND_SUFFIXES: Final = frozenset({".m4a", ".m4b", ".oga", ".opus", ".spx", ".wma", ".mka", ".aax"})
"""Of files in a movie's container that hold sound."""
_HEAD: Final = 600
"""Bytes that are looked at: three packets of an MPEG transport stream."""
_STARTS: Final[Mapping[bytes, str]] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"8BPS\0": "PSD",
    b"\x76\x2f\x31\x01": "EXR",
    b"#?RADIANCE": "HDR",
    b"#?RGBE": "HDR",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    **{bytes((1, 0xDA, packed, width)): "SGI" for packed in (0, 1) for width in (1, 2)},
    b"FUJIFILMCCD-RAW": "RAW",
    b"IIU\0": "RAW",  # Panasonic
    b"IIRO": "RAW",  # Olympus
    b"IIRS": "RAW",
    b"MMOR": "RAW",
    b"II\x1a\0\0\0HEAPCCDR": "RAW",  # Canon, CRW
    b"FOVb": "RAW",  # Sigma
    b"\0MRM": "RAW",  # Minolta
    b"\x1a\x45\xdf\xa3": "MATROSKA",
    b"\0\0\1\xba": "MPEG",
    b"\0\0\1\xb3": "MPEG",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "ASF",
    b"FLV\1": "FLV",
    b"OggS\0": "OGG",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01": "MXF",
    b"\x1f\x07\0": "DV",
}
_MOVIES: Final = frozenset({"MP4", "MATROSKA", "AVI", "MPEG", "ASF", "FLV", "OGG", "MXF", "DV"})
_TIFF: Final = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "", b"MM\0+": ""}
"""Of TIFF, its byte order; of BigTIFF, whose directory is not looked at, none."""
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_QUICKTIME_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"pnot"})
"""What a QuickTime file from before `ftyp` starts with."""
_BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_NETPBM: Final = re.compile(rb"P[1-6f]\s+[#\d]")
_TARGA: Final = re.compile(rb".[\0\1](\0|[\1-\3]|[\x09-\x0b]).{13}[\x08\x0f\x10\x18\x20]", re.DOTALL)
"""Targa has no signature: its colour map, type and depth are one of few (Truevision TGA 2.0, fields 2, 3 and 5)."""
_DNG_VERSION: Final = 50706


def content_of(path: Path) -> str | None:
    """Recognise a file's format by its content.

    Returns:
        A name as Pillow has it where Pillow reads the format; "HEIF", "RAW", "EXR", "HDR" (Radiance), or the name of a
        movie's container. None: it is not known here, or the file cannot be looked at.
    """
    try:
        status = path.stat()
        regular = stat.S_ISREG(status.st_mode)  # to open a pipe would wait for a writer
        return _content(path, status.st_mtime_ns, status.st_size) if regular else None
    except (OSError, ValueError):  # ValueError: a name with a null character
        return None


def kind_of(path: Path) -> Kind | None:
    """Tell what a file is: by its content, else by its suffix; None where both say nothing."""
    found, suffix = content_of(path), path.suffix.lower()
    if found in _MOVIES:
        return None if suffix in _SOUND_SUFFIXES else "movie"
    if found is None and suffix in MOVIE_SUFFIXES:
        return "movie"
    if found == "RAW" or (found in {"TIFF", None} and suffix in RAW_SUFFIXES):
        return "raw"
    return "image" if found is not None or suffix in IMAGE_SUFFIXES else None


def is_movie(path: Path) -> bool:
    """Tell whether a file is a movie; everything else is taken for an image."""
    return kind_of(path) == "movie"


def is_image(path: Path) -> bool:
    """Tell by its content alone, whatever it is called, whether a file is an image or camera raw."""
    found = content_of(path)
    if found is not None or path.suffix.lower() != ".tga":
        return found is not None and found not in _MOVIES
    try:
        if not path.is_file():  # to open a pipe would wait for a writer
            return False
        with path.open("rb") as file:
            return _TARGA.match(file.read(_HEAD)) is not None
    except (OSError, ValueError):
        return False


@functools.lru_cache(maxsize=4096)
def _content(path: Path, _changed: int, _size: int) -> str | None:
    """Look into a file once as long as it stays the same: every view of a clip asks."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head[:4] in _TIFF:
            order = _TIFF[head[:4]]
            file.seek(struct.unpack(f"{order}I", head[4:8])[0] if order and len(head) >= 8 else 0)
            return "RAW" if order and _is_dng(file.read(12 * 256 + 2), order) else "TIFF"
    known = next((name for start, name in _STARTS.items() if head.startswith(start)), None)
    return known or _from_structure(head)


def _from_structure(head: bytes) -> str | None:
    """Recognise formats that are not told by a constant start."""
    if head[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "AVI"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _from_brands(head)
    if head[4:8] in _QUICKTIME_BOXES and head[:1] < b" ":  # not in the middle of a text
        return "MP4"
    if _NETPBM.match(head):
        return "PPM"
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack("<I", head[14:18])[0] in _BMP_HEADERS:
        return "BMP"
    is_stream = any(head[start : start + 2 * step + 1 : step] == b"GGG" for start, step in ((0, 188), (4, 192)))
    return "MPEG" if is_stream else None


def _from_brands(head: bytes) -> str:
    """Read the brands of an ISO base media file, the major one first."""
    (length,) = struct.unpack(">I", head[:4])
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4))]
    if brands[0] == b"crx ":  # Canon, CR3
        return "RAW"
    if brands[0] in {b"mif1", b"msf1", b"miaf"}:  # "some image": the compatible brands tell which
        return "AVIF" if _AVIF_BRANDS.intersection(brands) else "HEIF"
    if brands[0] in _HEIF_BRANDS:
        return "HEIF"
    return "AVIF" if brands[0] in _AVIF_BRANDS else "MP4"


def _is_dng(directory: bytes, order: str) -> bool:
    """Tell whether a TIFF's first directory has the tag that every DNG has."""
    entries = struct.unpack_from(f"{order}H", directory)[0] if len(directory) >= 2 else 0
    starts = range(2, min(2 + 12 * entries, len(directory) - 1), 12)
    return any(struct.unpack_from(f"{order}H", directory, start)[0] == _DNG_VERSION for start in starts)
