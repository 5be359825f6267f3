"""Reconstruct without a window: `blender -b --python batch.py -- --images PHOTO… --output OUT.glb`.

Where Blender is a Python module, `python batch.py --images …` does the same, and where the extension is installed,
`blender --command image_to_scene --images …`. This file finds the package it lies in, whatever its folder is called,
and hands over to `operators.command`; `--help` tells the rest.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = "image_to_scene"


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


def main() -> None:
    """Run, and end with the one line and the code that `--help` describes."""
    import_package()
    output = importlib.import_module(f"{PACKAGE}.operators.output")
    ending = importlib.import_module(f"{PACKAGE}.operators.ending").ending
    out = output.take_output()
    ending.listen(out)
    if "bpy" not in sys.modules:  # as a module Blender makes its folder for temporary files only now
        temporary = importlib.import_module(f"{PACKAGE}.core.temporary")
        temporary.sweep()
        if (folder := temporary.take_temporary_folder()) is not None:
            ending.tidy.append(folder.close)
    try:
        command = importlib.import_module(f"{PACKAGE}.operators.command")
    except Exception as error:  # noqa: BLE001 - the process boundary: no bpy, or one that cannot be loaded
        ending.claim()
        output.deliver(out, output.failure(type(error).__name__, f"Image to Scene cannot be loaded ({error})."))
        ending.leave(1)
    ending.leave(command.main(arguments(), out, Path(__file__).name))


if __name__ == "__main__":
    main()
