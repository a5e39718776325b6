"""One rank of islands that train apart, beside a slow simulation of all islands in one process.

torchrun --nproc-per-node 4 islands.py; rank 0 prints one JSON object a case.
"""

import copy
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import SGD, Optimizer

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/parallel"))
from worker import batches, build, whole_weights

from groundup.nn.transformer import Transformer
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import RATE_SCALE
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout, LocalSgd
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.state import RunState
from groundup.train.step import TrainStep

STEPS, RATE = 5, 1e-2
CASES: dict[str, dict[str, Any]] = {
    "ddp 2 x islands 2": {"dp": 4, "local_sgd": {"islands": 2, "inner_steps": 2}},
    "zero1 2 x islands 2": {"dp": 4, "zero": 1, "local_sgd": {"islands": 2, "inner_steps": 2}},
    "zero2 2 x islands 2": {"dp": 4, "zero": 2, "local_sgd": {"islands": 2, "inner_steps": 2}},
    "zero3 2 x islands 2": {"dp": 4, "zero": 3, "local_sgd": {"islands": 2, "inner_steps": 2}},
    "context 2 x islands 2": {"dp": 2, "cp": 2, "local_sgd": {"islands": 2, "inner_steps": 3, "outer_rate": 0.5}},
    "islands 4": {"dp": 4, "local_sgd": {"islands": 4, "inner_steps": 2, "outer_momentum": 0.5}},
    "averaging": {"dp": 4, "local_sgd": {"islands": 4, "inner_steps": 1, "outer_rate": 1.0, "outer_momentum": 0.0}},
}
RESUMED = ("ddp 2 x islands 2", "zero1 2 x islands 2", "zero3 2 x islands 2")


def adamw(model: Transformer) -> Optimizer:
    return build_optimizer(model, OptimizerConfig())


def sgd(model: Transformer) -> Optimizer:
    return SGD([{"params": list(model.parameters()), RATE_SCALE: 1.0}], lr=RATE)


def step_of(model: Transformer, optimizer: Callable[[Transformer], Optimizer], ranks: Ranks) -> TrainStep:
    return TrainStep(model, optimizer(model), "fp32", 0.5, torch.device("cpu"), ranks=ranks)


@cache
def simulated(settings: LocalSgd, optimizer: Callable[[Transformer], Optimizer]) -> tuple[list[float], dict[str, Tensor]]:
    """Return losses and weights of all islands trained one after the other, brought together by torch's own SGD."""
    shared = build("causal", torch.float64)
    outer = SGD(shared.parameters(), settings.outer_rate, settings.outer_momentum, nesterov=settings.outer_momentum > 0)
    islands = [copy.deepcopy(shared) for _ in range(settings.islands)]
    steps = [step_of(model, optimizer, ALONE) for model in islands]
    losses = []
    for number in range(1, STEPS + 1):
        parts = [batches("causal", number, settings.islands, island, 2) for island in range(settings.islands)]
        losses.append(sum(step(part, RATE).loss for step, part in zip(steps, parts, strict=True)) / settings.islands)
        if number % settings.inner_steps and number < STEPS:
            continue
        for weight, *apart in zip(shared.parameters(), *(model.parameters() for model in islands), strict=True):
            weight.grad = weight.detach() - sum(each.detach() for each in apart) / len(apart)
        outer.step()
        for model in islands:
            model.load_state_dict(shared.state_dict())
    return losses, shared.state_dict()


def trained(
    layout: Layout, optimizer: Callable[[Transformer], Optimizer], stop_after: int | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    """Return losses and weights of islands on many ranks; `stop_after`: the step after which other objects go on."""
    team = Team.of(layout, "fp32")
    model = team.arrange(build("causal", torch.float64))
    step = step_of(model, optimizer, team)
    losses = []
    for number in range(1, STEPS + 1):
        losses.append(step(batches("causal", number, layout.dp, team.mesh.data_rank, 2), RATE).loss)
        team.after_update(number, number == STEPS)
        if number == stop_after:
            team, step = resumed(layout, optimizer, team, step)
            model = step.model
    return losses, whole_weights(model)


def resumed(layout: Layout, optimizer: Callable[[Transformer], Optimizer], team: Team, step: TrainStep) -> tuple[Team, TrainStep]:
    """Return a new team, and its step, that read a checkpoint of the old one's."""
    folder = team.agreed(Path(tempfile.mkdtemp()))
    old = RunState(step.model, step.optimizer, Healing(HealingConfig()), place=team.place, apart=team.apart)
    storage = team.storage()
    for name, tensors in (("weights.safetensors", old.weights()), ("state.safetensors", old.tensors())):
        storage.write(folder / name, tensors)
    fresh = Team.of(layout, "fp32")
    other = step_of(fresh.arrange(build("causal", torch.float64)), optimizer, fresh)
    new = RunState(other.model, other.optimizer, Healing(HealingConfig()), place=fresh.place, apart=fresh.apart)
    weights, state = (storage.read(folder / name, new.like) for name in ("weights.safetensors", "state.safetensors"))
    new.load(weights, state, old.facts())
    storage.first(lambda: shutil.rmtree(folder))
    return fresh, other


def compare(case: str, stop_after: int | None = None) -> dict[str, float]:
    """Return the largest differences from the simulation."""
    layout = Layout.parse({"precision": "fp32", **CASES[case]}, case)
    assert layout.local_sgd is not None
    optimizer = sgd if case == "averaging" else adamw
    expected, expected_weights = simulated(layout.local_sgd, optimizer)
    found, weights = trained(layout, optimizer, stop_after)
    first = build("causal", torch.float64).state_dict()
    return {
        "loss": max(abs(one - other) for one, other in zip(found, expected, strict=True)),
        "weights": max(float((weights[name] - weight).abs().max()) for name, weight in expected_weights.items()),
        "moved": max(float((first[name] - weight).abs().max()) for name, weight in weights.items()),
    }


def main() -> None:
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        found = {case: compare(case) for case in CASES}
        for case in RESUMED:
            found[f"{case}, resumed between exchanges"] = compare(case, stop_after=3)
        ends: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(ends, found)
        if world.rank == 0:
            for case, row in found.items():
                worst = {what: max(end[case][what] for end in ends) for what in row}
                sys.stdout.write(json.dumps({"case": case, **worst}) + "\n")


if __name__ == "__main__":
    main()
