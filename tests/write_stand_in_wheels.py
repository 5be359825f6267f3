"""Write small wheels that stand in for the worker's packages, and their hash lock: `write_stand_in_wheels.py FOLDER`.

The folder gets `wheels/` with one wheel per package, torch as a CPU build as PyTorch's own index has it; `index/` with
the same, torch as the package index has it; and `requirements.lock`, which knows the files of `index/`.
"""

import hashlib
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

PACKAGES = {
    "av": "av",
    "huggingface-hub": "huggingface_hub",
    "numpy": "numpy",
    "openexr": "OpenEXR",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "rawpy": "rawpy",
    "safetensors": "safetensors",
}
TORCH = """
import types
__version__ = "{version}"
cuda = types.SimpleNamespace(is_available=lambda: False)
backends = types.SimpleNamespace(mps=cuda)
"""


def main(folder):
    for name in ("wheels", "index"):
        (folder / name).mkdir(parents=True)
    lock = []
    for package, module in PACKAGES.items():
        code = f'__version__ = "1.0"\nPADDING = "{"." * 2000}"\n'
        wheel = write_wheel(folder / "wheels", package, module, "1.0", code)
        (folder / "index" / wheel.name).write_bytes(wheel.read_bytes())
        lock.append((package, "1.0", wheel))
    write_wheel(folder / "wheels", "torch", "torch", "2.13.0+cpu", TORCH.format(version="2.13.0+cpu"))
    torch = write_wheel(folder / "index", "torch", "torch", "2.13.0", TORCH.format(version="2.13.0"))
    lock.append(("torch", "2.13.0", torch))
    lines = (f"{name}=={version} \\\n    --hash=sha256:{digest(wheel)}\n" for name, version, wheel in lock)
    (folder / "requirements.lock").write_text("".join(lines))


def write_wheel(folder, package, module, version, code):
    """Write a wheel of one module."""
    name = package.replace("-", "_")
    about = f"{name}-{version}.dist-info"
    needs = "Requires-Dist: numpy\n" if package == "torch" else ""
    files = {
        f"{module}/__init__.py": code,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{needs}",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={short_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as content:
        for path, text in files.items():
            content.writestr(zipfile.ZipInfo(path), text)  # no date: the same bytes every time
    return wheel


def short_digest(text):
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
