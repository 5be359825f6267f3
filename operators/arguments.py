"""The arguments of the command line and what they stand for."""

import argparse
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final, TextIO, get_args

from ..core.types import Device, MixedSizes, PointSource, PoseSource, Precision, ReferenceView, Request, View
from .input_arguments import add_inputs
from .scene import BuildOptions
from .scene.placement import Placement, ScaleMode, UpMode
from .targets import Targets
from .tuning_arguments import add_tuning, tuning_from
from .usage import Parser, UsageError, path, positive

OUTPUTS: Final = (".glb", ".blend")
PARTS: Final = ("cameras", "points", "meshes")
SCALES: Final[dict[str, ScaleMode]] = {"as-predicted": "AS_PREDICTED", "metric": "METRIC"}
UPS: Final[dict[str, UpMode]] = {"as-predicted": "AS_PREDICTED", "ground": "GROUND", "cameras": "CAMERAS"}

DESCRIPTION: Final = (
    "Reconstruct photos of one place, or frames of a clip, as Blender cameras, coloured points and textured meshes."
)
EPILOGUE: Final = """\
clips:
  Of a movie, or of numbered pictures taken as one sequence, eight evenly spread frames are used unless --count, --every
  or the step of --frames say otherwise. A movie's frames are counted from 1, a sequence's have their files' numbers.

known cameras:
  A .json holds {"views": [{"image": file name, "world_from_camera": 4x4, "image_from_camera": 3x3}, ...]}, with one or
  both matrices. Without names there is one entry per picture, in their order; with names, pictures may be left out.
  Camera axes are OpenCV (+X right, +Y down, +Z forward), the world is Blender's (Z up), intrinsics are in pixels of the
  upright picture. Of a .blend the cameras
  are used in the order of their names, as they stand in the scene and at the frame it was saved with; its render
  size must have the pictures' shape. Without --images each camera of a .blend brings its own picture: what lies behind
  its view, else its movie clip, else a render; of cameras that move, frames are chosen as of clips.

output:
  Progress and warnings go to standard error; the last line on standard output is JSON: "ok", and what was made or what
  failed. Blender itself, when it runs this as a script, writes its version before that line. Where standard output is
  closed or full, the line goes to standard error and the exit code stays the same.
  No output may be an input. All outputs appear together at the end, or none does. SIGINT, SIGTERM, SIGHUP and, on
  Windows, SIGBREAK end a run within about a second; once the results are in place it counts as done.

exit codes:
  0 the output is there and whole    1 a defect of the program    2 wrong arguments    3 a picture    4 a camera
  5 the model    6 the device    7 not enough memory    8 reading or writing files    9 the worker    130 cancelled

examples:
  blender --command image_to_scene --images photos --output place.glb
  blender -b --python batch.py -- --images walk.mp4 --every 0.5 --output place.glb
  python batch.py --images a.jpg b.jpg --cameras shot.blend --output place.blend --save-reconstruction place/
"""


def parse(arguments: Sequence[str], out: TextIO, program: str) -> Namespace:
    """Read the command line.

    Args:
        arguments: Those after `--`.
        out: Where --help goes.
        program: What help calls this.

    Raises:
        UsageError: They are wrong.
        SystemExit: Help was asked for and written.
    """
    with redirect_stdout(out):
        found = _parser(program).parse_args(arguments)
    if found.images is None and found.cameras is None:
        raise UsageError("--images names the pictures, or --cameras a .blend whose cameras bring theirs; see --help")
    return found


def request_from(arguments: Namespace, views: tuple[View, ...], model: str) -> Request:
    """Say what the arguments ask for."""
    return Request(
        views=views,
        model=model,
        resolution=arguments.resolution,
        mixed_sizes=arguments.mixed_sizes,
        reference_view=arguments.reference_view,
        pose_source=arguments.pose_source,
        point_source=arguments.point_source,
        square_pixels=not arguments.exact_pixels,
        field_of_view=math.radians(arguments.field_of_view),
        exif_lens=not arguments.ignore_exif,
        exposure=arguments.exposure,
        device=arguments.device,
        precision=arguments.precision,
    )


def build_options_from(arguments: Namespace) -> BuildOptions:
    """Say what is to be built."""
    return BuildOptions(
        cameras="cameras" in arguments.build,
        point_cloud="points" in arguments.build,
        meshes="meshes" in arguments.build,
        tuning=tuning_from(arguments),
    )


def placement_from(arguments: Namespace) -> Placement:
    """Say how what is built is placed."""
    return Placement(SCALES[arguments.scale], UPS[arguments.up], floor_to_zero=arguments.floor)


def targets_from(arguments: Namespace) -> Targets:
    """Say where the results go.

    Raises:
        UsageError: The output is of no known kind.
    """
    if arguments.output.suffix.lower() not in OUTPUTS:
        raise UsageError(f"--output {arguments.output.name} must end in .glb or .blend")
    return Targets(arguments.output, arguments.save_reconstruction)


def named_files(arguments: Namespace) -> list[Path]:
    """List the files and folders that the arguments name as inputs."""
    lens = (arguments.lens or {}).get("lens_path", "")
    named = [*(arguments.images or ()), *(arguments.masks or ()), lens]
    model = Path(arguments.model or "")
    weights = model.iterdir() if arguments.model and model.is_dir() else ()
    files = [arguments.cameras, arguments.python, *map(Path, filter(None, named)), *weights]
    return [file for file in files if file is not None]


def _parser(program: str) -> ArgumentParser:
    parser = Parser(
        prog=program,
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_files(parser)
    add_inputs(parser)
    _add_model(parser)
    _add_geometry(parser)
    _add_placement(parser)
    add_tuning(parser)
    return parser


def _add_files(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("pictures and files")
    group.add_argument("--images", nargs="+", metavar="PHOTO", help="pictures, movies, folders of them, or patterns")
    group.add_argument("--output", required=True, type=path, help="a .glb or .blend, put in place of what is there")
    group.add_argument("--cameras", type=path, metavar="FILE", help="known cameras, a .json or .blend: see below")
    group.add_argument("--save-reconstruction", type=path, metavar="FOLDER", help="also save depth and cameras there")
    group.add_argument(
        "--build", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help="what to build, of %(choices)s (all)"
    )


def _add_model(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="NAME_OR_FOLDER", help="(base where it is on this machine, else nano)")
    group.add_argument(
        "--accept-non-commercial", action="store_true", help="use weights licensed CC BY-NC 4.0: large, giant, nested"
    )
    group.add_argument("--resolution", type=positive, metavar="N", help="longest side in pixels (the model's own)")
    group.add_argument("--device", choices=get_args(Device), default=Request.device, help="(%(default)s)")
    group.add_argument("--precision", choices=get_args(Precision), default=Request.precision, help="(%(default)s)")
    group.add_argument("--python", type=path, help="the worker's interpreter ($IMAGE_TO_SCENE_PYTHON, else this one)")


def _add_geometry(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("geometry")
    group.add_argument("--exact-pixels", action="store_true", help="keep fx and fy apart, instead of square pixels")
    group.add_argument(
        "--ignore-exif", action="store_true", help="do not take the focal length in EXIF or XMP for known"
    )
    group.add_argument(
        "--mixed-sizes", choices=get_args(MixedSizes), default=Request.mixed_sizes, help="pictures of different shapes"
    )
    group.add_argument("--reference-view", choices=get_args(ReferenceView), default=Request.reference_view)
    group.add_argument("--pose-source", choices=get_args(PoseSource), default=Request.pose_source)
    group.add_argument("--point-source", choices=get_args(PointSource), default=Request.point_source)
    group.add_argument(
        "--field-of-view",
        type=_degrees,
        default=math.degrees(Request.field_of_view),
        metavar="DEGREES",
        help="across the longer side, where nothing tells the focal length (%(default).0f)",
    )
    group.add_argument(
        "--exposure",
        type=_stops,
        default=Request.exposure,
        metavar="STOPS",
        help="how much scene-linear images (EXR, float TIFF) are brightened for display (%(default).0f)",
    )


def _add_placement(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("scale and place, where known cameras do not tell them")
    group.add_argument("--scale", choices=SCALES, default="as-predicted", help="metric: for models that know metres")
    group.add_argument(
        "--up",
        choices=UPS,
        default="as-predicted",
        help="what levels it; the cameras, where there is no floor or drones measured it",
    )
    group.add_argument("--floor", action="store_true", help="put the floor at Z = 0")


def _stops(text: str) -> float:
    stops = float(text)
    if not -32.0 <= stops <= 32.0:
        raise argparse.ArgumentTypeError("must lie between -32 and 32")
    return stops


def _degrees(text: str) -> float:
    angle = float(text)
    if not 0.0 < angle < 180.0:
        raise argparse.ArgumentTypeError("must lie between 0 and 180")
    return angle
