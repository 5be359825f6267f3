"""The real worker, which does something awful once at a stage that a plan names: `python stumbling_worker.py PLAN`.

The plan is a file, `{"stage": ..., "act": ..., "value": ...}`, that is gone when it was done; so one process serves
many cases, and the next request finds nothing to stumble over.
"""

import ctypes
import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path

MAIN = Path(__file__).resolve().parents[3] / "core" / "worker" / "__main__.py"
spec = importlib.util.spec_from_file_location("bootstrap", MAIN)
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)
server, errors = bootstrap.import_core("worker.server"), bootstrap.import_core("errors")

PLAN = Path(sys.argv[1])
OUTPUT = os.dup(1)  # past all that keeps others from the protocol


def say(line, _task):
    os.write(OUTPUT, line.encode("utf-8", "surrogateescape"))


def answer(values, task):
    """Say something else than the worker does, and go on unless it was the last that one says."""
    os.write(OUTPUT, json.dumps({"version": 2, "id": task.id} | values).encode() + b"\n")
    if values["type"] == "result":
        raise errors.CancelledError("The answer is given.")


def wait(report):
    """Go on when the test says so; whoever cancels needs no leave."""
    leave = PLAN.with_suffix(".leave")
    while not leave.exists():
        report()
        time.sleep(0.01)
    leave.unlink()


def hang(_value, _task):
    ctypes.PyDLL(None).sleep(600)  # with the interpreter's lock: not even its own threads go on


def limit_files(size, _task):
    """Let every write beyond a size fail, as on a full disk; Python ignores the signal that comes with it."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def make_good(task):
    """Begin a request as a worker that never stumbled."""
    if sys.platform != "win32":
        limit_files(-1, task)
    if sys.modules.get("torch", "") is None:
        del sys.modules["torch"]


ACTS = {
    "kill": lambda _value, _task: os.kill(os.getpid(), signal.SIGKILL),
    "crash": lambda _value, _task: ctypes.string_at(0),
    "leave": lambda value, _task: os._exit(value),
    "hang": hang,
    "say": say,
    "answer": answer,
    "full": limit_files,
    "miss torch": lambda _value, _task: sys.modules.update(torch=None),
}


class Stumbling(server.Server):
    """Looks at the plan at every step."""

    def _reporter(self, task):
        report = super()._reporter(task)

        def stumble(progress):
            report(progress)
            if progress.stage == "Starting" and progress.done == 0:
                make_good(task)
            if PLAN.exists():
                plan = json.loads(PLAN.read_text())
                if plan["stage"] == progress.stage:
                    PLAN.unlink()
                    if plan["act"] == "wait":
                        wait(lambda: report(progress))
                    else:
                        ACTS[plan["act"]](plan["value"], task)

        return stumble


if __name__ == "__main__":
    server.Server = Stumbling
    server.serve()
