"""What each process of a run holds, computes, sends and waits for."""

from pathlib import Path

import pytest

import launches
from groundup.artifacts.shares import PARALLEL_FILE, read_shares
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.train.hooks.sharing import length, merged, without
from sharing_worker import MICRO_BATCHES, SIZES

WORKER = Path(__file__).parents[2] / "sharing_worker.py"


def test_spans_that_overlap_are_one():
    assert merged([(3, 5), (0, 1), (4, 6), (1, 2)]) == [(0, 2), (3, 6)]


def test_what_is_left_of_spans_without_others():
    assert without([(0, 10), (12, 14)], [(1, 2), (4, 11), (13, 20)]) == [(0, 1), (2, 4), (12, 13)]
    assert without([(0, 1), (2, 3)], [(0, 3)]) == []
    assert length([(0, 1), (2.5, 4)]) == 2.5


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("looked-at")
    for name in ("shared", "pipeline"):
        (out / name).mkdir()
    launches.rows(2, WORKER, [str(out)])
    return out


def test_the_slow_process_is_named_and_the_other_waits_for_it(looked_at: Path) -> None:
    found = read_shares(looked_at / "shared" / PARALLEL_FILE)
    assert found is not None
    fast, slow = found.ranks
    assert found.waited_for == 1
    assert found.scheduled_bubble is None
    assert fast.exposed > slow.exposed
    assert fast.exposed <= fast.communication <= 1
    assert fast.bubble == slow.bubble == 0
    assert fast.computing + fast.exposed + fast.beside == pytest.approx(1)
    assert slow.beside > fast.beside, "it sleeps"
    assert [rank.peak_memory_bytes for rank in found.ranks] == [1000, 1001]
    parameters = sum(weight.numel() for weight in build_model(ModelConfig.model_validate(SIZES)).parameters())
    assert sum(fast.states.values()) == pytest.approx(16 * parameters / 2, rel=0.01)
    tokens = 2 * 64
    assert fast.products_flops >= 0.9 * 6 * tokens * (parameters - 64 * 64)  # the table is read, and multiplied with as head
    assert fast.mfu == pytest.approx(fast.products_flops / fast.step_s / 1e9)


def test_a_pipeline_waits_for_stages_at_least_as_its_schedule_does(looked_at: Path) -> None:
    """Stages that differ, messages and a busy machine add to it."""
    found = read_shares(looked_at / "pipeline" / PARALLEL_FILE)
    assert found is not None
    assert found.scheduled_bubble == pytest.approx(1 / (MICRO_BATCHES + 1))
    assert found.bubble > found.scheduled_bubble / 2, "of the step, which is more than its passes"
    assert all(0 < rank.bubble <= rank.exposed for rank in found.ranks)
