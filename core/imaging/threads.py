"""Several pictures at a time: decoding and resizing let other threads run.

What is seen from outside is as if they were read one after the other.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ..types import OnProgress, Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS: Final = 4  # more were never tried, and each holds a decoded picture
_MOST_PIXELS: Final = 50_000_000  # decoded at a time: 10 to 15 bytes each while they are converted


def in_order(
    read: Callable[[Item], Result],
    items: Sequence[Item],
    largest: int,
    stage: str,
    on_progress: OnProgress | None = None,
) -> list[Result]:
    """Read every item, a few at a time; Pillow's warnings, of odd EXIF and large pictures, are not heard.

    Args:
        read: Reads one, on any thread; must not touch what belongs to the whole process.
        items: What is read.
        largest: Pixels held for the largest item: large ones are read by fewer threads, or one after the other.
        stage: What progress calls it.
        on_progress: Called on this thread after each item, in their order. An exception from it ends the reading.

    Returns:
        What `read` gives, in the order of the items.

    Raises:
        Exception: What `read` raises for the first item it does so for. No thread is left then, either.
    """
    threads = thread_count(len(items), largest)
    pool = ThreadPoolExecutor(threads)
    results: list[Result] = []
    # The filters of warnings are the whole process's, so they are set once here and not by every thread.
    with warnings.catch_warnings(action="ignore"):
        try:
            for result in pool.map(read, items) if threads > 1 else map(read, items):
                results.append(result)
                if on_progress:
                    on_progress(Progress(stage, len(results), len(items)))
        finally:
            pool.shutdown(cancel_futures=True)
    return results


def thread_count(items: int, largest: int) -> int:
    """How many threads read so many pictures, of which the largest has so many pixels."""
    return max(1, min(items, os.cpu_count() or 1, _MOST_THREADS, _MOST_PIXELS // max(1, largest)))
