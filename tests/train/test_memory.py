import os

import pytest
import torch

from groundup.train.memory import PeakMemory

CPU = torch.device("cpu")
BLOCK_BYTES = 200_000_000


def touch() -> None:
    torch.ones(BLOCK_BYTES // 4)


def test_sees_memory_that_was_given_back() -> None:
    memory = PeakMemory(CPU)
    before = memory.bytes()
    touch()
    assert memory.bytes() >= before + 0.9 * BLOCK_BYTES
    assert memory.bytes() >= memory.start_bytes > 0


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="this system cannot forget an earlier peak")
def test_forgets_what_was_before() -> None:
    start_bytes = PeakMemory(CPU).start_bytes
    touch()
    assert PeakMemory(CPU).bytes() < start_bytes + 0.5 * BLOCK_BYTES
