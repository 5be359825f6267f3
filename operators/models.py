"""Which models an artist can choose from, which of them are on this machine, and what there is to know of each.

The drop-down asks at every redraw, so it only reads what `Catalogue.refresh` found at registration and on request.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

import bpy

from ..core.errors import WeightsError
from ..core.json_reading import JSONError, read_json
from ..core.model.config import ModelConfig
from ..core.model.hub_cache import cache_folder, cached_checkpoint
from ..core.model.presets import PRESETS, megabytes, parse_config, preset_name
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
        _folder_config.cache_clear()
        cache = cache_folder()
        self.present = tuple(name for name in NUMBERS if name == PREVIEW or _is_cached(cache, PRESETS[name]))
        self._list()

    @property
    def default(self) -> str:
        """Base where it is on this machine, else the preview."""
        return PREFERRED if PREFERRED in self.present else PREVIEW

    def has(self, name: str) -> bool:
        """Tell whether a model's weights are here, as far as that can be told: a folder's or another name's always."""
        return name not in NUMBERS or name in self.present

    def resolve(self, name: str) -> str:
        """Return the model that an entry of the drop-down stands for."""
        return self.default if name == AUTOMATIC else name

    def _list(self) -> None:
        automatic = f"Auto: {title(self.default)}"  # short, for the drop-down
        self.entries = [
            (AUTOMATIC, automatic, "Base where it is on this machine, else the preview", "NONE", 0),
            *(_entry(name, is_here=name in self.present) for name in NUMBERS),
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
    _folder_config.cache_clear()  # what counts is what the folder says now
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


def gives(name: str) -> str:
    """Say what a model gives, in a few words."""
    config = config_of(name)
    if config is None:
        return "Unknown until it is used"
    parts = {
        "depth": True,
        "cameras": config.has_poses,
        "rays": config.has_rays,
        "metres": config.is_metric,
        "sky": config.has_sky,
        "Gaussians (not used yet)": config.network.gaussians,
    }
    text = ", ".join(part for part, is_there in parts.items() if is_there)
    return text[0].upper() + text[1:]


def size_text(name: str) -> str:
    """Say how large a model's file is; empty for those that no hub has."""
    size = PRESETS[name].download_size
    return megabytes(size) if size else ""


def check_is_here(name: str) -> None:
    """See to it that a run need not look for weights in vain.

    Raises:
        WeightsError: They are not on this machine.
    """
    if not catalogue.has(name):
        catalogue.refresh()
    if not catalogue.has(name):
        raise WeightsError(f"The model {title(name)} is not on this machine: download it, or choose another one.")


def title(name: str) -> str:
    """Return what to call a model before the artist."""
    preset = PRESETS.get(name)
    return preset.title if preset else Path(name).name


def purpose(name: str) -> str:
    """Return what a preset is for, in a few words."""
    return "Offline preview, rough on real photographs" if name == PREVIEW else gives(name)


def own_resolution(name: str) -> int:
    """Return the longest side of the pictures that a model is made for, in pixels; 0: unknown."""
    config = config_of(name)
    return config.resolution if config else 0


def licence(name: str) -> str:
    """Return the licence of a model's weights."""
    config = config_of(name)
    return config.licence if config else "unknown"


def is_non_commercial(name: str) -> bool:
    """Tell whether a model's weights must not be used commercially."""
    return forbids_commerce(licence(name))


def forbids_commerce(licence: str) -> bool:
    """Tell whether a licence forbids commercial use."""
    return "-NC-" in licence


@lru_cache(maxsize=16)
def _folder_config(folder: Path) -> ModelConfig | None:
    """Read what a folder says of its checkpoint, not at every redraw; what is wrong with it the run will tell."""
    try:
        values = read_json(folder / "config.json", 1 << 20)
        return parse_config(values) if isinstance(values, dict) else None
    except (JSONError, WeightsError):
        return None


def _entry(name: str, *, is_here: bool) -> Entry:
    about = f"{gives(name)}. Licence of the weights: {licence(name)}"
    if is_here:
        return (name, title(name), about, "NONE", NUMBERS[name])
    return (name, f"{title(name)} · {size_text(name)}", f"Not downloaded yet. {about}", "IMPORT", NUMBERS[name])


def _is_cached(cache: Path, config: ModelConfig) -> bool:
    return any(cached_checkpoint(name, cache) for name in config.repositories)
