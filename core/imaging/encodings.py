"""Colour encodings that a still names without an ICC profile: by code points, or by the rules of camera files.

Pillow passes on none of them, so they are read from the file: the cICP chunk of PNG, the colr box of AVIF and HEIF, and
what EXIF says of Adobe RGB. cICP outranks a profile; in AVIF and HEIF only HDR does, which no profile describes well; a
camera's Adobe RGB does not.

Source: Portable Network Graphics, third edition, 11.3.2.6 (cICP) and 13.1 (precedence); ISO/IEC 23008-12 (pitm, iprp,
ipma) and ISO/IEC 14496-12, 12.1.5 (colr); CIPA DC-009 (DCF 2.0: R03 and names that begin with "_"), CIPA DC-008
(ColorSpace).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ..types import ByteArray
from .colours import ADOBE_RGB, is_hdr, is_wide, srgb_from_wide

_LONGEST: Final = 1 << 22
"""Bytes of a file's beginning in which chunks and boxes are looked for."""
_MOST: Final = 4096
"""Chunks, boxes and items that are looked at."""
_SRGB, _UNCALIBRATED, _ADOBE = 1, 65535, 2
_DCF_ADOBE_NAME: Final = re.compile(r"_[A-Za-z0-9_]{3}\d{4}")
_INTEROPERABILITY_INDEX: Final = 1
_STRIP: Final = 64  # rows, which stay in the processor's cache


@dataclass(frozen=True)
class Encoding:
    """The meaning of samples."""

    primaries: int
    """Code point of ISO/IEC 23091-2, or `colours.ADOBE_RGB`."""
    transfer: int
    """Code point of ISO/IEC 23091-2, or `colours.ADOBE_RGB`."""
    is_full_range: bool = True
    """Black is 0 and white the largest sample; else black is 16 and white 235 of 255."""
    outranks_profile: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Return whether samples are sRGB as they are."""
        return self.is_full_range and not is_wide(self.primaries, self.transfer)


def encoding_of(image: Image.Image) -> Encoding | None:
    """Return the encoding that a file names beside or above a profile; None where there is none that applies.

    Args:
        image: As opened by Pillow, not yet loaded.
    """
    if image.format == "PNG":
        found = _cicp(image)
    elif image.format in ("AVIF", "HEIF"):
        found = _nclx(image)
    else:
        found = _adobe_rgb(image)
    if found is None or (not found.outranks_profile and image.info.get("icc_profile")):
        return None
    return found


def apply_encoding(image: Image.Image, encoding: Encoding) -> None:
    """Load an image and convert its samples to 8-bit sRGB in place, from more than 8 bits where the file has them.

    Args:
        image: As opened by Pillow.
        encoding: What its samples stand for.
    """
    image.load()
    if not encoding.changes_nothing:
        high, low = image, None
        if image.format == "PNG":
            low = _low_bytes(image)
        elif image.format == "AVIF" and is_hdr(encoding.transfer):
            high, low = _deep_halves(image)
        image.im, image._mode = _srgb(high, low, encoding).im, "RGB"
        image.info.pop("transparency", None)
    image.info.pop("icc_profile", None)


def _srgb(high: Image.Image, low: Image.Image | None, encoding: Encoding) -> Image.Image:
    """Convert the upper halves of samples of 16 bits, and the lower ones where they are known."""
    srgb = np.empty((high.height, high.width, 3), np.uint8)
    for top in range(0, high.height, _STRIP):
        box = (0, top, high.width, min(top + _STRIP, high.height))
        samples = _samples(high.crop(box), low and low.crop(box), encoding)
        srgb[top : top + _STRIP] = srgb_from_wide(samples, encoding.primaries, encoding.transfer)
    return Image.fromarray(srgb)


def _samples(high: Image.Image, low: Image.Image | None, encoding: Encoding) -> NDArray[np.uint16]:
    """Return [H, W, 3] samples of full range."""
    if high.mode.startswith("I"):
        grey = np.clip(np.asarray(high), 0, 65535).astype(np.uint16)
        samples: NDArray[np.uint16] = np.repeat(grey[..., None], 3, axis=2)
    else:
        samples = _rgb(high).astype(np.uint16) * np.uint16(256)
        samples |= _rgb(high if low is None else low)
    if not encoding.is_full_range:
        spread = (samples.astype(np.float32) - 16 * 257) * np.float32(255 / 219)
        samples = np.clip(np.rint(spread), 0, 65535).astype(np.uint16)
    return samples


def _rgb(image: Image.Image) -> ByteArray:
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _low_bytes(image: Image.Image) -> Image.Image | None:
    """Decode a PNG of 16 bits once more for the lower half of its samples: Pillow keeps the upper half.

    Read as little-endian instead of big-endian, the half it keeps is the other one.
    """
    second: Any = Image.open(image.filename, formats=["PNG"])  # type: ignore[attr-defined]
    with second:
        if not all(part.args in ("RGB;16B", "RGBA;16B") for part in second.tile):
            return None
        second.tile = [part._replace(args=part.args.replace("16B", "16L")) for part in second.tile]
        second.load()
    return second  # type: ignore[no-any-return]


def _deep_halves(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Decode an AVIF of more than 8 bits by FFmpeg, for Pillow knows 8; return upper and lower halves of 16 bits.

    What FFmpeg gives in tiles, or not at all, stays as Pillow decodes it.
    """
    try:
        import av
        from av.video.reformatter import Interpolation
    except ImportError:
        return image, None
    options = {"format_whitelist": "mov", "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{image.filename}", options=options) as container:  # type: ignore[attr-defined]
            frame = next(container.decode(video=0))
    except (av.error.FFmpegError, StopIteration, IndexError):
        return image, None
    if (frame.width, frame.height) != image.size or frame.format.components[0].bits <= 8:
        return image, None
    interpolation = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    samples = frame.to_ndarray(format="rgb48le", interpolation=interpolation).astype(np.uint16)
    return Image.fromarray((samples >> 8).astype(np.uint8)), Image.fromarray((samples & 0xFF).astype(np.uint8))


def _cicp(image: Image.Image) -> Encoding | None:
    data = next((content for kind, content in _chunks(_beginning(image)) if kind == b"cICP"), b"")
    if len(data) != 4 or data[2] != 0:  # PNG has RGB: another matrix is an error, the chunk is to be ignored
        return None
    return Encoding(data[0], data[1], is_full_range=data[3] != 0, outranks_profile=True)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List a PNG's chunks up to its pixels."""
    start = 8
    for _ in range(_MOST):
        if start + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, start)
        if kind == b"IDAT":
            return
        yield kind, data[start + 8 : start + 8 + length]
        start += 12 + length


def _nclx(image: Image.Image) -> Encoding | None:
    """Read the colr box of the primary item; Pillow has undone its matrix and its range."""
    meta = next((content for kind, content in _boxes(_beginning(image)) if kind == b"meta"), b"")[4:]
    parts = dict(_boxes(meta))
    properties = dict(_boxes(parts.get(b"iprp", b"")))
    colours = {
        index: content
        for index, (kind, content) in enumerate(_boxes(properties.get(b"ipco", b"")), 1)
        if kind == b"colr" and content.startswith(b"nclx") and len(content) >= 8
    }
    try:
        own = _properties_of(_primary(parts.get(b"pitm", b"")), properties.get(b"ipma", b""))
    except struct.error:
        own = []
    content = next((colours[index] for index in own if index in colours), next(iter(colours.values()), None))
    if content is None:
        return None
    primaries, transfer = struct.unpack_from(">HH", content, 4)
    return Encoding(primaries, transfer, outranks_profile=is_hdr(transfer))


def _primary(pitm: bytes) -> int:
    return int(struct.unpack_from(">I" if pitm[:1] > b"\0" else ">H", pitm, 4)[0])


def _properties_of(item: int, ipma: bytes) -> list[int]:
    """Return the indices of an item's properties, counted from 1."""
    version, is_wide_index = ipma[:1] > b"\0", bool(ipma[3:4] and ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, 4)
    start = 8
    for _ in range(min(count, _MOST)):
        number, many = struct.unpack_from(">IB" if version else ">HB", ipma, start)
        start += 5 if version else 3
        indices = struct.unpack_from(f">{many}{'H' if is_wide_index else 'B'}", ipma, start)
        if number == item:
            return [index & (0x7FFF if is_wide_index else 0x7F) for index in indices]
        start += many * (2 if is_wide_index else 1)
    return []


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List the boxes in some bytes (ISO/IEC 14496-12, 4.2)."""
    start = 0
    for _ in range(_MOST):
        if start + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1 and start + 16 <= len(data):
            (length,), head = struct.unpack_from(">Q", data, start + 8), 16
        end = len(data) if length == 0 else start + length
        if end < start + head:
            return
        yield kind, data[start + head : end]
        start = end


def _adobe_rgb(image: Image.Image) -> Encoding | None:
    """Recognise Adobe RGB of a camera: EXIF has no value for it, so DCF says it by R03 and by the file's name."""
    exif = image.getexif()
    space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
    index = exif.get_ifd(ExifTags.IFD.Interop).get(_INTEROPERABILITY_INDEX)
    told = index.decode("latin-1") if isinstance(index, bytes) else str(index or "")
    name = Path(getattr(image, "filename", "")).stem
    is_named = space == _UNCALIBRATED and not told and _DCF_ADOBE_NAME.fullmatch(name) is not None
    is_told = told.strip("\0 ") == "R03" and space != _SRGB
    return Encoding(ADOBE_RGB, ADOBE_RGB) if space == _ADOBE or is_told or is_named else None


def _beginning(image: Any) -> bytes:
    """Read the beginning of an opened image's file, and leave the file where it was."""
    place = image.fp.tell()
    try:
        image.fp.seek(0)
        return bytes(image.fp.read(_LONGEST))
    finally:
        image.fp.seek(place)
