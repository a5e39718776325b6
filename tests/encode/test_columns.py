"""Columns between NumPy and Arrow: equal to pyarrow's own, slices and odd lengths included."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.encode.columns import column, mask, numbers


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "int32", "int64"])
def test_numbers_are_those_of_pyarrow(dtype: str) -> None:
    values = np.arange(11, dtype=dtype)[::-1]
    assert column(values).equals(pa.array(values.copy()))
    assert numbers(pa.array(values.copy())[3:9]).tolist() == values[3:9].tolist()
    assert numbers(column(values[:0])).tolist() == []


@given(st.lists(st.booleans(), max_size=40))
def test_masks_are_those_of_pyarrow(chosen: list[bool]) -> None:
    assert mask(np.array(chosen, np.bool_)).equals(pa.array(chosen, pa.bool_()))


def test_a_missing_number_is_no_number() -> None:
    with pytest.raises(AssertionError, match="missing"):
        numbers(pa.array([1, None]))
