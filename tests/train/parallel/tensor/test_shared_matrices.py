import pytest

import launches
import shared_matrices
from groundup.nn.attention import ATTENTION
from groundup.train.optim.table import OPTIMIZERS
from shared_matrices import KINDS, architectures

EXACT = 1e-12
"""Of numbers near 1, in float64: only sums are in another order."""
FLOAT32 = 1e-5
"""Performer computes in float32 whatever the dtype."""
MOVED = 2e-3
"""Of the way that weights went, in float32: where a gradient is near 0, Adam makes a whole step of a rounding error."""
ROUNDED = 0.3
"""The same where products are rounded to 8 bits, differently in shares of a sum: most of the way is common."""


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    """What two processes that share matrices find."""
    return launches.cases(2, shared_matrices.__file__)


def test_every_architecture_has_the_loss_gradients_and_logits_of_a_whole_model(found: dict[str, dict[str, float]]) -> None:
    assert KINDS.keys() == ATTENTION.keys()
    compared = {name: row for name, row in found.items() if "gradient" in row}
    assert {name for name, _, _ in architectures()} <= compared.keys()
    bounds = {name: FLOAT32 if "performer" in name else EXACT for name in compared}
    assert {name: row for name, row in compared.items() if not max(row.values()) <= bounds[name]} == {}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_moves_weights_as_those_of_a_whole_model(found: dict[str, dict[str, float]], optimizer: str) -> None:
    assert found[f"optimizer {optimizer}"]["moved"] <= MOVED


@pytest.mark.parametrize("precision", ["bf16", "bf16_weights", "fp16"])
def test_every_precision_trains(found: dict[str, dict[str, float]], precision: str) -> None:
    assert found[f"precision {precision}"]["moved"] <= ROUNDED


def test_ranks_drop_each_their_own(found: dict[str, dict[str, float]]) -> None:
    """Half of what two ranks draw independently is alike."""
    assert 0.3 <= found["dropout"]["alike"] <= 0.7
    assert 0.3 <= found["dropout"]["dropped"] <= 0.7
