"""Read the document of a binary glTF file, and change it in place: the buffer behind it may be large.

Source: Khronos glTF 2.0 specification, section 4.4 (GLB file format).
"""

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import StorageError

MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
HEADER, CHUNK = struct.Struct("<III"), struct.Struct("<II")
TEXT = HEADER.size + CHUNK.size
"""Where the document begins in the file."""


@dataclass(frozen=True)
class Glb:
    """A file: its document, and where its buffer lies."""

    path: Path
    document: dict[str, Any]
    """May be changed before `write`."""
    room: int
    """Bytes of the document in the file."""
    size: int
    """Bytes of the buffer, a multiple of four."""

    def buffer(self) -> bytes:
        """Read the buffer."""
        with self.path.open("rb") as file:
            file.seek(TEXT + self.room + CHUNK.size)
            return file.read(self.size)

    def write(self, *more: memoryview) -> None:
        """Write the document again, and more at the end of the buffer.

        What lies behind the document is moved only where that has become longer than it was.
        """
        text = json.dumps(self.document, separators=(",", ":"), ensure_ascii=False).encode().ljust(self.room)
        text += b" " * (-len(text) % 4)
        size = self.size + sum(map(len, more))
        filler = b"\0" * (-size % 4)
        size += len(filler)
        with self.path.open("r+b") as file:
            file.seek(TEXT + self.room)
            behind = file.read() if len(text) > self.room else b""
            file.seek(0)
            file.write(HEADER.pack(MAGIC, VERSION, TEXT + len(text) + (CHUNK.size + size if size else 0)))
            file.writelines((CHUNK.pack(len(text), JSON_CHUNK), text, behind))
            if size:
                file.seek(TEXT + len(text))
                file.write(CHUNK.pack(size, BINARY_CHUNK))
                file.seek(0, os.SEEK_END)
                file.writelines((*more, filler))


def read_glb(path: Path) -> Glb:
    """Read a file's document.

    Args:
        path: Of a file with no chunks of other kinds, such as Blender's exporter writes.

    Raises:
        StorageError: It is no such file, or incomplete.
    """
    whole = path.stat().st_size
    with path.open("rb") as file:
        header, chunk = file.read(HEADER.size), file.read(CHUNK.size)
        if len(chunk) < CHUNK.size or HEADER.unpack(header) != (MAGIC, VERSION, whole):
            raise StorageError(f"{path.name} is not a complete binary glTF 2.0 file; export it again.")
        room, _ = CHUNK.unpack(chunk)
        document = json.loads(file.read(room))
    return Glb(path, document, room, max(0, whole - TEXT - room - CHUNK.size))
