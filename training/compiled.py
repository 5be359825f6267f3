"""One door to the compiler of the ray-caster and the path tracer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import cuda, njit

Function = TypeVar("Function", bound=Callable[..., Any])
card: Any = cuda
"""Numba's graphics card, for which it compiles the same functions; it says itself whether there is one."""


def compiled(function: Function) -> Function:
    """Compile a numeric function to machine code, cached on disk, with its Python type kept for the type checker.

    Numba looks for changes in the function's own file only: after one in a function that it calls, remove
    `training/__pycache__`.
    """
    return cast(Function, njit(cache=True, fastmath=True, error_model="numpy")(function))
