"""Read and write the two chunks of a binary glTF file.

Source: Khronos glTF 2.0 specification, section 4.4 (GLB file format).
"""

import json
import struct
from pathlib import Path
from typing import Any

from ...core.errors import StorageError

MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
HEADER, CHUNK = struct.Struct("<III"), struct.Struct("<II")


def read_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """Read the document and the binary buffer of a .glb.

    Raises:
        StorageError: It is not one, or incomplete.
    """
    chunks, size = {}, path.stat().st_size
    with path.open("rb") as file:
        header = file.read(HEADER.size)
        if len(header) < HEADER.size or HEADER.unpack(header) != (MAGIC, VERSION, size):
            raise StorageError(f"{path.name} is not a complete binary glTF 2.0 file; export it again.")
        while start := file.read(CHUNK.size):
            length, kind = CHUNK.unpack(start)
            chunks[kind] = file.read(length)
    return json.loads(chunks[JSON_CHUNK]), chunks.get(BINARY_CHUNK, b"")


def write_glb(path: Path, document: dict[str, Any], binary: bytes) -> None:
    """Write a .glb whose chunks are padded to four bytes, as the format demands."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    chunks = [(JSON_CHUNK, text, b" " * (-len(text) % 4))]
    chunks += [(BINARY_CHUNK, binary, b"\0" * (-len(binary) % 4))] if binary else []
    length = HEADER.size + sum(CHUNK.size + len(content) + len(filler) for _, content, filler in chunks)
    with path.open("wb") as file:
        file.write(HEADER.pack(MAGIC, VERSION, length))
        for kind, content, filler in chunks:
            file.writelines((CHUNK.pack(len(content) + len(filler), kind), content, filler))
