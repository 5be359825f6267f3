"""Camera raw files as images that Pillow opens, developed by LibRaw.

Every file is developed the same way, so that the views of one place agree: the camera's white balance, exposure as it
was metered (no automatic brightening, which differs from photo to photo), the sRGB space and curve, upright as the file
says, at full size. rawpy is imported here only: `register` says whether the worker's Python has it.

Source: CIPA DC-008 (the EXIF tags that are kept); the places of EXIF in RAF, RW2, ORF and CR3 as LibRaw and ExifTool
document them.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import Any, Final

from PIL import ExifTags, Image, ImageFile

FORMAT: Final = "RAW"

_SRGB_CURVE: Final = (2.4, 12.92)
_QUARTER_TURNS: Final = (5, 6)  # LibRaw's flip
_LENS_TAGS: Final = (
    ExifTags.Base.FocalLength,
    ExifTags.Base.FocalLengthIn35mmFilm,
    ExifTags.Base.FocalPlaneXResolution,
    ExifTags.Base.FocalPlaneYResolution,
    ExifTags.Base.FocalPlaneResolutionUnit,
    ExifTags.Base.DigitalZoomRatio,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
)
_CAMERA_TAGS: Final = (ExifTags.Base.Make, ExifTags.Base.Model)
_CR3_HEAD: Final = 1 << 16


class RawImage(ImageFile.ImageFile):
    """A camera raw file: its size at once, its pixels when they are loaded."""

    format = FORMAT
    format_description = "camera raw"

    def _open(self) -> None:
        import rawpy

        assert self.fp is not None  # noqa: S101 - Pillow opens the file before
        data = self.fp.read()
        self._raw: Any = rawpy.RawPy()  # of its facts only the sizes are told without decoding everything
        try:
            self._raw.open_buffer(io.BytesIO(data))
        except rawpy.LibRawFileUnsupportedError as error:
            raise SyntaxError("not a camera raw file that LibRaw knows") from error
        except rawpy.LibRawError as error:
            raise OSError("damaged camera raw file") from error
        sizes = self._raw.sizes
        turned = sizes.flip in _QUARTER_TURNS
        self._size = (sizes.iheight, sizes.iwidth) if turned else (sizes.iwidth, sizes.iheight)
        self._mode = "RGB"
        self._halved = False
        self.tile = []
        self.info["exif"] = _exif_of(data)

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Develop at half the size where that is enough, which needs no interpolation of colours."""
        width, height = self._size
        if self._raw is None or self._halved or size is None or 2 * size[0] > width or 2 * size[1] > height:
            return None
        self._halved = True
        self._size = (width + 1) // 2, (height + 1) // 2
        return self.mode, (0, 0, *self._size)

    def load(self) -> Any:
        """Develop the photo once."""
        if self._raw is not None:
            developed = Image.fromarray(self._developed())
            self._size, self.im = developed.size, developed.im
            self._raw.close()
            self._raw = None
        return super().load()

    def _developed(self) -> Any:
        import rawpy

        try:
            return self._raw.postprocess(
                use_camera_wb=True,
                no_auto_bright=True,
                gamma=_SRGB_CURVE,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=8,
                half_size=self._halved,
            )
        except rawpy.LibRawError as error:
            raise OSError("damaged camera raw file") from error


@functools.cache
def register() -> bool:
    """Let Pillow open camera raw files; return whether the package for it is there."""
    try:
        import rawpy  # noqa: F401
    except ImportError:
        return False
    Image.register_open(FORMAT, RawImage)  # type: ignore[no-untyped-call]
    return True


def _exif_of(data: bytes) -> bytes:
    """Collect what a raw file tells of its lens as EXIF data of an upright image."""
    told = Image.Exif()
    try:
        camera, lens = _directories(data)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):  # damaged EXIF spoils no photo
        camera, lens = {}, {}
    told.update({tag: camera[tag] for tag in _CAMERA_TAGS if tag in camera})
    told.get_ifd(ExifTags.IFD.Exif).update({tag: lens[tag] for tag in _LENS_TAGS if tag in lens})
    try:
        return told.tobytes()
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, struct.error):
        return b""


def _directories(data: bytes) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the tags of the first and of the EXIF directory."""
    if data.startswith(b"FUJIFILMCCD-RAW"):  # has a whole JPEG in it
        start, length = struct.unpack_from(">II", data, 84)
        with Image.open(io.BytesIO(data[start : start + length]), formats=("JPEG", "MPO")) as preview:
            exif = preview.getexif()
            return dict(exif), exif.get_ifd(ExifTags.IFD.Exif)
    if data[4:8] == b"ftyp":  # CR3 has the two directories as TIFF files of their own
        head = data[:_CR3_HEAD]
        return dict(_tags(head.partition(b"CMT1")[2])), dict(_tags(head.partition(b"CMT2")[2]))
    exif = _tags(data)
    return dict(exif), exif.get_ifd(ExifTags.IFD.Exif)


def _tags(data: bytes) -> Image.Exif:
    """Read a TIFF's first directory; Panasonic and Olympus have a signature of their own in place of TIFF's."""
    start = b"II*\0" if data[:2] == b"II" else b"MM\0*"
    exif = Image.Exif()
    exif.load_from_fp(io.BytesIO(start + data[4:]))
    return exif
