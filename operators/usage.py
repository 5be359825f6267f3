"""How the command line is read: wrong arguments are an error of ours, and a few kinds of values."""

import argparse
from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

from ..core.errors import ImageToSceneError


class UsageError(ImageToSceneError):
    """The arguments are wrong."""


class Parser(ArgumentParser):
    """Raises instead of ending the process, which is not its own."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        raise UsageError(f"{message}; see --help")


def path(text: str) -> Path:
    """Read a file's or folder's name.

    Raises:
        UsageError: It is relative to a working folder that has been deleted.
    """
    try:
        return Path(text).expanduser().absolute()
    except FileNotFoundError as error:
        raise UsageError(f"The working folder has been deleted, so {text} cannot be found: name it in full") from error


def positive(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def amount(text: str) -> float:
    """Read a number above 0."""
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be a number above 0")
    return number
