"""What can be wrong with an artist's input, one table a concern; `test_bad_input.py` goes through all of them.

A table is a list of `Case`s: of `files`, `cameras`, `lenses`, `checkpoints`, the `worker`, the `disk` and the
`blend_file`. `desk` is what all of them work on, `digest` tells whether anything changed, and `write_material` and
`stumbling_worker` are run by the worker's Python.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def reconstruct(desk: Any) -> None:
    """Press Reconstruct, and wait."""
    desk.run()


@dataclass(frozen=True)
class Case:
    """One kind of input, and what happens."""

    name: str
    spoil: Callable[[Any], None]
    """Prepares it on the desk; all that changes afterwards is a defect."""
    error: str = ""
    """Name of the class in `core.errors`; empty: it works."""
    says: str = ""
    """Pattern of its sentence; of input that works, that of a warning."""
    act: Callable[[Any], None] = reconstruct
    """What the artist does with it."""
    cause: str = ""
    """Cases of one cause may share a sentence; else every case is a cause of its own."""
    ends: bool = False
    """The run ends without a word and without a result: the artist opened another file, or disabled the add-on."""
    own: str = "$^"
    """Pattern of the places in the digest that the artist changes in the case."""
