"""The device that work runs on."""

import psutil
import torch

from groundup.core.containers import container_limit
from groundup.core.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; 'auto' is CUDA, else Apple's MPS, else the CPU.

    Raises ConfigError if it is unknown or this machine does not have it.
    """
    there = [device for device, is_there in (("cuda", torch.cuda.is_available()), ("mps", _has_mps()), ("cpu", True)) if is_there]
    if name == "auto":
        return torch.device(there[0])
    if name not in DEVICES:
        raise ConfigError(f"device '{name}' is unknown; known: {', '.join(DEVICES)}")
    if name not in there:
        raise ConfigError(f"device '{name}' is not on this machine, which has: {', '.join(there)}; take device auto")
    return torch.device(name)


def device_memory(device: torch.device) -> tuple[int, int]:
    """Return (total, available) bytes of the memory that the device's tensors live in."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total, free
    memory = psutil.virtual_memory()
    limit = container_limit("memory.max")
    if limit and limit[0].isdigit() and int(limit[0]) < memory.total:
        used = int((container_limit("memory.current") or ["0"])[0])
        return int(limit[0]), min(memory.available, max(0, int(limit[0]) - used))
    return memory.total, memory.available


def _has_mps() -> bool:
    return bool(torch.backends.mps.is_available())
