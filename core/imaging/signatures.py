"""Whether a file is an image by its first bytes, whatever it is called.

The standard library only: Blender's process and the worker decide alike. Knowing the kind is not knowing that the file
is whole; reading tells that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from .flaws import is_regular

HEAD: Final = 32
"""Bytes that are looked at."""
_IMAGE: Final = re.compile(
    rb"""
      \xff\xd8\xff | \x89PNG\r\n\x1a\n | GIF8[79]a | 8BPS\0 | \x76\x2f\x31\x01 | SDPX | XPDS | \#\?RADIANCE
    | BM....\0\0\0\0 | II[*+]\0 | MM\0[*+] | IIRO | IIRS | IIU\0 | FUJIFILM       # TIFF, and the raw kinds like it
    | RIFF....WEBP | ....ftyp | \0\0\0\x0cjP[ ][ ] | \xff\x4f\xff\x51              # WebP; AVIF, HEIF, CR3; JPEG 2000
    | \xff\x0a | \0\0\0\x0cJXL[ ] | P[1-7fF]\s | \x01\xda[\0\1][\1\2]              # JPEG XL, netpbm, SGI
    """,
    re.VERBOSE | re.DOTALL,
)
_TARGA: Final = re.compile(rb".[\0\1](\0|[\1-\3]|[\x09-\x0b]).{13}[\x08\x0f\x10\x18\x20]", re.DOTALL)
"""Targa has no mark: its colour map, type and depth are one of few (Truevision TGA File Format 2.0, fields 2, 3, 5)."""


def is_image(path: Path) -> bool:
    """Tell whether a regular file begins as an image of a kind that Blender or the worker reads."""
    if not is_regular(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    is_targa = path.suffix.lower() == ".tga" and _TARGA.match(head) is not None
    return is_targa or _IMAGE.match(head) is not None
