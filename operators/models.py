"""Which models an artist can choose from on this machine, their licences, and the sizes they were checked at.

The drop-down asks at every redraw, so it only reads what `Catalogue.refresh` found at registration and on request.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import bpy

from ..core.errors import WeightsError
from ..core.model.config import ModelConfig
from ..core.model.presets import PRESETS, parse_config, preset_name
from ..core.types import Request
from .context import Outcome

AUTOMATIC: Final = "AUTOMATIC"
FOLDER: Final = "FOLDER"
PREVIEW: Final = "nano"
PREFERRED: Final = "base"

NUMBERS: Final = {"nano": 1, "small": 2, "base": 3, "large": 4, "giant": 5, "nested": 6, "metric": 7, "mono": 8}
"""What a .blend stores of the drop-down: never to be changed."""

Entry = tuple[str, str, str, str, int]


class Catalogue:
    """What is on this machine, as it was at the last `refresh`."""

    def __init__(self) -> None:
        self.present: tuple[str, ...] = (PREVIEW,)
        self.entries: list[Entry] = []  # Blender keeps no copy of these texts, so they live here

    def refresh(self) -> None:
        """Look into the Hugging Face cache: on the disk, never on the network."""
        cache = cache_folder(os.environ)
        self.present = tuple(name for name in NUMBERS if name == PREVIEW or _is_cached(cache, PRESETS[name]))
        self._list()

    @property
    def default(self) -> str:
        """Base where it is on this machine, else the preview."""
        return PREFERRED if PREFERRED in self.present else PREVIEW

    def resolve(self, name: str) -> str:
        """Return the model that an entry of the drop-down stands for."""
        return self.default if name == AUTOMATIC else name

    def _list(self) -> None:
        automatic = f"Automatic: {title(self.default)}"
        self.entries = [
            (AUTOMATIC, automatic, "Base where it is on this machine, else the preview", "NONE", 0),
            *(_entry(name) for name in self.present),
            (FOLDER, "Folder", "A checkpoint of your own", "FILE_FOLDER", 100),
        ]


catalogue: Final = Catalogue()


class IMAGETOSCENE_OT_refresh_models(bpy.types.Operator):
    """Look again which models are on this machine"""

    bl_idname = "image_to_scene.refresh_models"
    bl_label = "Refresh Models"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> Outcome:
        """Look."""
        catalogue.refresh()
        return {"FINISHED"}


CLASSES: Final = (IMAGETOSCENE_OT_refresh_models,)


def chosen(name: str | None, *, accepts_non_commercial: bool) -> str:
    """Return the model to use.

    Args:
        name: A preset, a folder, or a name in the cache; None: the best that is on this machine without conditions.
        accepts_non_commercial: Whether the artist agreed to weights that must not be used commercially.

    Raises:
        WeightsError: Its licence was not agreed to.
    """
    if name is None:
        catalogue.refresh()
        return catalogue.default
    if is_non_commercial(name) and not accepts_non_commercial:
        raise WeightsError(
            f"The weights of {title(name)} are licensed {licence(name)}, for non-commercial use only: "
            "agree to that, or choose another model."
        )
    return name


def config_of(name: str) -> ModelConfig | None:
    """Return what is known of a model without its weights: from the table, else from a folder's `config.json`."""
    known = preset_name(name)
    preset = PRESETS.get(known) or next((item for item in PRESETS.values() if known in item.repositories), None)
    return preset or _folder_config(Path(name))


def title(name: str) -> str:
    """Return what to call a model before the artist."""
    preset = PRESETS.get(name)
    return preset.title if preset else Path(name).name


def purpose(name: str) -> str:
    """Return what a preset is for, in a few words."""
    size = f"made for {PRESETS[name].resolution} pixels"
    return f"To try out, {size}" if name == PREVIEW else size.capitalize()


def licence(name: str) -> str:
    """Return the licence of a model's weights."""
    config = config_of(name)
    return config.licence if config else "unknown"


def is_non_commercial(name: str) -> bool:
    """Tell whether a model's weights must not be used commercially."""
    return "-NC-" in licence(name)


def resolution_warning(request: Request) -> str | None:
    """Say so where pictures are to be seen at a size that the model was not checked at."""
    config = config_of(request.model)
    if config is None or request.resolution is None:
        return None
    smallest, largest = config.resolution_range
    if smallest <= request.resolution <= largest:
        return None
    checked = f"{smallest} pixels" if smallest == largest else f"{smallest} to {largest} pixels"
    return f"{config.title} was checked at {checked}: at {request.resolution} expect worse depth and cameras."


def cache_folder(variables: Mapping[str, str]) -> Path:
    """Return where Hugging Face's libraries keep what they downloaded.

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    """
    if hub := variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE"):
        return Path(hub).expanduser()
    home = variables.get("HF_HOME") or str(Path(variables.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "hub"


def _folder_config(folder: Path) -> ModelConfig | None:
    """Read what a folder says of its checkpoint; what is wrong with it the run will tell."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return parse_config(values) if isinstance(values, dict) else None
    except (OSError, ValueError, WeightsError):
        return None


def _entry(name: str) -> Entry:
    return (name, title(name), f"Licence of the weights: {licence(name)}", "NONE", NUMBERS[name])


def _is_cached(cache: Path, config: ModelConfig) -> bool:
    folders = (cache / f"models--{repository.replace('/', '--')}" for repository in config.repositories)
    return any(any(folder.glob("snapshots/*/model.safetensors")) for folder in folders)
