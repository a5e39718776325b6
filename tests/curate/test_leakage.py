"""The split, the exact overlap with it, and copies."""

from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.dedup import FirstCopies, document_key
from groundup.curate.dedup.shingles import shingles
from groundup.curate.leakage import LeakageIndex
from groundup.curate.split import choose_validation

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "D", "d"]), max_size=14).map(" ".join)


def slow_shingles(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


@given(st.lists(TEXTS, min_size=1, max_size=6), TEXTS)
def test_overlap_equals_brute_force(held_out, text):
    index = LeakageIndex()
    for number, other in enumerate(held_out):
        index.add(str(number), other)
    own = slow_shingles(text)
    shared = [len(own & slow_shingles(other)) / min(len(own), len(slow_shingles(other))) for other in held_out]
    found = index.overlap(text)
    if max(shared) == 0:
        assert found is None
    else:
        assert found is not None
        assert found.containment == max(shared)
        assert found.twin_id == str(shared.index(max(shared)))


@given(TEXTS)
def test_as_many_shingles_as_brute_force(text):
    assert len(shingles(text)) == len(slow_shingles(text))


def test_an_empty_index_overlaps_nothing():
    assert LeakageIndex().overlap("a b c") is None


def test_index_may_grow_after_a_question():
    index = LeakageIndex()
    index.add("x", "one two three four five six")
    assert index.overlap("seven eight") is None
    index.add("y", "seven eight")
    found = index.overlap("Seven  EIGHT")
    assert found is not None
    assert (found.twin_id, found.containment) == ("y", 1.0)


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


def test_copies_differ_in_case_and_space_only():
    assert document_key("Some  Text\n") == document_key("some text")
    assert document_key("some text") != document_key("sometext")


@given(st.permutations([(0, "b"), (0, "a"), (1, "A"), (2, "0")]))
def test_first_copy_hangs_not_on_the_order_of_reading(order):
    copies = FirstCopies()
    for position, document_id in order:
        copies.add(b"key", position, document_id)
    assert copies.kept_id(b"key") == "a"
    assert list(copies) == ["a"]
