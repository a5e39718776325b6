"""The index built by ranges of hashes is that built at once, in memory that is bounded."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.curate.dedup.indexing import write_postings
from groundup.curate.dedup.postings import Postings
from groundup.curate.dedup.shingles import Shingles

HASHES = st.integers(0, 60).map(lambda number: (number * 0x9E3779B97F4A7C15) % 2**64)
NUM_TEXTS = 400
TEXT_HASHES = 1000
MEMORY_BYTES = 2 << 20


@settings(max_examples=60)
@given(st.lists(st.sets(HASHES), max_size=8), st.sampled_from([1, 200, 1 << 20]))
def test_ranges_of_any_size_give_the_files_of_the_whole(tmp_path_factory, texts, memory_bytes):
    sets = [np.array(sorted(text), np.uint64) for text in texts]
    sizes = np.array([len(text) for text in sets], np.int64)
    whole, ranges = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("ranges")
    Postings.of(Shingles(np.concatenate([np.zeros(0, np.uint64), *sets]), np.append(0, sizes.cumsum()))).write(whole)
    write_postings(iter(sets), sizes, ranges, memory_bytes)
    assert {file.name for file in ranges.iterdir()} == {file.name for file in whole.iterdir()}
    for file in whole.iterdir():
        assert (ranges / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("hash_of_all", [False, True])
def test_memory_is_that_given_however_much_is_indexed(tmp_path, hash_of_all):
    chance = np.random.default_rng(0)
    sizes = np.full(NUM_TEXTS, TEXT_HASHES)

    def sets():
        for _ in range(NUM_TEXTS):
            hashes = chance.integers(0, 2**64, TEXT_HASHES, np.uint64)
            if hash_of_all:
                hashes[0] = 1 << 40
            yield np.sort(hashes)

    tracemalloc.start()
    write_postings(sets(), sizes, tmp_path, MEMORY_BYTES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY_BYTES * 5 // 4
    assert peak * 5 < 22 * NUM_TEXTS * TEXT_HASHES * 3
    index = Postings.open(tmp_path)
    assert len(index.owners) == NUM_TEXTS * TEXT_HASHES
    if hash_of_all:
        at = int(np.searchsorted(index.hashes, np.uint64(1 << 40)))
        assert index.owners[index.starts[at] : index.starts[at + 1]].tolist() == list(range(NUM_TEXTS))
