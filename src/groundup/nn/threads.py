"""The threads that torch's kernels run on: sums split among other numbers of threads differ in their last bits."""

import contextlib
import os
from collections.abc import Iterator

import torch

from groundup.artifacts.checkpoint import Checkpoint

NUM_THREADS = "num_threads"
"""Count in a checkpoint's manifest: the threads that it was trained on."""


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Run torch's kernels on `number` threads; afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_of(checkpoint: Checkpoint) -> contextlib.AbstractContextManager[None]:
    """Run torch's kernels on as many threads as the checkpoint was trained on, as far as this machine has them."""
    trained_on = int(checkpoint.manifest.counts.get(NUM_THREADS, torch.get_num_threads()))
    return threads(max(1, min(trained_on, os.cpu_count() or 1)))
