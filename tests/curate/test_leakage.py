"""The split, the exact overlap with it, and copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.dedup import postings
from groundup.curate.dedup.postings import Postings
from groundup.curate.dedup.shingles import Shingles, shingle_sets, shingles
from groundup.curate.leakage import LeakageIndex, Overlap
from groundup.curate.split import choose_validation

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "D", "d"]), max_size=14).map(" ".join)


def slow_shingles(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


@given(st.lists(TEXTS, max_size=6), st.lists(TEXTS, max_size=4))
def test_overlaps_equal_brute_force(held_out, texts):
    index = LeakageIndex.of(list(map(str, range(len(held_out)))), held_out)
    found = index.overlaps(shingle_sets(texts))
    for place, text in enumerate(texts):
        own = slow_shingles(text)
        shared = [len(own & slow_shingles(other)) / min(len(own), len(slow_shingles(other))) for other in held_out]
        if max(shared, default=0) == 0:
            assert place not in found
        else:
            assert found[place] == Overlap(str(shared.index(max(shared))), max(shared))
        assert index.overlap(text) == found.get(place)


@given(TEXTS)
def test_as_many_shingles_as_brute_force(text):
    assert len(shingles(text)) == len(slow_shingles(text))


SETS = st.lists(st.sets(st.integers(0, 40).map(lambda number: (number * 0x9E3779B97F4A7C15) % 2**64)), max_size=8)


def as_shingles(sets):
    return Shingles(np.array([value for values in sets for value in sorted(values)], np.uint64), np.cumsum([0, *map(len, sets)]))


@given(SETS, SETS, st.sampled_from([3, 1 << 16]), st.sampled_from([1, 1 << 20]))
def test_meetings_equal_those_of_sets_in_blocks_of_any_size(texts, documents, block, meetings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "_BLOCK", block)
        patch.setattr(postings, "_MAX_MEETINGS", meetings)
        found = Postings.of(as_shingles(texts)).meetings(as_shingles(documents))
    rows = list(zip(found.documents.tolist(), found.texts.tolist(), found.shared.tolist(), strict=True))
    pairs = ((d, t, len(one & other)) for d, one in enumerate(documents) for t, other in enumerate(texts))
    assert rows == [row for row in pairs if row[2]]


def test_an_index_is_the_same_from_files(tmp_path):
    texts = [" ".join(f"w{(number * place) % 50}" for place in range(60)) for number in range(20)]
    sets = shingle_sets(texts)
    index = Postings.of(sets)
    index.write(tmp_path)
    again = Postings.open(tmp_path)
    assert isinstance(again.hashes, np.memmap)
    for one, other in ((index.meetings(sets), again.meetings(sets)),):
        assert all((getattr(one, name) == getattr(other, name)).all() for name in ("documents", "texts", "shared"))
    strangers = np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64)
    assert [len(values) for values in again.found(strangers)] == [0, 0]
    slots = again.seen.size * 8
    assert len(index.hashes) * 8 <= slots, "the filter lets few strangers through"


@given(st.sets(st.text(st.characters(codec="utf-8"))), st.floats(0, 0.999), st.integers(0, 2**63))
def test_split_holds_out_some_and_leaves_some(ids, fraction, seed):
    chosen = choose_validation(ids, seed, fraction)
    assert chosen <= ids
    assert chosen == choose_validation(sorted(ids, reverse=True), seed, fraction)
    if len(ids) < 2 or fraction == 0:
        assert not chosen
    else:
        assert 1 <= len(chosen) < len(ids)


def test_split_is_close_to_the_fraction_and_hangs_on_the_seed():
    ids = [f"doc {i}" for i in range(20_000)]
    chosen = choose_validation(ids, 1, 0.05)
    assert 0.045 < len(chosen) / len(ids) < 0.055  # 3 standard deviations are 0.0046
    assert len(chosen & choose_validation(ids, 2, 0.05)) < len(chosen) / 5


def test_fate_of_a_document_hangs_on_no_other():
    ids = [f"doc {i}" for i in range(1000)]
    assert choose_validation(ids[:500], 0, 0.1) == choose_validation(ids, 0, 0.1) & set(ids[:500])
