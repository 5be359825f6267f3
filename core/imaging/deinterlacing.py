"""One whole frame of an interlaced movie: its second field, taken half a frame later, is replaced.

bwdif (FFmpeg's filter, after the BBC's "Weston 3-field" deinterlacer and yadif) keeps the lines of the field that is
shown first, and interpolates the others in time where nothing moves and along edges where something does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def deinterlaced(before: VideoFrame | None, frame: VideoFrame, after: VideoFrame | None) -> VideoFrame:
    """Return a frame without combing; one that its decoder calls progressive stays as it is.

    Args:
        before: The frame that is shown before it. None: it is the first that is known.
        frame: The frame.
        after: The frame that is shown after it. None: it is the last.
    """
    if not frame.interlaced_frame:
        return frame
    shown = [item for item in (before, frame, after) if item is not None and _fits(item, frame)]
    filtered = _filtered(shown)
    return filtered[shown.index(frame)]


def _fits(one: VideoFrame, other: VideoFrame) -> bool:
    return (one.width, one.height, one.format.name) == (other.width, other.height, other.format.name)


def _filtered(frames: list[VideoFrame]) -> list[VideoFrame]:
    """Pass frames through bwdif, which gives one for each, later by one."""
    from fractions import Fraction

    import av
    from av.filter import Graph

    graph = Graph()
    first = frames[0]
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base or Fraction(1, 1000)
    )
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    filtered = []
    for frame in (*frames, None):
        graph.vpush(frame)
        try:
            while True:
                filtered.append(graph.vpull())
        except (av.error.BlockingIOError, av.error.EOFError):
            continue
    return filtered
