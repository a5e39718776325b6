"""The passes over parts: the same result for any workers, engine or kill, and what copies are found across parts."""

import errno
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from groundup import orders
from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import Documents
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.place import SCRATCH
from groundup.artifacts.text_classifier import TextClassifier
from groundup.core.engines import Workers
from groundup.core.errors import BudgetError
from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.classifier.linear import LinearClassifier, rounded
from groundup.curate.classifier.stored import write_classifier
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.dedup.config import RepeatedPassagesConfig
from groundup.curate.passes.forecast import PASSAGES_DISK_RATIO
from groundup.curate.rules.config import OwnRule, OwnRules
from groundup.curate.run import run, source_hashes

PART_BYTES = 16 << 10


@pytest.fixture
def corpus(write_jsonl, prose) -> CurateConfig:
    """Two sources in many parts, with copies, near copies and repeated ids within and across parts."""
    first = [{"id": f"d{i}", "text": prose(i)} for i in range(60)]
    second = [{"id": f"d{i}", "text": prose(i + 40)} for i in range(40)]
    second += [{"id": f"near{i}", "text": prose(i) + f" and some more words {i}"} for i in range(10)]
    second += [{"text": prose(1000 + i) + " jane@mail.org"} for i in range(20)] + [{"text": None}, {"id": "d1", "text": "short"}]
    sources = (
        SourceConfig(name="one", path=write_jsonl(first, "one/a.jsonl")),
        SourceConfig(name="two", path=write_jsonl(second, "two/b.jsonl").parent),
    )
    return CurateConfig(sources=sources, validation=0.1, part_bytes=PART_BYTES)


@pytest.fixture
def classifier(tmp_path) -> Path:
    """A classifier of chance weights."""

    def write(config: FeaturesConfig, job: Job) -> Outcome:
        weights = rounded(np.random.default_rng(0).normal(0, 1, 1 << config.bucket_bits)).astype(np.float32)
        write_classifier(job.out, LinearClassifier(config, weights, 0.0), {})
        return Outcome()

    make(Order("curate.classifier", TextClassifier.kind, tmp_path / "classifier", FeaturesConfig(bucket_bits=10), 0), write, False)
    return tmp_path / "classifier"


@pytest.fixture
def shared(corpus, write_jsonl, prose, classifier) -> CurateConfig:
    """The same with a third source of documents that share passages with each other and with the first, or say one twice.

    A classifier drops some of all.
    """
    texts = [f"{prose(200 + i)} {prose(300 + i % 3, 60)}" for i in range(20)]
    texts += [f"{prose(303, 55)} {prose(400 + i, 30)}" for i in range(6)] + [f"{prose(500 + i)} {prose(i, 70)}" for i in range(4)]
    third = SourceConfig(name="three", path=write_jsonl([{"text": text} for text in texts], "three/c.jsonl"))
    passages = RepeatedPassagesConfig(kind="windows", min_words=40)
    judged = OwnRules(name="judged", classifier=classifier, rules=(OwnRule(measure="classifier_score", at_least=0.4),))
    more = {"sources": (*corpus.sources, third), "repeated_passages": passages, "rules": (*corpus.rules, judged)}
    return corpus.model_copy(update=more)


@pytest.fixture(params=["corpus", "shared"])
def either(request) -> CurateConfig:
    return request.getfixturevalue(request.param)


def build(config: CurateConfig, out: Path, workers: Workers) -> Documents:
    order = Order("curate", "documents", out, config, 3, sources=source_hashes(config), workers=workers)
    make(order, run, replace=False)
    return Documents.open(out)


def hashes(made: Documents) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in made.manifest.files.items() if name != "timings.json"}


def test_any_number_of_workers_gives_the_same_bytes(either, tmp_path, rows):
    one = build(either, tmp_path / "one-worker", Workers("local", 1))
    assert bool(rows(one, "edits")) == either.repeated_passages.is_on
    assert ("judged" in {row["stage"] for row in rows(one, "dropped")}) == either.repeated_passages.is_on
    assert sum(name.startswith("documents/") for name in one.manifest.files) > 2
    for workers in (Workers("local", 3), Workers("local", 1, memory_bytes=1 << 20)):
        other = build(either, tmp_path / f"other-{workers.number}-{workers.memory_bytes}", workers)
        assert hashes(other) == hashes(one)
    assert not (one.path / SCRATCH).exists()


def test_a_ray_cluster_of_two_nodes_gives_the_same_bytes(corpus, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from ray.cluster_utils import Cluster

    one = build(corpus, tmp_path / "local", Workers("local", 1))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        other = build(corpus, tmp_path / "ray", Workers("ray", 2))
    finally:
        cluster.shutdown()
    assert hashes(other) == hashes(one)


def test_the_size_of_parts_changes_files_only(either, tmp_path, rows):
    small = build(either, tmp_path / "small", Workers("local", 1))
    large = build(either.model_copy(update={"part_bytes": 16 << 20}), tmp_path / "large", Workers("local", 1))
    for table in ("documents", "validation", "dropped", "redactions", "edits"):
        assert rows(small, table) == rows(large, table)
    assert (small.path / "funnel.json").read_bytes() == (large.path / "funnel.json").read_bytes()


def jaccard(first: str, second: str) -> float:
    """Independent of the code: 5-word shingles as tuples."""
    one, two = (
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (first.casefold().split(), second.casefold().split())
    )
    return len(one & two) / len(one | two)


def test_copies_and_near_copies_are_found_across_parts_and_sources(corpus, tmp_path, rows, prose):
    made = build(corpus, tmp_path / "out", Workers("local", 1))
    dropped = {row["id"]: row for row in rows(made, "dropped")}
    kept = {row["id"]: row["text"] for table in ("documents", "validation") for row in rows(made, table)}
    copies = {name: row for name, row in dropped.items() if row["rule"] == "exact_duplicate"}
    assert {name: row["twin_id"] for name, row in copies.items()} == {f"two:d{i}": f"d{i + 40}" for i in range(20)}
    near = {name: row for name, row in dropped.items() if row["rule"] == "near_duplicate"}
    assert {name: row["twin_id"] for name, row in near.items()} == {f"near{i}": f"d{i}" for i in range(10)}
    for number in range(10):
        row = near[f"near{number}"]
        assert row["twin_id"] in kept
        assert row["value"] == pytest.approx(jaccard(prose(number), prose(number) + f" and some more words {number}"), abs=1e-12)
        assert row["value"] >= row["threshold"] == 0.7


def test_of_near_copies_the_first_source_keeps_its_own(corpus, tmp_path, rows):
    made = build(corpus, tmp_path / "out", Workers("local", 1))
    near = {row["id"]: row["twin_id"] for row in rows(made, "dropped") if row["rule"] == "near_duplicate"}
    assert near == {f"near{i}": f"d{i}" for i in range(10)}
    swapped = corpus.model_copy(update={"sources": corpus.sources[::-1]})
    made = build(swapped, tmp_path / "swapped", Workers("local", 1))
    near = {row["id"]: row["twin_id"] for row in rows(made, "dropped") if row["rule"] == "near_duplicate"}
    assert near == {f"one:d{i}" if i < 40 else f"d{i}": f"near{i}" for i in range(10)}


def test_of_near_copies_in_one_source_the_longest_is_kept(write_jsonl, prose, tmp_path, rows):
    records = [{"id": f"{length:02}", "text": prose(1, 100 + length)} for length in (3, 9, 0, 6)]
    config = CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl([*records, {"text": prose(5)}])),), validation=0)
    made = build(config, tmp_path / "out", Workers("local", 1))
    assert {row["id"]: row["twin_id"] for row in rows(made, "dropped")} == {"00": "09", "03": "09", "06": "09"}


def test_repeated_ids_get_names_of_their_own(write_jsonl, prose, tmp_path, rows):
    ids = ["a", "a", "s:a", "a", "s:a#2", "b", "s:s:a"]
    records = [{"id": document_id, "text": prose(number)} for number, document_id in enumerate(ids)]
    config = CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),), validation=0, part_bytes=1024)
    made = build(config, tmp_path / "out", Workers("local", 1))
    found = [row["id"] for row in rows(made, "documents")]
    assert [found[number] for number in (0, 2, 4, 5, 6)] == ["a", "s:a", "s:a#2", "b", "s:s:a"]
    assert len(set(found)) == len(ids)
    assert found[1].startswith("s:a#")
    assert found[3].startswith("s:a#")


SCRIPT = """
import sys
from pathlib import Path
from groundup.artifacts.build import Order, make
from groundup.core.engines import Workers
from groundup.core.errors import BudgetError
from groundup.curate.config import CurateConfig
from groundup.curate.dedup.config import RepeatedPassagesConfig
from groundup.curate.run import run, source_hashes

if __name__ == "__main__":
    config = CurateConfig.model_validate_json(Path(sys.argv[1]).read_text())
    workers = Workers("local", 2)
    order = Order("curate", "documents", Path(sys.argv[2]), config, 3, sources=source_hashes(config), workers=workers)
    make(order, run, replace=False)
"""


def curate_in_process(folder: Path, config: CurateConfig) -> subprocess.Popen:
    (folder / "config.json").write_text(config.model_dump_json())
    (folder / "curate.py").write_text(SCRIPT)
    command = [sys.executable, str(folder / "curate.py"), str(folder / "config.json"), str(folder / "killed")]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.soak)])
def test_killed_at_any_moment_the_same_command_gives_the_same_bytes(shared, tmp_path, kills):
    started = time.monotonic()
    assert curate_in_process(tmp_path, shared).wait() == 0
    whole_s = time.monotonic() - started
    finished = tmp_path / "killed"
    expected = hashes(Documents.open(finished))
    chance = random.Random(kills)
    for number in range(kills):
        if (finished / MANIFEST).exists():
            assert hashes(Documents.open(finished)) == expected
            finished.rename(tmp_path / f"done-{number}")
        with curate_in_process(tmp_path, shared) as process:
            time.sleep(whole_s * chance.uniform(0.2, 1.0))
            os.killpg(process.pid, signal.SIGKILL)
    assert curate_in_process(tmp_path, shared).wait() == 0
    assert hashes(Documents.open(finished)) == expected


def test_a_finished_part_is_not_read_again(corpus, tmp_path, monkeypatch):
    from groundup.curate import run as door

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(door, "check_sources", interrupt)
        with pytest.raises(Interrupted):
            build(corpus, tmp_path / "out", Workers("local", 1))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / SCRATCH).glob("*/read/*/tally.json")}
    assert len(before) > 2
    seen = {}

    def look(work, tasks):
        seen.update({path: path.stat().st_mtime_ns for path in (tmp_path / "out" / SCRATCH).glob("*/read/*/tally.json")})

    with monkeypatch.context() as patch:
        patch.setattr(door, "check_sources", look)
        build(corpus, tmp_path / "out", Workers("local", 1))
    assert seen == before
    assert json.loads((tmp_path / "out/funnel.json").read_text())["stages"]


def test_a_kill_after_the_tables_are_gathered_loses_nothing_with_or_without_hard_links(corpus, tmp_path, monkeypatch):
    from groundup.curate import run as door

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no second names here")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", refuse)
        build(corpus, tmp_path / "whole", Workers("local", 1))
    with monkeypatch.context() as patch:
        patch.setattr(door, "write_ledger", interrupt)
        with pytest.raises(Interrupted):
            build(corpus, tmp_path / "out", Workers("local", 1))
    build(corpus, tmp_path / "out", Workers("local", 1))
    assert hashes(Documents.open(tmp_path / "out")) == hashes(Documents.open(tmp_path / "whole"))


def test_what_it_takes_is_said_before_and_a_small_disk_is_refused(corpus, tmp_path, monkeypatch, capfd):
    build(corpus, tmp_path / "out", Workers("local", 1))
    said = " ".join(capfd.readouterr().err.split())
    passages = RepeatedPassagesConfig(kind="windows")
    build(corpus.model_copy(update={"repeated_passages": passages}), tmp_path / "passages", Workers("local", 1))
    figures = r"([\d.]+) kB of text .* ([\d.]+) kB of disk"
    (text, disk), (_, disk_with_passages) = (
        map(float, re.search(figures, each).groups()) for each in (said, " ".join(capfd.readouterr().err.split()))
    )
    assert disk_with_passages - disk == pytest.approx(PASSAGES_DISK_RATIO["windows"] * text, rel=0.02)
    assert re.search(
        r"curate: [\d.]+ kB of text in \d+ parts: about [\d.]+ m?s with 1 worker, [\d.]+ MB of memory, [\d.]+ kB of disk", said
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(BudgetError, match=r"1 bytes are free there, and curating [\d,]+ bytes of text takes about"):
        build(corpus, tmp_path / "full", Workers("local", 1))


def test_what_it_would_take_is_told_before_anything_is_made(corpus, tmp_path, capfd):
    order = orders.order_curate(corpus, tmp_path / "out", 0, Workers("local", 1))
    told = orders.preview(order)["forecast"]
    assert not (tmp_path / "out").exists()
    assert (told["workers"], told["parts"] > 2) == (1, True)
    build(corpus, tmp_path / "out", Workers("local", 1))
    said = " ".join(capfd.readouterr().err.split())
    assert f"curate: {told['words'].split(':')[0]}: about" in said, "time is measured anew"
    assert re.search(r"[\d.]+ kB of disk", told["words"]).group() in said


def test_a_large_file_that_is_unpacked_first_is_not_foreseen(corpus, tmp_path):
    packed = tmp_path / "one" / "a.jsonl.gz"
    packed.parent.mkdir(exist_ok=True)
    packed.write_bytes(gzip.compress(corpus.sources[0].path.read_bytes()))
    source = corpus.sources[0].model_copy(update={"path": packed})
    order = orders.order_curate(corpus.model_copy(update={"sources": (source,)}), tmp_path / "out", 0, Workers("local", 1))
    assert "forecast" not in orders.preview(order)
    assert not (tmp_path / "out").exists()
