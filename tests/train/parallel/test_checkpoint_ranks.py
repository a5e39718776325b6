"""What two ranks save, fail and restore together."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import checkpoint_ranks

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import forked
import kills
import reshard


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """All cases in one launch."""
    folder = tmp_path_factory.mktemp("ranks")
    reshard.write_tokenizer(folder)
    done = forked.run(2, Path(checkpoint_ranks.__file__), [str(folder / "checkpoints")])
    assert not done.returncode, done.stderr
    return done


@pytest.fixture
def found(launched: subprocess.CompletedProcess[str]) -> dict[str, list[Any]]:
    """What both ranks found in each case."""
    return {row["case"]: row["ranks"] for row in map(json.loads, launched.stdout.splitlines())}


def test_random_numbers_of_each_rank_go_on(found: dict[str, list[Any]]) -> None:
    assert found["the same layout"] == [True, True]


def test_another_layout_draws_anew_from_seed_and_step(found: dict[str, list[Any]]) -> None:
    (first, again, one), (other, _, two) = found["another layout"]
    assert first == again
    assert first != other
    assert one == two != first


def test_a_disk_that_refuses_one_rank_fails_all(found: dict[str, list[Any]]) -> None:
    for rank in found["a full disk"]:
        assert "rank 1" in rank["failure"]
        assert rank["newest"] == "step-1"
    assert found["room again"] == ["step-2", "step-2"]


def test_a_rollback_ends_in_the_same_losses(found: dict[str, list[Any]]) -> None:
    assert found["going back"] == [True, True]


def test_a_missing_file_is_named_and_passed_over(launched: subprocess.CompletedProcess[str], found: dict[str, list[Any]]) -> None:
    assert found["a missing file"] == [1, 1]
    assert "model.safetensors" in launched.stderr


@pytest.mark.parametrize(
    ("layout", "count"),
    [("zero3 2", 1), *(pytest.param(layout, 20, marks=pytest.mark.soak) for layout in ("zero3 2", "pp 2 1f1b", "zero1 2 x tp2"))],
)
def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, layout: str, count: int) -> None:
    found = kills.compare(layout, tmp_path, count, seed=count)
    assert found["kills"] == count
    assert found["bytes equal"]
