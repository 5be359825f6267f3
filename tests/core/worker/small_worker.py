"""A worker with the real bootstrap, server and protocol, and a session that misbehaves as `Request.model` says."""

import ctypes
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

MAIN = Path(__file__).resolve().parents[3] / "core" / "worker" / "__main__.py"
spec = importlib.util.spec_from_file_location("bootstrap", MAIN)
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)
server, types, errors = map(bootstrap.import_core, ("worker.server", "types", "errors"))

C = ctypes.CDLL(None)
C_WITH_GIL = ctypes.PyDLL(None)
LONG = 60


class SmallSession:
    """Every public method but `reconstruct` is a model."""

    def __init__(self):
        self.runs = 0

    def reconstruct(self, request, progress):
        self.runs += 1
        total = len(request.views)
        for done in range(total):
            progress(types.Progress("Running the network", done, total))
        progress(types.Progress("Running the network", total, total))
        return getattr(self, request.model)(request, progress)

    def empty(self, request, progress):
        return ()

    def reconstruction(self, request, progress):
        """Two reconstructions whose facts tell how often this session ran and which files it saw."""
        facts = {
            "runs": self.runs,
            "sources": [str(view.path) for view in request.views],
            "all_exist": all(view.path.is_file() for view in request.views),
            "warnings": ["Small.", "Small."],
            "environment": dict(os.environ),
        }
        views = tuple(small_view(view.path) for view in request.views)
        return tuple(types.Reconstruction(views, model="small", facts=facts) for _ in range(2))

    def chatter(self, request, progress):
        print("a line from Python", flush=True)
        print('{"version": 1, "type": "exit"}', flush=True)
        sys.stdout.write("ünïcode without an end")
        sys.stdout.flush()
        os.write(1, b"\n\xff\xfe not even UTF-8\n")
        C.puts(b"a line from C")
        C.fflush(None)
        os.system("echo a line from a grandchild; cat")
        assert sys.stdin is None or sys.stdin.read() == ""
        sys.stderr.write("x" * 100_000 + "\nthe last words\n")
        return ()

    def steps(self, request, progress):
        for done in range(LONG * 100):
            progress(types.Progress("Stepping", done, LONG * 100))
            time.sleep(0.01)

    def sleep(self, request, progress):
        progress(types.Progress("Hanging", 0, 1))
        C.sleep(LONG)

    def sleep_with_gil(self, request, progress):
        progress(types.Progress("Hanging", 0, 1))
        C_WITH_GIL.sleep(LONG)

    def busy_torch(self, request, progress):
        import torch

        torch.set_num_threads(1)
        matrix = torch.rand(1500, 1500)
        progress(types.Progress("Hanging", 0, 1))
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            matrix @ matrix

    def killed(self, request, progress):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(LONG)

    def crash(self, request, progress):
        sys.stderr.write("the last words\n")
        sys.stderr.flush()
        ctypes.string_at(0)

    def leave(self, request, progress):
        os._exit(3)

    def picture(self, request, progress):
        raise errors.ImageError("Picture a.jpg is broken: replace it.")

    def weights(self, request, progress):
        raise errors.WeightsError("The checkpoint lacks head.norm.weight: download it again.")

    def numpy_memory(self, request, progress):
        np.empty(1 << 60, np.uint8)

    def torch_memory(self, request, progress):
        import torch

        torch.empty(1 << 60, dtype=torch.uint8)

    def cuda_memory(self, request, progress):
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 669.00 GiB.")

    def package(self, request, progress):
        import a_package_that_nobody_has  # noqa: F401

    def own_module(self, request, progress):
        bootstrap.import_core("no_such_room")

    def file(self, request, progress):
        Path("/no/such/folder/at/all").read_bytes()

    def defect(self, request, progress):
        return 1 / 0

    def unspeakable(self, request, progress):
        return (types.Reconstruction((small_view(request.views[0].path),), facts={"set": {1}}),)


def small_view(path):
    return types.ReconstructedView(
        source=path,
        texture=path,
        source_size=(4, 3),
        source_from_model=np.eye(3),
        image=np.zeros((3, 4, 3), np.uint8),
        depth=np.ones((3, 4), np.float32),
        image_from_camera=np.array([[4.0, 0.0, 2.0], [0.0, 4.0, 1.5], [0.0, 0.0, 1.0]]),
        world_from_camera=np.eye(4),
    )


if __name__ == "__main__":
    server.serve(SmallSession)
