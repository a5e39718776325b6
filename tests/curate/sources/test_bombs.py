"""Input made to exhaust memory or disk costs a drop that is counted and explained; memory is measured in a process of its own."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import archives
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources.files import Files
from peaks import run_measured

MB = 1 << 20
READ = """
import json, sys
from collections import Counter
from pathlib import Path
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources.files import Files

source = Files(SourceConfig(name="s", path=Path(sys.argv[1]), max_ratio=float(sys.argv[2])))
scratch = Path(sys.argv[3])
whole, parts = Counter(), Counter()
for found in source.documents():
    whole[found.rule if isinstance(found, Drop) else "document"] += 1
for part in source.parts(scratch):
    for found in source.read_part(part, scratch):
        parts[found.rule if isinstance(found, Drop) else "document"] += 1
assert whole == parts, (whole, parts)
used = sum(file.stat().st_blocks * 512 for file in scratch.rglob("*"))
print(json.dumps([whole, used]))
"""
IMPORTS_BYTES = 30 * MB
"""What Python with pyarrow takes at least: a measurement below it is none."""
BOUND_BYTES = 350 * MB
"""Of a process that reads: the libraries, and the largest record that is read a few times over."""


def read_measured(path: Path, max_ratio: float = 200) -> tuple[Counter, int]:
    """Return what came out by kind and the bytes written to scratch; fail if memory was not bounded."""
    printed, peak_bytes = run_measured(READ, str(path), str(max_ratio), str(path.parent / "scratch"))
    assert IMPORTS_BYTES < peak_bytes < BOUND_BYTES, peak_bytes / MB
    counts, used = json.loads(printed)
    return Counter(counts), used


def repeated(member: bytes, size: int, path: Path, times: int) -> int:
    """Write a compressed member of `size` bytes of text again and again; return what it all unpacks to."""
    with path.open("wb") as file:
        for _ in range(times):
            file.write(member)
    return size * times


def test_ten_gigabytes_of_lines_from_ten_megabytes_of_gzip(tmp_path):
    lines = b'{"text": "' + b"a" * 100_000 + b'"}\n'
    member = gzip.compress(lines * 640)
    path = tmp_path / "bomb.jsonl.gz"
    assert repeated(member, 640 * len(lines), path, 160) > 10e9
    assert path.stat().st_size < 12e6
    counts, used = read_measured(path)
    assert counts["unpacked_ratio"] == 1
    assert 600 < counts["document"] < 720  # 64 MiB are free
    assert counts.total() == counts["document"] + 1
    assert used < 80 * MB


@pytest.mark.parametrize("name", ["bomb.jsonl.gz", "bomb.jsonl.zst", "bomb.csv.gz"])
def test_a_line_of_gigabytes_from_a_small_file(tmp_path, name):
    size = 256 * MB
    member = zstandard.compress(bytes(size)) if name.endswith("zst") else gzip.compress(bytes(size), 1)
    path = tmp_path / name
    assert repeated(member, size, path, 40) > 10e9
    counts, used = read_measured(path)
    assert counts == ({"no_text": 1} if "csv" in name else {"unpacked_ratio": 1})
    assert used < 80 * MB


@pytest.mark.parametrize("name", ["long.jsonl", "long.csv", "long.txt", "long.html", "long.warc"])
def test_half_a_gigabyte_on_one_line(tmp_path, name):
    path = tmp_path / name
    before, after = {
        "long.jsonl": (b'{"text": "before"}\n', b'\n{"text": "after"}\n'),
        "long.csv": (b"text\nbefore\n", b"\nafter\n"),
        "long.warc": (
            archives.record("conversion", b"before") + b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 524288000\r\n\r\n",
            b"\r\n\r\n" + archives.record("conversion", b"after"),
        ),
    }.get(name, (b"before", b"after"))
    with path.open("wb") as file:
        file.write(before)
        file.seek(500 * MB, 1)  # zero bytes that take no room on disk
        file.write(after)
    counts, _ = read_measured(path)
    if name in ("long.txt", "long.html"):
        assert counts == {"record_too_long" if name == "long.txt" else "html_too_large": 1}
    else:
        assert counts == {"document": 2, "record_too_long": 1}


def test_long_rows_of_a_table_are_held_a_few_at_a_time(tmp_path):
    path = tmp_path / "c.parquet"
    schema = pa.schema([("text", pa.large_string())])
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False, write_batch_size=1) as writer:
        writer.write_table(pa.table({"text": pa.array(["a" * 8_000_000] * 45, pa.large_string())}))
    counts, _ = read_measured(path)
    assert counts == {"document": 45}


def test_objects_within_objects(tmp_path):
    path = tmp_path / "deep.jsonl"
    path.write_bytes(b'{"a":' * 1_000_000 + b"\n" + b"[" * 10_000_000 + b'\n{"text": "fine"}\n')
    counts, _ = read_measured(path)
    assert counts == {"document": 1, "invalid_json": 2}


def test_empty_shards_are_passed_over(tmp_path):
    (tmp_path / "in").mkdir()
    for name, data in {
        "a.jsonl": b"",
        "b.jsonl.gz": gzip.compress(b""),
        "c.jsonl.zst": zstandard.compress(b""),
        "d.csv": b"text\n",
        "e.jsonl": b"\n\n \n",
        "f.warc": b"",
        "g.jsonl": b'{"text": "words"}',
    }.items():
        (tmp_path / "in" / name).write_bytes(data)
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in" / "h.parquet")
    source = Files(SourceConfig(name="s", path=tmp_path / "in"), part_bytes=1)
    (found,) = source.documents()
    assert found.text == "words"
    (again,) = (one for part in source.parts(tmp_path / "s") for one in source.read_part(part, tmp_path / "s"))
    assert again == found


SCRIPTS = [
    "שלום עולם",
    "مرحبا بالعالم",
    "e\u0301n\u0303",
    "नमस्ते",
    "a\u202eb\u202c",
    "👩\u200d👩\u200d👧",
    "\u2028line",
    "ﷺ" * 3,
    "Z͑ͫ̓a",
]


def test_every_script_comes_out_as_it_went_in(tmp_path):
    text = "\n".join(SCRIPTS)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps({"text": text, "id": "שלום"}, ensure_ascii=False) + "\n")
    (tmp_path / "in" / "b.jsonl").write_text(json.dumps({"text": text}) + "\n")
    (tmp_path / "in" / "c.csv").write_text(f'text\n"{text}"\n')
    (tmp_path / "in" / "d.txt").write_text(text)
    pq.write_table(pa.table({"text": [text]}), tmp_path / "in" / "e.parquet")
    archives.write(tmp_path / "in" / "f.warc", [archives.record("conversion", text.encode())])
    found = list(Files(SourceConfig(name="s", path=tmp_path / "in")).documents())
    assert [one.text for one in found] == [text] * 6
    assert found[0].id == "שלום"


def test_tables_of_different_columns_and_records_of_different_kinds(tmp_path):
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"text": ["one"], "id": [1]}), tmp_path / "in" / "a.parquet")
    pq.write_table(pa.table({"text": pa.array(["two"]).dictionary_encode(), "url": ["u"]}), tmp_path / "in" / "b.parquet")
    pq.write_table(pa.table({"content": ["three"]}), tmp_path / "in" / "c.parquet")
    pq.write_table(pa.table({"text": pa.array([None, None], pa.null())}), tmp_path / "in" / "d.parquet")
    lines = [{"text": "four"}, {"text": ["five"]}, {"text": None}, {"id": {"a": 1}, "text": "six"}, 7]
    (tmp_path / "in" / "e.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = list(Files(SourceConfig(name="s", path=tmp_path / "in")).documents())
    assert [one.rule if isinstance(one, Drop) else one.text for one in found] == [
        *("one", "two", "no_text", "no_text", "no_text"),
        *("four", "no_text", "no_text", "six", "invalid_json"),
    ]
    assert found[8].id == "s:e.jsonl:4"
