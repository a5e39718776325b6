"""One rank of the checks of data parallelism (see test_data.py): prints a JSON object a case."""

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import save_memory
import worker
from modes import TASKS

from groundup.core.errors import ConfigError
from groundup.nn.transformer import Transformer
from groundup.train.config import RunPrecision
from groundup.train.loss_scale import LossScale
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.first_weights import first_weights
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import StepResult, TrainStep

STEPS, RATE, CPU = 3, 1e-3, torch.device("cpu")
Settings = dict[str, Any]
BF16: dict[str, Settings] = {
    "fp32": {"precision": "bf16_weights"},
    "bf16": {"precision": "bf16_weights", "gradients": "bf16"},
}


def train_step(model: Transformer, ranks: Ranks, precision: RunPrecision, optimizer: Settings, clip: Settings) -> TrainStep:
    chosen = build_optimizer(model, OptimizerConfig.parse(optimizer, "test"))
    return TrainStep(model, chosen, precision, clip.get("clip_norm"), CPU, clip_value=clip.get("clip_value"), ranks=ranks)


def trained(
    layout: Layout | None, dtype: torch.dtype, optimizer: Settings, clip: Settings
) -> tuple[list[float], dict[str, Tensor]]:
    """Return losses and, on the first rank, whole weights of a few steps; without a layout in one process."""
    model = worker.build("causal", dtype)
    if layout is None:
        step, place = train_step(model, ALONE, "fp32" if dtype == torch.float64 else "bf16_weights", optimizer, clip), (1, 0)
    else:
        team = Team.of(layout, layout.precision)
        step = train_step(team.arrange(model), team, layout.precision, optimizer, clip)
        place = (layout.dp, team.mesh.data_rank)
    losses = [step(worker.batches("causal", number, *place, 2), RATE).loss for number in range(STEPS)]
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    return losses, weights if layout is None else worker.gathered_weights(model)


def furthest(
    found: tuple[list[float], dict[str, Tensor]], alone: Callable[[], tuple[list[float], dict[str, Tensor]]]
) -> dict[str, float]:
    """Return, on the first rank, how far what was found is from what one process finds."""
    if dist.get_rank() > 0:
        return {}
    expected = alone()
    return {
        "loss": max(abs(one - other) for one, other in zip(found[0], expected[0], strict=True)),
        "weights": max(float((found[1][name] - weight).abs().max()) for name, weight in expected[1].items()),
    }


def optimizers(size: int) -> Iterator[Settings]:
    """Each optimizer over each kind of shards."""
    rows: list[Settings] = [*({"name": name} for name in OPTIMIZERS), {"name": "adamw", "momentum_precision": "bf16"}]
    for optimizer in rows:
        exact = {"newton_schulz_precision": "fp32"} if optimizer["name"] == "muon" else {}
        alone = cache(partial(trained, None, torch.float64, optimizer | exact, {"clip_norm": 0.5}))
        for zero in (0, 1, 2, 3):
            layout = Layout.parse({"dp": size, "zero": zero, "precision": "fp32"}, "test")
            label = {"check": "optimizer", **optimizer, "zero": zero}
            try:
                yield label | furthest(trained(layout, torch.float64, optimizer | exact, {"clip_norm": 0.5}), alone)
            except ConfigError as error:
                yield label | {"refused": str(error)}


def clipping(size: int) -> Iterator[Settings]:
    """Gradients bounded by value."""
    clip = {"clip_value": 1e-3}
    alone = cache(partial(trained, None, torch.float64, {}, clip))
    for zero in (0, 1, 2, 3):
        layout = Layout.parse({"dp": size, "zero": zero, "precision": "fp32"}, "test")
        yield {"check": "clip_value", "zero": zero} | furthest(trained(layout, torch.float64, {}, clip), alone)


def narrow(size: int) -> Iterator[Settings]:
    """Weights in bfloat16, their gradients in 32 or 16 bits."""
    alone = cache(partial(trained, None, torch.float32, {}, {"clip_norm": 0.5}))
    for gradients, zero in itertools.product(BF16, (0, 1, 2, 3)):
        if gradients == "bf16" and zero == 3:
            continue
        layout = Layout.parse({"dp": size, "zero": zero, **BF16[gradients]}, "test")
        found = trained(layout, torch.float32, {}, {"clip_norm": 0.5})
        yield {"check": "bf16_weights", "gradients": gradients, "zero": zero} | furthest(found, alone)


def overflows(size: int) -> Iterator[Settings]:
    """In float16 a gradient that is infinite on the last rank alone."""
    for zero in (0, 1, 2, 3):
        layout = Layout.parse({"dp": size, "zero": zero, "precision": "fp16"}, "test")
        team = Team.of(layout, "fp16")
        model = team.arrange(worker.build("causal", torch.float32))
        step = train_step(model, team, "fp16", {}, {"clip_norm": 0.5})
        step.loss_scale = LossScale(2.0**8)
        before = {name: weight.clone() for name, weight in worker.whole_weights(model).items()}
        is_bad, results = [False, True, False], []
        for number, bad in enumerate(is_bad):
            with spoiled(step.loss.model, bad and team.rank == size - 1):
                results.append(step(worker.batches("causal", number, size, team.mesh.data_rank, 2), RATE))
            if number == 0:
                before = {name: weight.clone() for name, weight in worker.whole_weights(model).items()}
            if bad:
                after = worker.whole_weights(model)
                moved = max(float((after[name] - weight).abs().max()) for name, weight in before.items())
        yield {"check": "overflow", "zero": zero, "moved": moved, "ranks": everyones(results)}


def everyones(results: list[StepResult]) -> list[list[list[Any]]]:
    """Return what each rank found in each step."""
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, [[result.overflow, result.loss_scale] for result in results])
    return found


class spoiled:
    """Make the gradient that flows out of the model's stack infinite, the loss being what it is."""

    def __init__(self, model: nn.Module, is_so: bool) -> None:
        self._norm = model.get_submodule("decoder.norm")
        self._is_so = is_so

    def __enter__(self) -> None:
        def spoil(module: nn.Module, args: Any, output: Tensor) -> None:
            if self._is_so:
                output.register_hook(lambda gradient: gradient * float("inf"))

        self._handle = self._norm.register_forward_hook(spoil)

    def __exit__(self, *args: object) -> None:
        self._handle.remove()


def drawn(size: int) -> Iterator[Settings]:
    """First weights drawn where they lie."""
    config = TASKS["causal"].model
    expected = worker.build("causal", torch.float32).state_dict()
    for zero, precision in itertools.product((0, 1, 2, 3), ("fp32", "bf16_weights")):
        layout = Layout.parse({"dp": size, "zero": zero, "precision": precision}, "test")
        team = Team.of(layout, layout.precision)
        model = first_weights(config, "sdpa", torch.Generator().manual_seed(0), team.arrange, CPU)
        step = train_step(model, team, layout.precision, {}, {})
        weights = worker.whole_weights(model)
        equal = weights.keys() == expected.keys() and all(torch.equal(weights[name], value) for name, value in expected.items())
        loss = step.gradient(worker.batches("causal", 0, size, team.mesh.data_rank, 2)).loss
        yield {"check": "first_weights", "zero": zero, "precision": precision, "equal": equal, "loss": loss}


def room(size: int) -> Iterator[Settings]:
    """How much memory drawing the first weights of a larger model takes."""
    config = save_memory.described(dim=512, layers=8)
    team = Team.of(Layout(dp=size, zero=3, precision="fp32"), "fp32")
    model, rise = save_memory.begun(config, team)
    whole, own = save_memory.held(dict(model.named_parameters()))
    yield {"check": "room", "whole": whole, "own": own, "rises": team.each(rise)}


CHECKS: dict[str, Callable[[int], Iterator[Settings]]] = {
    "optimizer": optimizers,
    "clip_value": clipping,
    "bf16_weights": narrow,
    "overflow": overflows,
    "first_weights": drawn,
    "room": room,
}


def main() -> None:
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        for name in sys.argv[1].split(",") if len(sys.argv) > 1 else CHECKS:
            for row in CHECKS[name](world.size):
                if world.rank == 0:
                    sys.stdout.write(json.dumps(row) + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
