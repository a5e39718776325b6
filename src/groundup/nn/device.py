"""The device that work runs on."""

import torch

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


def _has_mps() -> bool:
    return bool(torch.backends.mps.is_available())
