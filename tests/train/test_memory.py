import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from groundup.train.memory import PeakMemory, kept_memory

CPU = torch.device("cpu")
BLOCK_BYTES = 200_000_000
KEEPING = Path(__file__).parent / "kept_memory_process.py"


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="speaks to glibc")
def test_freed_memory_is_kept_for_the_next_step_and_given_back_at_the_end() -> None:
    found = subprocess.run([sys.executable, KEEPING], check=True, capture_output=True, text=True)  # a heap without a past
    faulted, left = json.loads(found.stdout)
    assert faulted < 5_000_000  # of 50 MB that the step writes
    assert left < 25_000_000


def test_what_a_run_raises_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), kept_memory():
        raise ZeroDivisionError
