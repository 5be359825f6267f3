"""Build the extension's zips: `python wheels/build.py FOLDER [WHEELS]`, with the Python that has Blender as a module.

Always the plain zip, which runs everywhere and makes no environment for the worker; and where `fetch.py` has put the
wheels, one zip per platform, each with its own wheel. The manifest of the checkout lists no wheels, so that it is
valid without them: those zips get theirs from here.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

from fetch import PLATFORMS  # type: ignore[import-not-found]

HERE = Path(__file__).resolve().parent
MANIFEST = "blender_manifest.toml"


def main(target: Path, wheels: Path = HERE) -> None:
    """Build all zips."""
    target.mkdir(parents=True, exist_ok=True)
    about = tomllib.loads((HERE.parent / MANIFEST).read_text(encoding="utf-8"))
    plain = target / f"{about['id']}-{about['version']}.zip"
    _tool("build", "--source-dir", HERE.parent, "--output-filepath", plain)
    if found := sorted(wheels.glob("*.whl")):
        with tempfile.TemporaryDirectory() as folder:
            _stage(plain, Path(folder), found)
            _tool("build", "--source-dir", folder, "--output-dir", target, "--split-platforms")


def _stage(plain: Path, stage: Path, wheels: list[Path]) -> None:
    """Unpack what the plain zip holds, and add the wheels and their names."""
    with zipfile.ZipFile(plain) as content:
        content.extractall(stage)
    (stage / "wheels").mkdir()
    for wheel in wheels:
        shutil.copyfile(wheel, stage / "wheels" / wheel.name)
    manifest = stage / MANIFEST
    names = [f"./wheels/{wheel.name}" for wheel in wheels]
    lists = f"platforms = {_toml(sorted(PLATFORMS))}\nwheels = {_toml(names)}\n"
    head, table, rest = manifest.read_text(encoding="utf-8").partition("\n[permissions]")
    manifest.write_text(f"{head}\n{lists}{table}{rest}", encoding="utf-8")


def _toml(words: list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def _tool(*words: str | Path) -> None:
    """Call Blender's own extension command, which needs no Blender."""
    spec = find_spec("bpy")
    if spec is None or spec.origin is None:
        sys.exit("Blender as a Python module is needed: run `make extension`.")
    (tool,) = Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    subprocess.run([sys.executable, tool, *words], check=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
