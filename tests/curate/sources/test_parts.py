"""Parts in order are the source: the same documents, ids, places and drops as reading each file from start to end."""

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.artifacts.documents import Document
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources import lines as sources_lines
from groundup.curate.sources.files import Files
from groundup.curate.sources.installed_licences import InstalledLicences
from groundup.curate.sources.parts import Part

FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
LINE = st.one_of(
    st.builds(lambda text: json.dumps({"text": text}).encode(), st.text(max_size=40)),
    st.builds(
        lambda text, name: json.dumps({"id": name, "text": text}, ensure_ascii=False).encode(), st.just("é\u2028ا"), st.integers()
    ),
    st.sampled_from([b"", b" ", b"\r", b'{"text": null}', b"[1]", b'{"text": "\xff"}', b"{" + b"x" * 300, b"\xef\xbb\xbf{}"]),
)
LINES = st.lists(LINE, max_size=30)
PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


def through_parts(source: Files, scratch: Path) -> list[Document | Drop]:
    parts = [Part.from_json(json.loads(json.dumps(part.to_json()))) for part in source.parts(scratch)]
    assert [part.index for part in parts] == list(range(len(parts)))
    return [found for part in parts for found in source.read_part(part, scratch)]


def check(path: Path, scratch: Path, part_bytes: int, **config) -> tuple[list[Document | Drop], list[Part]]:
    source = Files(SourceConfig(name="s", path=path, **config), part_bytes)
    whole = list(source.documents())
    assert through_parts(source, scratch) == whole
    return whole, source.parts(scratch)


@FIXTURE
@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.integers(1, 700), st.sampled_from(list(PACK)))
def test_any_lines_in_parts_of_any_size(tmp_path_factory, lines, line_end, final, part_bytes, packed):
    folder = tmp_path_factory.mktemp("case")
    data = line_end.join(lines) + (line_end if final else b"")
    (folder / "in").mkdir()
    (folder / "in" / f"b.jsonl{packed}").write_bytes(PACK[packed](data))
    (folder / "in" / "a.txt").write_text("before")
    (folder / "in" / "c.jsonl").write_text('{"text": "after"}')
    check(folder / "in", folder / "scratch", part_bytes)


@FIXTURE
@given(LINES, st.integers(1, 400), st.sampled_from([".gz", ".zst"]), st.floats(0, 1), st.booleans())
def test_damage_ends_the_file_alike_in_parts_and_whole(tmp_path_factory, lines, part_bytes, packed, place, cut):
    folder = tmp_path_factory.mktemp("case")
    data = bytearray(PACK[packed](b"\n".join(lines)))
    at = min(int(place * len(data)), len(data) - 1)
    if cut:
        del data[at:]
    else:
        data[at] ^= 0x55
    path = folder / f"b.jsonl{packed}"
    path.write_bytes(bytes(data))
    found, _ = check(path, folder / "scratch", part_bytes)
    damaged = [one for one in found if isinstance(one, Drop) and one.rule == "damaged"]
    assert len(damaged) <= 1
    assert not damaged or found[-1] is damaged[0]
    assert damaged or not cut


@FIXTURE
@given(st.lists(st.text(max_size=50), max_size=40), st.integers(1, 13), st.integers(1, 500))
def test_row_groups(tmp_path_factory, texts, group_rows, part_bytes):
    folder = tmp_path_factory.mktemp("case")
    path = folder / "c.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.string()), "id": list(range(len(texts)))}), path, row_group_size=group_rows)
    found, parts = check(path, folder / "scratch", part_bytes)
    assert [one.text if isinstance(one, Document) else None for one in found] == [
        text if "\0" not in text else None for text in texts
    ]
    assert part_bytes > 1 or len(parts) == max(-(-len(texts) // group_rows), 1)


@pytest.mark.parametrize("packed", PACK)
def test_a_line_larger_than_parts_and_than_the_buffer(tmp_path, packed, monkeypatch):
    monkeypatch.setattr(sources_lines, "_BUFFER_BYTES", 1 << 16)
    records = [{"text": "a"}, {"text": random.Random(0).randbytes(2_500_000).hex()}, {"text": "c"}, {"text": "d" * 5_000}]
    path = tmp_path / f"c.jsonl{packed}"
    path.write_bytes(PACK[packed]("\n".join(json.dumps(record) for record in records).encode()))
    found, parts = check(path, tmp_path / "scratch", 1000)
    assert [len(one.text) for one in found] == [1, 5_000_000, 1, 5_000]
    assert [len(part.pieces) for part in parts] == [1, 1]


def test_a_record_beyond_the_bound_has_its_true_length_in_parts_too(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"text": "a"}\n' + '{"text": "' + "b" * 500 + '"}\n{"text": "c"}')
    source = Files(SourceConfig(name="s", path=path), part_bytes=10)
    source.max_record_bytes = 100
    one, long, three = source.documents()
    assert (one.text, long.rule, long.value, three.text) == ("a", "record_too_long", 512, "c")
    assert through_parts(source, tmp_path / "scratch") == [one, long, three]


def test_parts_hang_on_the_files_alone(tmp_path):
    """Neither on where the files lie nor on where the scratch folder is."""
    noise = "".join(f'{{"text": "{random.Random(number).random()}"}}\n' for number in range(9000)).encode()
    lists = []
    for place in ("here", "some/where/else"):
        folder = tmp_path / place
        (folder / "in").mkdir(parents=True)
        for number in range(40):
            (folder / "in" / f"{number:02}.txt").write_text("word " * number)
        (folder / "in" / "x.jsonl").write_text('{"text": "a"}\n' * 9000)
        (folder / "in" / "y.jsonl.gz").write_bytes(gzip.compress(noise, mtime=0)[:-5])
        source = Files(SourceConfig(name="s", path=folder / "in"), part_bytes=50_000)
        lists.append([part.to_json() for part in source.parts(folder / "scratch")])
    assert lists[0] == lists[1]
    sizes = [part["num_bytes"] for part in lists[0]]
    assert sum(sizes) > 500_000
    assert max(sizes) < 51_000


def test_many_small_files_are_few_parts(tmp_path):
    for number in range(100):
        (tmp_path / f"{number:02}.txt").write_text("word")
    _, parts = check(tmp_path, tmp_path / "scratch", 100 << 10)
    assert [len(part.pieces) for part in parts] == [25, 25, 25, 25]


def test_a_file_is_divided_once_and_again_if_it_has_changed(tmp_path):
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n' * 300))
    source = Files(SourceConfig(name="s", path=path), part_bytes=90)
    (file,) = source.files()
    assert source.is_divided(file)
    first = source.divide(file, tmp_path / "scratch")
    times = {inner: inner.stat().st_mtime_ns for inner in (tmp_path / "scratch").rglob("*.*")}
    assert len(times) == len(first) + 1
    assert source.divide(file, tmp_path / "scratch") == first
    assert {inner: inner.stat().st_mtime_ns for inner in times} == times
    path.write_bytes(gzip.compress(b'{"text": "bb"}\n' * 200))
    os.utime(path, ns=(1, 1))
    assert [found.text for found in through_parts(source, tmp_path / "scratch")] == ["bb"] * 200


def test_unfinished_division_is_done_anew(tmp_path):
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n' * 300))
    source = Files(SourceConfig(name="s", path=path), part_bytes=90)
    pieces = source.divide(*source.files(), tmp_path / "scratch")
    (index,) = (tmp_path / "scratch").rglob("index.json")
    index.unlink()
    for inner in sorted(index.parent.iterdir())[3:]:
        inner.unlink()
    (index.parent / "000000000000000.partial").write_text("cut off")
    assert source.divide(*source.files(), tmp_path / "scratch") == pieces
    assert not list(index.parent.glob("*.partial"))
    assert len(through_parts(source, tmp_path / "scratch")) == 300


def test_sources_that_are_not_divided_have_parts_of_whole_files(tmp_path):
    source = InstalledLicences(SourceConfig(name="l", kind="installed-licences"), part_bytes=60_000)
    parts = source.parts(tmp_path)
    assert len(parts) > 1
    assert [found for part in parts for found in source.read_part(part, tmp_path)] == list(source.documents())


def test_names_that_are_not_utf8_stay_apart(tmp_path):
    for name in (b"\xff.txt", b"\xfe.txt", b"plain.txt"):
        (tmp_path / os.fsdecode(name)).write_text(repr(name))
    found, parts = check(tmp_path, tmp_path / "scratch", 1)
    assert {one.text for one in found} == {repr(name) for name in (b"\xff.txt", b"\xfe.txt", b"plain.txt")}
    assert len(parts) == 3
