"""Bytes of optimizer state against the real tensors."""

from typing import get_args

import pytest
import torch

import models
from groundup.estimate.optimizer import STATE_BYTES, optimizer_bytes
from groundup.train.optim.config import OptimizerConfig, OptimizerName
from groundup.train.optim.state import state_tensors
from groundup.train.optim.table import build_optimizer

SETTINGS = [
    *({"name": name} for name in STATE_BYTES),
    *({"name": name, "momentum_precision": "bf16"} for name in STATE_BYTES if name != "adafactor"),
    {"name": "adafactor", "beta1": 0.9},
    {"name": "adafactor", "beta1": 0.9, "momentum_precision": "bf16"},
]


def test_table_equals_config() -> None:
    assert set(STATE_BYTES) == set(get_args(OptimizerName))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
def test_bytes_are_those_of_the_state(family: str, settings: dict[str, object]) -> None:
    model, config = models.small_model(**models.FAMILIES[family]), OptimizerConfig.parse(settings, "test")
    optimizer = build_optimizer(model, config)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert sum(tensor.nbytes for tensor in state_tensors(optimizer).values()) == optimizer_bytes(model.config, config)
    assert optimizer_bytes(model.config, config.sized()) == optimizer_bytes(model.config, config)


@pytest.mark.parametrize(("name", "of_matrix", "of_other"), [("adamw", 8, 8), ("adam", 8, 8), ("muon", 4, 8), ("lion", 4, 4)])
def test_bytes_of_a_parameter(name: OptimizerName, of_matrix: int, of_other: int) -> None:
    config, size = OptimizerConfig(name=name), 10_000
    for role, expected in (("matrices", of_matrix), ("embeddings", of_other)):
        assert STATE_BYTES[name](config, role, (size // 100, 100)) // size == expected


def test_adafactor_keeps_a_mean_for_each_row_and_column() -> None:
    assert STATE_BYTES["adafactor"](OptimizerConfig(name="adafactor"), "matrices", (300, 100)) == 4 * 400 + 4
