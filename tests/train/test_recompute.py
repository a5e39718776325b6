"""What is computed again in the backward pass is what was computed before."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from groundup.nn.attention import ATTENTION
from groundup.train.batch import Batch
from groundup.train.config import Recompute
from groundup.train.step import TrainStep
from models import ATTENTIONS, LENGTH, RESIDUALS, SHAPES, small_model, some_inputs, some_tokens

CPU = torch.device("cpu")
MODES = [mode for mode in get_args(Recompute) if mode != "none"]
MEMORY = Path(__file__).with_name("recompute_memory.py")
SETTINGS = [
    *({"shape": shape, **settings} for shape, settings in SHAPES.items()),
    *({"residual": name} for name in RESIDUALS),
    *({"attention": name, **ATTENTIONS[name]} for name in ATTENTION if name != "full"),
    {"dropout": 0.2},
    {"dropout": 0.2, "attention_dropout": 0.2},
    {"dropout": 0.2, "attention_dropout": 0.2, "shape": "encoder_decoder", "num_encoder_layers": 2},
    {"position": "t5_bias", "shape": "encoder_decoder", "num_encoder_layers": 2},
    {"bias": True, "norm": "layer", "feed_forward": "gelu"},
    {"qk_norm": True, "attention_soft_cap": 20.0},
]


def batch(shape: str) -> Batch:
    """Two rows of three documents each."""
    tokens, ids = some_tokens(2, LENGTH), (torch.arange(LENGTH) // 40).repeat(2, 1)
    return Batch(some_inputs(shape, tokens, ids), tokens.roll(-1, 1))


def gradients(recompute: Recompute, kernel: str, precision: str, **settings: object) -> tuple[float, dict[str, Tensor]]:
    """Return the loss of two micro-batches and the gradient of every parameter."""
    model = small_model(kernel, **settings).train()
    step = TrainStep(model, torch.optim.SGD(model.parameters()), precision, None, CPU, recompute=recompute)
    torch.manual_seed(5)
    result = step.gradient([batch(model.config.shape)] * 2)
    return result.loss, {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "settings", SETTINGS, ids=lambda settings: "-".join(str(value) for value in settings.values()) or "decoder"
)
@pytest.mark.parametrize(("kernel", "precision"), [("sdpa", "fp32"), ("matmul", "bf16")])
def test_gradients_are_those_of_keeping_everything_bit_for_bit(mode, settings, kernel, precision):
    loss, expected = gradients("none", kernel, precision, **settings)
    again_loss, found = gradients(mode, kernel, precision, **settings)
    assert again_loss == loss
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_blocks_are_as_they_were_outside_of_the_step():
    """Evaluation in between computes nothing again."""
    model = small_model().train()
    step = TrainStep(model, torch.optim.SGD(model.parameters()), "fp32", None, CPU, recompute="full")
    step.gradient([batch("decoder")])
    assert all("forward" not in vars(module) for module in model.modules())


@pytest.fixture(scope="module")
def peaks() -> dict[str, int]:
    def peak(mode: str) -> int:
        done = subprocess.run([sys.executable, str(MEMORY), mode], capture_output=True, text=True, check=True)
        return int(json.loads(done.stdout))

    return {mode: peak(mode) for mode in get_args(Recompute)}


def test_measured_memory_falls(peaks):
    """Of a process without a past: 0.55 and 0.79 of it were measured."""
    assert peaks["full"] < 0.7 * peaks["none"]
    assert peaks["selective"] < 0.9 * peaks["none"]
