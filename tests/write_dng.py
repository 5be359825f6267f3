"""Writes a small camera raw file: an uncompressed Bayer DNG by its tags (Adobe, Digital Negative Specification)."""

import struct

import numpy as np

SHORT, LONG, RATIONAL, SRATIONAL, BYTE, ASCII = 3, 4, 5, 10, 1, 2
FORMATS = {SHORT: "H", LONG: "I", RATIONAL: "II", SRATIONAL: "ii", BYTE: "B", ASCII: "B"}
WHITE, BLACK = 16000, 512
# XYZ to the camera's RGB: here, the inverse of sRGB's own primaries, so that the camera sees in linear sRGB.
XYZ_TO_SRGB = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]


def write_dng(path, linear, orientation=1, focal_length=None):
    """Write [H, W, 3] linear light in 0..1, both sides even, as its Bayer mosaic RGGB."""
    height, width = linear.shape[:2]
    mosaic = np.empty((height, width), np.float64)
    for (row, column), channel in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        mosaic[row::2, column::2] = linear[row::2, column::2, channel]
    samples = np.rint(BLACK + mosaic * (WHITE - BLACK)).astype("<u2").tobytes()
    samples_at = 8 + len(_header(width, height, 0, orientation, focal_length))
    header = _header(width, height, samples_at, orientation, focal_length)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + header + samples)
    return path


def _header(width, height, samples_at, orientation, focal_length):
    """Lay out the directories, which come before the samples as in a camera's own files."""
    tags = [
        (254, LONG, [0]),
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [16]),
        (259, SHORT, [1]),
        (262, SHORT, [32803]),  # colour filter array
        (271, ASCII, b"Test\0"),
        (272, ASCII, b"Camera\0"),
        (273, LONG, [samples_at]),
        (274, SHORT, [orientation]),
        (277, SHORT, [1]),
        (278, LONG, [height]),
        (279, LONG, [2 * width * height]),
        (33421, SHORT, [2, 2]),
        (33422, BYTE, [0, 1, 1, 2]),
        (50706, BYTE, [1, 4, 0, 0]),
        (50708, ASCII, b"Test Camera\0"),
        (50714, SHORT, [BLACK]),
        (50717, LONG, [WHITE]),
        (50721, SRATIONAL, [(round(value * 10000), 10000) for row in XYZ_TO_SRGB for value in row]),
        (50728, RATIONAL, [(1, 1), (1, 1), (1, 1)]),
        (50778, SHORT, [21]),  # D65
    ]
    if focal_length is None:
        return _directory(tags, 8)
    tags.insert(15, (34665, LONG, [0]))
    tags[15] = (34665, LONG, [8 + len(_directory(tags, 8))])
    directory = _directory(tags, 8)
    return directory + _directory([(37386, RATIONAL, [focal_length]), (41989, SHORT, [50])], 8 + len(directory))


def _directory(tags, start):
    """Lay out a directory that starts there, with the values that do not fit into it behind it."""
    entries, behind = b"", b""
    after = start + 2 + 12 * len(tags) + 4
    for tag, kind, values in tags:
        flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
        packed = struct.pack(f"<{len(flat)}{FORMATS[kind][0]}", *flat)
        entries += struct.pack("<HHI", tag, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
            continue
        entries += struct.pack("<I", after + len(behind))
        behind += packed + b"\0" * (len(packed) % 2)
    return struct.pack("<H", len(tags)) + entries + bytes(4) + behind
