"""Steps in float16 against a loop around torch's own scaler."""

import torch
from torch import Tensor

from groundup.train.batch import Batch
from groundup.train.loss_scale import MINIMUM, LossScale
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import set_learning_rate
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep
from models import VOCAB, small_model, some_inputs, some_tokens

CPU = torch.device("cpu")
STEPS, RATE, CLIP_NORM = 20, 3e-3, 1.0
INITIAL, GROWTH_STEPS = 2.0**22, 4
"""So much that the first gradients overflow, and again each time that it has grown back."""


def batch(step: int) -> Batch:
    tokens = some_tokens(2, 24, seed=step) % (VOCAB // 3)
    return Batch(some_inputs("decoder", tokens), tokens.roll(-1, 1))


def train_step() -> TrainStep:
    model = small_model("matmul").train()
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), "fp16", CLIP_NORM, CPU)
    step.loss_scale = LossScale(INITIAL, GROWTH_STEPS)
    return step


def reference() -> tuple[list[float], list[float], dict[str, Tensor]]:
    """Return scales, losses and weights of the same training with torch.amp.GradScaler."""
    step = train_step()
    scaler = torch.amp.GradScaler("cpu", init_scale=INITIAL, growth_interval=GROWTH_STEPS)
    scales, losses = [], []
    for number in range(STEPS):
        data = batch(number)
        wanted, cross_entropy = step.loss(data)
        scales.append(scaler.get_scale())
        losses.append((cross_entropy / data.targets.numel()).item())
        scaler.scale(wanted / data.targets.numel()).backward()
        scaler.unscale_(step.optimizer)
        torch.nn.utils.clip_grad_norm_(step.model.parameters(), CLIP_NORM)
        set_learning_rate(step.optimizer, RATE)
        scaler.step(step.optimizer)
        scaler.update()
        step.optimizer.zero_grad()
    return scales, losses, step.model.state_dict()


def test_equals_the_scaler_of_torch_overflows_included() -> None:
    step = train_step()
    results = [step([batch(number)], RATE) for number in range(STEPS)]
    scales, losses, weights = reference()
    assert [result.loss_scale for result in results] == scales
    assert [result.loss for result in results] == losses
    assert sum(result.overflow for result in results) >= 2
    assert sorted(scales, reverse=True) != scales  # it has grown back in between
    for name, weight in step.model.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=1e-6, atol=1e-7, msg=name)


def test_a_step_that_overflows_changes_no_weight_and_no_moment() -> None:
    step = train_step()
    before = {name: weight.clone() for name, weight in step.model.state_dict().items()}
    assert step([batch(0)], RATE).overflow
    assert all(torch.equal(weight, before[name]) for name, weight in step.model.state_dict().items())
    assert not step.optimizer.state


def test_a_loss_that_is_no_number_is_no_matter_of_the_scale() -> None:
    step = train_step()
    with torch.no_grad():
        step.model.embedding.weight[0, 0] = torch.nan
    result = step.gradient([batch(0)])
    assert not result.overflow
    assert result.loss_scale == INITIAL


def test_the_scale_has_a_least_value_and_comes_back_from_its_facts() -> None:
    scale = LossScale(4.0, growth_steps=3)
    for _ in range(5):
        scale.take(overflow=True)
    assert scale.value == MINIMUM
    for _ in range(2):
        scale.take(overflow=False)
    other = LossScale(growth_steps=3)
    other.load(scale.facts())
    for each in (scale, other):
        each.take(overflow=False)
        assert each.value == 2 * MINIMUM
