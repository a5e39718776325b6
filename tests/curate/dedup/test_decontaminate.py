"""Items of benchmarks are read from any list, and found in documents as a slow version finds them."""

import csv
import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import DataError
from groundup.curate.dedup.decontaminate import MIN_ITEM_WORDS, NGRAM_WORDS, Decontaminator
from groundup.curate.dedup.items import Item, read_items

LONG = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many?"
SHORT = "What is the capital city of the Netherlands today?"


def test_items_of_json_lines(tmp_path):
    file = tmp_path / "task.jsonl"
    file.write_text(
        '{"q": "one", "choices": {"text": ["a", "b"], "label": ["A"]}, "n": 3, "key": "k1"}\n\n'
        '{"q": " ", "choices": null, "key": 7}\n'
    )
    assert list(read_items(file)) == [Item("task.jsonl:1", ("one", "a", "b", "A", "k1")), Item("task.jsonl:3", ())]
    assert list(read_items(file, ["choices", "q"], "key")) == [Item("k1", ("a", "b", "A", "one")), Item("7", ())]


def test_items_of_tables_lines_and_folders(tmp_path):
    (tmp_path / "b.csv").write_text('question,answer\r\n"two\nlines, one field",yes\r\nshort\r\n')
    with gzip.open(tmp_path / "a.tsv.gz", "wt") as file:
        file.write("question\tid\nwhy?\t5\n")
    (tmp_path / "c.txt").write_text("\ufeffone a line\n\nlast\n")
    (tmp_path / "notes.md").write_text("not a list")
    assert list(read_items(tmp_path)) == [
        Item("a.tsv.gz:2", ("why?", "5")),
        Item("b.csv:2", ("two\nlines, one field", "yes")),
        Item("b.csv:3", ("short",)),
        Item("c.txt:1", ("one a line",)),
        Item("c.txt:3", ("last",)),
    ]


@pytest.mark.parametrize(
    ("name", "data", "fields", "said"),
    [
        ("a.jsonl", b'{"q": "x"}\n{', (), "a.jsonl:2: not JSON"),
        ("a.jsonl", b"[1]", (), "a.jsonl:1: a list, expected an object with fields"),
        ("a.jsonl", b'{"q": "x", "b": 1}', ("question",), "a.jsonl:1: no field 'question'; it has q, b"),
        ("a.jsonl", b"\n", (), "no item in it; give a file or folder of .jsonl"),
        ("a.jsonl", b"\xff", (), "cannot be read as UTF-8"),
        ("a.jsonl.gz", b"plain", (), "cannot be read as UTF-8"),
        ("a.parquet", b"", (), "ends with '.parquet', which is no list of items"),
    ],
)
def test_lists_that_cannot_be_read_are_refused(tmp_path, name, data, fields, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        list(read_items(tmp_path / name, fields))
    assert said in str(caught.value)


def test_a_table_beyond_the_reader_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text('q\n"' + "x" * 2000 + '"')
    limit = csv.field_size_limit(1000)
    try:
        with pytest.raises(DataError, match=r"a\.csv:\d: no row of a table \(field larger than field limit"):
            list(read_items(tmp_path / "a.csv"))
    finally:
        csv.field_size_limit(limit)


def test_a_leak_is_reported_with_item_share_and_span():
    finder = Decontaminator.of([Item("gsm8k:1", (LONG, "72")), Item("geo:1", (SHORT,)), Item("tiny", ("Yes", "No way"))])
    assert finder.too_short == ["tiny"]
    leak = "natalia SOLD clips to (48) of her friends in April and then she sold half"
    text = f"Some page. “{leak} of them.” {SHORT.upper()} End"
    whole, part = sorted(finder.find(["nothing here", text]), key=lambda found: found.item_id)
    assert (whole.item_id, whole.document, whole.shared, whole.of, whole.share) == ("geo:1", 1, 1, 1, 1.0)
    assert [text[a:b] for a, b in whole.spans] == [SHORT.upper().rstrip("?")]
    assert (part.item_id, part.shared, part.of) == ("gsm8k:1", 3, len(LONG.split()) - NGRAM_WORDS + 1)
    assert [text[a:b] for a, b in part.spans] == [leak]


def test_fewer_words_than_the_least_are_not_sought():
    eight, seven = "a b c d e f g h", "i j k l m n o"
    assert len(eight.split()) == MIN_ITEM_WORDS
    finder = Decontaminator.of([Item("eight", (eight,)), Item("seven", (seven,))])
    assert finder.too_short == ["seven"]
    assert [found.item_id for found in finder.find([f"x {eight} {seven} y"])] == ["eight"]
    assert not finder.find(["a b c d e f g", "x"])


def test_an_index_of_nothing_finds_nothing():
    assert not Decontaminator.of([]).find(["one two", ""])


def test_an_index_is_the_same_from_files(tmp_path):
    finder = Decontaminator.of([Item("a", (LONG,)), Item("b", ("x",))])
    finder.write(tmp_path)
    again = Decontaminator.open(tmp_path)
    assert again.find(["x", LONG]) == finder.find(["x", LONG])
    assert again.too_short == ["b"]


WORDS = st.lists(st.sampled_from(["a", "B", "b,", "c-a", "(d)", "'"]), max_size=12).map(" ".join)


def slow_find(items, documents, width, least):
    """(document, item, shared, of, spans) by comparing lists of words."""
    found = []
    for place, document in enumerate(documents):
        places = [match.span() for match in re.finditer(r"[a-zA-Z]+", document)]
        words = [document[a:b].lower() for a, b in places]
        for name, texts in items:
            for text in texts:
                own = re.findall(r"[a-z]+", text.lower())
                if len(own) < min(least, width):
                    continue
                size = min(width, len(own))
                runs = {tuple(own[i : i + size]) for i in range(len(own) - size + 1)}
                hits = [i for i in range(len(words) - size + 1) if tuple(words[i : i + size]) in runs]
                covered = sorted({i + step for i in hits for step in range(size)})
                spans = []
                for i in covered:
                    if i - 1 in covered:
                        spans[-1] = (spans[-1][0], places[i][1])
                    else:
                        spans.append(places[i])
                shared = {tuple(words[i : i + size]) for i in hits}
                if hits:
                    found.append((place, name, len(shared), len(runs), tuple(spans)))
    return found


@given(st.lists(st.lists(WORDS, max_size=2), max_size=4), st.lists(WORDS, max_size=4), st.sampled_from([(4, 2), (3, 3), (2, 4)]))
def test_finds_what_a_slow_version_finds(texts, documents, widths):
    items = [(str(number), tuple(each)) for number, each in enumerate(texts)]
    finder = Decontaminator.of([Item(*item) for item in items], *widths)
    found = [(one.document, one.item_id, one.shared, one.of, one.spans) for one in finder.find(documents)]
    assert found == slow_find(items, documents, *widths)
