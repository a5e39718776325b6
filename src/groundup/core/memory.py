"""Memory that is free, given back."""

import contextlib
import ctypes

import pyarrow as pa


def give_back() -> None:
    """Return free memory of this process to the operating system, where the C library can; what is in use stays.

    The allocators keep what was freed for the next need, which in a process that works on one part after another, or waits for
    others, is a need that others have now.
    """
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
