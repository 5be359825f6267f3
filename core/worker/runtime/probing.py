"""Runs in the Python that is examined: `python -I probing.py av numpy PIL ...` writes what it has as one line of JSON.

Standard library only, and no syntax that a very old Python would not read: it may be any.
"""

import csv
import importlib
import json
import os
import sys
from typing import Any

BEGIN = "FOUND "


def main() -> None:
    """Import every package that is named, and say how that went."""
    found: Any = {"version": list(sys.version_info[:3]), "base": "", "packages": {}, "problems": {}, "damaged": {}}
    found["device"] = ""
    if sys.version_info >= (3, 11):  # noqa: UP036 - the artist may name any Python
        found["base"] = getattr(sys, "_base_executable", "") or sys.executable  # what a virtual environment stands on
        for name in sys.argv[1:]:
            _look_at(name, found)
        found["damaged"] = _damaged()
        if "torch" in found["packages"]:
            found["device"] = _device()
    sys.stdout.write("\n" + BEGIN + json.dumps(found) + "\n")


def _look_at(name: str, found: Any) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        found["problems"][name] = "is missing" if error.name == name else str(error)
    except Exception as error:  # noqa: BLE001 - whatever a broken package raises is what is asked for
        found["problems"][name] = "cannot be imported (" + str(error).strip().split("\n")[0] + ")"
    else:
        found["packages"][name] = str(getattr(module, "__version__", "?"))


def _damaged() -> Any:
    """Count the files of each package that are gone or have another size; only of this environment's own."""
    from importlib.metadata import distributions

    if sys.prefix == sys.base_prefix:
        return {}
    counts = {item.metadata["Name"]: _count_damaged(item) for item in distributions() if _is_own(item)}
    return {name: count for name, count in counts.items() if count}


def _is_own(distribution: Any) -> bool:
    return os.path.realpath(str(distribution.locate_file(""))).startswith(os.path.realpath(sys.prefix))


def _count_damaged(distribution: Any) -> int:
    """Compare with its RECORD, which is read here: newer Pythons leave missing files out of `Distribution.files`."""
    prefix = "\\\\?\\" if sys.platform == "win32" else ""  # licences lie deeper than 260 characters
    count = 0
    for name, _digest, size in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if not size or name.endswith(".pyc"):
            continue
        path = prefix + os.path.abspath(str(distribution.locate_file(name)))  # noqa: PTH100 - thousands of files
        try:
            count += os.stat(path).st_size != int(size)  # noqa: PTH116
        except OSError:
            count += 1
    return count


def _device() -> str:
    """Name what torch can compute on."""
    import torch

    if torch.cuda.is_available():
        kind = "ROCm " + torch.version.hip if torch.version.hip else "CUDA " + str(torch.version.cuda)
        return torch.cuda.get_device_name() + " (" + kind + ")"
    return "Metal" if torch.backends.mps.is_available() else "CPU"


if __name__ == "__main__":
    main()
