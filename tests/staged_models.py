"""One rank of a pipeline: models of many kinds trained for a few steps, beside the same steps in one process.

torchrun --nproc-per-node 2 staged_models.py; rank 0 prints one JSON object a case.
"""

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

import torch
import torch.distributed as dist
from torch import Tensor

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.train.batch import Batch
from groundup.train.config import Recompute, RunPrecision
from groundup.train.loss import IGNORE
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout, PipelineSchedule
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import StepResult, TrainStep
from groundup.train.update_ratio import UpdateRatio

VOCAB, LENGTH, SOURCE_LEN, ROWS, MICRO_BATCHES, STEPS = 32, 12, 9, 4, 3, 2
SCHEDULES: tuple[PipelineSchedule, ...] = get_args(PipelineSchedule)
KINDS: dict[str, dict[str, Any]] = {
    "rope, own head": {"tie_embeddings": False},
    "learned": {"position": "learned"},
    "t5_bias, embedding norm": {"position": "t5_bias", "embedding_norm": True},
    "transformer_xl": {"position": "transformer_xl"},
    "post-norm, segments, head of BERT": {
        "shape": "encoder",
        "position": "learned",
        "residual": "post",
        "segments": 2,
        "head_transform": True,
        "head_bias": True,
    },
    "T5": {"shape": "encoder_decoder", "num_layers": 2, "num_encoder_layers": 2, "position": "t5_bias"},
    "more encoder": {"shape": "encoder_decoder", "num_layers": 2, "num_encoder_layers": 4, "position": "learned"},
    "more decoder": {"shape": "encoder_decoder", "num_layers": 4, "num_encoder_layers": 1, "tie_embeddings": False},
}


@dataclass(frozen=True)
class Case:
    """A model, and how it is trained on two ranks."""

    kind: str
    schedule: PipelineSchedule
    precision: RunPrecision = "fp32"
    recompute: Recompute = "none"
    dtype: torch.dtype = field(default=torch.float64)

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.schedule}, {self.precision}, {self.recompute}"


def cases() -> Iterator[Case]:
    """Yield every kind of model in every order, and every precision and recomputation with some."""
    for kind, schedule in itertools.product(KINDS, SCHEDULES):
        yield Case(kind, schedule)
    for schedule, recompute in itertools.product(SCHEDULES, ("selective", "full")):
        yield Case("learned", schedule, recompute=recompute)  # type: ignore[arg-type]
    for schedule, precision in itertools.product(SCHEDULES, ("bf16", "fp16", "bf16_weights")):
        yield Case("learned", schedule, precision, dtype=torch.float32)  # type: ignore[arg-type]
    yield Case("post-norm, segments, head of BERT", "1f1b", "bf16", dtype=torch.float32)


def config(kind: str) -> ModelConfig:
    """Return a model of four blocks, unless its kind says otherwise."""
    sizes = {"vocab_size": VOCAB, "dim": 16, "num_layers": 4, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 32}
    return ModelConfig.parse({**sizes, "max_seq_len": LENGTH, **KINDS[kind]}, kind)


def micro_batches(given: ModelConfig, step: int) -> list[Batch]:
    """Return those of one step: rows of two documents, in all but the first fewer and fewer targets."""
    generator = torch.Generator().manual_seed(step)
    ids = torch.tensor([[0] * 5 + [1] * (LENGTH - 5)] * ROWS)
    found = []
    for number in range(MICRO_BATCHES):
        tokens, targets = torch.randint(VOCAB, (2, ROWS, LENGTH), generator=generator)
        targets[:, : 3 * number] = IGNORE
        kinds = torch.randint(2, (ROWS, LENGTH), generator=generator) if given.segments else None
        source = None
        if given.shape == "encoder_decoder":
            source_ids = torch.tensor([[0] * 4 + [1] * (SOURCE_LEN - 4)] * ROWS)
            source = Inputs(torch.randint(VOCAB, (ROWS, SOURCE_LEN), generator=generator), source_ids)
        found.append(Batch(Inputs(tokens, ids, segments=kinds, source=source), targets))
    return found


def train(case: Case, model: Transformer, ranks: Ranks) -> tuple[list[StepResult], float, float]:
    """Take the steps; return what they found, how far the last one moved the weights, and then the cross-entropy of other text."""
    optimizer = build_optimizer(model, OptimizerConfig())
    step = TrainStep(model, optimizer, case.precision, 0.5, torch.device("cpu"), recompute=case.recompute, ranks=ranks)
    ratio, moved = UpdateRatio(model.parameters(), ranks), 0.0
    found = []
    for number in range(STEPS):
        found.append(step.gradient(micro_batches(model.config, number)))
        moved = ratio.of(lambda: step.update(1e-3))
    held_out = micro_batches(model.config, STEPS)
    with torch.no_grad():
        return found, moved, ranks.nats([*held_out, held_out[0].rows(0, 1)], lambda batch: float(step.loss(batch)[1]))


def built(case: Case) -> Transformer:
    """Return the model with its first weights."""
    model = build_model(config(case.kind))
    model.init_weights(torch.Generator().manual_seed(0))
    return model.to(case.dtype)


@cache
def reference(kind: str, precision: RunPrecision, recompute: Recompute, dtype: torch.dtype) -> tuple[Transformer, Any]:
    """Return what one process trains, and what it finds: the same whatever the schedule."""
    case = Case(kind, "1f1b", precision, recompute, dtype)
    alone = built(case)
    return alone, train(case, alone, ALONE)


def compare(case: Case) -> dict[str, Any]:
    """Return, on the first rank, the largest differences from one process, and of copies of one weight on two ranks."""
    team = Team.of(Layout(pp=2, schedule=case.schedule, precision=case.precision), case.precision)
    model = team.arrange(built(case))
    found, moved, nats = train(case, model, team)
    held: list[dict[str, Tensor]] = [{}, {}]
    dist.all_gather_object(held, {name: weight.detach() for name, weight in model.state_dict().items()})
    if dist.get_rank() > 0:
        return {}
    alone, (expected, expected_moved, expected_nats) = reference(case.kind, case.precision, case.recompute, case.dtype)
    weights = {**held[0], **held[1]}
    assert weights.keys() == alone.state_dict().keys(), weights.keys() ^ alone.state_dict().keys()
    shared = held[0].keys() & held[1].keys()
    return {
        "shared": sorted(shared),
        "copies": max((float((held[0][name] - held[1][name]).abs().max()) for name in shared), default=0.0),
        "moved": abs(moved / expected_moved - 1),
        "nats": abs(nats / expected_nats - 1),
        "loss": max(abs(one.loss - other.loss) for one, other in zip(found, expected, strict=True)),
        "grad_norm": max(abs(one.grad_norm / other.grad_norm - 1) for one, other in zip(found, expected, strict=True)),
        "weights": max(float((weights[name] - weight).abs().max()) for name, weight in alone.state_dict().items()),
    }


def main() -> None:
    """Compare, and print."""
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        for case in cases():
            found = compare(case)
            if world.rank == 0:
                sys.stdout.write(json.dumps({"case": case.name, "exact": case.dtype == torch.float64, **found}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
