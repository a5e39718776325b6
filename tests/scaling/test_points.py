"""Tables of runs: what is read, what is refused, and where it says so."""

from pathlib import Path

import numpy as np
import pytest

from groundup.core.errors import DataError
from groundup.scaling.points import points_of, read_points

HEADER = "params,tokens,loss,run_id,note\n"


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "runs.csv"
    file.write_text(text)
    return file


def test_columns_are_read(tmp_path: Path) -> None:
    points = read_points(table(tmp_path, HEADER + "1e6,2e7,4.5,a,x\n1e6,4e7,4.2,a,\n2e6,4e7,4.0,b,\n"))
    assert points.run_ids == ("a", "b")
    assert points.run.tolist() == [0, 0, 1]
    assert points.flops.tolist() == [1.2e14, 2.4e14, 4.8e14]
    assert points.run_flops().tolist() == [2.4e14, 4.8e14]
    assert points.unique_tokens.tolist() == points.tokens.tolist()


def test_given_compute_is_kept(tmp_path: Path) -> None:
    assert read_points(table(tmp_path, "params,tokens,loss,flops\n1,2,3,99\n")).flops.tolist() == [99]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1e6,nan,4,a,\n", r"runs.csv:2: tokens=nan is not a finite number above zero"),
        ("1e6,1,4,a,\n1e6,-5,4,b,\n1e6,-6,4,c,\n", r"runs.csv:3: tokens=-5 \(and 1 more\)"),
        ("1e6,1,0,a,\n", r"runs.csv:2: loss=0 is not"),
        ("1e6,inf,4,a,\n", r"tokens=inf"),
        ("1e6,many,4,a,\n", r"runs.csv:2: tokens='many' is no number"),
        ("1e6,,4,a,\n", r"tokens='' is no number"),
        (
            "1e6,1,4,a,\n1e6,1,5,a,\n",
            r"runs.csv:3: run 'a' has loss 5 at 1 tokens, and 4 at .*runs.csv:2; give runs of other seeds",
        ),
    ],
)
def test_bad_rows_are_told_with_their_line(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_points(table(tmp_path, HEADER + rows))


def test_bad_tables_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column tokens; it has params, loss; needed: params, tokens, loss"):
        read_points(table(tmp_path, "params,loss\n1,2\n"))
    with pytest.raises(DataError, match="it has no rows"):
        read_points(table(tmp_path, ""))
    with pytest.raises(DataError, match="no such file"):
        read_points(tmp_path / "none.csv")


def test_copies_are_left_out_and_told(tmp_path: Path) -> None:
    points = read_points(table(tmp_path, HEADER + "1e6,1e7,4,a,\n1e6,1e7,4,a,\n2e6,1e7,3.5,b,\n"))
    assert len(points) == 2
    assert points.dropped == ({"place": f"{tmp_path / 'runs.csv'}:3", "because": f"the same as {tmp_path / 'runs.csv'}:2"},)


def test_without_names_rows_that_differ_in_loss_are_runs_of_other_seeds() -> None:
    points = points_of([1e6, 1e6, 1e6], [1e7] * 3, [4.0, 4.1, 4.0])
    assert points.num_runs == 2
    assert len(points.dropped) == 1


def test_more_different_tokens_than_tokens_are_refused() -> None:
    with pytest.raises(DataError, match="point 1: unique_tokens=20 is more than tokens=10"):
        points_of([1], [10], [3], unique_tokens=[20])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="params 2, tokens 1"):
        points_of([1, 2], [10], [3])


def test_taking_points_numbers_their_runs_anew() -> None:
    points = points_of([1, 2, 3], [1, 1, 1], [3, 2, 1], run_id=["a", "b", "c"])
    taken = points.take(np.array([False, True, True]))
    assert taken.run_ids == ("b", "c")
    assert taken.run.tolist() == [0, 1]
