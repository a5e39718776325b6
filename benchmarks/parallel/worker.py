"""One rank of a comparison: train in each mode, and by itself on the whole batch; print what differs (see equality.py).

    torchrun --nproc-per-node N worker.py --modes 'ddp 2,tp 2 + muon' --tasks causal,masked --accumulate 1,3 --dtype float64

Rank 0 prints one JSON object a case.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from modes import MODES, SEQ_LEN, TASKS, VOCAB, TaskName, layout_of, optimizer_of
from torch import Tensor
from torch.distributed.tensor import DTensor

from groundup.nn.transformer import Transformer, build_model
from groundup.train.batch import Batch
from groundup.train.batches import document_ids
from groundup.train.loss import IGNORE
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.first_weights import first_weights
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import StepResult, TrainStep

STEPS, ROWS, CLIP_NORM, RATE = 5, 24, 0.5, 1e-3
EOS, MASK, FIRST_SENTINEL = 0, VOCAB - 1, VOCAB - 9
_SPECIAL = SpecialTokens(eos_id=EOS, mask_id=MASK, sentinel_ids=tuple(range(FIRST_SENTINEL, MASK)))


def batches(task: TaskName, step: int, ranks: int, rank: int, accumulate: int) -> list[Batch]:
    """Return the micro-batches of one rank; the rows of all ranks together are the same however many there are."""
    given = TASKS[task]
    objective = build_objective(given.objective, Vocabulary(VOCAB, _SPECIAL), SEQ_LEN, given.model.shape)
    generator = np.random.default_rng(step)
    tokens = generator.integers(1, FIRST_SENTINEL, (ROWS, objective.raw_len))
    tokens[generator.random(tokens.shape) < 0.08] = EOS
    seeds = generator.integers(0, 2**62, ROWS).astype(np.uint64)
    rows = Rows(tokens, document_ids(tokens, EOS), seeds)
    own, per_micro_batch = ROWS // ranks, ROWS // ranks // accumulate
    firsts = range(rank * own, (rank + 1) * own, per_micro_batch)
    return [_thinned(objective(rows.part(first, first + per_micro_batch)), first) for first in firsts]


def _thinned(batch: Batch, first: int) -> Batch:
    """Return the batch with fewer targets in later rows of the step: ranks predict unevenly much."""
    targets = batch.targets.clone()
    for row in range(len(targets)):
        targets[row, targets.shape[1] * (ROWS - first - row) // ROWS :] = IGNORE
    return Batch(batch.inputs, targets)


def build(task: TaskName, dtype: torch.dtype) -> Transformer:
    """Return the model with its first weights, the same on all ranks."""
    model = build_model(TASKS[task].model)
    model.init_weights(torch.Generator().manual_seed(0))
    return model.to(dtype)


def train(
    task: TaskName, model: Transformer, ranks: Ranks, place: tuple[int, int], accumulate: int, optimizer: OptimizerConfig
) -> list[StepResult]:
    """Train a few steps; `place`: how many ranks read different text, and which of them this is."""
    step = TrainStep(model, build_optimizer(model, optimizer), "fp32", CLIP_NORM, torch.device("cpu"), z_weight=1e-4, ranks=ranks)
    return [step(batches(task, number, *place, accumulate), RATE) for number in range(STEPS)]


@cache
def reference(
    task: TaskName, accumulate: int, dtype: torch.dtype, optimizer: OptimizerConfig
) -> tuple[list[StepResult], dict[str, Tensor]]:
    """Return what one process finds."""
    model = build(task, dtype)
    found = train(task, model, ALONE, (1, 0), accumulate, optimizer)
    return found, {name: weight.detach() for name, weight in model.state_dict().items()}


def whole_weights(model: Transformer) -> dict[str, Tensor]:
    """Return the weights that all ranks hold together; all ranks call this."""
    own = {name: weight.full_tensor() if isinstance(weight, DTensor) else weight for name, weight in model.state_dict().items()}
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, own)
    return {name: weight for part in found for name, weight in part.items()}


def gathered_weights(model: Transformer) -> dict[str, Tensor]:
    """Return them on the first rank, and nothing on the others; all ranks call this."""
    own = {name: weight.full_tensor() if isinstance(weight, DTensor) else weight for name, weight in model.state_dict().items()}
    found: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(own, found, dst=0)
    return {name: weight for part in found or () for name, weight in part.items()}


def compare(task: TaskName, mode: str, accumulate: int, dtype: torch.dtype) -> dict[str, Any]:
    """Return, on the first rank, the largest differences from one process: of losses, gradient norms [relative], weights."""
    begun_s = time.perf_counter()
    layout, optimizer = layout_of(mode).model_copy(update={"precision": "fp32"}), optimizer_of(mode)
    team = Team.of(layout, "fp32")
    first = torch.Generator().manual_seed(0)
    model = first_weights(TASKS[task].model, "sdpa", first, lambda whole: team.arrange(whole.to(dtype)), torch.device("cpu"))
    found = train(task, model, team, (layout.dp, team.mesh.data_rank), accumulate, optimizer)
    weights = gathered_weights(model)
    if dist.get_rank() > 0:
        return {}
    expected, expected_weights = reference(task, accumulate, dtype, optimizer)
    assert weights.keys() == expected_weights.keys(), sorted(weights.keys() ^ expected_weights.keys())
    pairs = list(zip(found, expected, strict=True))
    return {
        "targets": max(abs(one.targets - other.targets) for one, other in pairs),
        "loss": max(abs(one.loss - other.loss) for one, other in pairs),
        "grad_norm": max(abs(one.grad_norm / other.grad_norm - 1) for one, other in pairs),
        "weights": max(float((weights[name] - weight).abs().max()) for name, weight in expected_weights.items()),
        "seconds": time.perf_counter() - begun_s,
    }


def cases(given: argparse.Namespace, size: int) -> Iterator[tuple[str, TaskName, int]]:
    """Yield the cases that are of so many processes."""
    names = [name for name in given.modes.split(",") if layout_of(name).world_size == size]
    tasks = given.tasks.split(",")
    for number, name in enumerate(names):
        of_mode = [tasks[number % len(tasks)]] if given.one_task else tasks
        for task, accumulate in itertools.product(of_mode, given.accumulate.split(",")):
            yield name, task, int(accumulate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--accumulate", default="1,3")
    parser.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    parser.add_argument("--one-task", action="store_true", help="each mode with one of the tasks, in turn")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        for name, task, accumulate in cases(given, world.size):
            found = compare(task, name, accumulate, getattr(torch, given.dtype))
            if world.rank == 0:
                line = {"mode": name, "task": task, "accumulate": accumulate, "dtype": given.dtype, **found}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
