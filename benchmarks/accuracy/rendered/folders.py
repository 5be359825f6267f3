"""What rendered scenes are called, and whether one is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

Family = Literal["room", "tabletop", "facade"]
FAMILIES: tuple[Family, ...] = get_args(Family)
VERSION = 1
"""Of the scenes: pictures of another one are made anew."""
DESCRIPTION = "scene.json"


def scene_name(index: int) -> str:
    """Return what the scene of an index is called."""
    return f"{FAMILIES[index % len(FAMILIES)]}_{index // len(FAMILIES):02}"


def is_rendered(folder: Path) -> bool:
    """Tell whether a folder holds a scene of this version."""
    file = folder / DESCRIPTION
    return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["version"] == VERSION
