"""Take compiled and eager steps in a process of their own, and print what they found as JSON.

The annotations that tests check at every call (tests/conftest.py) are not for a compiler to read.
"""

import copy
import json
import sys

import torch
from torch._dynamo.utils import counters

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.config import OptimizerConfig, Recompute
from groundup.train.hooks.held_out import evaluating
from groundup.train.loss import IGNORE
from groundup.train.optim.table import build_optimizer
from groundup.train.step import StepResult, TrainStep

CONFIG = ModelConfig(vocab_size=61, dim=32, num_layers=3, num_heads=2, num_kv_heads=1, ffn_dim=64, max_seq_len=32)
RATE = 3e-3


def train_step(compiled: bool = True, recompute: Recompute = "none") -> TrainStep:
    model = build_model(CONFIG, "matmul")
    model.init_weights(torch.Generator().manual_seed(7))
    optimizer = build_optimizer(model, OptimizerConfig())
    return TrainStep(model, optimizer, "fp32", 1.0, torch.device("cpu"), z_weight=1e-4, compiled=compiled, recompute=recompute)


def batch(seed: int, predicted: float = 1.0) -> Batch:
    """Rows of two documents of lengths that differ, of which a share of the places is predicted."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(61, (4, 33), generator=generator)
    ids = (torch.arange(32) > torch.randint(32, (4, 1), generator=generator)).long()
    targets = tokens[:, 1:].clone()
    targets[torch.rand(targets.shape, generator=generator) >= predicted] = IGNORE
    return Batch(Inputs(tokens[:, :-1].contiguous(), ids), targets)


def run(step: TrainStep, seeds: range) -> list[StepResult]:
    """Take steps of two micro-batches, the second of which predicts few places, as many as its seed says."""
    return [step([batch(seed), batch(seed + 100, 0.3)], RATE) for seed in seeds]


def resumed() -> tuple[TrainStep, list[StepResult]]:
    """Take two steps, then two more with another model that was given the state; the compiler starts anew between."""
    first = train_step()
    run(first, range(2))
    state = copy.deepcopy((first.model.state_dict(), first.optimizer.state_dict()))
    torch._dynamo.reset()
    second = train_step()
    second.model.load_state_dict(state[0])
    second.optimizer.load_state_dict(state[1])
    return second, run(second, range(2, 4))


def main() -> None:
    whole = train_step()
    results = run(whole, range(1))
    graphs = counters["stats"]["unique_graphs"]
    with torch._dynamo.config.patch(error_on_recompile=True):
        results += run(whole, range(1, 3))
        with evaluating(whole.model), torch.inference_mode():
            whole.model(Inputs(torch.arange(7)[None]))  # what evaluation does never meets the compiler
        results += run(whole, range(3, 4))
    second, rest = resumed()
    again: dict[str, list[float]] = {}
    for mode in ("selective", "full"):
        before = counters["stats"]["unique_graphs"]
        again[mode] = [result.grad_norm for result in run(train_step(recompute=mode), range(2))]
        assert counters["stats"]["unique_graphs"] == before + 1, "all layers share one graph"
    weights, names = whole.model.state_dict(), list(train_step(compiled=False).model.state_dict())
    found = {
        "graphs": graphs,
        "losses": [result.loss for result in results],
        "norms": [result.grad_norm for result in results],
        "recomputing_norms": again,
        "eager_losses": [result.loss for result in run(train_step(compiled=False), range(4))],
        "resumed_losses": [result.loss for result in rest],
        "same_weights": all(torch.equal(weight, second.model.state_dict()[name]) for name, weight in weights.items()),
        "same_names": list(weights) == names,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
