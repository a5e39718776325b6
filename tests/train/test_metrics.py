import json
import statistics
from pathlib import Path

import pytest
import torch

from groundup.core.errors import ArtifactError
from groundup.train.memory import PeakMemory
from groundup.train.metrics import Efficiency, MetricsLog, read_rows
from groundup.train.step import StepResult


def log(path: Path) -> MetricsLog:
    return MetricsLog(path, Efficiency(lambda _: 100, lambda _: 2e3, peak_flops_per_s=1e9), PeakMemory(torch.device("cpu")))


def record(metrics: MetricsLog, first: int, last: int) -> None:
    for step in range(first, last + 1):
        metrics.record(step, StepResult(loss=10.0 - step, grad_norm=1.0, targets=100), learning_rate=1e-3, update_ratio=2e-4)


def test_goes_on_where_the_checkpoint_stands(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = log(path)
    metrics.begin(0)
    record(metrics, 1, 5)
    first_time_s = sum(row["step_s"] for row in read_rows(path)[:3])
    later = log(path)
    later.begin(3)
    assert later.tokens == 300
    record(later, 4, 6)
    rows = read_rows(path)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["tokens"] for row in rows] == [100, 200, 300, 400, 500, 600]
    assert later.summary()["train_s"] == pytest.approx(first_time_s + sum(row["step_s"] for row in rows[3:]))
    assert later.final_loss(2) == 4.5
    assert later.peak_memory_bytes == max(row["peak_memory_bytes"] for row in rows)


def test_speed_is_that_of_the_median_step(tmp_path: Path) -> None:
    metrics = log(tmp_path / "metrics.jsonl")
    metrics.begin(0)
    record(metrics, 1, 9)
    summary = metrics.summary()
    median_s = statistics.median(row["step_s"] for row in read_rows(tmp_path / "metrics.jsonl"))
    assert summary["median_step_s"] == median_s
    assert summary["tokens_per_s"] == pytest.approx(100 / median_s)
    assert summary["mfu"] == pytest.approx(2e3 * 100 / median_s / 1e9)


def test_half_a_row_and_what_follows_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": step, "tokens": 100 * step, "loss": 1.0, "step_s": 0.1} for step in (1, 3)]
    for broken in (b'{"step": 2, "lo', b"null", b"\xff", b'{"step": 2}'):
        path.write_bytes(b"\n".join((json.dumps(rows[0]).encode(), broken, json.dumps(rows[1]).encode(), b"")))
        assert read_rows(path) == rows[:1]
    assert read_rows(tmp_path / "missing.jsonl") == []


def test_rows_that_are_missing_before_the_checkpoint_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = log(path)
    metrics.begin(0)
    record(metrics, 1, 3)
    lines = path.read_text().splitlines(keepends=True)
    for kept in (lines[:2], lines[1:], []):
        path.write_text("".join(kept))
        with pytest.raises(ArtifactError, match="the checkpoint is of step 3"):
            log(path).begin(3)
