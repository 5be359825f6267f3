"""Messages and commands of the worker as frozen dataclasses, each one line of JSON on the wire.

A line is ASCII, so no picture's name can break it, and carries the protocol's version, so that an add-on that was
updated under a running worker says so instead of guessing. Whatever arrives is checked against the dataclasses' own
type hints: missing, surplus and misshapen values are a `WorkerError` that names them.

The laws: `ready` comes first and once; every task ends in exactly one `result` or `error`; an answer of request 0
belongs to a line that named no request. Empty lines are no messages but signs of life: the worker writes one every few
seconds, whatever it computes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from ..errors import WorkerError
from ..json_dataclasses import MismatchError, from_json, to_json
from ..json_reading import JSONError, parse_json
from ..types import Device, Progress, Request

VERSION: Final = 2
INTERNAL_ERROR: Final = "InternalError"
"""The kind of an error that is a defect; every other kind is the name of a class in `core.errors`."""


class NoiseError(WorkerError):
    """A line is no JSON object; `said` is its beginning."""

    def __init__(self, line: bytes) -> None:
        self.said = line[:80].decode("utf-8", errors="replace").strip()
        super().__init__(
            f'A line between the add-on and its worker is not a JSON object ("{self.said}"): '
            "try again, and see the log if it repeats."
        )


@dataclass(frozen=True)
class ReconstructCommand:
    """Run `request` and save what comes of it as `output`/000, `output`/001, ..."""

    id: int
    request: Request
    output: Path


@dataclass(frozen=True)
class DownloadCommand:
    """Bring a preset's checkpoint into the Hugging Face cache; the result names its folder, progress counts bytes."""

    id: int
    model: str


@dataclass(frozen=True)
class RemoveCommand:
    """Delete a preset's checkpoint from the Hugging Face cache; the result's facts say how many bytes were `freed`."""

    id: int
    model: str


@dataclass(frozen=True)
class DescribeCommand:
    """Say what a device has: a `DeviceMessage` comes before the result. No model is loaded, but torch is."""

    id: int
    device: Device


@dataclass(frozen=True)
class CancelCommand:
    """End task `id` at its next step; without effect once it is answered."""

    id: int


@dataclass(frozen=True)
class ExitCommand:
    """End the worker after the tasks it already has."""


@dataclass(frozen=True)
class ReadyMessage:
    """The worker listens. It has not imported torch yet, hence no devices: `DeviceMessage` tells of the one in use."""

    python: str
    """The interpreter it runs on."""
    pid: int
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the packages the network needs, by distribution; the missing ones are left out."""


@dataclass(frozen=True)
class ProgressMessage:
    """`done` of `total` steps of `stage` are behind task `id`."""

    id: int
    stage: str
    done: int
    total: int

    @property
    def progress(self) -> Progress:
        """The same without the request."""
        return Progress(self.stage, self.done, self.total)


@dataclass(frozen=True)
class DeviceMessage:
    """Where the network runs, or would run."""

    id: int
    kind: Device
    """Never `auto`."""
    name: str
    total: int
    """Bytes of memory; 0: the system does not tell."""
    free: int
    """Bytes that nothing uses now; 0: the system does not tell."""


@dataclass(frozen=True)
class WarningMessage:
    """A sentence for the artist about a run that goes on."""

    id: int
    text: str


@dataclass(frozen=True)
class ResultMessage:
    """Task `id` is done: one saved reconstruction per folder, or what another task's command says."""

    id: int
    folders: tuple[Path, ...] = ()
    facts: tuple[Mapping[str, Any], ...] = ()
    """`Reconstruction.facts`, one per folder."""


@dataclass(frozen=True)
class ErrorMessage:
    """Task `id` failed: `text` is for the artist, `trace` for the log."""

    id: int
    kind: str
    text: str
    trace: str = ""


Task = ReconstructCommand | DownloadCommand | RemoveCommand | DescribeCommand
"""A command that is answered; a worker does one at a time."""
Command = Task | CancelCommand | ExitCommand
Answer = ProgressMessage | DeviceMessage | WarningMessage | ResultMessage | ErrorMessage
"""A message that belongs to a task."""
Message = ReadyMessage | Answer
Line = TypeVar("Line")

_COMMANDS: Final[dict[str, type]] = {
    "reconstruct": ReconstructCommand,
    "download": DownloadCommand,
    "remove": RemoveCommand,
    "describe": DescribeCommand,
    "cancel": CancelCommand,
    "exit": ExitCommand,
}
_MESSAGES: Final[dict[str, type]] = {
    "ready": ReadyMessage,
    "progress": ProgressMessage,
    "device": DeviceMessage,
    "warning": WarningMessage,
    "result": ResultMessage,
    "error": ErrorMessage,
}
_NAMES: Final = {kind: name for name, kind in (_COMMANDS | _MESSAGES).items()}


def cancelled_sentence(task: Task) -> str:
    """What the artist reads of a task that was cancelled."""
    names = {DownloadCommand: "download", RemoveCommand: "removal", DescribeCommand: "check of the device"}
    return f"The {names.get(type(task), 'reconstruction')} was cancelled."


def encode(line: Command | Message) -> bytes:
    """One line, newline included.

    Raises:
        TypeError: A value is of no JSON type: a defect of whoever made it.
    """
    content = {"version": VERSION, "type": _NAMES[type(line)], **to_json(line)}
    return json.dumps(content).encode("ascii") + b"\n"


def decode_command(line: bytes) -> Command:
    """What the client sent.

    Raises:
        WorkerError: The line is no command of this version.
    """
    return cast("Command", _decode(line, _COMMANDS))


def decode_message(line: bytes) -> Message:
    """What the worker sent.

    Raises:
        WorkerError: The line is no message of this version.
    """
    return cast("Message", _decode(line, _MESSAGES))


def request_id(line: bytes) -> int:
    """The request a line belongs to as far as that can be told, else 0: for the answer to a line that is wrong."""
    try:
        number = _json_object(line).get("id")
    except WorkerError:
        return 0
    return number if type(number) is int else 0


def _decode(line: bytes, kinds: Mapping[str, type]) -> object:
    data = _json_object(line)
    version, name = data.pop("version", None), data.pop("type", None)
    if version != VERSION:
        raise WorkerError(
            f"The add-on and its worker are of different versions (protocol {VERSION} and {version}): restart Blender."
        )
    if not isinstance(name, str) or name not in kinds:
        raise WorkerError(f"A line between the add-on and its worker is of the unknown type {name!r}: restart Blender.")
    try:
        return from_json(data, kinds[name], name, is_strict=True)
    except MismatchError as error:
        raise WorkerError(f"The worker protocol's {error}: restart Blender.") from error


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        data = parse_json(line, finite=False)
    except JSONError:
        data = None
    if not isinstance(data, dict):
        raise NoiseError(line)
    return data
