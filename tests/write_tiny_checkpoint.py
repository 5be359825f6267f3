"""Write a checkpoint of small random weights: `python tests/write_tiny_checkpoint.py FOLDER any_view|mono`.

A script of its own, since the Python that runs Blender may have no torch: tests start it with the worker's.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "core" / "model")]

import conftest  # noqa: E402, F401 - names the package
import networks  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from image_to_scene.core.model.network import Network  # noqa: E402


def write(folder, kind):
    config = getattr(networks, kind)()
    network = networks.randomise(Network(config))
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_name": f"tiny-{kind}", "config": asdict(config)}))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
