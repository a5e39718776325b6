"""The memory of one device in training and inference under a layout, from settings alone.

`device_memory(model, layout, training) -> Memory` is the door; the lines of a Memory are LINES.
"""

from groundup.estimate.device_memory.memory import LINES, Memory, device_memory
from groundup.estimate.device_memory.terms import Term
from groundup.estimate.device_memory.training import Training, software_of

__all__ = ["LINES", "Memory", "Term", "Training", "device_memory", "software_of"]
