"""The C library's allocator, kept from spoiling the holes that tensors leave.

A tensor begins at a multiple of 64 bytes. Before version 2.38 glibc takes a larger block for it than it needs and frees what lies
before and behind. Such crumbs go to the cache that each thread has for small blocks, where they do not join their neighbour again:
the hole is too small for the next tensor of that size, which takes new memory. In training that came to a fifth of the peak
(docs/log.md). Without the cache, crumbs join. The library reads such settings before a program begins.
"""

import contextlib
import os
import sys
from collections.abc import Mapping

_VARIABLE = "GLIBC_TUNABLES"
_SETTINGS = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"
_MENDED = (2, 38)


def lacking(environment: Mapping[str, str], library: str) -> dict[str, str]:
    """Return what an environment lacks for a C library ("glibc 2.36"); nothing where it has settings already."""
    name, _, version = library.partition(" ")
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if name != "glibc" or numbers >= _MENDED or _VARIABLE in environment:
        return {}
    return {_VARIABLE: _SETTINGS}


def begin_with_settings() -> None:
    """Begin this process anew if it lacks the settings: the same program, number and open files. Call it before all else."""
    missing = lacking(os.environ, c_library())
    if missing:
        with contextlib.suppress(OSError):  # training then takes more memory
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})  # noqa: S606


def c_library() -> str:
    """Return name and version as the library says them; "" where it does not."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):  # Windows, macOS, musl
        return ""
