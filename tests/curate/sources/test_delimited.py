"""CSV and TSV: records as Python's csv module reads them, cut only between records, each oddity a drop."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.artifacts.documents import Document
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources.files import Files

CELL = st.text(alphabet=st.sampled_from('ab,"\n\r\té '), max_size=12)
ROWS = st.lists(st.tuples(CELL, CELL), max_size=25)


def read(path: Path, part_bytes: int = 1 << 20, **config) -> list[Document | Drop]:
    """Return what the file holds, read whole and in parts."""
    source = Files(SourceConfig(name="s", path=path, **config), part_bytes)
    found = list(source.documents())
    scratch = path.parent / "scratch"
    assert [one for part in source.parts(scratch) for one in source.read_part(part, scratch)] == found
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(ROWS, st.integers(1, 300), st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_csv_writes_is_read_back_in_parts_of_any_size(tmp_path_factory, rows, part_bytes, delimiter, line_end, quote_all):
    text = io.StringIO()
    rows = (
        rows if quote_all else [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    )  # the writer leaves a lone one bare
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows([("body", "n"), *rows])
    path = tmp_path_factory.mktemp("case") / ("a.csv" if delimiter == "," else "a.tsv")
    path.write_bytes(text.getvalue().encode())
    found = read(path, part_bytes, text_field="body")
    assert [one.text for one in found] == [body for body, _ in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab,"\n\r'), max_size=80), st.integers(1, 30))
def test_any_text_gives_the_same_in_parts_and_whole(tmp_path_factory, text, part_bytes):
    path = tmp_path_factory.mktemp("case") / "a.csv"
    path.write_bytes(b"text,b\n" + text.encode())
    read(path, part_bytes)


def test_columns_and_places(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfid,text,url,source,n\n7,"two\nlines",http://u,web,1\n\n,next,,,2\n')
    one, two = read(path)
    assert (one.id, one.text, one.url) == ("7", "two\nlines", "http://u")
    assert json.loads(one.meta) == {"file": "a.csv", "line": 2, "source": "web"}
    assert (two.id, two.text, two.url) == ("s:a.csv:5", "next", None)


@pytest.mark.parametrize(
    ("data", "rules", "said"),
    [
        (b"text,n\ngood,1\none, two,1\nfine,2\n", ["", "columns", ""], "3 fields under 2 column names"),
        (b"text,n\ngood,1\nshort\nfine,2\n", ["", "columns", ""], "1 fields under 2"),
        (b'text,n\ngood,1\n"open,1\nrest,2\n', ["", "invalid_csv"], "from line 3 on is not closed by line 4"),
        (b"text,n\ngood,1\n\xff,1\nfine,2\n", ["", "invalid_utf8", ""], "not UTF-8"),
        (b"text,n\ngood,1\na\0b,1\nfine,2\n", ["", "not_text", ""], "zero byte"),
        (b"text,n\ngood,1\nold\rmac,1\nfine,2\n", ["", "invalid_csv", ""], "new-line character"),
        (b"words,n\ngood,1\n", ["no_text"], "no column is called 'text'"),
        (b"text,text\ngood,1\n", ["no_text"], "several columns are called 'text'"),
        (b"", ["no_text"], "an empty file"),
    ],
)
def test_each_oddity_is_a_drop_that_says_why(tmp_path, data, rules, said):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    for part_bytes in (1, 1 << 20):
        found = read(path, part_bytes)
        assert [one.rule if isinstance(one, Drop) else "" for one in found] == rules
        assert said in " ".join(one.excerpt for one in found if isinstance(one, Drop)).replace(path.name, "F")


def test_compressed_and_cut_off(tmp_path):
    data = gzip.compress(b"text\n" + b"".join(b"words %d\n" % n for n in range(1500)))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(data)
    assert len(read(path)) == 1500
    path.write_bytes(data[: len(data) // 2])
    *documents, drop = read(path)
    assert drop.rule == "damaged"
    assert [one.text for one in documents] == [f"words {n}" for n in range(len(documents))]
    assert 300 < len(documents) < 1200


def test_records_are_bounded(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text\nok\n"' + "many words\n" * 100 + '"\nfine\n')
    source = Files(SourceConfig(name="s", path=path))
    source.max_record_bytes = 200
    found = list(source.documents())
    assert next(one.rule for one in found if isinstance(one, Drop)) == "record_too_long"
    assert found[0].text == "ok"
    path.write_text("text\n" + "," * 1_000_001 + "\nfine\n")
    long, fine = read(path)
    assert (long.rule, long.value, fine.text) == ("record_too_long", 1_000_001, "fine")
