"""Two of torchrun's agents, as on two machines: one is lost and the other goes on alone; one that joins makes them two again.

Where the lost one kept what they agree on, the other cannot go on: it ends, and the next launch does.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import launches
from groundup.artifacts.checkpoint import TrainingRun
from lines import write_recipe

STEPS, FEW, EVERY, LONGEST_S, LONGEST_HANG_S = 1500, 300, 20, 240.0, 60.0
TWO, ALONE = "\n  2 processes: dp=2\n", "  restart 1: step "
AGENT_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
"""Each start of the processes has a store of its own: else an agent that joins is not told where it is (torch 2.13)."""


class Agents:
    """Agents of one launch, each with one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._endpoint = f"127.0.0.1:{free.getsockname()[1]}"

    def start(self, name: str) -> None:
        """Start one; the first keeps what they agree on."""
        settings = f"is_host={int(not self.started)},last_call_timeout=2,keep_alive_interval=1"
        options = ["--nnodes", "1:2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-backend", "c10d", "--rdzv-id", "run"]
        options += ["--rdzv-endpoint", self._endpoint, "--rdzv-conf", settings, "--local-addr", "127.0.0.1"]
        line = ["-m", "groundup", "pretrain", str(self.folder / "recipe.yaml"), "--out", str(self.folder / "run")]
        command = [sys.executable, "-m", "torch.distributed.run", *options, *line]
        self.started[name] = launches.start(command, self.folder / f"{name}.log", AGENT_STORE)

    def said(self, words: str) -> int:
        """Return how often all together said something."""
        return sum((self.folder / f"{name}.log").read_text().count(words) for name in self.started)

    def wait_until_said(self, words: str, times: int) -> None:
        """Wait for words; fail with all that was said if agents end before."""
        launches.wait_until(lambda: self.said(words) >= times or self.started["first"].poll() is not None, LONGEST_S)
        assert self.said(words) >= times, "\n".join((self.folder / f"{name}.log").read_text()[-3000:] for name in self.started)


@contextlib.contextmanager
def agents_in(folder: Path) -> Iterator[Agents]:
    agents = Agents(folder)
    try:
        yield agents
    finally:
        for process in agents.started.values():
            launches.end(process)


@contextlib.contextmanager
def two_training(folder: Path, steps: int) -> Iterator[Agents]:
    """Start two, and wait until they train and have a checkpoint."""
    pretrain = {"seq_len": 64, "batch_tokens": 512, "steps": steps, "checkpoint_steps": EVERY, "precision": "fp32"}
    write_recipe(folder, pretrain={**pretrain, "attention": "sdpa"})
    metrics = folder / "run" / "metrics.jsonl"
    with agents_in(folder) as agents:
        agents.start("first")
        agents.start("second")
        launches.wait_until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= EVERY + 5, LONGEST_S)
        assert agents.said(TWO) == 1
        yield agents


def assert_whole(folder: Path, steps: int) -> None:
    """Assert that each step is told once, and the run is finished."""
    rows = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(1, steps + 1))
    assert TrainingRun.open(folder / "run").manifest.key


@pytest.mark.soak
def test_the_other_goes_on_alone_and_one_that_joins_makes_them_two_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with two_training(tmp_path, STEPS) as agents:
        launches.end(agents.started["second"])
        lost_s = time.monotonic()
        agents.wait_until_said(ALONE, 1)
        alone_s = time.monotonic() - lost_s
        assert agents.said("going on after step") == 1
        agents.start("third")
        joined_s = time.monotonic()
        agents.wait_until_said(TWO, 2)
        two_s = time.monotonic() - joined_s
        codes = [agents.started[name].wait(LONGEST_S) for name in ("first", "third")]
        assert codes == [0, 0], "\n".join((tmp_path / f"{name}.log").read_text()[-3000:] for name in ("first", "third"))
    with capsys.disabled():
        sys.stdout.write(f"alone {alone_s:.0f} s after the loss; two again {two_s:.0f} s after another was started\n")
    assert_whole(tmp_path, STEPS)


@pytest.mark.soak
def test_without_the_one_that_keeps_what_they_agree_on_the_other_ends_and_the_next_launch_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with two_training(tmp_path, FEW) as agents:
        launches.end(agents.started["first"])
        lost_s = time.monotonic()
        assert agents.started["second"].wait(LONGEST_HANG_S)
        ended_s = time.monotonic() - lost_s
    with capsys.disabled():
        sys.stdout.write(f"ended {ended_s:.0f} s after the loss\n")
    assert "connection to the C10d store has failed" in (tmp_path / "second.log").read_text()  # torch's words
    with agents_in(tmp_path) as agents:
        agents.start("first")
        assert agents.started["first"].wait(LONGEST_S) == 0, (tmp_path / "first.log").read_text()[-3000:]
        assert agents.said("going on after step") == 1
    assert_whole(tmp_path, FEW)
