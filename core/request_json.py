"""A request as versioned JSON, for files that other versions of the add-on open.

A reader fills in the default of every key that is missing and ignores keys that it does not know, so that a setting can
be added without a new version. Only a change that an older reader would misread raises the version; newer versions are
refused. Files without a version were written before there was one, with the same keys as version 1.
"""

from __future__ import annotations

from typing import Any, Final, cast

from .errors import StorageError
from .json_dataclasses import MismatchError, from_json, to_json
from .types import Request

VERSION: Final = 1


def request_to_json(request: Request) -> dict[str, Any]:
    """Return a request in JSON types: paths as text, matrices as nested lists."""
    return {"version": VERSION, **to_json(request)}


def request_from_json(data: object) -> Request:
    """Read a request; matrices arrive as float64.

    Raises:
        StorageError: It was written by a newer version.
        MismatchError: A value is missing or of the wrong kind; the text names it.
    """
    version = data.get("version", VERSION) if isinstance(data, dict) else VERSION
    if type(version) is not int or version < 1:
        raise MismatchError(f"version cannot be {version!r}")
    if version > VERSION:
        raise StorageError(
            f"The stored settings were written by a newer Image to Scene (format {version}, known: {VERSION}): update "
            "the add-on."
        )
    return cast("Request", from_json(data, Request, "request", is_strict=False))
