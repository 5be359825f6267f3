"""Package indexes that the artist's environment names: what of it uv gets, and what may come from where.

What is in our lock may come from anywhere, also from a studio's mirror without TLS: its hash decides. A torch that is
in no lock has only the hashes that its index gives, so that the index itself must be reached securely. Variables of
pip (PIP_INDEX_URL and the like) say nothing to uv.

Source: https://docs.astral.sh/uv/reference/environment/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

from ...errors import InstallError
from .lockfile import Pin

KEPT: Final = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|INDEX_\w+_(USERNAME|PASSWORD)|KEYRING_PROVIDER|"
    r"NATIVE_TLS|SYSTEM_CERTS|HTTP_\w+|CONCURRENT_\w+|REQUEST_TIMEOUT)"
)
"""Of uv's own variables those that say how to reach an index. The others would change where it installs what, which of
two indexes it believes (UV_INDEX_STRATEGY), or whether certificates count (UV_INSECURE_HOST)."""

_LOGIN: Final = re.compile(r"//[^/@\s]*@")


def check_origins(pins: Iterable[Pin], variables: Mapping[str, str] = os.environ) -> None:
    """Refuse packages that are in no lock and come from an index that is not reached by https.

    Args:
        pins: Packages that are in no lock.
        variables: The environment, of which the variable to change is named.

    Raises:
        InstallError: One is.
    """
    for pin in pins:
        if not pin.origin.lower().startswith("https://"):
            raise InstallError(
                f"{_variable(pin.origin, variables)} gives {pin.name} {pin.version}, whose hash is not in the add-on's "
                "list, without https: set an https address, choose the build Package Index, or name a folder of wheels."
            )


def _variable(origin: str, variables: Mapping[str, str]) -> str:
    """Return the name of the variable that leads to an index; an address itself may hold secrets."""
    place = _plain(origin.removeprefix("file:")).strip("/")
    names = (name for name in variables if KEPT.fullmatch(name) and place and place in _plain(variables[name]))
    return next(names, "The package index")


def _plain(address: str) -> str:
    """Write an address or a path without a login and with one kind of slashes."""
    return unquote(_LOGIN.sub("//", address)).replace("\\", "/")
