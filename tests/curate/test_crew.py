"""Other processes are started for text that is worth it, or where they are asked for."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.core.engines import Workers
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.passes import crew as crews
from groundup.curate.passes.crew import IN_PROCESS_BYTES, crew
from groundup.curate.passes.work import Work
from groundup.curate.run import run, source_hashes


@pytest.fixture
def config(write_jsonl, prose) -> CurateConfig:
    files = [write_jsonl([{"text": prose(10 * number + row)} for row in range(10)], f"{number}/a.jsonl") for number in range(2)]
    return CurateConfig(sources=tuple(SourceConfig(name=file.parent.name, path=file) for file in files), validation=0.2)


def work(config: CurateConfig, folder: Path) -> Work:
    return Work(config, 0, folder, 1 << 20)


def test_little_text_is_curated_by_the_process_itself(config, tmp_path):
    assert crew(work(config, tmp_path), Workers(memory_bytes=1 << 21)) == Workers(number=1, memory_bytes=1 << 21)


@pytest.mark.parametrize("asked", [Workers(number=3), Workers("ray"), Workers("ray", 2)], ids=str)
def test_workers_that_were_asked_for_stay(config, tmp_path, asked):
    assert crew(work(config, tmp_path), asked) == asked


def test_more_text_is_for_as_many_as_there_are_cores(write_jsonl, tmp_path):
    file = write_jsonl([{"text": "x" * (IN_PROCESS_BYTES + 1)}])
    large = CurateConfig(sources=(SourceConfig(name="large", path=file),))
    assert crew(work(large, tmp_path), Workers()) == Workers()


def test_the_bytes_are_the_same_whoever_makes_them(config, tmp_path, monkeypatch):
    pools = []
    monkeypatch.setattr("groundup.core.engines.base.usable_cores", lambda: 2)
    monkeypatch.setattr(
        "groundup.core.engines.local.ProcessPoolExecutor",
        lambda *args, **named: pools.append(args) or ProcessPoolExecutor(*args, **named),
    )
    found = []
    for most_bytes in (IN_PROCESS_BYTES, 0):
        monkeypatch.setattr(crews, "IN_PROCESS_BYTES", most_bytes)
        out = tmp_path / f"up-to-{most_bytes}"
        make(Order("curate", "documents", out, config, 0, sources=source_hashes(config)), run, replace=False)
        found.append((Documents.open(out).content_hash, len(pools)))
    assert found == [(found[0][0], 0), (found[0][0], 1)]
