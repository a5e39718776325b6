"""Files of every format, and everything that can be wrong with them."""

import gzip
import json
import os
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archives
import arrow_files
from groundup.artifacts.documents import Document
from groundup.core.errors import DataError
from groundup.curate.config import FileFormat, SourceConfig, SourceKind
from groundup.curate.drops import Drop
from groundup.curate.sources import SOURCES
from groundup.curate.sources import base as sources_base
from groundup.curate.sources.files import Files
from groundup.curate.sources.formats import FORMATS


def read(path: Path, **settings) -> list[Document | Drop]:
    return list(Files(SourceConfig(name="s", path=path, **settings)).documents())


def only_drop(path: Path, **settings) -> Drop:
    (found,) = read(path, **settings)
    assert isinstance(found, Drop)
    assert (found.stage, found.source) == ("collect", "s")
    return found


def test_tables_have_the_names_of_the_settings():
    assert set(SOURCES) == set(get_args(SourceKind))
    assert set(FORMATS) == set(get_args(FileFormat)) - {"auto"}


def write_as(name: str, path: Path) -> None:
    match name:
        case "text" | "markdown":
            path.write_text("some words")
        case "jsonl":
            path.write_text('{"text": "some words"}\n')
        case "parquet":
            pq.write_table(pa.table({"text": ["some words"]}), path)
        case "arrow":
            arrow_files.write_stream(path, [["some words"]])
        case "csv" | "tsv":
            path.write_text("text\nsome words\n")
        case "html":
            path.write_text("<html><body><p>some words</p></body></html>")
        case "warc":
            path.write_bytes(archives.record("conversion", b"some words"))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_by_ending_and_by_name(name, tmp_path):
    by_ending = tmp_path / f"file{FORMATS[name].endings[0]}"
    by_name = tmp_path / "file.data"
    for path, format_name in ((by_ending, "auto"), (by_name, name)):
        write_as(name, path)
        (document,) = read(path, format=format_name)
        assert isinstance(document, Document)
        assert (document.text, document.source) == ("some words", "s")
        assert json.loads(document.meta)["file"] == path.name


def test_folder_is_read_whole_in_order_without_hidden_files(tmp_path):
    for name in ("b.txt", "a/z.md", ".hidden.txt", ".git/x.txt", "a/skip.exe", "B.TXT"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert [found.id for found in read(tmp_path)] == ["s:B.TXT", "s:a/z.md", "s:b.txt"]
    assert len(read(tmp_path, format="text")) == 4


def test_jsonl_keeps_what_it_knows(write_jsonl):
    path = write_jsonl(
        [
            {"id": "one", "text": "a", "url": "http://u", "language": "en", "source": "web"},
            {"id": 7, "text": "b", "url": None},
            {"text": "c"},
        ]
    )
    one, two, three = read(path)
    assert (one.id, one.url, one.language) == ("one", "http://u", "en")
    assert json.loads(one.meta) == {"file": "corpus.jsonl", "line": 1, "source": "web"}
    assert (two.id, three.id) == ("7", "s:corpus.jsonl:3")


def test_compressed_jsonl(tmp_path):
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n\n{"text": "b"}'))
    assert [(found.text, found.id) for found in read(path)] == [("a", "s:c.jsonl.gz:1"), ("b", "s:c.jsonl.gz:3")]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.string_view()])
def test_parquet_columns(tmp_path, kind):
    path = tmp_path / "c.parquet"
    pq.write_table(
        pa.table({"body": pa.array(["a", None, "c"], kind), "id": [1, 2, 3], "url": ["u", None, "w"], "n": [1, 2, 3]}), path
    )
    one, two, three = read(path, text_field="body")
    assert (one.id, one.text, one.url) == ("1", "a", "u")
    assert (two.rule, two.id) == ("no_text", "2")
    assert (three.id, three.text, json.loads(three.meta)) == ("3", "c", {"file": "c.parquet", "row": 2})


def test_parquet_column_of_dictionary_type(tmp_path):
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode()}), path)
    assert [found.text for found in read(path)] == ["a", "b", "a"]


def test_wrong_text_in_parquet_spoils_one_row_only(tmp_path):
    path = tmp_path / "c.parquet"
    column = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), path)
    good, bad, fine = read(path)
    assert (good.text, bad.rule, fine.text) == ("good", "invalid_utf8", "fine")
    assert "row 1" in bad.excerpt


@pytest.mark.parametrize(
    ("line", "rule", "said"),
    [
        (b'{"text": "a', "invalid_json", "c.jsonl:1: not JSON"),
        (b'["a"]', "invalid_json", "a list, expected an object"),
        (b'{"texts": "a"}', "no_text", "did you mean 'texts'"),
        (b'{"text": null}', "no_text", "'text' is null"),
        (b'{"text": 3}', "no_text", "'text' is a number"),
        (b'{"text": "\xff"}', "invalid_utf8", "byte 10"),
        (b'{"text": "\x00"}', "not_text", "zero byte"),
        (b'{"text": "\\ud800"}', "invalid_utf8", "surrogate"),
        (b"[" * 100_000, "invalid_json", "not JSON"),
        (b'{"text": ' + b"1" * 5000 + b"}", "invalid_json", "not JSON"),
    ],
)
def test_bad_line_is_a_drop_that_says_why(tmp_path, line, rule, said):
    path = tmp_path / "c.jsonl"
    path.write_bytes(line + b"\n")
    drop = only_drop(path)
    assert drop.rule == rule
    path.write_bytes(line + b'\n{"text": "good"}\n')
    bad, good = read(path)
    assert (bad.rule, good.text) == (rule, "good")
    assert said in _why(path)


def _why(path: Path) -> str:
    source = Files(SourceConfig(name="s", path=path))
    rejections: list[str] = []
    reject = source.reject
    source.reject = lambda *args, **kwargs: rejections.append(args[2]) or reject(*args, **kwargs)
    list(source.documents())
    return rejections[0]


def test_bad_text_files_are_drops(tmp_path):
    binary = tmp_path / "b.txt"
    binary.write_bytes(b"MZ\x00\x01")
    assert only_drop(binary).rule == "not_text"
    latin = tmp_path / "l.txt"
    latin.write_bytes("é".encode("latin-1"))
    assert only_drop(latin).rule == "invalid_utf8"


def test_records_beyond_the_bound_are_drops_and_the_next_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_base, "MAX_RECORD_BYTES", 100)
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(json.dumps({"text": "a" * n}) for n in (500, 5, 88, 89)))
    long, short, on, beyond = read(path)
    assert (long.rule, long.threshold, short.text, on.text, beyond.rule) == (
        "record_too_long",
        100,
        "aaaaa",
        "a" * 88,
        "record_too_long",
    )
    text = tmp_path / "c.txt"
    text.write_text("a" * 101)
    assert only_drop(text).value == 101


def write_twice_the_column(path):
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file or folder"),
        (lambda path: path.mkdir(), "an empty folder"),
        (lambda path: (path.mkdir(), (path / "a.exe").write_text("x")), "no file with a known ending (a.exe"),
        (lambda path: (path.mkdir(), (path / "a.txt").symlink_to("gone")), "a.txt: a link to gone, which is not there; bring back"),
        (lambda path: (path.mkdir(), os.mkfifo(path / "a.txt"), os.mkfifo(path / "b.txt")), "neither a file nor a folder (2 such"),
    ],
)
def test_a_source_without_files_is_an_error_that_names_it(tmp_path, make, said):
    path = tmp_path / "in"
    make(path)
    with pytest.raises(DataError) as caught:
        read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_told_of_bad_records_does_not_hang_on_where_the_folder_lies(tmp_path):
    for place in (tmp_path / "here", tmp_path / "there"):
        place.mkdir()
        (place / "a.jsonl").write_bytes(b'{"text": 3}\n{broken\n{"text": "good"}\n')
        (place / "b.txt").write_bytes(b"\xff")
        (place / "c.parquet").write_bytes(b"x")
        (place / "d.html").write_bytes(b"")
        (place / "e.csv").write_bytes(b"a,b\n1,2\n")
        (place / "f.warc.gz").write_bytes(b"x")
    here, there = (read(tmp_path / name) for name in ("here", "there"))
    assert here == there
    assert not any(str(tmp_path) in one.excerpt for one in here if isinstance(one, Drop))
    assert len(here) == 8


def test_links_to_folders_are_followed_and_no_folder_is_read_twice(tmp_path):
    for name in ("a/b", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "c.txt").write_text(f"text of {name}")
    for name, place in {"a/linked": "../other", "a/again": "../other", "a/b/loop": ".."}.items():
        (tmp_path / name).symlink_to(place)
    assert [(one.id, one.text) for one in read(tmp_path / "a")] == [
        ("s:again/c.txt", "text of other"),
        ("s:b/c.txt", "text of a/b"),
    ]


@pytest.mark.parametrize(
    ("name", "write", "rule", "said"),
    [
        ("a.parquet", lambda path: path.write_bytes(b"PAR1 and no more"), "damaged", "not readable as Parquet"),
        ("a.parquet", lambda path: path.write_bytes(b""), "damaged", "not readable as Parquet"),
        ("a.jsonl.gz", lambda path: path.write_bytes(b"no gzip"), "damaged", "a.jsonl.gz:1: damaged gzip"),
        ("a.jsonl.zst", lambda path: path.write_bytes(b"no zstd"), "damaged", "a.jsonl.zst:1: damaged zstd"),
        ("a.jsonl.gz", lambda path: path.write_bytes(b""), "damaged", "a.jsonl.gz:1: gzip data end too early"),
        ("a.parquet", lambda path: pq.write_table(pa.table({"texts": ["a"]}), path), "no_text", "did you mean 'texts'?"),
        ("a.parquet", lambda path: pq.write_table(pa.table({"text": [1]}), path), "no_text", "holds int64, expected string"),
        ("a.parquet", write_twice_the_column, "no_text", "several columns are called 'text'"),
    ],
)
def test_an_unreadable_file_is_one_drop_and_the_next_is_read(tmp_path, name, write, rule, said):
    write(tmp_path / name)
    (tmp_path / "b.txt").write_text("good")
    drop, good = read(tmp_path)
    assert (drop.rule, drop.stage, good.text) == (rule, "collect", "good")
    assert said in _why(tmp_path)
    assert _why(tmp_path).startswith(name)


def test_damaged_parquet_loses_a_row_group_only(tmp_path):
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"text": [f"some words here {n}" for n in range(1000)]}), path, row_group_size=400)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[4:40] = b"\xff" * 36
    path.write_bytes(bytes(damaged))
    drop, *documents = read(path)
    assert (drop.rule, drop.id) == ("damaged", "s:c.parquet:0")
    assert [found.text for found in documents] == [f"some words here {n}" for n in range(400, 1000)]
    assert documents[0].id == "s:c.parquet:400"
    path.write_bytes(whole[: len(whole) // 2])
    assert only_drop(path).rule == "damaged"


ANY_FILE = [
    "f.txt",
    "f.jsonl",
    "f.jsonl.gz",
    "f.jsonl.zst",
    "f.parquet",
    "f.csv",
    "f.tsv",
    "f.html",
    "f.warc",
    "f.warc.gz",
    "f.arrow",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200), st.sampled_from(ANY_FILE))
def test_any_bytes_give_documents_or_drops(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    found = read(path)
    assert all(isinstance(one, Drop) or one.text.encode() for one in found) or name == "f.txt"
