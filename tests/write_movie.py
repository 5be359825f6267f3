"""Write small movies for tests: any codec, times, colours and rotation, and frames that show their number."""

import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE = 30
SIZE = (64, 48)
BITS = 9  # of a frame's number, shown as black and white bars


def numbered_frame(number: int) -> np.ndarray:
    """[48, 64, 3] uint8 that shows a number below 512 and survives any encoder."""
    frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for bit in range(BITS):
        frame[:, bit * 7 : bit * 7 + 7] = 255 * ((number >> bit) & 1)
    return frame


def number_of(pixels: np.ndarray) -> int:
    """The number a frame shows."""
    bars = pixels[24, 3 : 7 * BITS : 7, :3].mean(axis=-1)
    return sum(int(bar > 127) << bit for bit, bar in enumerate(bars))


def write(
    path: Path,
    frames: Iterable,
    times: Iterable[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    container: dict[str, str] | None = None,
    with_sound: bool = False,
    options: dict[str, str] | None = None,
    **settings,
) -> Path:
    """Write a movie.

    Args:
        path: Its suffix chooses the container.
        frames: Arrays [H, W, 3 or 4] uint8 or PyAV's video frames.
        times: When each is shown, in thirtieths of a second; as numbered when not given.
        codec: The encoder's name.
        pixels: The encoder's pixel format.
        container: Options of the container.
        with_sound: Adds a second of silence before and during the pictures.
        options: Options of the encoder.
        **settings: Attributes of the stream's codec context, such as `sample_aspect_ratio`.
    """
    import av

    frames = list(frames)
    first = frames[0]
    height, width = first.shape[:2] if isinstance(first, np.ndarray) else (first.height, first.width)
    with av.open(str(path), "w", container_options=container or {}) as file:
        stream = file.add_stream(codec, rate=RATE, options=options or {})
        stream.pix_fmt, stream.height, stream.width = pixels, height, width
        stream.codec_context.time_base = Fraction(1, RATE)
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        sound = file.add_stream("aac", rate=48000) if with_sound else None
        if sound:
            _write_silence(file, sound)
        for time, frame in zip(range(len(frames)) if times is None else times, frames, strict=True):
            shown = frame
            if isinstance(frame, np.ndarray):
                shown = av.VideoFrame.from_ndarray(frame, "rgba" if frame.shape[2] == 4 else "rgb24")
            shown.pts, shown.time_base = time, Fraction(1, RATE)
            file.mux(stream.encode(shown))
        file.mux(stream.encode())
    return path


def _write_silence(file, stream) -> None:
    import av

    for block in range(48):
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 48000, block * 1024
        file.mux(stream.encode(silence))
    file.mux(stream.encode())


def write_sound(path: Path) -> Path:
    """Write a movie without pictures."""
    import av

    with av.open(str(path), "w") as file:
        _write_silence(file, file.add_stream("aac", rate=48000))
    return path


def woven(first: np.ndarray, second: np.ndarray, *, top_first: bool) -> np.ndarray:
    """[H, W, 3] uint8 of two fields: the lines of a frame that was taken first, and of one taken half a frame later."""
    frame = first.copy()
    later = 1 if top_first else 0
    frame[later::2] = second[later::2]
    return frame


def flagged_interlaced(frames: Iterable[np.ndarray], *, top_first: bool, pixels: str = "yuv444p") -> Iterator:
    """Turn arrays into video frames that say that they are interlaced."""
    import av
    from av.filter import Graph

    graph, source = Graph(), None
    for number, frame in enumerate(frames):
        shown = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format=pixels)
        if source is None:
            source = graph.add_buffer(
                width=shown.width, height=shown.height, format=shown.format, time_base=Fraction(1, RATE)
            )
            fields = graph.add("setfield", "tff" if top_first else "bff")
            graph.link_nodes(source, fields, graph.add("buffersink")).configure()
        shown.pts, shown.time_base = number, Fraction(1, RATE)
        graph.vpush(shown)
        yield graph.vpull()


def damage(path: Path, number: int, kind: str = "noise") -> int:
    """Spoil one packet of a movie's pictures; return the presentation time of its frame, thirtieths of a second.

    Args:
        path: The movie.
        number: Of the packet, in the order of decoding.
        kind: `noise` overwrites its bytes, `missing` cuts out three of its transport packets.
    """
    import av

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        packets = [packet for packet in file.demux(stream) if packet.size]
        start = min(packet.pts if packet.pts is not None else packet.dts for packet in packets)
        packet = packets[number]
        time = packet.pts if packet.pts is not None else packet.dts
        shown = round(float((time - start) * stream.time_base) * RATE)
        place, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    if kind == "missing":
        del data[place : place + 3 * 188]
    else:
        data[place + 4 : place + size] = np.random.default_rng(0).integers(0, 256, size - 4, np.uint8).tobytes()
    path.write_bytes(data)
    return shown


def turn(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Give an MP4 or MOV file a display matrix: x' = a x + c y, y' = b x + d y."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4
    start += 4 + (20 if data[start] == 0 else 32) + 16
    data[start : start + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
