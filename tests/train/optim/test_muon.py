import math

import pytest
import torch
from torch import Tensor

import models
from groundup.train.optim import muon
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import set_learning_rate
from groundup.train.optim.muon import adjustment, orthogonal
from groundup.train.optim.table import build_optimizer

LEAST, MOST = 0.68, 1.21  # of 5 iterations from 0.002 to 1
UPDATE_RMS = 0.05  # singular values are near 1, not 1


def of_singular_values(rows: int, columns: int, values: Tensor) -> Tensor:
    """Return a matrix with these singular values and directions drawn at random."""
    generator = torch.Generator().manual_seed(0)
    u, _ = torch.linalg.qr(torch.randn(rows, rows, dtype=torch.float64, generator=generator))
    v, _ = torch.linalg.qr(torch.randn(columns, columns, dtype=torch.float64, generator=generator))
    return (u * values) @ v[:rows]


@pytest.mark.parametrize("columns", [40, 90])
def test_singular_values_come_near_one_and_directions_stay(columns: int) -> None:
    values = torch.logspace(math.log10(0.004), 0, 40, dtype=torch.float64)
    values = values / values.norm()
    assert values.min() > 0.0015
    given = of_singular_values(40, columns, values)
    made = orthogonal(3.7 * given[None], 5)[0]  # its size does not matter
    found = torch.linalg.svdvals(made)
    assert LEAST < found.min() < found.max() < MOST
    u, _, v = torch.linalg.svd(given, full_matrices=False)
    torch.testing.assert_close(u.mT @ made @ v.mT, torch.diag(torch.diag(u.mT @ made @ v.mT)), atol=1e-9, rtol=0)


def test_each_matrix_of_a_batch_is_made_orthogonal_by_itself() -> None:
    batch = torch.randn(3, 6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for alone, together in zip(batch, orthogonal(batch, 5), strict=True):
        torch.testing.assert_close(orthogonal(alone[None], 5)[0], together, atol=1e-12, rtol=0)


def test_no_gradient_no_update() -> None:
    assert not orthogonal(torch.zeros(1, 3, 4), 5).any()


@pytest.mark.parametrize(("rows", "columns"), [(96, 32), (32, 96), (64, 64)])
def test_updates_are_as_large_as_those_of_adamw(rows: int, columns: int) -> None:
    """Entries of root mean square 0.2 (Liu et al. 2025, section 2.2)."""
    matrix = torch.randn(min(rows, columns), max(rows, columns), generator=torch.Generator().manual_seed(0))
    update = adjustment(torch.Size((rows, columns)), "match_rms_adamw") * orthogonal(matrix[None], 5)[0]
    assert update.square().mean().sqrt().item() == pytest.approx(0.2, abs=UPDATE_RMS)


def test_the_weights_do_not_depend_on_how_many_are_made_orthogonal_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> list[Tensor]:
        model = models.small_model()
        optimizer = build_optimizer(model, OptimizerConfig(name="muon", newton_schulz_precision="fp32"))
        for step in range(3):
            generator = torch.Generator().manual_seed(step)
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            set_learning_rate(optimizer, 0.01)
            optimizer.step()
        return [parameter.detach() for parameter in model.parameters()]

    together = trained()
    monkeypatch.setattr(muon, "BATCH_ELEMENTS", 1)
    for one, other in zip(together, trained(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
