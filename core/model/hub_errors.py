"""What connections to the hub and the disk say when they fail, as sentences; and which of it may pass by itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import errors as hub
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from ..disk import FULL, write_problem
from .hub_connection import host_of

HttpError: type[Exception] = vars(hub)["HTTPError"]
"""Of the HTTP library below, which the hub's own versions call differently: also a connection's errors are of it."""

PASSING = (408, 429, 500, 502, 503, 504)
LONGEST_WAIT = 60.0


class BrokenOffError(Exception):
    """Less arrived than was announced."""


FAILURES = (HttpError, BrokenOffError)
"""What an attempt may fail with."""


def is_passing(error: Exception) -> bool:
    """Whether it is worth another attempt: all but the hub's clear refusals, and a secure connection that is none."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    return not any(isinstance(cause, ssl.SSLError) for cause in _causes(error))


def retry_after(error: Exception, otherwise: float) -> float:
    """Seconds to wait: what the hub asks for, within reason, else `otherwise`."""
    asked = error.response.headers.get("Retry-After", "") if isinstance(error, HfHubHTTPError) else ""
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else otherwise


def sentence_for(error: Exception, repository: str, endpoint: str, cache: Path) -> str:
    """What failed and what to do.

    Args:
        error: Of the connection, the hub, or the disk.
        repository: What was to be downloaded.
        endpoint: From where.
        cache: To where.
    """
    host = host_of(endpoint)
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE keeps the worker off the network: take it out of the environment and restart Blender."
    if isinstance(error, HfHubHTTPError):
        return _answer_sentence(error.response.status_code, repository, host)
    if isinstance(error, FAILURES):
        return _connection_sentence(error, host)
    problem = write_problem(error, cache / "new")
    if problem == FULL:
        return f"The disk of {cache} is full: free some of it, or let HF_HOME name a folder on another disk."
    return (
        f"The download could not be written to {cache} ({problem}): free some of that disk and see that it may be "
        "written to, or let HF_HOME name another folder."
    )


def _answer_sentence(status: int, repository: str, host: str) -> str:
    if status in (401, 403):
        return (
            f"{host} refuses {repository} ({status}), which is public: let HF_ENDPOINT name another mirror, or none. "
            f"Access tokens are never sent; with an account, `hf download {repository}` puts it where it is found."
        )
    if status == 404:
        return f"{host} has no {repository} (404): if HF_ENDPOINT names a mirror, choose another one, or none."
    if status in PASSING:
        return f"{host} is too busy or out of order ({status}): try again later, what has arrived is kept."
    return f"{host} answered {status} when asked for {repository}: try again later, or use another mirror."


def _connection_sentence(error: Exception, host: str) -> str:
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"{host} was not found: check the internet connection, and HF_ENDPOINT if it is set."
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return (
            f"{host} could not be reached securely ({error}): check this computer's date, and let SSL_CERT_FILE name "
            "your organisation's certificates if it looks into connections."
        )
    return (
        f"The connection to {host} failed ({error}): check the internet connection and download again, "
        "what has arrived is kept."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
