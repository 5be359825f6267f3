"""One prediction in a process of its own, whose memory may be limited: `limited_run.py FOLDER ARGUMENTS-AS-JSON`.

Weights are random. The last line it prints is JSON: what it took, and the result or the error.
"""

import json
import multiprocessing
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
import conftest  # noqa: E402, F401 - names the package
import networks  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from image_to_scene.core.errors import ImageToSceneError  # noqa: E402
from image_to_scene.core.model.network import Network  # noqa: E402
from image_to_scene.core.model.prediction import open_model  # noqa: E402
from image_to_scene.core.model.presets import PRESETS  # noqa: E402
from image_to_scene.core.model.products import attends_faster  # noqa: E402

OWN = {
    "any_view": networks.any_view(),
    "one_view": networks.mono(),
    # Its tensors are so large that memory runs out in torch, which says so, and not in libraries that just crash.
    "wide": networks.any_view(384, 4, 6, alt_start=2, out_layers=(0, 1, 2, 3)),
}


def status(name):
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def limit(room):
    """Let this process take so many bytes more."""
    most = status("VmSize") + int(room)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def write(folder, name):
    """A checkpoint of random weights, once."""
    path = folder / name
    if (path / "model.safetensors").is_file():
        return path
    config = PRESETS[name].network if name in PRESETS else OWN[name]
    path.mkdir(parents=True)
    network = Network(config) if name in PRESETS else networks.randomise(Network(config))
    tensors = {f"model.{key}": tensor.contiguous().clone() for key, tensor in network.state_dict().items()}
    save_file(tensors, path / "model.safetensors")
    del network, tensors
    values = {"model_name": name} if name in PRESETS else {"model_name": name, "config": asdict(config)}
    (path / "config.json").write_text(json.dumps(values))
    return path


def run(folder, model, views, size, chunk, room=None, limits_loading=False):
    torch.set_num_threads(1)
    width, height = size
    steps, told = [], {"error": None}
    try:
        if limits_loading:
            limit(room)
        loaded = open_model(str(folder / model), device="cpu").load()
        loaded.predict(networks.pictures([(14, 14)]))  # what torch sets up once
        attends_faster(torch.get_num_threads())
        if room is not None and not limits_loading:
            limit(room)
        before, started = status("VmSize"), time.process_time()
        prediction = loaded.predict(
            networks.pictures([(height, width)] * views), head_chunk=chunk, progress=steps.append
        )
        told |= {
            "taken": status("VmPeak") - before,
            "seconds": time.process_time() - started,
            "warnings": list(prediction.warnings),
            "depth": [float(view.depth.mean()) for view in prediction.views],
            "last": steps[-1].done,
            "total": steps[-1].total,
        }
    except ImageToSceneError as error:
        told |= {"error": type(error).__name__, "text": str(error)}
    return told | {"peak": status("VmHWM")}


if __name__ == "__main__":
    folder, arguments = Path(sys.argv[1]), json.loads(sys.argv[2])
    if not (folder / arguments["model"]).is_dir():  # in a process of its own: its memory is not to be counted
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(folder, arguments["model"]))
        writer.start()
        writer.join()
    print(json.dumps(run(folder, **arguments)))
