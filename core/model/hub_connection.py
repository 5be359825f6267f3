"""Requests to the hub, and what its answers may say: an answer is a stranger's word and becomes no path unchecked.

Every file that is downloaded is public, so that no request carries a token: not to the hub, not to a mirror, and not to
wherever one of them redirects. Redirects are followed here, one by one, to http and https only, and never from a secure
connection to an open one.

Source: header names, https://huggingface.co/docs/huggingface_hub/package_reference/file_download
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from huggingface_hub import constants, get_session
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from ..errors import WeightsError
from .hub_cache import is_commit

SILENCE: Final = 10.0
"""Seconds without a byte after which a connection counts as broken."""
MOST_REDIRECTS: Final = 10

_LIBRARY: Final = "image-to-scene"
_CHECKSUM: Final = re.compile(r'(?:W/)?("?)((?:[0-9a-f]{40}|[0-9a-f]{64}))\1', re.IGNORECASE)
_SIZE: Final = re.compile(r"[0-9]{1,15}")
_OTHER_MIRROR: Final = "let HF_ENDPOINT name another mirror, or none"


@dataclass(frozen=True)
class Facts:
    """A hub's statements about one file, checked for their form."""

    commit: str
    """40 hexadecimal digits."""
    checksum: str
    """SHA-256 of a large file (64 hexadecimal digits), git's SHA-1 of a small one (40)."""
    size: int
    """Bytes."""


def check_endpoint(endpoint: str) -> None:
    """See that a hub's address is one.

    Raises:
        WeightsError: It is not.
    """
    address = urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise WeightsError(
            f"HF_ENDPOINT names {host_of(endpoint)!r}, which is no address of a hub: begin it with https://."
        )


def host_of(url: str) -> str:
    """Return the host of an address for a sentence, without the name and password that may stand before it."""
    return (urlsplit(url).netloc or url).rpartition("@")[2]


def ask(url: str) -> Facts:
    """Ask for commit, checksum and size of a file.

    Args:
        url: At a commit or a branch.

    Raises:
        WeightsError: The answer lacks one of them, or one has another form than every hub gives it.
        HTTPError: The hub cannot be reached, or refuses.
    """
    with _following("HEAD", url, {}) as response:
        told = response.headers
    commit = told.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT, "")
    checksum = _CHECKSUM.fullmatch(told.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG) or told.get("ETag", ""))
    size = told.get(constants.HUGGINGFACE_HEADER_X_LINKED_SIZE) or told.get("Content-Length", "")
    if not is_commit(commit.lower()) or not checksum or not _SIZE.fullmatch(size):
        raise WeightsError(
            f"{host_of(url)} does not tell commit, size and checksum of {name_in(url)} as a hub does, so what it sends "
            f"could not be checked: {_OTHER_MIRROR}."
        )
    return Facts(commit.lower(), checksum[2].lower(), int(size))


@contextmanager
def read(url: str, start: int) -> Iterator[Any]:
    """Open a file for reading.

    Args:
        url: At a commit.
        start: The first byte that is wanted; the answer's status is 206 where it begins there, else 200.

    Raises:
        WeightsError: It is a web page, it begins elsewhere, or a redirect leads where none may.
        HTTPError: The hub cannot be reached, or refuses.
    """
    headers = {"Range": f"bytes={start}-"} if start else {}
    with _following("GET", url, headers) as response:
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise WeightsError(
                f"{host_of(url)} sent a web page instead of {name_in(url)}: log in to the network if it asks for that, "
                f"or {_OTHER_MIRROR}."
            )
        begins = response.headers.get("Content-Range", f"bytes {start}-")
        if response.status_code == 206 and not begins.startswith(f"bytes {start}-"):
            raise WeightsError(
                f"{host_of(url)} sent another part of {name_in(url)} than it was asked for: {_OTHER_MIRROR}."
            )
        yield response


def name_in(url: str) -> str:
    """Return a file's name."""
    return urlsplit(url).path.rpartition("/")[2]


@contextmanager
def _following(method: str, url: str, headers: Mapping[str, str]) -> Iterator[Any]:
    """Send a request, and again to where it is redirected; what a redirect to another host says of a file suffices."""
    session = get_session()
    own = build_hf_headers(token=False, library_name=_LIBRARY) | {"Accept-Encoding": "identity"}
    request = session.build_request(method, url, headers={**own, **headers}, timeout=SILENCE)
    for _ in range(MOST_REDIRECTS):
        response = session.send(request, stream=True, follow_redirects=False)
        try:
            target = response.next_request
            if target is None or (method == "HEAD" and _tells_of_a_file(response, target)):
                _raise_for_status(response, is_redirect=target is not None)
                yield response
                return
            _check_redirect(request.url, target.url)
            request = target
        finally:
            response.close()
    raise WeightsError(f"{host_of(url)} redirects without an end: {_OTHER_MIRROR}.")


def _tells_of_a_file(response: Any, target: Any) -> bool:
    """Return whether a redirect leaves the hub for its storage: the storage does not know what the hub has said."""
    is_told = constants.HUGGINGFACE_HEADER_X_REPO_COMMIT in response.headers
    return is_told and target.url.netloc != response.request.url.netloc


def _check_redirect(here: Any, there: Any) -> None:
    if there.scheme not in ("http", "https") or (here.scheme, there.scheme) == ("https", "http"):
        raise WeightsError(
            f"{here.host} redirects the download to {there.scheme}://{there.host}, which is not a secure address: "
            f"{_OTHER_MIRROR}."
        )


def _raise_for_status(response: Any, *, is_redirect: bool) -> None:
    """Turn a refusal into an error without reading its body, which may have no end."""
    if not is_redirect and response.status_code not in (200, 206):
        raise HfHubHTTPError(f"status {response.status_code}", response=response)
