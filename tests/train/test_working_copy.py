"""Weights in bfloat16 beside a master copy in float32."""

import copy

import pytest
import torch
from torch import Tensor

from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE, linear_cross_entropy
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import trained_parameters
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep
from groundup.train.working_copy import WorkingCopy
from models import VOCAB, small_model, some_inputs, some_tokens

CPU = torch.device("cpu")
STEPS, CLIP_NORM = 20, 1.0
BETA1, BETA2, EPS, DECAY = 0.9, 0.95, 1e-8, 0.1
UPDATES = 1e-6  # rounding of 20 updates in float32, relative to the largest entry
BF16 = 2.0**-8  # half of the last digit


def batch(step: int) -> Batch:
    """Return rows that predict unevenly, so that micro-batches weigh unequally."""
    tokens = some_tokens(2, 24, seed=step) % (VOCAB // 3)
    targets = tokens.roll(-1, 1)
    targets[0, 5 + step % 7 :] = IGNORE
    return Batch(some_inputs("decoder", tokens), targets)


def micro_batches(step: int) -> list[Batch]:
    return [batch(2 * step), batch(2 * step + 1)]


def rate(step: int) -> float:
    return 3e-3 / (1 + step / 10)


def train_step(model: Transformer) -> TrainStep:
    optimizer = build_optimizer(model, OptimizerConfig(beta1=BETA1, beta2=BETA2, eps=EPS, weight_decay=DECAY))
    return TrainStep(model, optimizer, "bf16_weights", CLIP_NORM, CPU)


def slow_gradients(master: Transformer, data: list[Batch]) -> tuple[dict[str, Tensor], float]:
    """Return the summed gradients of the rounded weights, in float64, and the loss, by a model made anew for each micro-batch."""
    targets = sum(int((part.targets != IGNORE).sum()) for part in data)
    sums, loss_sum = {name: torch.zeros_like(weight).double() for name, weight in master.named_parameters()}, 0.0
    for part in data:
        model = copy.deepcopy(master)
        for weight in model.parameters():
            weight.data = weight.data.bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, _ = linear_cross_entropy(model.trunk(part.inputs), model.head.weight, part.targets)
        (loss / targets).backward()
        loss_sum += loss.item() / targets
        for name, weight in model.named_parameters():
            assert weight.grad is not None
            sums[name] += weight.grad.double()
    return sums, loss_sum


class SlowAdamW:
    """Clipping by the norm and AdamW (Loshchilov & Hutter 2019, algorithm 2), line by line, in float64."""

    def __init__(self, model: Transformer) -> None:
        self.weights = {name: weight.detach().double() for name, weight in model.named_parameters()}
        self.decay = {
            trained.name: DECAY if trained.role in ("matrices", "embeddings") else 0.0 for trained in trained_parameters(model)
        }
        self.m, self.v = ({name: torch.zeros_like(weight) for name, weight in self.weights.items()} for _ in range(2))

    def step(self, t: int, gradients: dict[str, Tensor], learning_rate: float) -> None:
        norm = torch.cat([g.flatten() for g in gradients.values()]).norm()
        for name, g in gradients.items():
            clipped = g * (CLIP_NORM / norm).clamp(max=1.0)
            self.m[name] = BETA1 * self.m[name] + (1 - BETA1) * clipped
            self.v[name] = BETA2 * self.v[name] + (1 - BETA2) * clipped.square()
            m_hat, v_hat = self.m[name] / (1 - BETA1**t), self.v[name] / (1 - BETA2**t)
            shrunk = self.weights[name] * (1 - learning_rate * self.decay[name])
            self.weights[name] = shrunk - learning_rate * m_hat / (v_hat.sqrt() + EPS)


def test_equals_the_slow_training_of_a_master_copy() -> None:
    """Gradients are taken where the run stands: the last digit of a float32 decides now and then how a weight is rounded."""
    step = train_step(small_model("matmul").train())
    slow = SlowAdamW(step.model)
    for number in range(STEPS):
        gradients, loss = slow_gradients(step.model, micro_batches(number))
        slow.step(number + 1, gradients, rate(number))
        assert step(micro_batches(number), rate(number)).loss == pytest.approx(loss, rel=UPDATES)
    for name, weight in step.model.named_parameters():
        difference = (weight.double() - slow.weights[name]).abs().max() / slow.weights[name].abs().max()
        assert difference <= UPDATES, name


def test_the_master_copy_learns_what_bfloat16_cannot_show() -> None:
    """Updates of an eighth of half the last digit add up, and the copy moves once they are large enough."""
    step = train_step(small_model("matmul").train())
    copied = WorkingCopy(step.model)
    weight, working = step.model.embedding.weight, copied.model.embedding.weight
    with torch.no_grad():
        weight.fill_(1.0)
        for count in range(1, 13):
            weight.add_(BF16 / 8)
            copied.refresh()
            assert working.unique().tolist() == [1.0 if count <= 8 else 1.0 + 2 * BF16], count


def test_what_is_kept_is_in_float32_and_the_copy_keeps_nothing() -> None:
    step = train_step(small_model("matmul").train())
    step.gradient(micro_batches(0))
    assert {weight.grad.dtype for weight in step.model.parameters() if weight.grad is not None} == {torch.float32}
    step.update(1e-3)
    states = [value for state in step.optimizer.state.values() for value in state.values()]
    assert {tensor.dtype for tensor in (*step.model.parameters(), *states)} == {torch.float32}
    assert all(weight.grad is None for weight in step.model.parameters())


@pytest.mark.parametrize("changes", [{"tie_embeddings": False}, {"position": "learned", "bias": True, "norm": "layer"}])
def test_passes_run_through_rounded_weights_and_their_gradients_reach_the_master(changes: dict[str, object]) -> None:
    model = small_model("matmul", **changes).train()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    step = train_step(model)
    rounded = copy.deepcopy(model)
    for weight in rounded.parameters():
        weight.data = weight.data.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = rounded.hidden(batch(0).inputs)
    assert torch.equal(step.loss.hidden(batch(0).inputs), expected)
    step.gradient([batch(0)])
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_the_copy_follows_weights_that_were_put_back_and_the_mode_of_the_model() -> None:
    step = train_step(small_model("matmul", seed=3))
    other = small_model("matmul", seed=4)
    step([batch(0)], 1e-3)
    step.model.load_state_dict(other.state_dict())
    expected = train_step(other).gradient([batch(1)])
    assert step.gradient([batch(1)]) == expected
