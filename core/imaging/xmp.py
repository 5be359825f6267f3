"""Properties of an XMP packet (ISO 16684-1), read from files of any origin.

It is read by expat itself, event by event: so it refuses a document type before an entity can be declared, in every
encoding, and keeps what precedes an error, since some drones write XML with stray line breaks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

LARGEST: Final = 1 << 20
"""Bytes; a packet in a JPEG file has 64 KiB at most."""
FRAME: Final = ("rdf:", "x:")
"""Prefixes of what holds the properties of XMP together."""
DEEPEST: Final = 32
"""Elements of XMP within each other."""
PREFIXES: Final = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.google.com/photos/1.0/panorama/": "GPano",
    "http://www.dji.com/drone-dji/1.0/": "drone-dji",
    "http://ns.sensefly.com/Camera/1.0/": "Camera",
    "http://pix4d.com/camera/1.0/": "Camera",
    "http://pix4d.com/camera/1.0": "Camera",
    "http://www.parrot.com/drone-parrot/1.0/": "drone-parrot",
}
"""The usual prefix of a namespace; a writer may choose another. Namespaces that are not here count by their prefix."""


def properties(packet: bytes) -> dict[str, str]:
    """Read the simple properties of an XMP packet by their names with the usual prefix.

    Those of a structure are named "structure/field". Nothing is read of a packet that is too large, and what precedes
    an error counts.
    """
    reader = _Reader()
    if len(packet) > LARGEST:
        return {}
    with contextlib.suppress(expat.ExpatError, _RefusedError, LookupError):
        reader.parse(packet.strip(b"\0 \r\n\t"))
    return reader.properties


class _RefusedError(Exception):
    """The XML declares a document type or is nested deeply, which XMP never is."""


@dataclass
class _Reader:
    properties: dict[str, str] = field(default_factory=dict)
    _prefixes: dict[str, str] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)

    def parse(self, packet: bytes) -> None:
        parser = expat.ParserCreate()
        handlers: dict[str, Callable[..., None]] = {
            "StartDoctypeDeclHandler": self._refuse,
            "StartElementHandler": self._start,
            "EndElementHandler": self._end,
            "CharacterDataHandler": self._text.append,
        }
        for name, handler in handlers.items():
            setattr(parser, name, handler)
        parser.Parse(packet, True)

    def _refuse(self, *_declared: object) -> None:
        raise _RefusedError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        for key, value in attributes.items():
            if key.startswith("xmlns:"):
                self._prefixes[key.removeprefix("xmlns:")] = PREFIXES.get(value, key.removeprefix("xmlns:"))
        self._open.append(self._usual(name))
        if len(self._open) > DEEPEST:
            raise _RefusedError
        for key, value in attributes.items():
            if not key.startswith(("xmlns", "xml:", *FRAME)):
                self._keep(self._usual(key), value)
        self._text.clear()

    def _end(self, _name: str) -> None:
        name = self._open.pop()
        if value := "".join(self._text).strip():
            self._keep(name, value)
        self._text.clear()

    def _keep(self, name: str, value: str) -> None:
        """Keep a value by its name within the structure, if it is in one; RDF's own elements are none."""
        names = [each for each in (*self._open, name) if not each.startswith(FRAME)]
        self.properties.setdefault("/".join(names), value)

    def _usual(self, name: str) -> str:
        prefix, _, local = name.rpartition(":")
        return f"{self._prefixes.get(prefix, prefix)}:{local}" if prefix else local
