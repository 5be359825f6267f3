"""When a device's memory runs out: how to tell, how to give it back, and what to say; imports no torch by itself."""

from __future__ import annotations

import gc
import sys

# How torch's allocators word it where they raise a plain RuntimeError (CPU on Linux and Windows, MPS, driver calls);
# the last two are what oneDNN, which computes a CPU's convolutions, and cuBLAS and cuDNN make of it.
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",
    "status_alloc_failed",
)

FAILURES = (RuntimeError, MemoryError)
"""What memory that ran out can come as; `is_out_of_memory` tells it from others of these classes."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error means."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


def release_memory() -> None:
    """Give back what nothing uses any more; the weights stay."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
