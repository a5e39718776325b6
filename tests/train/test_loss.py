import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from groundup.train.loss import IGNORE, fusible_logits_loss, linear_cross_entropy, logits_loss

SUMMATION_ORDER = 1e-6  # float32: chunks are summed in another order than the whole
DIFFERENCE = 1e-5
BF16_LOGITS = 0.02  # logits of size ~3 rounded to 8 significant bits, averaged over the rows


def problem(dtype: torch.dtype = torch.float32, rows: int = 70) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, rows, 16, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(33, 16, generator=generator, dtype=dtype, requires_grad=True)
    targets = torch.randint(0, 33, (2, rows), generator=generator)
    targets[0, 3:9] = IGNORE
    return hidden, weight, targets


def reference(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")


@pytest.mark.parametrize("chunk_rows", [1, 32, 512])
def test_equals_cross_entropy_of_whole_logits(chunk_rows: int) -> None:
    hidden, weight, targets = problem()
    loss, expected = linear_cross_entropy(hidden, weight, targets, chunk_rows=chunk_rows)[0], reference(hidden, weight, targets)
    gradients = torch.autograd.grad(loss / 7, (hidden, weight))
    expected_gradients = torch.autograd.grad(expected / 7, (hidden, weight))
    torch.testing.assert_close(loss, expected, rtol=SUMMATION_ORDER, atol=0)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=SUMMATION_ORDER, atol=SUMMATION_ORDER)


def test_gradient_by_finite_differences() -> None:
    """Along random directions; torch's gradcheck asks for several backward passes."""
    hidden, weight, targets = problem(torch.float64, rows=5)
    gradients = torch.autograd.grad(linear_cross_entropy(hidden, weight, targets, chunk_rows=4)[0], (hidden, weight))
    generator = torch.Generator().manual_seed(2)
    for which, given in enumerate((hidden, weight)):
        for _ in range(5):
            direction = torch.randn(given.shape, generator=generator, dtype=given.dtype)
            there, back = (
                linear_cross_entropy(*(x + s * direction if x is given else x for x in (hidden, weight)), targets, chunk_rows=4)[0]
                for s in (DIFFERENCE, -DIFFERENCE)
            )
            torch.testing.assert_close((there - back) / (2 * DIFFERENCE), (gradients[which] * direction).sum(), rtol=1e-6, atol=0)


def test_a_second_backward_pass_is_refused() -> None:
    hidden, weight, targets = problem()
    loss, _ = linear_cross_entropy(hidden, weight, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(AssertionError, match="one backward pass"):
        loss.backward()


@pytest.mark.parametrize("soft_cap", [None, 3.0])
@pytest.mark.parametrize("z_weight", [0.0, 0.1])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, BF16_LOGITS)])
def test_the_formula_for_compilers_is_the_same(dtype, tolerance, soft_cap, z_weight) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(9, 33, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 33, (9,), generator=generator)
    targets[2] = IGNORE
    ours, plain = (
        kernel(logits.to(dtype, copy=True), targets, soft_cap, z_weight, True) for kernel in (fusible_logits_loss, logits_loss)
    )
    for one, other in zip(ours, plain, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one.double(), other.double(), rtol=tolerance, atol=tolerance)


def test_bf16_autocast_is_close() -> None:
    hidden, weight, targets = problem()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = linear_cross_entropy(hidden, weight, targets)
    assert loss.dtype == torch.float32
    expected = reference(hidden, weight, targets)
    assert abs(loss - expected) / (targets != IGNORE).sum() < BF16_LOGITS
    for gradient, wanted in zip(
        torch.autograd.grad(loss, (hidden, weight)), torch.autograd.grad(expected, (hidden, weight)), strict=True
    ):
        assert gradient.dtype == torch.float32
        assert (gradient - wanted).norm() / wanted.norm() < BF16_LOGITS


def test_ignored_positions_do_nothing() -> None:
    hidden, weight, targets = problem()
    (gradient,) = torch.autograd.grad(linear_cross_entropy(hidden, weight, targets)[0], hidden)
    assert (gradient[targets == IGNORE] == 0).all()
    assert (gradient[targets != IGNORE] != 0).any(dim=-1).all()


def test_all_ignored_is_zero() -> None:
    hidden, weight, targets = problem()
    assert linear_cross_entropy(hidden, weight, torch.full_like(targets, IGNORE))[0].item() == 0


def test_no_gradient_wanted() -> None:
    hidden, weight, targets = problem()
    with torch.no_grad():
        loss, _ = linear_cross_entropy(hidden, weight, targets)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, reference(hidden, weight, targets).detach(), rtol=SUMMATION_ORDER, atol=0)


@pytest.mark.parametrize("soft_cap", [None, 3.0])
def test_z_loss_is_the_square_of_log_z(soft_cap: float | None) -> None:
    hidden, weight, targets = problem(torch.float64)
    wanted, cross_entropy_alone = linear_cross_entropy(hidden, weight, targets, soft_cap=soft_cap, z_weight=0.1, chunk_rows=32)
    logits = hidden @ weight.T
    logits = logits if soft_cap is None else soft_cap * torch.tanh(logits / soft_cap)
    plain = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    expected = plain + 0.1 * torch.logsumexp(logits, -1)[targets != IGNORE].square().sum()
    torch.testing.assert_close(wanted, expected)
    torch.testing.assert_close(cross_entropy_alone, plain)
    assert not cross_entropy_alone.requires_grad
    for gradient, true in zip(
        torch.autograd.grad(wanted, (hidden, weight)), torch.autograd.grad(expected, (hidden, weight)), strict=True
    ):
        torch.testing.assert_close(gradient, true)
