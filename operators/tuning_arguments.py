"""The arguments of the command line that say what of the result is shown at first."""

import argparse
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from .scene import Tuning
from .usage import positive


def add_tuning(parser: ArgumentParser) -> None:
    """Add the arguments; all of it can be changed later in the .blend, by the properties of the root."""
    usual = Tuning()
    add = parser.add_argument_group("what is shown at first").add_argument
    amount = _up_to(math.inf)
    add(
        "--confidence-percentile",
        type=_up_to(100.0),
        default=usual.confidence_percentile,
        metavar="P",
        help="leave out this percentage of all pixels, the least sure ones (%(default)g)",
    )
    add("--confidence", type=amount, default=usual.confidence, metavar="C", help="leave out what is less sure than C")
    add(
        "--depth-jump",
        type=amount,
        default=usual.depth_jump,
        metavar="R",
        help="cut where neighbouring depths differ by more than this part of the nearer one; 0: nowhere (%(default)g)",
    )
    add(
        "--max-distance",
        type=amount,
        default=usual.max_distance,
        metavar="D",
        help="leave out what is farther from its camera, in the reconstruction's units; 0: nothing (%(default)g)",
    )
    add("--keep-sky", action="store_true", help="do not leave out what the network takes for sky")
    add("--keep-masked", action="store_true", help="do not leave out what masks leave out")
    add("--point-size", type=amount, default=usual.point_size, metavar="F", help="factor on the size of points")
    add(
        "--point-density",
        type=_up_to(1.0),
        default=usual.point_density,
        metavar="S",
        help="share of points shown, 0 to 1",
    )
    add("--mesh-step", type=positive, default=usual.mesh_step, metavar="N", help="build meshes from every Nth pixel")


def tuning_from(arguments: Namespace) -> Tuning:
    """Say what they ask for."""
    return Tuning(
        confidence_percentile=arguments.confidence_percentile,
        confidence=arguments.confidence,
        depth_jump=arguments.depth_jump,
        max_distance=arguments.max_distance,
        remove_sky=not arguments.keep_sky,
        remove_masked=not arguments.keep_masked,
        point_size=arguments.point_size,
        point_density=arguments.point_density,
        mesh_step=arguments.mesh_step,
    )


def _up_to(most: float) -> Callable[[str], float]:
    """Return what reads a finite number from 0 to that one."""

    def read(text: str) -> float:
        number = float(text)
        if not (0.0 <= number <= most and math.isfinite(number)):
            limit = "be a number from 0" if most == math.inf else f"lie between 0 and {most:g}"
            raise argparse.ArgumentTypeError(f"must {limit}")
        return number

    return read
