from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import builders
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.train.packing import best_fit, pack

EOS = 0


def slow_best_fit(lengths: list[int], capacity: int) -> list[int]:
    """Return the room left in each bin when items are placed one by one, longest first, into the fullest bin with room."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [number for number, room in enumerate(rooms) if room >= length]
        if fitting:
            rooms[min(fitting, key=lambda number: rooms[number])] -= length
        else:
            rooms.append(capacity - length)
    return sorted(rooms)


@given(lengths=st.lists(st.integers(1, 30), max_size=80), extra=st.integers(0, 20))
@settings(deadline=None)
def test_best_fit_equals_placing_one_by_one(lengths: list[int], extra: int) -> None:
    capacity = max(lengths, default=1) + extra
    bins = best_fit(np.array(lengths, dtype=np.int64), capacity)
    rooms = capacity - np.bincount(bins, weights=lengths).astype(np.int64) if lengths else np.array([], dtype=np.int64)
    assert sorted(rooms.tolist()) == slow_best_fit(lengths, capacity)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    folder = tmp_path_factory.mktemp("shards")
    documents = [Document(f"s:{number:03}", builders.word_salad(3 + 7 * number % 50, number), "s") for number in range(60)]
    curated = builders.build_documents(folder / "curate", documents, [])
    return builders.build_shards(folder / "encode", curated, builders.build_tokenizer(folder / "tokenizer", curated))


@pytest.mark.parametrize("raw_len", [9, 33, 128])
def test_every_token_is_in_one_row(shards: TokenShards, raw_len: int) -> None:
    packing = pack(shards, "train", "s", raw_len)
    stream = np.asarray(shards.tokens("train", "s"))
    assert sorted(np.repeat(packing.starts, packing.lengths) + _places(packing.lengths)) == list(range(len(stream)))
    assert packing.row_pieces.sum() == len(packing.starts)
    assert packing.fill == pytest.approx(len(stream) / (packing.rows * (raw_len - 1)))


def _places(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(length) for length in lengths])


@pytest.mark.parametrize("raw_len", [9, 33, 128])
def test_rows_are_whole_documents_or_full_parts_of_long_ones(shards: TokenShards, raw_len: int) -> None:
    packing = pack(shards, "train", "s", raw_len)
    eos = shards.info.eos_id
    stream = np.asarray(shards.tokens("train", "s"))
    tokens, lens = packing.read(stream, np.arange(packing.rows), eos)
    ends = set(np.flatnonzero(stream == eos).tolist())
    long = 0
    afters = np.cumsum(packing.row_pieces)
    for row, length, pieces, after in zip(tokens, lens, packing.row_pieces, afters, strict=True):
        first = after - pieces
        start, end = packing.starts[first], packing.starts[after - 1] + packing.lengths[after - 1] - 1
        assert row[0] == (stream[start - 1] if start and length == raw_len else eos)
        if end in ends:
            assert row[length - 1] == eos
        else:
            long += 1
            assert pieces == 1
            assert row[1:].tolist() == stream[start : start + raw_len - 1].tolist()
        assert (row[length:] == eos).all()
    documents = [len(tokens) for _, tokens, _ in shards.documents("train")]
    assert packing.cut == sum(length > raw_len - 1 for length in documents)
    assert (long > 0) == (packing.cut > 0)


def test_fewer_documents_are_cut_than_by_windows(shards: TokenShards, tmp_path: Path) -> None:
    packing = pack(shards, "train", "s", 129)
    starts = np.array(shards.index("train", "s")["start"].to_pylist())
    ends = starts + np.array(shards.index("train", "s")["tokens"].to_pylist())
    cut_by_windows = int((starts // 128 != (ends - 1) // 128).sum())
    assert packing.cut < cut_by_windows
    assert packing.fill > 0.9
