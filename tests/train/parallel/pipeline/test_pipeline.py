"""Stages train as the whole model does."""

from typing import Any

import pytest

import launches
import staged_models
from staged_models import KINDS, SCHEDULES, cases

EXACT = 1e-10
"""Of weights, losses and relative norms in float64, after two steps."""
FLOAT32 = 1e-5
NEAR = 2e-3
"""The same of passes in bfloat16 or float16, whose sums are in another order."""


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """What two processes find."""
    return launches.cases(2, staged_models.__file__)


def test_every_kind_of_model_ends_in_the_weights_of_one_process(found: dict[str, dict[str, Any]]) -> None:
    assert found.keys() == {case.name for case in cases()}
    exact = {name: row for name, row in found.items() if row["exact"]}
    assert len(exact) == len(SCHEDULES) * (len(KINDS) + 2)
    assert {name: row for name, row in exact.items() if max(row["loss"], row["grad_norm"], row["weights"]) > EXACT} == {}


def test_held_out_text_costs_what_it_does_in_one_process(found: dict[str, dict[str, Any]]) -> None:
    """Batches of two shapes go through the stages, forwards alone."""
    assert {name: row["nats"] for name, row in found.items() if row["exact"] and row["nats"] > EXACT} == {}


def test_an_update_moves_the_weights_as_far_as_in_one_process(found: dict[str, dict[str, Any]]) -> None:
    """Within what float32 can tell: weights of several stages count once."""
    assert {name: row for name, row in found.items() if row["exact"] and row["moved"] > FLOAT32} == {}


def test_precisions_compute_what_one_process_does(found: dict[str, dict[str, Any]]) -> None:
    near = {name: row for name, row in found.items() if not row["exact"]}
    assert len(near) == 3 * len(SCHEDULES) + 1
    assert {name: row for name, row in near.items() if max(row["loss"], row["grad_norm"], row["weights"]) > NEAR} == {}


def test_copies_of_a_weight_on_two_ranks_stay_the_same_bits(found: dict[str, dict[str, Any]]) -> None:
    assert {name: row for name, row in found.items() if row["copies"]} == {}
    shared = {kind: found[f"{kind}, 1f1b, fp32, none"]["shared"] for kind in KINDS}
    assert shared["rope, own head"] == []
    assert shared["learned"] == ["embedding.weight"]
    assert shared["t5_bias, embedding norm"] == ["decoder.position.table.weight", "embedding.weight"]
    assert shared["T5"] == ["embedding.weight"]
