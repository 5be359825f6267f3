"""Reconstruct without a window: `blender -b --python batch.py -- --images PHOTO… --output OUT.glb`.

Where Blender is a Python module, `python batch.py --images …` does the same, and where the extension is installed,
`blender --command image_to_scene --images …`. This file finds the package it lies in, whatever its folder is called,
and hands over to `operators.command`; `--help` tells the rest.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = "image_to_scene"
PATIENCE = 2.0  # seconds


def import_package() -> None:
    """Give the folder around this file the name that its relative imports need."""
    spec = importlib.util.spec_from_file_location(PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    if spec is None or spec.loader is None:
        sys.exit(f"{ROOT} is not the folder of {PACKAGE}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


def arguments() -> list[str]:
    """Return what is meant for this script: after `--` when Blender runs it, else everything."""
    if "--" in sys.argv:
        return sys.argv[sys.argv.index("--") + 1 :]
    return sys.argv[1:] if Path(sys.argv[0]).name == Path(__file__).name else []


def end(code: int) -> None:
    """End at once: some versions of Blender's module crash or hang when Python ends it after an export."""
    import bpy

    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join(PATIENCE)  # they remove what the worker's process put aside
    remove_session_folder(Path(bpy.app.tempdir))
    sys.stderr.flush()
    os._exit(code)


def remove_session_folder(folder: Path) -> None:
    """Remove the empty folder that Blender makes for each of its sessions, and no other.

    Where Blender cannot make one, it uses the folder for everybody's temporary files itself.
    """
    with contextlib.suppress(OSError):
        if folder.name.startswith("blender_") and not folder.samefile(tempfile.gettempdir()):
            folder.rmdir()  # refuses what is not empty


if __name__ == "__main__":
    import_package()
    out = importlib.import_module(f"{PACKAGE}.operators.output").take_output()
    end(importlib.import_module(f"{PACKAGE}.operators.command").main(arguments(), out, Path(__file__).name))
