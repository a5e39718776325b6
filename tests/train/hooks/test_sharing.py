"""What each process of a run holds, computes, sends and waits for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.train.hooks.sharing import PARALLEL_FILE, length, merged, without
from sharing_worker import SIZES

WORKER = Path(__file__).parents[2] / "sharing_worker.py"


def test_spans_that_overlap_are_one():
    assert merged([(3, 5), (0, 1), (4, 6), (1, 2)]) == [(0, 2), (3, 6)]


def test_what_is_left_of_spans_without_others():
    assert without([(0, 10), (12, 14)], [(1, 2), (4, 11), (13, 20)]) == [(0, 1), (2, 4), (12, 13)]
    assert without([(0, 1), (2, 3)], [(0, 3)]) == []
    assert length([(0, 1), (2.5, 4)]) == 2.5


def test_the_slow_process_is_named_and_the_other_waits_for_it(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    subprocess.run([*command, "--rdzv-endpoint", "localhost:0", str(WORKER), str(tmp_path), "3"], check=True, timeout=120)
    found = json.loads((tmp_path / PARALLEL_FILE).read_text())
    fast, slow = found["ranks"]
    assert found["waited_for"] == 1
    assert fast["exposed"] > slow["exposed"]
    assert fast["exposed"] <= fast["communication"] <= 1
    assert [rank["peak_memory_bytes"] for rank in found["ranks"]] == [1000, 1001]
    parameters = sum(weight.numel() for weight in build_model(ModelConfig.model_validate(SIZES)).parameters())
    assert sum(fast["states"].values()) == pytest.approx(16 * parameters / 2, rel=0.01)
    tokens = 2 * 64
    assert fast["products_flops"] >= 0.9 * 6 * tokens * (parameters - 64 * 64)  # the table is read, and multiplied with as head
    assert fast["mfu"] == pytest.approx(fast["products_flops"] / fast["step_s"] / 1e9)
