"""Where Hugging Face's libraries keep checkpoints on this machine; standard library only.

Blender's Python has not their library, and the worker need not wait for a tenth of a second until it is imported.

Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache, and for the folder
https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .presets import TENSORS


def cache_folder(variables: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of all repositories.

    Args:
        variables: The environment.
    """
    if hub := variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE"):
        return _expanded(hub)
    home = variables.get("HF_HOME") or str(Path(variables.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return _expanded(home) / "hub"


def cached_checkpoint(repository: str, cache: Path) -> Path | None:
    """Find the folder of a repository's newest commit that has weights, as `try_to_load_from_cache` of theirs does.

    Args:
        repository: Its name, owner/name.
        cache: From `cache_folder`.
    """
    kept = cache / f"models--{repository.replace('/', '--')}"
    try:
        folder = kept / "snapshots" / (kept / "refs" / "main").read_text(encoding="ascii")
        return folder if (folder / TENSORS).is_file() else None
    except (OSError, ValueError):  # a name that no file can have, too
        return None


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()
