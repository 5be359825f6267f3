"""The account of a run's inputs: every one that was given is used, or left out for a reason."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..core.names import listed
from ..core.types import LeftOut, Reconstruction
from .inputs import Inputs


def account(given: Inputs, reconstructions: Sequence[Reconstruction]) -> dict[str, Any]:
    """Count the images and frames that were given and used, and name those that were left out.

    Args:
        given: What was sent to the worker, and what was chosen and not sent.
        reconstructions: All that came of it.

    Returns:
        `given` is `used` and the number of those `left_out` together; JSON types only.
    """
    left_out = [*given.left_out, *left_out_of(reconstructions)]
    return {
        "given": len(given.views) + len(given.left_out),
        "used": sum(len(item.views) for item in reconstructions),
        "left_out": [{key: asdict(item)[key] for key in ("name", "reason")} for item in left_out],
    }


def left_out_of(reconstructions: Sequence[Reconstruction]) -> list[LeftOut]:
    """Return the views of a run that no reconstruction has; each tells of the whole run."""
    found = (entry for item in reconstructions[:1] for entry in item.facts.get("left_out", ()))
    return [LeftOut(str(entry["name"]), str(entry["reason"]), entry.get("view")) for entry in found]


def sentence(reconstructions: Sequence[Reconstruction]) -> str | None:
    """Say how many of a run's images and frames were used and which were not; None where all were."""
    left_out = left_out_of(reconstructions)
    used = sum(len(item.views) for item in reconstructions)
    names = listed([item.name for item in left_out])
    return f"{used} of {used + len(left_out)} images and frames are used; left out: {names}." if left_out else None
