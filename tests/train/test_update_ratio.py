"""The ratio of update to weights, against all entries of all tensors."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.update_ratio import ENTRIES, UpdateRatio

ESTIMATE = 0.05  # a sample of 4,096 in place of up to 200,000 entries
EXACT = 1e-5  # float32 sums


def exactly(before: list[torch.Tensor], after: list[torch.Tensor]) -> float:
    change = sum(float((a.double() - b.double()).square().sum()) for a, b in zip(after, before, strict=True))
    return math.sqrt(change / sum(float(b.double().square().sum()) for b in before))


def moved(parameters: list[nn.Parameter], update) -> tuple[float, float]:
    """Return the ratio as measured, and that of all entries."""
    before = [weight.detach().clone() for weight in parameters]
    found = UpdateRatio(parameters).of(update)
    return found, exactly(before, [weight.detach() for weight in parameters])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("dim", "vocab", "tolerance"), [(16, 61, EXACT), (128, 1700, ESTIMATE)])
def test_equals_the_ratio_of_all_entries(name: str, dim: int, vocab: int, tolerance: float) -> None:
    torch.manual_seed(0)
    model = build_model(
        ModelConfig(vocab_size=vocab, dim=dim, num_layers=1, num_heads=2, num_kv_heads=2, ffn_dim=3 * dim, max_seq_len=16)
    )
    model.init_weights(torch.Generator().manual_seed(1))
    optimizer = build_optimizer(model, OptimizerConfig(name=name))
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)

    def update() -> None:
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        optimizer.step()

    found, expected = moved(list(model.parameters()), update)
    assert found == pytest.approx(expected, rel=tolerance)
    assert found > 0


@given(st.integers(1, 700), st.integers(1, 400))
def test_every_column_and_row_block_is_looked_at(rows: int, columns: int) -> None:
    """A change of one column alone is seen, whatever the shape."""
    weight = nn.Parameter(torch.ones(rows, columns))

    def update() -> None:
        weight.data[:, columns // 2] += 1

    found, expected = moved([weight], update)
    assert found == pytest.approx(expected, rel=0.1 if weight.numel() > ENTRIES else EXACT)


def test_an_update_of_nothing_is_zero_and_zero_weights_are_no_error() -> None:
    weight = nn.Parameter(torch.zeros(3))
    assert UpdateRatio([weight]).of(lambda: None) == 0
    assert UpdateRatio([weight, nn.Parameter(torch.tensor(2.0))]).of(lambda: weight.data.fill_(1.0)) == pytest.approx(
        math.sqrt(3 / 4)
    )
