"""A folder of every format, whole and damaged files among each other, through the whole stage."""

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import archives
import arrow_files
from groundup.core.errors import DataError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.explain import explain


def write_all(folder: Path, prose) -> None:
    """Write ten good documents in each of eight formats, and a dozen things that are none."""
    folder.mkdir()
    texts = [[prose(100 * kind + number) for number in range(10)] for kind in range(8)]
    lines = ["".join(json.dumps({"text": text}) + "\n" for text in inner).encode() for inner in texts]
    (folder / "a.jsonl").write_bytes(lines[0] + b'{"text": null}\n')
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines[1] + b'{"text": "cut off')[:-4])
    (folder / "c.jsonl.zst").write_bytes(zstandard.compress(lines[2] + b"not json\n"))
    pq.write_table(pa.table({"text": texts[3]}), folder / "d.parquet", row_group_size=4)
    with (folder / "e.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "n"), *((text, 1) for text in texts[4]), ("one", "two", "three")])
    for number, text in enumerate(texts[5]):
        (folder / f"f{number}.html").write_bytes(archives.page(text))
    (folder / "f-deep.html").write_text("<div>" * 2000)
    records = [archives.response(archives.page(text), number=number) for number, text in enumerate(texts[6])]
    archives.write(folder / "g.warc.gz", [*records, archives.response(b"x", "image/png", number=99)], gzip.compress)
    arrow_files.write_stream(folder / "h.arrow", [texts[7][:5], texts[7][5:]])
    (folder / "i.parquet").write_bytes(b"PAR1 no more")
    (folder / "j.jsonl.gz").write_bytes(gzip.compress(b'{"text": "' + bytes(70 << 20) + b'"}'))
    (folder / "k.txt").write_text("")


DROPPED = {
    "no_text": 1,
    "damaged": 2,
    "invalid_json": 1,
    "columns": 1,
    "html_too_deep": 1,
    "content_type": 1,
    "unpacked_ratio": 1,
    "empty": 1,
}


@pytest.mark.parametrize("part_bytes", [1 << 10, 16 << 20])
def test_documents_in_are_kept_or_dropped_whatever_they_lie_in(tmp_path, prose, curate, rows, part_bytes):
    write_all(tmp_path / "in", prose)
    sources = (SourceConfig(name="all", path=tmp_path / "in"),)
    made = curate(CurateConfig(sources=sources, part_bytes=part_bytes, near_duplicates={"enabled": False}))
    counts = made.manifest.counts
    assert counts["collected"] == counts["documents"] + counts["validation_documents"] + counts["dropped"]
    dropped = [row for row in rows(made, "dropped") if row["stage"] == "collect"]
    assert Counter(row["rule"] for row in dropped) == DROPPED
    assert counts["collected"] == 80 + len(dropped)
    assert explain(made.path, "all:f-deep.html").checks[0].bound == "at_most"


def test_a_source_of_which_nothing_can_be_read_is_an_error(tmp_path, curate):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "in" / "b.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"'all' has no usable text: damaged: .*a.jsonl.gz:1: damaged gzip data"):
        curate(CurateConfig(sources=(SourceConfig(name="all", path=tmp_path / "in"),)))
