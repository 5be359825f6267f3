"""Reports that can be shown to strangers: no user name, no secret, no path beyond the system and the home folder."""

from __future__ import annotations

import getpass
import json
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

SECRET: Final = "<secret>"  # noqa: S105 - what stands in its place
PATH: Final = "<path>"
_SHORTEST_NAME: Final = 3
"""Shorter names are part of too many words."""

_HOMES: Final = re.compile(
    r"""(?ix) ( /home/ | /Users/ | [A-Z]:[\\/]+Users[\\/]+ )
        ( [^\\/\r\n"':]+ (?=\\)    # names on Windows may have spaces
        | [^\\/\s"':,;)]+ )"""
)
_URL: Final = re.compile(r"""(?i)\b([a-z][a-z0-9+.-]*):(?:\\?/){2}([^\s"'<>]*)""")
_PUBLIC: Final = re.compile(
    r"(?:[\w-]+\.)*(?:pypi\.org|pythonhosted\.org|pytorch\.org|huggingface\.co|hf\.co|github\.com|blender\.org)"
)
"""Hosts whose paths name nobody."""
_ENCODED: Final = re.compile(r"""[^\s"'<>]*%[0-9a-fA-F]{2}[^\s"'<>]*""")

_NAME: Final = (
    r"[\w.-]*(?:token|secret|passw(?:or)?d|passphrase|pwd|credentials?|signature|api[_-]?key|access[_-]?key|"
    r"private[_-]?key|authorization)[\w.-]*"
)
"""A variable, field or parameter that holds a secret."""
_SECRETS: Final = (
    (re.compile(r"(?i)\b(bearer|basic|digest|negotiate)(\s+)[^\s\"',;<>]+"), rf"\1\2{SECRET}"),
    (re.compile(rf"""(?i)({_NAME}\\?["']?\s*[=:]\s*\\?["'])[^"'\\\r\n]+"""), rf"\1{SECRET}"),
    (re.compile(rf"(?i)({_NAME}\s*[=:]\s*)(?!<|(?:bearer|basic|digest|negotiate)\s)[^\s\"'&,;<>]+"), rf"\1{SECRET}"),
    (
        re.compile(r"(?i)([?&;](?:sig|sas|auth|key|code|policy|se|sv|awsaccesskeyid|[\w.-]*key[\w.-]*)=)[^&\s\"'<>]+"),
        rf"\1{SECRET}",
    ),
    (re.compile(r"(?<![A-Za-z0-9])(?:hf|api_org|gh[opsur]|github_pat|glpat|pypi|sk|xox[abprs])[_-][\w-]{8,}"), SECRET),
    (re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}"), SECRET),
    (re.compile(r"(?<![A-Za-z0-9])AIza[\w-]{30,}"), SECRET),
    (re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), SECRET),
)
"""Secrets by the name before them or by their own form, and what takes their place."""

_SYSTEM: Final = (
    r"(?:usr|opt|home|root|bin|sbin|lib|lib64|etc|proc|dev|sys|var|tmp|run(?!/media)|boot|snap|nix|private|"
    r"Users|Applications|Library|System)(?![\w-])"
)
_ROOT: Final = rf"""
    (?: (?<![A-Za-z0-9]) (?! C:[\\/]+(?:Users|Program\ Files|ProgramData|Windows)(?![\w-])) [A-Z]:[\\/]+   # D:\\
      | (?<![\w:/\\~.>)-]) (?: \\{{2,4}} | // ) (?=[\w?.])                          # \\\\server, //server
      | (?<![~/]) / (?: mnt | media | Volumes | net | run/media ) /
      | (?<![\w/\\~.>)-]) / (?= [^\W_]) (?! {_SYSTEM} ) (?= [^\s/]+ / )             # /shows/secret/
    )"""
_QUOTED: Final = re.compile(rf"""(?xi) (?P<quote>["']) (?P<root>{_ROOT}) [^\r\n]*? (?P=quote)""")
_BARE: Final = re.compile(
    rf"""(?xi) (?P<root>{_ROOT})
        (?: (?: [^"<>\r\n:\\/] | : (?! [\s\\/]) )* [\\/]+ )*                        # folders
        (?: (?! [:;,]\s | \s\( | : [\\/] | :$ ) [^"<>\r\n] )*                       # a name, which may have spaces"""
)
"""A path on another drive, a server or a mount: it may have spaces, so that it ends with a quote, a line, or ': '."""


def masked(text: str, home: Path | None = None, user: str | None = None) -> str:
    """Return a text without secrets, the home folder, the user's name, and paths on other drives.

    Args:
        text: What is to be shown.
        home: The home folder; None: that of who runs this.
        user: The user's name; None: likewise.
    """
    home, user = home or Path.home(), _user() if user is None else user
    text = without_secrets(text, keeps_paths=False)
    text = _ENCODED.sub(lambda found: _decoded(found[0], home, user), text)
    if len(home.parts) > 1 or "\\" in str(home):  # not "/" alone
        for written in _spellings(str(home)):
            text = re.sub(rf"(?<![\w.-]){re.escape(written)}(?![\w.-])", "~", text, flags=re.IGNORECASE)
    text = _HOMES.sub(lambda found: f"{found[1]}<user>", text)
    text = _QUOTED.sub(lambda found: f"{found['quote']}{_start(found['root'])}{PATH}{found['quote']}", text)
    text = _BARE.sub(lambda found: f"{_start(found['root'])}{PATH}", text)
    if len(user) >= _SHORTEST_NAME:
        for written in _spellings(user):
            text = re.sub(rf"(?i)(?<![a-z0-9]){re.escape(written)}(?![a-z0-9])", "<user>", text)
    return text


def without_secrets(text: str, *, keeps_paths: bool = True) -> str:
    """Return a text without secrets, for the artist's own eyes.

    Args:
        text: What is to be shown.
        keeps_paths: Keep the paths of addresses; False: only where the place is a public one.
    """
    text = _URL.sub(lambda found: _address(found, keeps_paths), text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _address(found: re.Match[str], keeps_path: bool) -> str:
    """Keep of an address its protocol and its host, and the path where it is asked for or a public place's."""
    scheme, rest = found[1], found[2]
    if scheme.lower() == "file":
        return found[0] if keeps_path else f"{scheme}://{PATH}"
    has_login, rest = "@" in rest, rest.rpartition("@")[2]
    address = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, *folders = re.split(r"[\\/]", address, maxsplit=1)
    is_shown = keeps_path or _PUBLIC.fullmatch(host.lower()) is not None
    path = "".join(f"/{folder if is_shown else PATH}" for folder in folders)
    return f"{scheme}://{f'{SECRET}@' * has_login}{host}{path}{f'?{SECRET}' * (address != rest)}"


def _decoded(text: str, home: Path, user: str) -> str:
    """Return a percent-encoded word as it is, or decoded and masked where there is something to mask."""
    plain = unquote(text)
    hidden = masked(plain, home, user) if plain != text else text
    return text if hidden == plain else hidden


def _spellings(text: str) -> list[str]:
    """Return a text also with the other slashes, as JSON and as an address have it; the longest first."""
    kinds = {text, text.replace("\\", "/"), text.replace("\\", "\\\\"), json.dumps(text)[1:-1], quote(text)}
    return sorted(kinds, key=len, reverse=True)


def _start(root: str) -> str:
    """Return how a hidden path begins: its drive, its mount, or a server."""
    return root if re.match(r"(?i)[a-z]:|/(?:mnt|media|volumes|net|run)/", root) else root[:2].rstrip("\\/") + root[0]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name in the environment, and none in the system's table
        return ""
