"""The processor's name, as the system gives it."""

import platform
import subprocess
from pathlib import Path


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    for line in cpu_facts().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    if platform.system() == "Darwin":
        return answer(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    return platform.processor() or platform.machine()


def cpu_facts() -> str:
    """Return what Linux says of the processor, nothing elsewhere."""
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def answer(command: list[str]) -> str | None:
    """Return what a short command prints, None if it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
