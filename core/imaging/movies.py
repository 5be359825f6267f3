"""Frames of movies, by the moment at which they are shown.

A frame is known by its presentation time, so variable rates hold: at time t the last frame is shown whose time is not
after t. Seconds count from the movie's first frame, wherever its container starts to count. Before the first frame the
first is given, after the last the last.

A frame arrives as a player shows it: without combing where it is interlaced (`deinterlacing`), turned as the display
matrix says, stretched to square pixels (the longer way, so that none is lost) and in sRGB. YUV is converted by the
matrix and range the movie names; where it names no matrix, by BT.601 up to standard definition and BT.709 above, as
players guess. Wide and HDR colours are brought to sRGB (`colours`).

Where a stream's clock jumps back, as in recordings that were joined, time goes on as in a player. A frame that is
damaged is not given, nor its neighbour in its place.

PyAV is imported when a movie is opened: only the worker has it, and may lack it where pictures are all it reads. A
movie never reaches beyond its own file: no playlists, no network.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..types import ByteArray
from .colours import is_wide, srgb_from_wide
from .copies import write_copy
from .deinterlacing import deinterlaced
from .flaws import UnreadableError, refuse_non_files
from .headers import is_spherical

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    _Timed = tuple[int, VideoFrame]  # by the clock of the movie's container, in ticks

_CONTAINERS: Final = "mov,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,mxf,dv,ogg"
_ONLY_FORWARD: Final = ("avi", "flv", "mpeg", "mpegvideo")  # after seeking, their times are off by some frames
_SPHERICAL: Final = "is a 360° movie, which no flat camera can show: use flat views exported from it instead"
_DAMAGED: Final = "is cut off, damaged or not a movie of a known kind"
_TOLERANCE: Final = 0.0006  # seconds; containers that count milliseconds round a frame's time by half of one
_WORTH_SEEKING: Final = 2.0  # seconds; up to here, decoding on costs no more than decoding from a key frame
_GOING_BACK: Final = (0.0, *(4.0**power for power in range(12)))  # seconds, to more than a month
_BESIDE: Final = 16  # frames; how far apart decoding and presentation may order two of them
_BEFORE_START: Final = -1.0  # seconds; decoding times run ahead of the first frame's presentation
# Code points of ISO/IEC 23091-2.
_NO_MATRIX: Final = (2, 3)  # unspecified, reserved
_BT709, _BT601 = 1, 5


@dataclass(frozen=True)
class Frame:
    """One frame of a movie, written as a picture."""

    picture: Path
    """Lossless PNG, upright, square pixels, sRGB; with alpha where the movie has it."""
    time: float
    """When it is shown, seconds from the movie's first frame."""
    stretch: tuple[float, float]
    """(x, y) pixels of the picture per pixel of the upright frame as the movie stores it, of its first frame where the
    movie changes its size."""


def take_frames(
    movie: Path, times: Sequence[float], folder: Path, on_frame: Callable[[], None] = lambda: None
) -> dict[float, Frame]:
    """Write the frames that a movie shows at some times; it is opened once and walked through forward.

    Args:
        movie: The movie's file.
        times: Seconds from its first frame, in any order.
        folder: An existing folder for the pictures.
        on_frame: Called after each time; may raise to end it.

    Returns:
        The frame of every time, one and the same where times meet it together; none where it cannot be decoded.

    Raises:
        UnreadableError: The movie is missing, cut off, damaged or no movie.
        ImageError: `folder` cannot be written.
    """
    taken: dict[float, Frame] = {}
    written: dict[float, Frame] = {}
    with _opened(movie) as container:
        walk = _Walk(container, can_seek=max(times, default=0.0) <= _WORTH_SEEKING or _has_one_clock(movie))
        for time in sorted(set(times)):
            own_time = walk.to(time)
            if own_time is not None and own_time not in written:
                pixels, stretch = _upright(walk.frame(), walk.pixel_aspect, walk.first_size)
                written[own_time] = Frame(write_copy(pixels, movie, folder, own_time), own_time, stretch)
            if own_time is not None:
                taken[time] = written[own_time]
            on_frame()
    return taken


# --- opening ---


@contextmanager
def _opened(movie: Path) -> Iterator[InputContainer]:
    """Open a movie and turn every failure of its decoder, until it is closed, into `UnreadableError`."""
    refuse_non_files(movie)
    if is_spherical(movie):
        raise UnreadableError(_SPHERICAL)
    try:
        import av
    except ImportError as error:
        raise UnreadableError("is a movie, and the worker's Python lacks the package av to open it") from error
    # "file:" keeps colons in a name from being a protocol.
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{movie}", options=options, metadata_errors="replace") as container:
            _refuse_cut_off(container, movie.stat().st_size)
            yield container
    except av.error.PermissionError as error:
        raise UnreadableError(f"cannot be opened ({error.strerror})") from error
    except av.error.FFmpegError as error:
        raise UnreadableError(_DAMAGED) from error


def _video_stream(container: InputContainer) -> VideoStream:
    """The stream a player would show; a sound file's cover picture is none."""
    from av.stream import Disposition

    shown = [item for item in container.streams.video if not item.disposition & Disposition.attached_pic]
    if not shown:
        raise UnreadableError("holds no moving picture" if container.streams else _DAMAGED)
    best = container.streams.best("video")
    stream = next((item for item in shown if item is best), shown[0])
    if stream.codec_context is None:
        raise UnreadableError("has an encoding that cannot be decoded")
    stream.thread_type = "AUTO"
    return stream


def _refuse_cut_off(container: InputContainer, size: int) -> None:
    """Compare an MP4's table of contents with the file; other containers are read to where they end, as players do."""
    if "mp4" not in container.format.name:
        return
    end = max((entry.pos + entry.size for item in container.streams for entry in item.index_entries), default=0)
    if end > size:
        raise UnreadableError(f"is cut off: {end - size} bytes are missing at its end")


def _has_one_clock(movie: Path) -> bool:
    """Return whether seeking by time can work: not where recordings were joined, each with a clock of its own."""
    with _opened(movie) as container:
        if container.format.name != "mpegts":
            return True
        stream, last = _video_stream(container), -math.inf
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            if packet.dts < last:
                return False
            last = packet.dts
    return True


# --- walking ---


class _Walk:
    """Goes through a movie's frames in the order of their presentation, three of them in memory."""

    def __init__(self, container: InputContainer, *, can_seek: bool) -> None:
        self._container = container
        self._stream = _video_stream(container)
        self._time_base = self._stream.time_base or Fraction(1, 1_000_000)
        # AVI stores no presentation times; its frames leave the decoder in the order of their packets' decoding times.
        self._by_decoding_time = container.format.name == "avi"
        self._can_seek = can_seek and container.format.name not in _ONLY_FORWARD
        self._packets = _Packets()
        self._frames = self._decoded()
        first = next(self._frames, None)
        if first is None:
            raise UnreadableError("has no frame that can be decoded")
        self._start = first[0]
        self.first_size = first[1].width, first[1].height
        """(width, height) as it is stored, pixels."""
        self._before: _Timed | None = None
        self._shown: _Timed = first
        self._ahead = next(self._frames, None)

    @property
    def pixel_aspect(self) -> float:
        """Width of a stored pixel by its height."""
        return float(self._stream.sample_aspect_ratio or 1)

    def to(self, time: float) -> float | None:
        """Walk to what is shown at a time, seconds, which is not before that of an earlier call.

        Returns:
            The frame's own time, seconds from the first frame. None: it cannot be decoded.
        """
        is_far = time - self._seconds(self._shown) > _WORTH_SEEKING
        if is_far and self._can_seek and self._ahead is not None:
            self._seek(time)
        while self._ahead is not None and self._seconds(self._ahead) <= time + _TOLERANCE:
            self._before, self._shown, self._ahead = self._shown, self._ahead, next(self._frames, None)
        ticks = self._start + (time + _TOLERANCE) / float(self._time_base)
        is_lost = self._packets.has_lost(self._shown, self._ahead, ticks)
        return None if is_lost or self._shown[1].is_corrupt else self._seconds(self._shown)

    def frame(self) -> VideoFrame:
        """Return the frame that is shown, without combing."""
        before, after = self._before, self._ahead
        return deinterlaced(before and before[1], self._shown[1], after and after[1])

    def _seconds(self, timed: _Timed) -> float:
        return float((timed[0] - self._start) * self._time_base)

    def _seek(self, time: float) -> None:
        """Go to a key frame that is not after a time, from where decoding forward reaches it.

        Containers may seek by decoding times, or roughly, or behind the end to nothing: the search then goes back,
        further each time, at last to the start.
        """
        import av

        if self._container.duration is not None:
            time = min(time, self._container.duration / 1e6)
        for back in _GOING_BACK:
            target = max(_BEFORE_START, time - back)
            try:
                self._container.seek(self._start + int(target / self._time_base), stream=self._stream, backward=True)
            except av.error.FFmpegError:
                continue
            is_start = target == _BEFORE_START
            self._frames = self._decoded() if is_start else dropwhile(_is_no_key, self._decoded())
            found = next(self._frames, None)
            if found is not None and (is_start or self._seconds(found) <= time + _TOLERANCE):
                self._before, self._shown, self._ahead = None, found, next(self._frames, None)
                return
        raise UnreadableError("is damaged: it cannot be wound back")

    def _decoded(self) -> Iterator[_Timed]:
        """Decode from where the container stands; what cannot be decoded is passed over, and known to be lost.

        A recording may begin in the middle of a group of pictures: what cannot be decoded there is not a part of it.
        """
        import av

        ticks, behind = None, 0
        for packet in self._container.demux(self._stream):
            told = packet.dts if self._by_decoding_time else packet.pts
            self._packets.expect(None if told is None else told + behind, is_broken=packet.is_corrupt)
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                told, length = self._ticks(frame), max(1, frame.duration)
                if told is not None and ticks is not None and told + behind < ticks - length:
                    behind = ticks + length - told  # the clock was set back
                ticks = (0 if ticks is None else ticks + length) if told is None else told + behind
                self._packets.found(ticks)
                yield ticks, frame

    def _ticks(self, frame: VideoFrame) -> int | None:
        """Return when a frame is shown by the container's clock; None where that is not told."""
        return frame.dts if self._by_decoding_time else frame.pts


class _Packets:
    """When the packets are to be shown of which no frame came: what is lost, beside second fields and hidden frames."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._broken: set[int] = set()

    def expect(self, ticks: int | None, *, is_broken: bool) -> None:
        """Remember a packet; beside a broken one others may be missing as a whole."""
        if ticks is not None:
            self._open.add(ticks)
        if ticks is not None and is_broken:
            self._broken.add(ticks)

    def found(self, ticks: int) -> None:
        """Forget a packet whose frame came."""
        self._open.discard(ticks)

    def has_lost(self, shown: _Timed, ahead: _Timed | None, ticks: float) -> bool:
        """Return whether a frame between two was to be shown at a time.

        The second field of a frame may be a packet of its own, half a frame later; a frame that is never shown lies
        close to another.
        """
        self._open = {item for item in self._open if item > shown[0]}
        length = max(1, shown[1].duration)
        first, last = shown[0] + 0.75 * length, math.inf if ahead is None else ahead[0] - 0.75 * length
        is_beside_broken = any(abs(item - shown[0]) <= _BESIDE * length for item in self._broken)
        missing = self._open | ({shown[0] + length} if is_beside_broken and ahead is not None else set())
        return any(first <= item <= min(last, ticks) for item in missing)


def _is_no_key(timed: _Timed) -> bool:
    return not timed[1].key_frame


# --- pixels ---


def _upright(
    frame: VideoFrame, pixel_aspect: float, first_size: tuple[int, int]
) -> tuple[ByteArray, tuple[float, float]]:
    """Convert a frame to upright sRGB with square pixels.

    Returns:
        [H, W, 3] or, with alpha, [H, W, 4], and its size, x and y, by that of the movie's first frame as it is stored.
    """
    stretch = max(1.0, pixel_aspect), max(1.0, 1.0 / pixel_aspect)
    size = round(frame.width * stretch[0]), round(frame.height * stretch[1])
    pixels, is_turned = _turned(_srgb(frame, size), frame)
    x, y = size[0] / first_size[0], size[1] / first_size[1]
    return pixels, ((y, x) if is_turned else (x, y))


def _srgb(frame: VideoFrame, size: tuple[int, int]) -> ByteArray:
    if not frame.format.is_rgb and frame.colorspace in _NO_MATRIX:
        frame.colorspace = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
    has_alpha = any(part.is_alpha for part in frame.format.components)
    if not is_wide(frame.color_primaries, frame.color_trc):
        return _samples(frame, size, "rgba" if has_alpha else "rgb24")
    samples = _samples(frame, size, "rgba64" if has_alpha else "rgb48")
    colours = srgb_from_wide(samples[..., :3], frame.color_primaries, frame.color_trc)
    return np.dstack([colours, (samples[..., 3:] >> 8).astype(np.uint8)])


def _samples(frame: VideoFrame, size: tuple[int, int], kind: str) -> NDArray[Any]:
    from av.video.reformatter import Interpolation

    precise = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    if kind.endswith(("48", "64")):
        kind += "le" if sys.byteorder == "little" else "be"
    return np.asarray(
        frame.to_ndarray(format=kind, width=size[0], height=size[1], interpolation=Interpolation.BICUBIC | precise)
    )


def _turned(pixels: ByteArray, frame: VideoFrame) -> tuple[ByteArray, bool]:
    """Turn and mirror as the display matrix says, to the nearest quarter; tell whether width and height changed places.

    The matrix takes (x, y, 1) as a row to where it is shown: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 6.2.2).
    """
    side_data: Any = frame.side_data
    matrix = side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    is_turned = abs(b) + abs(c) > abs(a) + abs(d)
    if is_turned:
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    pixels = pixels[:, ::-1] if a < 0 else pixels
    return np.ascontiguousarray(pixels[::-1] if d < 0 else pixels), is_turned
