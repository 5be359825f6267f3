"""How much main memory this machine has, and how much of it this process may still take; standard library only."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class MainMemory(NamedTuple):
    """Bytes; 0 where the system does not tell."""

    total: int
    free: int


def main_memory() -> MainMemory:
    """Ask the system, and heed the limits it sets to this process."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "linux":
        return _linux()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MainMemory(total, total)  # macOS gives programs what others do not use at the moment


def _linux() -> MainMemory:
    lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    kilobytes = {words[0].rstrip(":"): int(words[1]) for words in lines}
    total, free = kilobytes["MemTotal"] * 1024, kilobytes["MemAvailable"] * 1024
    with suppress(OSError, ValueError):  # no container, or "max"
        limit, left = container_memory(Path("/sys/fs/cgroup"))
        total, free = min(total, limit), min(free, left)
    return MainMemory(total, min(free, _rest_of_address_space()))


def container_memory(group: Path) -> MainMemory:
    """What a control group (version 2) may take; copies of files that nobody reads any more count as free.

    Args:
        group: Its folder.

    Raises:
        OSError: There is none.
        ValueError: It has no limit.
    """
    limit, taken = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    facts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    return MainMemory(limit, max(0, limit - taken + int(facts["inactive_file"])))


def _rest_of_address_space() -> int:
    """What `ulimit -v` leaves to this process."""
    if sys.platform == "win32":  # for the type checker: there is no such module
        return sys.maxsize
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return max(0, limit - pages * resource.getpagesize())


def _windows() -> MainMemory:
    import ctypes

    class Status(ctypes.Structure):
        """MEMORYSTATUSEX of the Windows API."""

        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "b", "c", "d", "e", "f")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return MainMemory(status.total, status.free)
