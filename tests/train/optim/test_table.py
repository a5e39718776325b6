"""What holds for every optimizer of the table."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

import models
from groundup.core.errors import ArtifactError
from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.optim.config import OptimizerConfig, OptimizerName
from groundup.train.optim.groups import set_learning_rate
from groundup.train.optim.state import load_state_tensors, state_tensors
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.step import TrainStep
from toys import set_gradients, toy

SETTINGS = [
    *({"name": name} for name in OPTIMIZERS),
    *({"name": name, "momentum_precision": "bf16"} for name in OPTIMIZERS if name != "adafactor"),
    {"name": "adafactor", "beta1": 0.9, "momentum_precision": "bf16"},
]
ALL = pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))


def built(settings: dict[str, object]) -> tuple[nn.Module, Optimizer]:
    module = toy()
    return module, build_optimizer(module, OptimizerConfig.parse({"learning_rate": 0.01, **settings}, "test"))


def advance(module: nn.Module, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        set_gradients(module, step)
        set_learning_rate(optimizer, 0.01 / (1 + step))
        optimizer.step()


def test_table_equals_config() -> None:
    assert tuple(OPTIMIZERS) == get_args(OptimizerName)


@ALL
def test_state_survives_a_file_bit_for_bit(settings: dict[str, object], tmp_path: Path) -> None:
    """What goes on from a file ends where the uninterrupted one does."""
    whole, optimizer = built(settings)
    advance(whole, optimizer, range(6))
    first, interrupted = built(settings)
    advance(first, interrupted, range(3))
    save_file(state_tensors(interrupted), tmp_path / "state")
    later, resumed = built(settings)
    later.load_state_dict(first.state_dict())
    load_state_tensors(resumed, load_file(tmp_path / "state"))
    advance(later, resumed, range(3, 6))
    for parameter, other in zip(whole.parameters(), later.parameters(), strict=True):
        assert torch.equal(parameter, other)
    expected, found = state_tensors(optimizer), state_tensors(resumed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) and value.dtype == found[key].dtype for key, value in expected.items())


@ALL
def test_state_put_back_is_a_copy_in_place_of_what_there_was(settings: dict[str, object]) -> None:
    module, optimizer = built(settings)
    advance(module, optimizer, range(2))
    kept = {name: value.clone() for name, value in state_tensors(optimizer).items()}
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    for _ in range(2):  # a second time from the same copies: the first must not have changed them
        load_state_tensors(optimizer, kept)
        module.load_state_dict(weights)
        advance(module, optimizer, range(2, 4))
        after = [parameter.detach().clone() for parameter in module.parameters()]
    module.load_state_dict(weights)
    load_state_tensors(optimizer, kept)
    advance(module, optimizer, range(2, 4))
    assert all(torch.equal(parameter, other) for parameter, other in zip(module.parameters(), after, strict=True))
    load_state_tensors(optimizer, {})
    assert not state_tensors(optimizer)


def test_state_of_another_model_is_refused() -> None:
    _, optimizer = built({"name": "adamw"})
    with pytest.raises(ArtifactError, match=r"optimizer state of '7\.weight', which this model does not train"):
        load_state_tensors(optimizer, {"7.weight.exp_avg": torch.zeros(3)})


@ALL
def test_learns_at_its_default_rate(settings: dict[str, object]) -> None:
    """One batch of random tokens is learned; adafactor's default rate is that of the paper, slow for small first weights."""
    config = OptimizerConfig.parse(settings, "test")
    model = models.small_model(init_std=0.02, bias=True, norm="layer").train()
    step = TrainStep(model, build_optimizer(model, config), "fp32", 1.0, torch.device("cpu"))
    tokens = models.some_tokens(4, 17)
    batch = Batch(Inputs(tokens[:, :-1].contiguous()), tokens[:, 1:].contiguous())
    losses = [step([batch], config.peak(model.config)).loss for _ in range(40)]
    assert losses[-1] < losses[0] * (0.95 if config.name == "adafactor" else 0.6)


@ALL
def test_a_parameter_without_gradient_stays(settings: dict[str, object]) -> None:
    module, optimizer = built(settings)
    set_gradients(module, 0)
    still = [parameter for parameter in module.parameters() if parameter.ndim == 2][:2]
    before = [parameter.detach().clone() for parameter in still]
    for parameter in still:
        parameter.grad = None
    set_learning_rate(optimizer, 0.1)
    optimizer.step()
    assert all(torch.equal(parameter, other) for parameter, other in zip(still, before, strict=True))
