"""Facts from the files' metadata, set against what the network sees: warnings about lenses, and which way is up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .geometry.cameras import mean_focal_length
from .imaging.preparation import PreparedView
from .types import FloatArray, IntrinsicsOrigin, Request, View

CONTRADICTED = (
    "The field of view in the metadata is far from what the network sees: {}. The metadata is used: switch off Lens "
    "from EXIF (--ignore-exif) if it is wrong, for example after a crop that did not update it."
)
ANGLES = "{} has {:.0f}° (the network sees {:.0f}°)"
UNSURE_UP = (
    "The gimbal angles in the images' metadata contradict the cameras that were found: up is not taken from them, "
    "level the result by its floor or by hand."
)

CONTRADICTS = 1.6  # a focal length that is farther off from the network's by this ratio gets a sentence of its own
AGREEMENT = 0.8  # length of the mean of directions of length 1: about 37° off on average
NAMED = 3  # files that a sentence names before it counts the others


def metadata_warnings(
    request: Request,
    prepared: Sequence[PreparedView],
    predicted: Sequence[FloatArray | None],
    origins: Sequence[IntrinsicsOrigin],
) -> list[str]:
    """Say what of the files' metadata is not used, and where it is used against what the network sees.

    Args:
        request: What was asked for.
        prepared: Its views, read.
        predicted: Per view the network's intrinsics in model pixels.
        origins: Per view where the intrinsics come from that are used.
    """
    return [*_notes(request, prepared, origins), *_contradictions(request.views, prepared, predicted, origins)]


def measured_up(
    prepared: Sequence[PreparedView], cameras: Sequence[FloatArray | None], warnings: list[str]
) -> FloatArray | None:
    """Return the direction away from gravity [3] in the world, where metadata state it of any view.

    Args:
        prepared: The views.
        cameras: Per view `world_from_camera`; None stands at the world's origin.
        warnings: Gets a sentence where the views contradict each other.
    """
    known = [(seen.up, camera) for seen, camera in zip(prepared, cameras, strict=True) if seen.up is not None]
    if not known:
        return None
    mean = np.mean([up if camera is None else camera[:3, :3] @ up for up, camera in known], axis=0)
    length = float(np.linalg.norm(mean))
    if length < AGREEMENT:
        warnings.append(UNSURE_UP)
        return None
    return np.asarray(mean / length)


def _notes(request: Request, prepared: Sequence[PreparedView], origins: Sequence[IntrinsicsOrigin]) -> list[str]:
    """Say what the files' metadata state and was not used, each sentence once for all files that it is about."""
    files: dict[str, list[str]] = {}
    for view, seen, origin in zip(request.views, prepared, origins, strict=True):
        asks = request.exif_lens and origin != "given"
        is_matched = view.world_from_camera is not None or view.distortion is not None
        for note in (*(seen.lens_notes if asks else ()), *(() if is_matched else seen.notes)):
            files.setdefault(note, []).append(view.path.name)
    return [note.format(_named(names)) for note, names in files.items()]


def _contradictions(
    views: Sequence[View],
    prepared: Sequence[PreparedView],
    predicted: Sequence[FloatArray | None],
    origins: Sequence[IntrinsicsOrigin],
) -> list[str]:
    """Say in one sentence which measured lenses are used though the network sees quite different ones."""
    found = []
    for view, seen, guess, origin in zip(views, prepared, predicted, origins, strict=True):
        exif = seen.exif_image_from_camera
        if origin != "exif" or guess is None or exif is None:
            continue
        if abs(np.log(mean_focal_length(exif) / mean_focal_length(guess))) > np.log(CONTRADICTS):
            half = 0.5 * max(seen.pixels.shape[:2])
            angles = [np.degrees(2.0 * np.arctan(half / mean_focal_length(K))) for K in (exif, guess)]
            found.append(ANGLES.format(view.path.name, *angles))
    return [CONTRADICTED.format(_named(found))] if found else []


def _named(names: Sequence[str]) -> str:
    """Name some files, with what is said of them, and count the others."""
    unique = list(dict.fromkeys(names))
    more = len(unique) - NAMED
    return ", ".join(unique) if more <= 0 else f"{', '.join(unique[:NAMED])} and {more} more"
