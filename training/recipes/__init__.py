"""The runs: one file a recipe, each with a `RECIPE`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from ..config import Recipe


def names() -> list[str]:
    """All recipes."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")


def load(name: str) -> Recipe:
    """Return the recipe of a file in this folder."""
    return cast(Recipe, import_module(f"{__name__}.{name}").RECIPE)
