"""Columns between NumPy and Arrow: equal to pyarrow's own, slices and odd lengths included."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.artifacts.columns import chosen, column, mask, numbers, of_type, strings


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


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=20))
def test_texts_are_those_of_pyarrow(values: list[str | None]) -> None:
    made = strings(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string()))
    assert made.null_count == values.count(None)


def test_rows_of_each_type_are_those_of_pyarrow() -> None:
    for values, kind in (
        ([1, -2], pa.int64()),
        ([0.5, 2.0], pa.float64()),
        ([0.5, None, 2.0], pa.float64()),
        ([None], pa.int64()),
        (["a", None], pa.string()),
    ):
        assert of_type(values, kind).equals(pa.array(values, kind))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20))
def test_missing_places_choose_nothing(picked: list[tuple[int, bool]]) -> None:
    names = pa.array(list("abcde"))
    found = names.take(
        chosen(np.array([place for place, _ in picked], np.int64), np.array([there for _, there in picked], np.bool_))
    )
    assert found.to_pylist() == ["abcde"[place] if there else None for place, there in picked]
