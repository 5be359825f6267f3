"""Uncompressed EXR files by hand, where the OpenEXR library is not at hand or does not write such."""

import struct
from pathlib import Path

import numpy as np


def draw_exr(path: Path, planes, *, step=None, data=None, display=None) -> Path:
    """Write an EXR of 32-bit floats.

    Args:
        path: Where to.
        planes: Channels, [H, W] each, by name.
        step: By how much channels are subsampled along both axes, by name.
        data: (left, top, right, bottom) of the data window, all inside.
        display: The same of the display window.
    """
    step = {name: (step or {}).get(name, 1) for name in sorted(planes)}
    height, width = max((plane.shape for plane in planes.values()), key=np.prod)
    data = data or (0, 0, width - 1, height - 1)

    def attribute(name, kind, content):
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(content)) + content

    channels = b"".join(
        name.encode() + b"\0" + struct.pack("<iB3xii", 2, 0, *[each] * 2) for name, each in step.items()
    )
    head = b"\x76\x2f\x31\x01" + struct.pack("<i", 2) + attribute("channels", "chlist", channels + b"\0")
    head += attribute("compression", "compression", b"\0") + attribute("dataWindow", "box2i", struct.pack("<4i", *data))
    head += attribute("displayWindow", "box2i", struct.pack("<4i", *(display or data)))
    head += attribute("lineOrder", "lineOrder", b"\0") + attribute("pixelAspectRatio", "float", struct.pack("<f", 1.0))
    head += attribute("screenWindowCenter", "v2f", bytes(8))
    head += attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)) + b"\0"
    rows = []
    for y in range(height):
        row = [planes[name][y // each] for name, each in step.items() if y % each == 0]
        content = b"".join(part.astype("<f4").tobytes() for part in row)
        rows.append(struct.pack("<ii", data[1] + y, len(content)) + content)
    starts = len(head) + 8 * height + np.cumsum([0, *map(len, rows)])[:-1]
    path.write_bytes(head + starts.astype("<u8").tobytes() + b"".join(rows))
    return path
