"""Bring checkpoints from the Hugging Face hub into its cache, and take them away again; only the worker imports this.

`huggingface_hub` knows addresses, proxies and certificates, and deletes. The bytes are read here, because its own
downloader throws a part away when it ends, compares no checksum, and hears of a cancel only every ten megabytes; what
an answer may say is checked in `hub_connection`. The cache's layout is the documented one, which other programs share:
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import Timeout
from huggingface_hub import constants, hf_hub_url, scan_cache_dir
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

from ..errors import WeightsError
from ..types import OnProgress, Progress
from . import hub_connection
from .config import ModelConfig
from .hub_errors import FAILURES, BrokenOffError, is_passing, retry_after, sentence_for
from .presets import CONFIG, PINNED, PRESETS, TENSORS, megabytes, preset_name

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

STAGE, CHECKING = "Downloading", "Checking"
ATTEMPTS = 5
"""How often in a row a connection may fail without bringing anything worth mentioning."""
WORTH_MENTIONING = 1 << 20
TICK = 0.1
"""Seconds between two reports."""

MOST_CONFIG = 1 << 20
"""Bytes that a `config.json` may have."""

_WRONG = "What arrived of {name} is not what its checksum promises, and was deleted: download it again."
_UNKNOWN = (
    "{name} is not the file that this add-on knows, and was deleted: let HF_ENDPOINT name another mirror, or none, and "
    "download it again."
)
_Result = TypeVar("_Result")


def _git_hash(size: int) -> Hash:
    return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


_HASHES: Mapping[int, Callable[[int], Hash]] = {64: lambda _size: hashlib.sha256(), 40: _git_hash}
"""By the length of a checksum, given the file's size."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository, as the hub describes it."""

    name: str
    url: str
    """At that one commit."""
    commit: str
    checksum: str
    """SHA-256 of a large file, git's SHA-1 of a small one; names the file in the cache."""
    size: int
    """Bytes."""
    pinned: str = ""
    """SHA-256 that is known beforehand; empty: none is."""


class Hub:
    """A hub and the cache on this machine.

    Args:
        endpoint: The hub's address; None: HF_ENDPOINT, else huggingface.co.
        cache: The cache's folder; None: as HF_HUB_CACHE and HF_HOME say.
        pause: Seconds before the second attempt; doubled for each further one.
    """

    def __init__(self, endpoint: str | None = None, cache: Path | None = None, pause: float = 1.0) -> None:
        self.endpoint = endpoint or constants.ENDPOINT
        self.cache = cache or Path(constants.HF_HUB_CACHE)
        self.pause = pause

    def download(self, model: str, progress: OnProgress) -> Path:
        """Bring a preset's checkpoint into the cache; what is there already is not fetched again.

        Args:
            model: A preset's name.
            progress: Told of bytes several times a second; may raise `CancelledError`, and what has arrived stays.

        Returns:
            The checkpoint's folder.

        Raises:
            WeightsError: The preset is on no hub, or the sentence says what went wrong and what to do.
        """
        preset = _preset(model)
        repository = preset.repositories[0]
        hub_connection.check_endpoint(self.endpoint)
        with self._sentences(repository):
            files = self._describe(repository, 2 * preset.download_size, progress)
            self._check_room([file for file in files if not self._blob(repository, file).is_file()])
            report = _Reporter(progress, sum(file.size for file in files))
            for file in files:
                self._bring(repository, file, report)
            _write_whole(self._folder(repository) / "refs" / constants.DEFAULT_REVISION, files[0].commit)
        return self._pointer(repository, files[0]).parent

    def remove(self, model: str) -> int:
        """Delete every revision and every unfinished file of a preset's repositories.

        Returns:
            How many bytes that freed.

        Raises:
            WeightsError: Something could not be deleted.
        """
        names = _preset(model).repositories
        freed = sum(self._remove_parts(name) for name in names)
        with suppress(CacheNotFound):
            found = scan_cache_dir(self.cache)
            ours = frozenset(repo for repo in found.repos if repo.repo_type == "model" and repo.repo_id in names)
            commits = [revision.commit_hash for repo in ours for revision in repo.revisions]
            plan = replace(found, repos=ours).delete_revisions(*commits)
            plan.execute()  # tells nobody what it could not delete
            if left := next((repo.repo_path for repo in ours if any(repo.repo_path.glob("snapshots/*/*"))), None):
                raise WeightsError(f"{left} could not be removed: close the programs that use it, and try again.")
            freed += plan.expected_freed_size
        return freed

    def _describe(self, repository: str, most: int, progress: OnProgress) -> list[RemoteFile]:
        """Ask for all files at one commit.

        Args:
            repository: Where they are.
            most: Bytes that the weights may have.
            progress: Hears of attempts.
        """
        pinned = PINNED.get(repository)
        commit = pinned.commit if pinned else None
        config = self._again(lambda: self._ask(repository, CONFIG, commit, MOST_CONFIG), progress)
        return [config, self._again(lambda: self._ask(repository, TENSORS, config.commit, most), progress)]

    def _ask(self, repository: str, name: str, commit: str | None, most: int) -> RemoteFile:
        told = hub_connection.ask(hf_hub_url(repository, name, revision=commit, endpoint=self.endpoint))
        if told.size > most or told.commit != (commit or told.commit):
            host = hub_connection.host_of(self.endpoint)
            raise WeightsError(
                f"{host} tells of {megabytes(told.size)} for {name} of {repository} at commit {told.commit[:7]}, which "
                f"cannot be: let HF_ENDPOINT name another mirror, or none."
            )
        url = hf_hub_url(repository, name, revision=told.commit, endpoint=self.endpoint)
        sha256 = PINNED[repository].sha256[name] if repository in PINNED else ""
        return RemoteFile(name, url, told.commit, told.checksum, told.size, sha256)

    def _bring(self, repository: str, file: RemoteFile, report: _Reporter) -> None:
        """Make one file appear in the cache, whole and checked, or not at all."""
        blob, pointer = self._blob(repository, file), self._pointer(repository, file)
        if not pointer.is_file():
            blob.parent.mkdir(parents=True, exist_ok=True)
            with self._lock(repository, file):
                if not blob.is_file():
                    part = blob.with_name(f"{blob.name}.incomplete")
                    self._again(lambda: _fetch(file, part, report), report.progress, part)
                    _check(file, part, report)
                    part.replace(blob)
                _check_pinned(file, blob, report)
                _point(pointer, blob)
        elif file.pinned:
            _check_pinned(file, pointer, report)
        report.finished(file.size)

    def _again(self, attempt: Callable[[], _Result], progress: OnProgress, part: Path | None = None) -> _Result:
        """Repeat an attempt while what fails may pass; a part that grows shows that it is worth it."""
        failures, before = 0, _size(part)
        while True:
            try:
                return attempt()
            except FAILURES as error:
                grown = _size(part) - before >= WORTH_MENTIONING
                failures, before = (0 if grown else failures) + 1, _size(part)
                if failures >= ATTEMPTS or not is_passing(error):
                    raise
                wait = retry_after(error, self.pause * 2 ** (failures - 1))
            _wait(wait, progress)

    def _check_room(self, missing: Sequence[RemoteFile]) -> None:
        needed, place = sum(file.size for file in missing), self.cache
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if needed > free:
            raise WeightsError(
                f"The download takes {megabytes(needed)} and the disk of {self.cache} has {megabytes(free)} free: "
                "free some, or let HF_HOME name a folder on another disk."
            )

    @contextmanager
    def _lock(self, repository: str, file: RemoteFile) -> Iterator[None]:
        """Keep others, this cache's other users among them, from writing the same file."""
        lock = self.cache / ".locks" / _folder_name(repository) / f"{file.checksum}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with WeakFileLock(lock, timeout=1.0):
                yield
        except Timeout as error:
            raise WeightsError(f"Another program is downloading {repository}: wait until it is done.") from error

    @contextmanager
    def _sentences(self, repository: str) -> Iterator[None]:
        """Turn what connections and disks say into one sentence."""
        try:
            yield
        except (*FAILURES, OSError) as error:
            raise WeightsError(sentence_for(error, repository, self.endpoint, self.cache)) from error

    def _remove_parts(self, repository: str) -> int:
        """Delete what never became whole, and the folders that held nothing else."""
        freed, folder = 0, self._folder(repository)
        for part in folder.glob("blobs/*.incomplete"):
            freed += _size(part)
            part.unlink()
        with suppress(OSError):  # not empty
            (folder / "blobs").rmdir()
            folder.rmdir()
        return freed

    def _folder(self, repository: str) -> Path:
        return self.cache / _folder_name(repository)

    def _blob(self, repository: str, file: RemoteFile) -> Path:
        return self._folder(repository) / "blobs" / file.checksum

    def _pointer(self, repository: str, file: RemoteFile) -> Path:
        return self._folder(repository) / "snapshots" / file.commit / file.name


class _Reporter:
    """Tells of bytes over all files, a few times a second."""

    def __init__(self, progress: OnProgress, total: int) -> None:
        self.progress, self.total = progress, total
        self._before = 0
        self._next = 0.0

    def at(self, position: int, stage: str = STAGE) -> None:
        """Say how far the current file is."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + TICK
            self.progress(Progress(stage, self._before + position, self.total))

    def finished(self, size: int) -> None:
        """Count a file of so many bytes as done."""
        self._before += size
        self.progress(Progress(STAGE, self._before, self.total))


def _fetch(file: RemoteFile, part: Path, report: _Reporter) -> None:
    """Read the rest of a file.

    Raises:
        HTTPError: The connection failed; what came until then is in `part`.
        BrokenOffError: The same, in good order.
        WeightsError: More came than there is.
    """
    have = _size(part)
    if have == file.size:
        return
    if have > file.size:  # of another program that keeps its parts here
        part.unlink()
        have = 0
    with (
        hub_connection.read(file.url, have) as response,
        part.open("ab" if response.status_code == 206 else "wb") as target,
    ):
        for piece in response.iter_raw():
            target.write(piece)
            report.at(target.tell())
            if target.tell() > file.size:
                break
    _check_length(file, part)


def _check_length(file: RemoteFile, part: Path) -> None:
    size = _size(part)
    if size < file.size:  # an answer that was shorter than it should be, but ended in good order
        raise BrokenOffError(f"{size} of {file.size} bytes of {file.name} arrived")
    if size > file.size:
        part.unlink()
        raise WeightsError(_WRONG.format(name=file.name))


def _check(file: RemoteFile, part: Path, report: _Reporter) -> None:
    """Compare a whole file's checksum; a wrong one is deleted, so that the next attempt starts afresh."""
    if _digest(part, _HASHES[len(file.checksum)](file.size), report) != file.checksum:
        part.unlink()
        raise WeightsError(_WRONG.format(name=file.name))


def _check_pinned(file: RemoteFile, path: Path, report: _Reporter) -> None:
    """Compare a file with the hash that is known beforehand, if there is one; what the server says does not count."""
    if file.pinned and _digest(path, hashlib.sha256(), report) != file.pinned:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise WeightsError(_UNKNOWN.format(name=file.name))


def _digest(path: Path, digest: Hash, report: _Reporter) -> str:
    with path.open("rb") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
            report.at(source.tell(), CHECKING)
    return digest.hexdigest()


def _point(pointer: Path, blob: Path) -> None:
    """Make a file of a snapshot: a relative link, or the file itself where there are no links (Windows)."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        blob.replace(pointer)


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    beside.write_text(text, encoding="ascii")
    beside.replace(path)


def _wait(seconds: float, progress: OnProgress) -> None:
    """Let time pass and a cancel through."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress(Progress(f"Trying again in {left:.0f} s", 0, 1))
        time.sleep(min(left, TICK))


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.is_file() else 0


def _folder_name(repository: str) -> str:
    name: str = repo_folder_name(repo_id=repository, repo_type="model")
    return name


def _preset(model: str) -> ModelConfig:
    preset = PRESETS.get(preset_name(model))
    if preset is None or not preset.repositories:
        raise WeightsError(f"The model {model!r} is on no hub: choose one of the list.")
    return preset
