"""Streams on disk: tokens in their order of bytes, an index whose bytes do not depend on how documents arrive."""

import contextlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.encode.pieces import Encoded
from groundup.encode.streams import StreamWriter


def encoded(lengths: list[int], first: int = 0) -> Encoded:
    ids = pa.array([f"a/{first + number}" for number in range(len(lengths))], pa.string())
    tokens = np.arange(sum(lengths), dtype=np.uint16)
    marks = np.zeros(len(lengths), np.uint64)
    return Encoded(ids, marks, np.full(len(lengths), 5), np.array(lengths), tokens, first + np.arange(len(lengths)))


def test_tokens_are_little_endian(tmp_path: Path) -> None:
    with contextlib.closing(StreamWriter(tmp_path, "a", "uint16")) as writer:
        writer.add(
            Encoded(
                pa.array(["a/0"]),
                np.zeros(1, np.uint64),
                np.array([5]),
                np.array([3]),
                np.array([1, 0x0203, 0], ">u2"),
                np.zeros(1, int),
            )
        )
    assert (tmp_path / "a.bin").read_bytes() == b"\1\0\3\2\0\0"


@pytest.mark.parametrize("at_a_time", [1_000, 65_536, 140_000])
def test_index_does_not_depend_on_how_documents_arrive(tmp_path: Path, at_a_time: int) -> None:
    lengths = [1 + number % 3 for number in range(140_000)]
    for name, size in (("whole", len(lengths)), ("parts", at_a_time)):
        with contextlib.closing(StreamWriter(tmp_path, name, "uint16")) as writer:
            for first in range(0, len(lengths), size):
                writer.add(encoded(lengths[first : first + size], first))
    assert (tmp_path / "whole.index.parquet").read_bytes() == (tmp_path / "parts.index.parquet").read_bytes()
    index = pq.read_table(tmp_path / "parts.index.parquet")
    assert index["tokens"].to_pylist() == lengths
    assert index["start"].to_pylist() == [0, *np.cumsum(lengths)[:-1]]
    assert writer.tokens == sum(lengths)


def test_chosen_documents_are_those_and_their_tokens() -> None:
    documents = encoded([2, 1, 3])
    chosen = documents.only(np.array([True, False, True]))
    assert chosen.ids.to_pylist() == ["a/0", "a/2"]
    assert chosen.tokens.tolist() == [0, 1, 3, 4, 5]
    assert chosen.rows.tolist() == [0, 2]
    assert documents.only(np.array([True] * 3)) is documents
