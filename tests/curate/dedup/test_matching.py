"""Copies, candidates, similarities and survivors equal slow versions in plain Python, in any memory and any order."""

from collections import defaultdict
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ArtifactError, DataError
from groundup.curate.dedup import heads, verify
from groundup.curate.dedup.arrays import ArrayWriter, Columns, open_array, write_array
from groundup.curate.dedup.candidates import MAX_ALL_PAIRS, check_numbers, write_candidates
from groundup.curate.dedup.exact import write_copies
from groundup.curate.dedup.heads import Records, joined_with_heads
from groundup.curate.dedup.runs import MAX_NUMBER, SortedSet, pack, unpack
from groundup.curate.dedup.shingles import Shingles
from groundup.curate.dedup.survivors import KEPT, clusters, survivors
from groundup.curate.dedup.verify import jaccard
from groundup.curate.dedup.words import read_words

NUMBERS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**64 - 1)), max_size=60)
MEMORIES = st.sampled_from([1, 100, 1000, 1 << 24])
EDGES = [0, 2**63, 2**64 - 1]


def array(values) -> np.ndarray:
    return np.array(values, np.uint64)


def in_parts(folder, name, columns, cuts):
    """Write [columns, documents] cut into parts."""
    files = []
    for number, (start, end) in enumerate(pairwise([0, *sorted(cuts), columns.shape[1]])):
        files.append(folder / f"{name}-{number}.npy")
        write_array(files[-1], columns[:, start:end])
    return Columns(files)


@settings(max_examples=30)
@given(st.lists(NUMBERS, max_size=4), MEMORIES)
def test_sorting_on_disk_equals_sorting(tmp_path_factory, pieces, memory):
    folder = tmp_path_factory.mktemp("runs")
    numbers = SortedSet(folder, memory)
    for piece in pieces:
        numbers.add(array(piece))
    expected = sorted({value for piece in pieces for value in piece})
    assert numbers.write(folder / "all.npy") == len(expected)
    assert open_array(folder / "all.npy").tolist() == expected
    assert [file.name for file in folder.iterdir()] == ["all.npy"], "the runs are cleared"


def test_pairs_are_packed_in_their_order():
    pairs = [(0, 1), (1, 0), (1, MAX_NUMBER - 1), (MAX_NUMBER - 1, 0)]
    packed = pack(*array(pairs).T)
    assert packed.tolist() == sorted(packed.tolist())
    assert list(zip(*(column.tolist() for column in unpack(packed)), strict=True)) == pairs


def test_files_that_are_no_arrays_are_refused(tmp_path):
    (tmp_path / "text.npy").write_text("x")
    write_array(tmp_path / "whole.npy", array([1, 2, 3]))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-1])
    for name in ("text", "cut"):
        with pytest.raises(ArtifactError, match=f"{name}.npy: not a whole .npy file"):
            open_array(tmp_path / f"{name}.npy")
    with pytest.raises(ArtifactError, match="holds uint64 of 1 dimensions, expected uint64 of 2"):
        open_array(tmp_path / "whole.npy", 2)
    write_array(tmp_path / "a.npy", array([[1], [2]]))
    write_array(tmp_path / "b.npy", array([[1]]))
    with pytest.raises(ArtifactError, match=r"parts of \[1, 2\] columns"):
        Columns([tmp_path / "a.npy", tmp_path / "b.npy"])


def test_an_array_that_is_not_finished_does_not_exist(tmp_path):
    def fail():
        with ArrayWriter(tmp_path / "a.npy") as writer:
            writer.write(array([1]))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def test_more_documents_than_numbers_are_refused():
    check_numbers(MAX_NUMBER - 1)
    with pytest.raises(DataError, match=r"4,294,967,296 documents are more than the 4,294,967,295"):
        check_numbers(MAX_NUMBER)


RECORDS = st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from([5, 6]), st.integers(0, 2)), max_size=40)


def slow_joined(records, limit):
    groups = defaultdict(list)
    for place, (high, low, rank) in enumerate(records):
        groups[high, low].append((rank, place))
    found = set()
    for group in groups.values():
        first = sorted(group)[:limit]
        found |= {(place, head) for rank, place in group for head_rank, head in first if (head_rank, head) < (rank, place)}
    return found


@settings(deadline=None)
@given(RECORDS, st.sampled_from([1, 2, 3]), st.sampled_from([500, 2000, 1 << 24]), st.lists(st.integers(0, 40), max_size=3))
def test_records_meet_the_heads_of_their_group(records, limit, memory, cuts):
    """Also with keys that agree in their first half alone, and in memory for a few records."""
    rows = array(records).reshape(-1, 3).T
    edges = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]

    def scan():
        for start, end in pairwise(edges):
            yield Records(rows[:2, start:end], rows[2, start:end], np.arange(start, end, dtype=np.uint64))

    found = [
        pair
        for block in joined_with_heads(scan, len(records), limit, memory)
        for pair in zip(*(x.tolist() for x in block), strict=True)
    ]
    assert len(set(found)) == len(found)
    assert set(found) == slow_joined(records, limit)


@given(st.integers(0, 10**9), st.integers(1, 100), st.integers(10**6, 10**9))
def test_ranges_of_keys_cover_all_and_fit(num_records, bytes_each, memory):
    ranges = heads.key_ranges(num_records, bytes_each, memory)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 2**64
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    assert num_records * bytes_each / len(ranges) <= memory / 2


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(["a b", "A  b", "ab", "c", "C"]), st.integers(0, 2)), max_size=12),
    st.lists(st.integers(0, 12), max_size=2),
)
def test_copies_point_to_the_first_of_each_text(tmp_path_factory, rows, cuts):
    folder = tmp_path_factory.mktemp("copies")
    cuts = [min(cut, len(rows)) for cut in cuts]
    keys = in_parts(folder, "keys", read_words([text for text, _ in rows]).keys.T, cuts)
    ranks = in_parts(folder, "ranks", array([[rank for _, rank in rows]]).reshape(1, -1), cuts)
    number = write_copies(keys, folder / "out.npy", 1 << 20, ranks)
    first = {}
    for place, (text, rank) in enumerate(rows):
        key = tuple(text.casefold().split())
        first[key] = min(first.get(key, (rank, place)), (rank, place))
    expected = {place: first[tuple(text.casefold().split())][1] for place, (text, _) in enumerate(rows)}
    copies, kept = unpack(open_array(folder / "out.npy"))
    assert dict(zip(copies.tolist(), kept.tolist(), strict=True)) == {one: other for one, other in expected.items() if one != other}
    assert number == len(copies)


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=20),
    st.lists(st.integers(0, 20), max_size=3),
    st.sets(st.integers(0, 19)),
)
def test_candidates_share_a_band(tmp_path_factory, rows, cuts, excluded):
    folder = tmp_path_factory.mktemp("candidates")
    bands = in_parts(folder, "bands", array(rows).reshape(-1, 3).T, [min(cut, len(rows)) for cut in cuts])
    excluded = sorted(number for number in excluded if number < len(rows))
    number = write_candidates(bands, folder / "out.npy", 1 << 20, excluded=array(excluded))
    kept = [place for place in range(len(rows)) if place not in excluded]
    expected = [(a, b) for a, b in combinations(kept, 2) if any(x == y for x, y in zip(rows[a], rows[b], strict=True))]
    assert list(zip(*(x.tolist() for x in unpack(open_array(folder / "out.npy"))), strict=True)) == expected
    assert number == len(expected)


def test_a_large_group_is_not_paired_all_with_all(tmp_path):
    """The first 32 by rank with each other, the rest with these."""
    size = 100
    rank = np.random.default_rng(0).permutation(size).astype(np.uint64)
    bands = in_parts(tmp_path, "bands", np.full((1, size), 7, np.uint64), [10, 50])
    ranks = in_parts(tmp_path, "ranks", rank[None], [10, 50])
    for memory in (1000, 1 << 24):
        number = write_candidates(bands, tmp_path / "out.npy", memory, ranks)
        assert number == MAX_ALL_PAIRS * (MAX_ALL_PAIRS - 1) // 2 + (size - MAX_ALL_PAIRS) * MAX_ALL_PAIRS
        a, b = unpack(open_array(tmp_path / "out.npy"))
        assert (np.minimum(rank[a.astype(int)], rank[b.astype(int)]) < MAX_ALL_PAIRS).all()


SETS = st.lists(st.sets(st.integers(0, 20)), min_size=2, max_size=8)


@given(SETS, st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12), st.sampled_from([1, 15, 1 << 20]))
def test_jaccard_equals_that_of_sets(sets, pairs, block):
    pairs = [(a % len(sets), b % len(sets)) for a, b in pairs]
    flat = Shingles(array([value for values in sets for value in sorted(values)]), np.cumsum([0, *map(len, sets)]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_BLOCK", block)
        found = jaccard(np.array([a for a, _ in pairs], int), np.array([b for _, b in pairs], int), flat)
    expected = [len(sets[a] & sets[b]) / max(1, len(sets[a] | sets[b])) for a, b in pairs]
    assert found.tolist() == expected


LINKS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([0.7, 0.8, 1.0])), max_size=25)
RANKS = st.lists(st.integers(0, 4), min_size=13, max_size=13)


def slow_survivors(links, ranks):
    """One document after the other, by (rank, number)."""
    near = defaultdict(dict)
    for a, b, similarity in links:
        near[a][b] = near[b][a] = similarity
    twins = {}
    for document in sorted(near, key=lambda number: (ranks[number], number)):
        kept = [(-similarity, ranks[other], other) for other, similarity in near[document].items() if twins.get(other, 0) == KEPT]
        twins[document] = min(kept)[2] if kept else KEPT
    return twins, near


def as_pairs(links):
    unique = {(min(a, b), max(a, b)): similarity for a, b, similarity in links if a != b}
    return [(a, b, similarity) for (a, b), similarity in unique.items()]


def decide(links, ranks):
    a, b, similarity = (np.array([link[k] for link in links], kind) for k, kind in enumerate((np.int64, np.int64, float)))
    involved = np.unique(np.concatenate([a, b]))
    return survivors(a, b, similarity, array([ranks[number] for number in involved]))


@given(LINKS, RANKS, st.randoms(use_true_random=False))
def test_survivors_equal_the_slow_ones_in_any_order(links, ranks, random):
    links = as_pairs(links)
    twins, near = slow_survivors(links, ranks)
    found = decide(links, ranks)
    assert dict(zip(found.documents.tolist(), found.twins.tolist(), strict=True)) == twins
    for document, twin, similarity in zip(found.documents.tolist(), found.twins.tolist(), found.similarities.tolist(), strict=True):
        assert similarity == (0 if twin == KEPT else near[document][twin]), "no chains: the pair itself was verified"
        assert twin == KEPT or twins[twin] == KEPT
    shuffled = [(b, a, similarity) for a, b, similarity in links]
    random.shuffle(shuffled)
    again = decide(shuffled, ranks)
    assert all((getattr(again, name) == getattr(found, name)).all() for name in ("documents", "twins", "similarities", "clusters"))


@given(LINKS)
def test_clusters_are_connected_components(links):
    links = as_pairs(links)
    roots = list(range(13))
    for _ in roots:
        for a, b, _ in links:
            roots[a] = roots[b] = min(roots[a], roots[b])
    first, second = (np.array([link[k] for link in links], np.int64) for k in (0, 1))
    assert clusters(first, second, 13).tolist() == roots


def test_a_chain_loses_only_what_has_a_kept_twin():
    """a ~ b ~ c with a and c apart: b goes, c stays, though all are one cluster."""
    found = decide([(0, 1, 0.8), (1, 2, 0.9)], [0] * 13)
    assert found.twins.tolist() == [KEPT, 0, KEPT]
    assert found.clusters.tolist() == [0, 0, 0]
