"""Render our own scenes: `python -m benchmarks.accuracy.rendered [--scenes 24] [--size 126 84] [--part 0 2]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from .folders import is_rendered, scene_name
from .rendering import render_scene


def main() -> None:
    """Render what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--size", type=int, nargs=2, default=(126, 84))
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="which of how many parts of the scenes")
    parser.add_argument("--only", nargs="+", help="names of scenes to render; all by default")
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    for index in range(options.part[0], options.scenes, options.part[1]):
        name = scene_name(index)
        folder = options.folder / name
        if not is_rendered(folder) and (not options.only or name in options.only):
            started = time.monotonic()
            render_scene(index, tuple(options.size), folder)
            print(f"{name} rendered in {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Blender as a Python module may hang when the interpreter ends
