"""Repeated passages: split, found and taken out as slow versions do; the suffix array finds the same as hashes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import BudgetError, MissingExtraError
from groundup.curate.dedup import substrings
from groundup.curate.dedup import words as words_module
from groundup.curate.dedup.arrays import Columns, open_array, write_array
from groundup.curate.dedup.passages import Lines, ThreeSentences, WordWindows, without, write_passages, write_repeated
from groundup.curate.dedup.runs import unpack
from groundup.curate.dedup.substrings import repeated_windows

KINDS = [ThreeSentences(), Lines(min_words=2), WordWindows(width=3)]
TEXTS = st.lists(
    st.lists(
        st.sampled_from(["One.", "Two two!", "three", 'Four?"', "a\n", "b c d\n", "五。六！", "\n\n", "3.5"]), max_size=14
    ).map(" ".join),
    max_size=6,
)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ('He said "Go." Then he went... (really.) Yes', ['He said "Go."', "Then he went...", "(really.)", "Yes"]),
        ("Version 3.14 of a.b", ["Version 3.14 of a.b"]),
        ('A heading\nA line. \n\n "So" it is', ["A heading", "A line.", '"So" it is']),
        ("今天很好。你好吗？「走！」他说", ["今天很好。", "你好吗？", "「走！」", "他说"]),
        ("", []),
        (" \n . \n", ["."]),
        ("Dr. Who", ["Dr.", "Who"]),
    ],
)
def test_sentences(text, sentences):
    assert [text[start:end] for start, end in ThreeSentences().units(text)] == sentences


def test_short_lines_are_no_passages():
    text = "Contents\nthis line has five words\n  }\n and   this  one has five too"
    assert [text[a:b] for a, b in Lines().units(text)] == ["this line has five words", "and   this  one has five too"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(texts=TEXTS)
def test_a_hash_stands_for_a_passage(kind, texts):
    """Equal exactly where the folded words of the units are."""
    found = kind.hashes(texts)
    passages = []
    for text in texts:
        units = [tuple(text[a:b].casefold().split()) for a, b in kind.units(text)]
        assert all(units)
        passages.append([tuple(units[i : i + kind.width]) for i in range(len(units) - kind.width + 1)])
    assert np.diff(found.offsets).tolist() == list(map(len, passages))
    flat = [passage for each in passages for passage in each]
    assert len(set(flat)) == len(set(found.hashes.tolist())) == len(set(zip(flat, found.hashes.tolist(), strict=True)))


def slow_repeated(passages, width, ranks, excluded):
    """(document, passage) that has an earlier equal one, by (rank, document, place), but for those that overlap it."""
    places = [(ranks[d], d, i) for d, each in enumerate(passages) if d not in excluded for i in range(len(each))]
    first = {}
    found = set()
    for rank, d, i in sorted(places):
        key = passages[d][i]
        _, owner, at = first.setdefault(key, (rank, d, i))
        if (owner, at) != (d, i) and not (owner == d and i - at < width):
            found.add((d, i))
    return found


def find(folder, kind, texts, cuts, memory, ranks, excluded):
    folders, files = [], []
    for number, (start, end) in enumerate(pairwise([0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)])):
        folders.append(folder / str(number))
        folders[-1].mkdir()
        write_passages(folders[-1], kind.hashes(texts[start:end]))
        files.append(folder / f"rank-{number}.npy")
        write_array(files[-1], np.array([ranks[start:end]], np.uint64).reshape(1, -1))
    lost = np.array(sorted(number for number in excluded if number < len(texts)), np.uint64)
    write_repeated(folders, folder / "out.npy", kind.width, memory, Columns(files), lost)
    return set(zip(*(column.tolist() for column in unpack(open_array(folder / "out.npy"))), strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@settings(max_examples=25, deadline=None)
@given(
    texts=TEXTS,
    cuts=st.lists(st.integers(0, 6), max_size=2),
    memory=st.sampled_from([8000, 1 << 24]),
    ranks=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    excluded=st.sets(st.integers(0, 5), max_size=2),
)
def test_repeated_passages_equal_the_slow_ones(tmp_path_factory, kind, texts, cuts, memory, ranks, excluded):
    found = find(tmp_path_factory.mktemp("passages"), kind, texts, cuts, memory, ranks, excluded)
    hashes = kind.hashes(texts)
    assert found == slow_repeated([hashes.of(d).tolist() for d in range(len(texts))], kind.width, ranks, excluded)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(texts=TEXTS, numbers=st.sets(st.integers(0, 12)))
def test_what_is_taken_out_and_what_is_left_are_the_text(kind, texts, numbers):
    for text in texts:
        last = len(kind.units(text)) - kind.width
        chosen = sorted(number for number in numbers if number <= last)
        cut = without(text, kind, chosen)
        lost = {place for start, end in cut.removed for place in range(start, end)}
        assert "".join(cut.text.split()) == "".join("".join(char for place, char in enumerate(text) if place not in lost).split())
        units = kind.units(text)
        gone = {unit for number in chosen for unit in range(number, number + kind.width)}
        assert all((set(range(a, b)) <= lost) == (unit in gone) for unit, (a, b) in enumerate(units))
        assert chosen or cut.text == text
        assert all(not text[a].isspace() and not text[b - 1].isspace() for a, b in cut.removed)


def test_what_was_apart_stays_apart():
    text = "First it is.\n\nOne one. Two two. Three three.\nLast it was."
    cut = without(text, ThreeSentences(), [1])
    assert cut.text == "First it is.\n\nLast it was."
    assert [text[a:b] for a, b in cut.removed] == ["One one. Two two. Three three."]
    assert without("One one. Two two. Three three. Four.", ThreeSentences(), [0]).text == "Four."
    assert without("One. Two. Three.", ThreeSentences(), [0]).text == ""


def test_a_text_that_says_one_thing_over_and_over_keeps_it_once(tmp_path):
    kind = WordWindows(width=5)
    text = "buy now " * 10
    found = find(tmp_path, kind, [text], [], 1 << 20, [0], set())
    assert without(text, kind, [number for _, number in found]).text == "buy now buy now buy now"


def test_words_too_long_for_a_chunk_are_cut_the_same_way_both_times(monkeypatch):
    monkeypatch.setattr(words_module, "CHUNK_CHARS", 8)
    words_module._powers.cache_clear()
    text = "a" * 20 + " b " + "c" * 9 + " d"
    kind = WordWindows(width=2)
    assert len(kind.hashes([text]).hashes) == len(kind.units(text)) - 1
    words_module._powers.cache_clear()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from("aAbc"), max_size=25).map(" ".join), max_size=5), st.sampled_from([1, 2, 4]))
def test_the_suffix_array_finds_what_hashes_find(texts, width):
    kind = WordWindows(width=width)
    hashes = kind.hashes(texts)
    slow = slow_repeated([hashes.of(d).tolist() for d in range(len(texts))], width, [0] * len(texts), set())
    assert list(map(tuple, repeated_windows(texts, 1 << 30, width).tolist())) == sorted(slow)


def test_a_suffix_array_beyond_memory_is_refused_with_the_figure():
    with pytest.raises(
        BudgetError,
        match=r"of 1,001 words takes about 72.1 kB, memory is 72 kB; raise it \(worker_memory_bytes\), or find .* by hash",
    ):
        repeated_windows(["x " * 1000], 72_000)


def test_the_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydivsufsort", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'groundup\[substrings\]'"):
        substrings._load()
