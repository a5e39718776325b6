"""What data-parallel ranks share changes nothing of what is learned, and takes the memory that it is said to take."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import zero_memory

import launches
from groundup.train.optim.table import OPTIMIZERS
from groundup.train.parallel.data.buckets import Bucket

PROCESSES = 3
"""A number that divides no dim of the model: the ranks' parts are uneven."""
EXACT = 1e-10
ROUNDED = 3e-4  # of the loss in nats, after two updates from gradients in bfloat16
STAGES = (0, 1, 2, 3)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Return what all checks found, in one launch."""
    return launches.rows(PROCESSES, Path(__file__).with_name("data_process.py"))


def of(rows: Rows, check: str, count: int) -> Rows:
    """Return the cases of a check, of which there are so many."""
    found = [row for row in rows if row["check"] == check]
    assert len(found) == count
    return found


def test_each_optimizer_learns_over_shards_what_it_learns_over_whole_weights(rows: Rows) -> None:
    found = of(rows, "optimizer", len(STAGES) * (len(OPTIMIZERS) + 1))
    assert {(row["name"], row["zero"]) for row in found} == {(name, zero) for name in OPTIMIZERS for zero in STAGES}
    assert [row for row in found if max(row["loss"], row["weights"]) > EXACT] == []


def test_gradients_are_bounded_by_value_over_shards(rows: Rows) -> None:
    assert [row for row in of(rows, "clip_value", len(STAGES)) if max(row["loss"], row["weights"]) > EXACT] == []


def test_weights_in_bfloat16_learn_what_they_learn_in_one_process(rows: Rows) -> None:
    assert [row for row in of(rows, "bf16_weights", 7) if row["loss"] > ROUNDED] == []


def test_a_gradient_that_overflows_on_one_rank_overflows_on_all(rows: Rows) -> None:
    for row in of(rows, "overflow", len(STAGES)):
        assert row["ranks"] == [[[False, 256.0], [True, 256.0], [False, 128.0]]] * PROCESSES
        assert row["moved"] == 0.0


def test_first_weights_drawn_where_they_lie_are_those_of_one_process(rows: Rows) -> None:
    found = of(rows, "first_weights", 2 * len(STAGES))
    assert all(row["equal"] for row in found)
    for precision in ("fp32", "bf16_weights"):
        assert len({row["loss"] for row in found if row["precision"] == precision}) == 1


def test_no_rank_ever_holds_a_whole_model(rows: Rows) -> None:
    """Drawing the first weights takes what a rank keeps, and some of the largest tensor."""
    (row,) = of(rows, "room", 1)
    assert row["own"] < row["whole"] / 2
    assert max(row["rises"]) < 0.8 * row["whole"]


def test_states_take_what_the_law_says() -> None:
    found = zero_memory.run(2)
    assert len(found) == len(STAGES) * len(zero_memory.LAWS) + 1
    assert [row for row in found if not zero_memory.is_lawful(row)] == []


@given(
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=4), st.integers(1, 6), st.integers(0, 2**31)
)
def test_a_bucket_is_rows_of_each_rank_as_torch_chunks_them(shapes: list[list[int]], ranks: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    wholes = [torch.randn(shape, generator=generator) for shape in shapes]
    buckets = [Bucket([whole.shape for whole in wholes], ranks, rank) for rank in range(ranks)]
    flat = buckets[0].packed(wholes, torch.float32, torch.device("cpu"))
    together = []
    for rank, bucket in enumerate(buckets):
        row = flat.view(ranks, -1)[rank]
        for number, (whole, part) in enumerate(zip(wholes, bucket.parts(row), strict=True)):
            chunks = whole.chunk(ranks)
            assert torch.equal(part, chunks[rank] if rank < len(chunks) else whole[:0])
            assert torch.equal(bucket.own(whole, number), part)
        together.append(bucket.row(bucket.parts(row), torch.float32, torch.device("cpu")))
    copies = [torch.empty_like(whole) for whole in wholes]
    buckets[0].unpack(torch.cat(together), copies)
    assert all(torch.equal(copy, whole) for copy, whole in zip(copies, wholes, strict=True))


def test_a_bucket_has_zeros_for_what_has_no_gradient() -> None:
    bucket = Bucket([torch.Size((3, 2)), torch.Size((2,))], 2, 1)
    flat = bucket.packed([None, torch.ones(2)], torch.float32, torch.device("cpu"))
    assert flat.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
