"""Reports that can be shown to strangers: no home folder and no user name in them."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import Final

_HOMES: Final = re.compile(
    r"""(?ix) ( /home/ | /Users/ | [A-Z]:[\\/]+Users[\\/]+ )
        ( [^\\/\r\n"':]+ (?=\\)    # names on Windows may have spaces
        | [^\\/\s"':,;)]+ )"""
)
_SHORTEST_NAME: Final = 3
"""Shorter names are part of too many words."""


def masked(text: str, home: Path | None = None, user: str | None = None) -> str:
    """Return a text without the home folder and the user's name.

    Args:
        text: What is to be shown.
        home: The home folder; None: that of who runs this.
        user: The user's name; None: likewise.
    """
    home, user = home or Path.home(), _user() if user is None else user
    for written in {str(home), str(home).replace("\\", "/"), str(home).replace("\\", "\\\\")}:
        if len(Path(written).parts) > 1:  # not "/" alone
            text = re.sub(rf"(?<![\w.-]){re.escape(written)}(?![\w.-])", "~", text, flags=re.IGNORECASE)
    text = _HOMES.sub(lambda found: f"{found[1]}<user>", text)
    if len(user) >= _SHORTEST_NAME:
        text = re.sub(rf"(?i)(?<![a-z0-9]){re.escape(user)}(?![a-z0-9])", "<user>", text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name in the environment, and none in the system's table
        return ""
