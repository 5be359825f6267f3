"""Fetch the wheels of the extension: `make wheels`. What is not in the hash lock `uv.txt` is refused.

With `--write`, after uv.txt was changed, the hashes of the programs inside go to the lock that the add-on carries;
without it they are compared.
"""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE.parent / "core" / "worker" / "runtime" / "uv.json"
PLATFORMS = {
    "linux-x64": "manylinux_2_17_x86_64",
    "macos-arm64": "macosx_11_0_arm64",
    "macos-x64": "macosx_10_12_x86_64",
    "windows-arm64": "win_arm64",
    "windows-x64": "win_amd64",
}
"""What Blender calls a platform, and what wheels do."""


def main() -> None:
    """Fetch, and compare or write."""
    for old in HERE.glob("*.whl"):
        old.unlink()
    for platform in PLATFORMS.values():
        options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--platform", platform]
        places = ["--dest", str(HERE), "-r", str(HERE / "uv.txt")]
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", *options, *places], check=True)
    found = {name: _program_hash(_wheel(tag)) for name, tag in PLATFORMS.items()}
    version = _wheel("win_amd64").name.split("-")[1]
    content = json.dumps({"version": version, "sha256": found}, indent=2) + "\n"
    if "--write" in sys.argv:
        LOCK.write_text(content, encoding="utf-8")
    elif content != LOCK.read_text(encoding="utf-8"):
        sys.exit(f"{LOCK} is of another uv: run `python wheels/fetch.py --write` and look at what changed.")


def _wheel(tag: str) -> Path:
    return next(path for path in HERE.glob("*.whl") if tag in path.name)


def _program_hash(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as content:
        (name,) = (name for name in content.namelist() if name.endswith((".data/scripts/uv", ".data/scripts/uv.exe")))
        return hashlib.sha256(content.read(name)).hexdigest()


if __name__ == "__main__":
    main()
