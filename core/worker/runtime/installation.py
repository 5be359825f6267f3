"""Making an environment, step by step, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...disk import write_problem
from ...errors import CancelledError, ImageToSceneError, InstallError
from . import indexes, lockfile, uv
from .builds import BUILDS, Build, backend_of, size_of
from .check import Findings, examine
from .lockfile import Pin
from .masking import without_secrets
from .processes import Runner
from .store import MARK, Runtime, Store, python_in, size_on_disk
from .wheel_folder import check_wheels

log = logging.getLogger(__name__)

_BEAT_SECONDS: Final = 1.0
_NEVER: Final = ("--no-config", "--no-python-downloads", "--no-managed-python")
_DEFECT: Final = "The installation met an error of the add-on: details are in the system console."

_FAILURES: Final = (
    (
        ("No space left", "quota exceeded", "os error 28", "os error 112", "os error 122"),
        "The disk is full: free some space and install again",
    ),
    (
        ("Hash mismatch", "hash mismatch", "hashes provided", "doesn't match the hash"),
        "A package is not the one that this add-on was made with, so nothing was kept: try another index or folder",
    ),
    (
        ("does not match filename",),
        "The name of a package's file is not that of what is in it, so nothing was kept: take it from elsewhere",
    ),
    (
        ("included as a URL dependency",),
        "A package asks for another one from an address of its own, so nothing was kept: take it from elsewhere",
    ),
    (("The wheel is invalid", "reserved name"), "A package's file is not valid: take it from elsewhere"),
    (
        ("ZIP file", "zip archive", "Invalid zip", "unexpected end of file"),
        "A package's file is broken: fetch it again",
    ),
    (
        ("Failed to fetch", "error sending request", "dns error", "Connection refused", "timed out", "tls handshake"),
        "The package index cannot be reached: check network and proxy, try another build, or name a folder of wheels",
    ),
    (
        ("No solution found", "no usable wheels", "not find any", "no wheels", "was not found", "were not found"),
        "A package is not to be had for this machine or is not in the folder: see the log, or choose another build",
    ),
)
"""What uv says, and what that means."""


@dataclass(frozen=True)
class Source:
    """Where packages come from."""

    build: Build = BUILDS["auto"]
    wheels: Path | None = None
    """A folder of wheels, which is then the only place looked at: no network at all."""


class Installation(threading.Thread):
    """Makes a new environment; `Store` is told only when it is whole.

    Args:
        store: Where.
        source: From what.
        base: The Python to stand on.
        uv_places: Where uv may be; None: `uv.install_uv` looks.
        lock: The requirement file with every package's hash.
        is_repair: Try first whether the newest environment is whole once it stands on `base` again.
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        base: Path,
        *,
        uv_places: list[Path] | None = None,
        lock: Path = lockfile.LOCK,
        is_repair: bool = False,
    ) -> None:
        super().__init__(daemon=True)
        self.status = "Starting"
        self.runtime: Runtime | None = None
        """What came of it."""
        self.error: ImageToSceneError | None = None
        self._store, self._source, self._base, self._is_repair = store, source, base, is_repair
        self._uv_places, self._lock = uv_places, lock
        self._runner = Runner()
        self._unverified: list[str] = []
        self._bytes = 0
        self._expected = size_of(source.build).disk * 1_000_000
        self._ended = threading.Event()

    @property
    def log(self) -> deque[str]:
        """What uv and the new Python said."""
        return self._runner.log

    @property
    def is_done(self) -> bool:
        """Whether it is over, one way or the other."""
        return self._ended.is_set()

    @property
    def progress(self) -> float:
        """How much of the expected bytes has arrived, in [0, 1]."""
        return min(0.99, self._bytes / self._expected)

    @property
    def text(self) -> str:
        """How far it is, for the artist."""
        return f"{self.status}: {self._bytes / 1e6:,.0f} of about {self._expected / 1e6:,.0f} MB"

    def cancel(self) -> None:
        """End it and all programs it started; nothing comes of it."""
        self.status = "Cancelling"
        self._runner.cancel()

    def tidy(self) -> None:
        """After success: remove older environments, which no worker may be using, and uv's cache."""
        if self.runtime is not None:
            self._store.sweep(keep=self.runtime.folder)

    def run(self) -> None:
        """Do all steps; what goes wrong ends up in `error`."""
        try:
            self.runtime = (self._rejoined() if self._is_repair else None) or self._made()
        except ImageToSceneError as error:
            self.error = error
        except OSError as error:
            problem = write_problem(error, self._store.root / "new")
            self.error = InstallError(f"{self._store.root} cannot be written ({problem}): free some disk space.")
        except Exception:  # the thread's boundary: a defect must not look like an installation
            log.exception(_DEFECT)
            self.error = InstallError(_DEFECT)
        self._ended.set()

    def _made(self) -> Runtime:
        program = uv.install_uv(self._store.root, self._uv_places)
        folder = self._store.begin()
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(folder, over), daemon=True)
        watch.start()
        try:
            self._join(program, folder)
            self._install(program, folder)
            return self._finish(folder, self._examine(folder))
        finally:
            over.set()
            watch.join()
            if not (folder / MARK).exists():
                self._store.discard(folder)

    def _rejoined(self) -> Runtime | None:
        """Let the newest environment stand on the present Python, and see whether all its files are there."""
        runtime = next(iter(self._store.runtimes()), None)
        if runtime is None or runtime.facts.get("fingerprint") != self._fingerprint:
            return None
        try:
            self._join(uv.install_uv(self._store.root, self._uv_places), runtime.folder)
            return self._finish(runtime.folder, self._examine(runtime.folder), runtime)
        except CancelledError:
            raise
        except InstallError as error:
            self.log.append(f"Not repaired in place: {error}")
            return None

    def _join(self, program: Path, folder: Path) -> None:
        self.status = "Preparing"
        self._uv(program, folder, "venv", "--allow-existing", "--python", self._base, folder)

    def _install(self, program: Path, folder: Path) -> None:
        pins = lockfile.read_pins(self._lock.read_text(encoding="utf-8"))
        if self._source.wheels is not None:
            check_wheels(self._source.wheels, pins)
        if self._source.wheels is not None or backend_of(self._source.build) is not None:
            pins = self._resolved(program, folder, pins)
        wanted = _write(folder / "packages.txt", pins)
        unknown = [pin.name for pin in pins if not pin.has_hash]
        if unknown:
            self.log.append(f"The index gives no hash for {', '.join(unknown)}: fetched without that check")
        self.status = "Installing"
        checks = ["--no-deps", "--verify-hashes" if unknown else "--require-hashes", "-r", wanted]
        self._uv(program, folder, "pip", "install", "--python", python_in(folder), *checks, *self._places())

    def _resolved(self, program: Path, folder: Path, pins: list[Pin]) -> list[Pin]:
        """Replace what belongs to torch by what this machine or folder has; everything else stays as it is locked."""
        self.status = "Choosing packages"
        common = [pin for pin in pins if not pin.is_accelerated]
        wanted, fixed, chosen = folder / "torch.in", _write(folder / "common.txt", common), folder / "torch.txt"
        wanted.write_text(f"torch=={lockfile.torch_version(pins)}\n", encoding="utf-8")
        form = ("--generate-hashes", "--no-header", "--no-annotate", "--emit-index-annotation", "--quiet")
        words = ("--python", python_in(folder), *form, "-c", fixed, "-o", chosen, wanted)
        self._uv(program, folder, "pip", "compile", *words, *self._places())
        found = lockfile.read_pins(chosen.read_text(encoding="utf-8"))
        chosen.unlink()  # it names indexes, whose addresses may hold secrets
        added = [pin for pin in found if pin.name not in {known.name for known in common}]
        if foreign := [pin.name for pin in added if not pin.is_accelerated]:
            raise InstallError(f"This torch asks for {foreign[0]}, which no known torch needs: take it from elsewhere.")
        locked = {(pin.name, pin.version): pin for pin in pins}
        added = [locked.get((pin.name, pin.version), pin) for pin in added]
        unverified = [pin for pin in added if (pin.name, pin.version) not in locked]
        if self._source.wheels is None:
            indexes.check_origins(unverified)
        self._unverified = [f"{pin.name} {pin.version}" for pin in unverified]
        return common + added

    def _places(self) -> list[str | Path]:
        """Where uv may look for packages."""
        if self._source.wheels is not None:
            return ["--only-binary", ":all:", "--offline", "--no-index", "--find-links", self._source.wheels]
        backend = backend_of(self._source.build)
        return ["--only-binary", ":all:", *(["--torch-backend", backend] if backend else [])]

    def _uv(self, program: Path, folder: Path, *words: str | Path) -> None:
        variables = uv.uv_environment(self._store.cache)
        returncode, lines = self._runner.run([program, *words, *_NEVER], variables, folder)
        if returncode:
            raise InstallError(_sentence(lines, returncode))

    def _examine(self, folder: Path) -> Findings:
        self.status = "Checking"
        findings = examine(python_in(folder), self._runner)
        if not findings.is_fit:
            raise InstallError(f"The new environment cannot be used ({findings.summary}): see the log.")
        return findings

    def _finish(self, folder: Path, findings: Findings, former: Runtime | None = None) -> Runtime:
        self._runner.check()  # the last moment for a cancel
        facts: dict[str, Any] = {
            "fingerprint": self._fingerprint,
            "base": findings.base,
            "python": ".".join(map(str, findings.version)),
            "build": former.facts["build"] if former else self._source.build.name,
            "packages": dict(findings.packages),
            "device": findings.device,
            "bytes": size_on_disk(folder),
            "unverified": former.facts.get("unverified", []) if former else self._unverified,
        }
        return self._store.finish(folder, facts)

    @property
    def _fingerprint(self) -> str:
        return lockfile.fingerprint(self._lock.read_text(encoding="utf-8"))

    def _watch(self, folder: Path, over: threading.Event) -> None:
        """Weigh what has arrived, and show that the folder is being worked on, until the end."""
        while not over.wait(_BEAT_SECONDS):
            self._store.keep_alive(folder)
            self._bytes = max(self._bytes, size_on_disk(self._store.cache))


class Removal(threading.Thread):
    """Removes all environments; no worker may be using one."""

    status = text = "Removing"
    progress = 0.0

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self.log: deque[str] = deque()
        self.error: ImageToSceneError | None = None
        self._store = store
        self._ended = threading.Event()

    @property
    def is_done(self) -> bool:
        """Whether it is over."""
        return self._ended.is_set()

    def cancel(self) -> None:
        """Do nothing: what is half removed is of no use."""

    def run(self) -> None:
        """Remove; a program that was ended a moment ago may hold its files a little longer."""
        for is_last in (False, False, False, True):
            try:
                self._store.remove()
                break
            except InstallError as error:
                if is_last:
                    self.error = error
                else:
                    time.sleep(_BEAT_SECONDS)
        self._ended.set()


def _write(path: Path, pins: list[Pin]) -> Path:
    path.write_text(lockfile.write_pins(pins), encoding="utf-8")
    return path


def _sentence(lines: list[str], returncode: int) -> str:
    """Turn what uv said into what failed and what to do."""
    said = "\n".join(lines)
    meaning = next((meaning for words, meaning in _FAILURES if any(word in said for word in words)), None)
    if meaning is not None:
        return f"{meaning}."
    reason = next((line for line in reversed(lines) if line.strip()), f"exit code {returncode}").strip()
    reason = without_secrets(reason)
    return f"The environment could not be made ({reason}): see the log and try again."
