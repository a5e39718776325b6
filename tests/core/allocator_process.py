"""Says its number, words and settings, begins anew if these lack, and writes what steps take, over what they hold at once."""

import os
import sys

from groundup.core.allocator import begin_with_settings
from groundup.core.lazy import lazy

torch, memory = lazy("torch"), lazy("groundup.train.memory")
STEPS, LAYERS = 20, 8
LAYER = (250_000, 250_000, 700_000, 1_000_000, 125_000, 700_000)
"""Numbers in the tensors of a layer."""


def growth() -> float:
    """Take steps that keep tensors forward and free them backward, each beside another of its size; return the peak."""
    with memory.kept_memory():
        peak = memory.PeakMemory(torch.device("cpu"))
        for _ in range(STEPS):
            held = []
            for numbers in LAYERS * LAYER:
                other = torch.ones(numbers)
                held.append(other + 1)
                del other
            most = sum(tensor.numel() * tensor.element_size() for tensor in held)
            while held:
                other = torch.ones_like(held[-1])
                held.pop()
                del other
        grown: float = (peak.bytes() - peak.start_bytes) / most
    return grown


sys.stdout.write(f"{os.getpid()};{sys.argv[1:]};{os.environ.get('GLIBC_TUNABLES')}\n")
sys.stdout.flush()
begin_with_settings()
sys.stdout.write(f"{growth()}\n")
