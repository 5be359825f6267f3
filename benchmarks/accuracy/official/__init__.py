"""The visual geometry benchmark of the Depth Anything 3 paper, from its data sets as they lie on disk.

One file a data set, after the folders that the official evaluation reads, with its scenes, its frames, its masks and
its ways of fusing: Depth-Anything-3/src/depth_anything_3/bench/datasets@2c21ea8. The data is not ours to hand out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..scene import Scene
from .dtu import open_dtu, open_dtu64
from .eth3d import open_eth3d
from .hiroom import open_hiroom
from .scannetpp import open_scannetpp
from .seven_scenes import open_seven_scenes

SETS: Mapping[str, Callable[[Path], Iterator[Scene]]] = {
    "hiroom": open_hiroom,
    "eth3d": open_eth3d,
    "7scenes": open_seven_scenes,
    "scannetpp": open_scannetpp,
    "dtu": open_dtu,
    "dtu64": open_dtu64,
}
"""By the name of their folder."""


def open_sets(folder: Path, names: Sequence[str] | None = None) -> Iterator[Scene]:
    """Open the scenes of data sets one after the other.

    Args:
        folder: With one folder per data set.
        names: Which data sets. None: those that are there.

    Raises:
        FileNotFoundError: A data set that was asked for, or all of them, or their scenes are not there.
        ValueError: There is no data set of a name.
    """
    if unknown := set(names or ()) - SETS.keys():
        raise ValueError(f"There is no data set {', '.join(sorted(unknown))}: name some of {', '.join(SETS)}.")
    names = names or [name for name in SETS if (folder / name).is_dir()]
    if not names:
        raise FileNotFoundError(f"{folder} has none of the folders {', '.join(SETS)}: name one that has.")
    for name in names:
        scenes = list(SETS[name](folder / name))
        if not scenes:
            raise FileNotFoundError(f"{folder / name} has none of the benchmark's scenes: unpack them there.")
        yield from scenes
