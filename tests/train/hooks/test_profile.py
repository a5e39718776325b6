"""Profiled steps end in the same weights; the page and the trace tell of them all."""

import gzip
import json
import re
from pathlib import Path

import pytest

import pretrain_process as process
from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.hooks.config import ProfileConfig


def test_a_profile_of_two_steps(tmp_path: Path) -> None:
    process.line(tmp_path)
    config = process.CONFIG.model_copy(update={"profile": ProfileConfig(from_step=4, steps=2)})
    plain = process.pretrain(tmp_path, tmp_path / "plain")
    profiled = process.pretrain(tmp_path, tmp_path / "profiled", config=config)
    assert profiled.final.weights.read_bytes() == plain.final.weights.read_bytes()
    assert profiled.content_hash == plain.content_hash, "what holds times is no part of the hash"

    folder = tmp_path / "profiled" / "profile"
    assert sorted(path.name for path in folder.iterdir()) == ["summary.md", "trace.json.gz"]
    events = json.loads(gzip.decompress((folder / "trace.json.gz").read_bytes()))["traceEvents"]
    assert sum(event.get("name", "").startswith("Optimizer.step#") for event in events) == 2
    page = (folder / "summary.md").read_text()
    assert page.startswith("# Profile of steps 5 to 6\n")
    parts = dict(re.findall(r"^\| ([a-zA-Z ,()]+) \| [\d.,]+ \| ([\d.]+)% \|$", page, re.MULTILINE))
    assert {"matrix products", "optimizer", "attention", "outside operations (Python, waits)"} <= parts.keys()
    assert sum(map(float, parts.values())) == pytest.approx(100, abs=1)


def test_a_profile_beyond_the_run_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"end at step 13, the run has 12; lower from_step"):
        TrainConfig.parse({"steps": 12, "profile": {}}, "pretrain")
