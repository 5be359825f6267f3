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
    content = path.read_bytes()
    if len(content) < HEADER.size or HEADER.unpack_from(content) != (MAGIC, VERSION, len(content)):
        raise StorageError(f"{path.name} is not a complete binary glTF 2.0 file; export it again.")
    chunks, at = {}, HEADER.size
    while at < len(content):
        length, kind = CHUNK.unpack_from(content, at)
        chunks[kind] = content[at + CHUNK.size : at + CHUNK.size + length]
        at += CHUNK.size + length
    return json.loads(chunks[JSON_CHUNK]), chunks.get(BINARY_CHUNK, b"")


def write_glb(path: Path, document: dict[str, Any], binary: bytes) -> None:
    """Write a .glb whose chunks are padded to four bytes, as the format demands."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    chunks = [_chunk(JSON_CHUNK, text, b" ")] + ([_chunk(BINARY_CHUNK, binary, b"\0")] if binary else [])
    length = HEADER.size + sum(len(chunk) for chunk in chunks)
    with path.open("wb") as file:
        file.write(HEADER.pack(MAGIC, VERSION, length))
        file.writelines(chunks)


def _chunk(kind: int, content: bytes, filler: bytes) -> bytes:
    padded = content + filler * (-len(content) % 4)
    return CHUNK.pack(len(padded), kind) + padded
