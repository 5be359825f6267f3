"""The arguments that say what goes in: pictures, movies, which of their frames, masks and lenses."""

import argparse
import glob
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast, get_args

import bpy

from ..core.errors import ImageError
from .context import scene_of
from .given_cameras import camera_items
from .inputs import Item, files
from .scene.clips import scene_rate
from .usage import UsageError, amount, path, positive

ALPHA: Final = "alpha"
CLIPS: Final = ("MOVIE", "SEQUENCE")


def add_inputs(parser: ArgumentParser) -> None:
    """Add them to a parser."""
    group = parser.add_argument_group("clips, masks and lenses")
    group.add_argument(
        "--frames", type=_frames, metavar="START:END[:STEP]", help="which frames of a clip to choose from"
    )
    pick = group.add_mutually_exclusive_group()
    pick.add_argument("--every", type=amount, metavar="SECONDS", help="choose a clip's frames by time")
    pick.add_argument(
        "--count", type=positive, metavar="N", help="choose so many frames of each clip, evenly spread (8)"
    )
    group.add_argument(
        "--numbered",
        choices=[choice.lower() for choice in get_args(files.Numbered)],
        help="what numbered pictures are (pictures; auto where frames are chosen: more than "
        f"{files.MANY} with hardly a gap are one sequence)",
    )
    group.add_argument(
        "--masks",
        nargs="+",
        metavar="FOLDER_OR_FILE",
        help=f"black is left out: a folder with a mask of each picture's name, a file for each picture, or '{ALPHA}'",
    )
    group.add_argument(
        "--lens",
        type=_lens,
        metavar="MM[/SENSOR]|FILE",
        help="known focal length (for a sensor of 36 mm), or a project file of fSpy",
    )


def items_from(arguments: Namespace, rate: float) -> files.Found:
    """List what goes in, and what is left out.

    Args:
        arguments: As parsed.
        rate: Frames per second of sequences.

    Raises:
        UsageError: Frames are chosen and nothing has any, or there is not one mask for each picture.
        CameraError: Cameras shall bring their pictures, and cannot be read.
        ImageError: Something is neither a picture nor a movie that can be read.
    """
    chooses = any(value is not None for value in (arguments.frames, arguments.every, arguments.count))
    if arguments.images is None:
        return files.Found(tuple(_camera_items(arguments)))
    numbered = arguments.numbered or ("auto" if chooses else "pictures")
    found = files.find(_paths(arguments.images), cast("files.Numbered", numbered.upper()))
    if found.refused:
        raise ImageError(f"No picture or movie that can be read: {', '.join(found.refused)}.")
    if not found.items:
        raise ImageError(f"No picture or movie can be used. {' '.join(found.warnings)}")
    if chooses and not any(item.kind in CLIPS for item in found.items):
        left_out = f" ({' '.join(found.warnings)})" if found.warnings else ""
        raise UsageError(
            "--frames, --every and --count choose frames of clips, and --images names none; with --numbered sequence "
            f"numbered pictures are one{left_out}"
        )
    items = [replace(item, **_choice(item, arguments, rate), **_lens_of(arguments)) for item in found.items]
    return replace(found, items=tuple(_with_masks(items, arguments.masks)))


def _camera_items(arguments: Namespace) -> list[Item]:
    """List the cameras of a .blend, which bring their pictures; the frames of those that move are its scene's."""
    items = camera_items(arguments.cameras)
    rate = scene_rate(scene_of(bpy.context))
    return _with_masks([replace(item, **_choice(item, arguments, rate)) for item in items], arguments.masks)


def _paths(names: Iterable[str]) -> list[Path]:
    """List what is named; patterns are filled in where the shell did not do it, as on Windows."""
    found = []
    for name in names:
        matches = [] if Path(name).exists() else glob.glob(name)  # noqa: PTH207 - the artist's own pattern
        found += sorted((path(match) for match in matches or [name]), key=files.natural)
    return found


def _choice(item: Item, arguments: Namespace, rate: float) -> dict[str, Any]:
    """Say which frames of a clip are chosen."""
    if item.kind not in CLIPS and not item.is_animated:
        return {}
    start, end, step = arguments.frames or (None, None, None)
    choice: dict[str, Any] = {
        "frame_start": item.clip_first if start is None else start,
        "frame_end": item.clip_last if end is None else end,
    }
    if arguments.count is not None:
        return choice | {"pick": "COUNT", "count": arguments.count}
    rate = item.clip_rate or rate
    if arguments.every is not None:
        return choice | {
            "pick": "STEP",
            "seconds": arguments.every,
            "frame_step": max(1, round(arguments.every * rate)),
        }
    if step is not None:
        return choice | {"pick": "STEP", "seconds": step / rate, "frame_step": step}
    return choice


def _lens_of(arguments: Namespace) -> dict[str, Any]:
    return arguments.lens or {}


def _with_masks(items: list[Item], masks: list[str] | None) -> list[Item]:
    """Give every entry its mask; a folder or alpha channel is each one's."""
    if masks is None:
        return items
    if masks == [ALPHA]:
        return [replace(item, mask_kind="ALPHA") for item in items]
    paths = _paths(masks)
    if len(paths) == 1 and paths[0].is_dir():
        paths *= len(items)
    if len(paths) != len(items):
        raise UsageError(f"--masks names {len(paths)} files for {len(items)} pictures; name one for each, or a folder")
    return [replace(item, mask_kind="FILE", mask_path=str(mask)) for item, mask in zip(items, paths, strict=True)]


def _frames(text: str) -> tuple[int | None, int | None, int | None]:
    """Read START:END or START:END:STEP, each of which may be left out."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 3:
        raise argparse.ArgumentTypeError("must be START:END or START:END:STEP, such as 1:100:5")
    start, end, step = ([int(part) if part else None for part in parts] + [None])[:3]
    if step is not None and step < 1:
        raise argparse.ArgumentTypeError("must have a step of at least 1")
    return start, end, step


def _lens(text: str) -> dict[str, Any]:
    """Read MM, MM/SENSOR or the name of an fSpy file, as fields of an entry."""
    if text.lower().endswith(".fspy"):
        return {"lens_kind": "FSPY", "lens_path": str(path(text))}
    focal, _, sensor = text.partition("/")
    lens_sensor = amount(sensor) if sensor else Item.lens_sensor
    return {"lens_kind": "FOCAL", "lens_focal": amount(focal), "lens_sensor": lens_sensor}
