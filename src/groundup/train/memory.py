"""The peak memory of a training run, measured."""

import resource
import sys
from pathlib import Path

import psutil
import torch

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


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
