"""One safetensors file that many ranks write."""

import os
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from groundup.train.parallel.storage.table import DTYPES, runs, table_of
from groundup.train.parallel.storage.writer import write_part

ANY_SHAPE = st.lists(st.integers(0, 5), max_size=3)


def test_the_file_is_that_of_one_process_byte_for_byte(tmp_path: Path) -> None:
    """Every dtype, a scalar, names that are to be escaped, nothing at all in a tensor."""
    tensors = {f"of.{code}": torch.arange(6).view(2, 3).to(dtype) for code, dtype in DTYPES.items()}
    tensors |= {"scalar": torch.tensor(3.5), 'quoted "ä"': torch.ones(3, dtype=torch.uint8), "empty": torch.empty(0, 4)}
    save_file(tensors, tmp_path / "one")
    table = table_of({name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()})
    with (tmp_path / "many").open("w+b") as file:
        file.write(table.header)
        file.truncate(table.num_bytes)
        file.flush()
        for name, tensor in tensors.items():
            write_part(file.fileno(), table.entries[name], tensor, torch.Size([0] * tensor.ndim))
    assert (tmp_path / "many").read_bytes() == (tmp_path / "one").read_bytes()


@given(shape=ANY_SHAPE, cuts=st.lists(st.integers(0, 5), min_size=3, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_parts_of_any_grid_make_the_whole(tmp_path: Path, shape: list[int], cuts: list[int]) -> None:
    """Each dim is cut in two, one half of which may be empty."""
    whole = torch.arange(torch.Size(shape).numel(), dtype=torch.int16).view(shape)
    table = table_of({"whole": (shape, whole.dtype)})
    with (tmp_path / "many").open("w+b") as file:
        file.write(table.header)
        file.truncate(table.num_bytes)
        file.flush()
        halves = [((0, min(cut, length)), (min(cut, length), length)) for cut, length in zip(cuts, shape, strict=False)]
        for ranges in product(*halves):
            part = whole[tuple(slice(*span) for span in ranges)]
            write_part(file.fileno(), table.entries["whole"], part, torch.Size([first for first, _ in ranges]))
        os.fsync(file.fileno())
    assert torch.equal(load_file(tmp_path / "many")["whole"], whole)


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [((4, 6, 8), 1), ((2, 6, 8), 1), ((1, 3, 8), 1), ((4, 3, 8), 4), ((4, 6, 2), 24)],
    ids=["whole", "rows", "part of one row", "shards of dim 1", "shards of the last dim"],
)
def test_a_part_is_written_in_as_few_calls_as_it_lies_in(sizes: tuple[int, ...], calls: int) -> None:
    assert len(list(runs((4, 6, 8), (0, 0, 0), sizes))) == calls
