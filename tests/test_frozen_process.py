"""One of two processes of a launch that is held still: the other names it, and all end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

import launches
from lines import write_recipe

LONGEST_S = 60.0
"""No process of a run waits longer than this for one that gives no sign of life."""


@pytest.mark.soak
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_held_still_is_named_and_all_end(tmp_path: Path, rank: int, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain = {"seq_len": 64, "batch_tokens": 512, "steps": 3000, "checkpoint_steps": 50, "precision": "fp32"}
    write_recipe(tmp_path, pretrain={**pretrain, "attention": "sdpa"})
    log, out = tmp_path / "log", tmp_path / "run"
    process = launches.start(launches.command(2, ["pretrain", str(tmp_path / "recipe.yaml"), "--out", str(out)]), log)
    try:
        metrics = out / "metrics.jsonl"
        launches.wait_until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= 5)
        workers = launches.workers(process)
        os.kill(workers[rank], signal.SIGSTOP)
        begun_s = time.monotonic()
        launches.wait_until(lambda: "no sign of life" in log.read_text())
        named_s = time.monotonic() - begun_s
        assert process.wait(200) == 1
        ended_s = time.monotonic() - begun_s
    finally:
        launches.end(process)
    with capsys.disabled():
        sys.stdout.write(f"process {rank} held still: named after {named_s:.0f} s, all ended after {ended_s:.0f} s\n")
    assert ended_s < LONGEST_S
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
