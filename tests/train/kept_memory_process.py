"""Prints what the last of many equal steps under `kept_memory` asked of the system, and what more is held after them [bytes]."""

import json
import resource
import sys

import psutil
import torch

from groundup.train.memory import kept_memory

BLOCK_BYTES = 50_000_000
WARM_STEPS = 30
"""glibc before 2.38 sets small rests of aligned blocks aside, and so takes new ones, until its list of seven a size is full."""


def touch() -> None:
    """Take a block of memory, write to it and free it."""
    torch.ones(BLOCK_BYTES // 4)


before = psutil.Process().memory_info().rss
with kept_memory():
    for _ in range(WARM_STEPS):
        touch()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    touch()
    faulted = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) * resource.getpagesize()
json.dump([faulted, psutil.Process().memory_info().rss - before], sys.stdout)
