"""A source without text is found before the others are worked on."""

import pytest

from groundup.api import write_sbatch
from groundup.artifacts.build import Order, make
from groundup.core.engines import Workers
from groundup.core.errors import DataError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.passes.probe import PROBE_RECORDS
from groundup.curate.run import run

EMPTY = {
    "another field": ([{"content": "x"}] * 3, "no 'text'; did you mean 'content'?"),
    "white space": ([{"text": " "}, {"text": None}], "no usable text: empty"),
    "nothing": ([], "its files hold no documents"),
}


def two_sources(write_jsonl, prose, records: list) -> CurateConfig:
    texts = [{"text": prose(number)} for number in range(40)]
    sources = (
        SourceConfig(name="good", path=write_jsonl(texts, "a.jsonl")),
        SourceConfig(name="bad", path=write_jsonl(records, "b.jsonl")),
    )
    return CurateConfig(sources=sources, validation=0, part_bytes=8 << 10)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", EMPTY)
def test_nothing_is_read_of_other_sources_then(kind, workers, write_jsonl, prose, tmp_path) -> None:
    records, said = EMPTY[kind]
    order = Order(
        "curate", "documents", tmp_path / "out", two_sources(write_jsonl, prose, records), 0, workers=Workers("local", workers)
    )
    with pytest.raises(DataError, match="source 'bad' has no usable text") as caught:
        make(order, run, replace=False)
    assert said in str(caught.value)
    assert not [path for path in tmp_path.rglob("read") if path.is_dir()]


def test_many_records_without_text_are_said_and_read_on(write_jsonl, prose, curate, capsys) -> None:
    records = [{"text": ""}] * PROBE_RECORDS + [{"text": prose(99)}]
    made = curate(two_sources(write_jsonl, prose, records))
    said = " ".join(capsys.readouterr().err.split())
    assert f"the first {PROBE_RECORDS:,} records of source 'bad' hold no text: empty: " in said
    assert made.manifest.counts["documents"] == 41
    one_less = two_sources(write_jsonl, prose, records[1:])
    curate(one_less, "less")
    assert "hold no text" not in capsys.readouterr().err


def test_a_cluster_is_told_before_its_jobs_are(write_jsonl, prose, tmp_path) -> None:
    order = Order("curate", "documents", tmp_path / "out", two_sources(write_jsonl, prose, []), 0)
    with pytest.raises(DataError, match="source 'bad' has no usable text"):
        write_sbatch(order, tmp_path / "curate.sh", False)
    assert not (tmp_path / "curate.sh").exists()
