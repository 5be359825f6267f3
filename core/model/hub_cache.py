"""Where Hugging Face's libraries keep checkpoints on this machine; standard library only.

Blender's Python has not their library, and the worker need not wait for a tenth of a second until it is imported.

Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache, and for the folder
https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .presets import TENSORS

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def cache_folder(variables: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of all repositories.

    Args:
        variables: The environment.
    """
    if hub := variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE"):
        return _expanded(hub)
    home = variables.get("HF_HOME") or str(Path(variables.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return _expanded(home) / "hub"


def is_commit(text: str) -> bool:
    """Return whether a text is the name of a commit, 40 hexadecimal digits; only then it may be part of a path."""
    return _COMMIT.fullmatch(text) is not None


def cached_checkpoint(repository: str, cache: Path) -> Path | None:
    """Find the folder of a repository's newest commit that has weights, as `try_to_load_from_cache` of theirs does.

    What another program wrote into `refs` is no path until it is known to be a commit's name.

    Args:
        repository: Its name, owner/name.
        cache: From `cache_folder`.
    """
    kept = cache / f"models--{repository.replace('/', '--')}"
    try:
        commit = _first_line(kept / "refs" / "main")
        folder = kept / "snapshots" / commit
        return folder if is_commit(commit) and (folder / TENSORS).is_file() else None
    except (OSError, ValueError):  # a name that no file can have, too
        return None


def _first_line(path: Path) -> str:
    """Read a file that is no longer than a commit's name; a pipe would keep the window waiting."""
    if not path.is_file():
        return ""
    with path.open(encoding="ascii") as file:
        return file.read(100)


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()
