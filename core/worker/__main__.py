"""Start the worker from anywhere: `python -I core/worker/__main__.py`.

Without arguments it speaks the protocol on standard input and output. For debugging by hand,
`python -I core/worker/__main__.py --text OUTPUT PHOTO...` runs one reconstruction and writes its messages as text.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

CORE = Path(__file__).resolve().parents[1]
ALIAS = "_image_to_scene_core"
"""`core` under a name that no other package can have; it works because core never imports from outside itself."""


def import_core(module: str) -> ModuleType:
    """Import `core.<module>` without its parent package, which needs Blender.

    Run as a script, Python puts this file's folder first on `sys.path`, where `protocol` or `server` would hide
    anybody's module of that name: it is taken off.
    """
    here = str(CORE / "worker")
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(here)]
    if ALIAS not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            ALIAS, CORE / "__init__.py", submodule_search_locations=[str(CORE)]
        )
        assert spec is not None and spec.loader is not None  # noqa: S101 - a .py file always has a loader
        sys.modules[ALIAS] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[ALIAS])
    return importlib.import_module(f"{ALIAS}.{module}")


def main() -> None:
    """Serve, or run one reconstruction by hand."""
    parser = argparse.ArgumentParser(description="The worker process of Image to Scene.")
    parser.add_argument("--text", nargs="+", type=Path, metavar=("OUTPUT", "PHOTO"), help="run once, messages as text")
    parser.add_argument("--model", default="nano", help="with --text: a preset, a checkpoint folder or a cached name")
    arguments = parser.parse_args()
    if arguments.text is None:
        import_core("worker.server").serve()
    else:
        run_by_hand(arguments.text[0], tuple(arguments.text[1:]), arguments.model)


def run_by_hand(output: Path, photos: tuple[Path, ...], model: str) -> None:
    """One request through the same server, its messages as lines of text on standard error."""
    server, protocol, types = map(import_core, ("worker.server", "worker.protocol", "types"))
    loop = server.Server(lambda message: sys.stderr.write(f"{message}\n"))
    views = tuple(types.View(photo.resolve()) for photo in photos)
    loop.take(protocol.ReconstructCommand(1, types.Request(views, model=model), output.resolve()))
    loop.take(protocol.ExitCommand())
    loop.run()


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - the artist may name any Python
        sys.exit("Python 3.11 or newer is needed")
    main()
