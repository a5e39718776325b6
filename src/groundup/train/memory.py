"""The peak memory of a training run, measured."""

import contextlib
import ctypes
import platform
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""
_DEFAULT_TRIM_THRESHOLD, _DEFAULT_MMAP_MAX = 128 * 1024, 65536


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Keep what a step frees for the next one, instead of giving large blocks back to the system and asking for them again.

    Each page that comes from the system is cleared first, which took a third of the processor's time of a step of GPT-2's width
    (docs/log.md). Acts on glibc; afterwards what is free is given back. Before version 2.38 a process needs the settings of
    groundup.core.allocator, too, else holes between tensors are lost.
    """
    libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if libc is not None:
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        if libc is not None:
            libc.mallopt(_MMAP_MAX, _DEFAULT_MMAP_MAX)
            libc.mallopt(_TRIM_THRESHOLD, _DEFAULT_TRIM_THRESHOLD)
            libc.malloc_trim(0)


class PeakMemory:
    """The most memory in use since this object was made: of the GPU for CUDA, else of this process (resident set).

    Where the system cannot forget an earlier peak (macOS, some containers), the peak is that since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.start_bytes = torch.cuda.memory_allocated(device)
        else:
            _forget_peak()
            self.start_bytes = int(psutil.Process().memory_info().rss)

    def bytes(self) -> int:
        """Return the peak so far."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return _peak_resident_bytes()


def _forget_peak() -> None:
    """Make the kernel count the peak resident set from now on (proc(5), clear_refs, value 5)."""
    try:
        _RESET.write_text("5")
    except OSError:
        return


def _peak_resident_bytes() -> int:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
