"""One door to the compiler of the ray-caster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a numeric function to machine code, cached on disk, with its Python type kept for the type checker."""
    return cast(Function, njit(cache=True, fastmath=True, error_model="numpy")(function))
