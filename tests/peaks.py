"""The memory that code takes, as the system and as torch's allocator see it."""

import subprocess
import sys
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

_TAIL = """
import resource, sys
from pathlib import Path
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss begins at what the parent had
    peak = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("peak_bytes", peak)
"""


def run_measured(code: str, *arguments: str, timeout_s: float = 200) -> tuple[str, int]:
    """Run the code; return what it printed and its peak memory in bytes. AssertionError if it fails or crashes."""
    done = subprocess.run(
        [sys.executable, "-c", code + _TAIL, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    printed, peak = done.stdout.rsplit("peak_bytes", 1)
    return printed, int(peak)


def allocations(work: Callable[[], object]) -> list[int]:
    """Return the bytes of each block of memory that torch takes during the work, with a minus of each that it frees, in order."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
