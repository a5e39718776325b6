"""One fine-tuning, and what came of it."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch

from groundup.core.errors import DivergedError
from groundup.core.seeds import derive_seed, generator
from groundup.evaluate.tasks.config import TuningConfig
from groundup.evaluate.tasks.kinds import Kind
from groundup.evaluate.tasks.rows import Row
from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.course.config import ScheduleConfig
from groundup.train.course.schedules import learning_rate
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep

_SORTED_BATCHES = 16
"""Batches whose rows are sorted by length together, so that little of a batch is padding."""
_SCORED_ROWS = 64
_CLIP_NORM = 1.0


def num_steps(num_rows: int, tuning: TuningConfig) -> int:
    """Return the optimizer steps of one fine-tuning."""
    return math.ceil(num_rows / tuning.batch) * tuning.epochs


def fine_tune(
    kind: Kind,
    model: Transformer | Classifier,
    rows: Sequence[Row],
    peak: float,
    seed: int,
    advance: Callable[[], None],
) -> None:
    """Train the model on the rows, in an order and with dropout that depend on the seed alone; `advance` is told of each step.

    The learning rate rises to `peak` and falls to 0 along a line. Raises DivergedError if the loss is no number any more.
    """
    tuning = kind.task.tuning
    steps, schedule = num_steps(len(rows), tuning), ScheduleConfig(name="linear", warmup_fraction=tuning.warmup_fraction, floor=0)
    optimizer = build_optimizer(model, OptimizerConfig(learning_rate=peak, weight_decay=tuning.weight_decay))
    step = TrainStep(model, optimizer, tuning.precision, _CLIP_NORM, model.head.weight.device)
    torch.manual_seed(derive_seed(seed, "fine-tune"))
    model.train()
    for number, chosen in enumerate(batches(rows, tuning, seed)):
        rate = learning_rate(number, steps, peak, schedule)
        result = step([kind.batch([rows[i] for i in chosen])], rate)
        if not math.isfinite(result.loss) or not math.isfinite(result.grad_norm):
            raise DivergedError(
                f"task '{kind.task.name}', step {number + 1:,}: loss {result.loss} at learning rate {rate:.3g}; "
                "lower tuning.learning_rates"
            )
        advance()
    model.eval()


def batches(rows: Sequence[Row], tuning: TuningConfig, seed: int) -> Iterator[list[int]]:
    """Yield the numbers of the rows of each batch, every row once an epoch, rows of nearly one length together."""
    for epoch in range(tuning.epochs):
        random = generator(seed, "order", epoch)
        order = random.permutation(len(rows)).tolist()
        size = _SORTED_BATCHES * tuning.batch
        groups = [sorted(order[at : at + size], key=lambda i: len(rows[i].read)) for at in range(0, len(order), size)]
        cut = [group[at : at + tuning.batch] for group in groups for at in range(0, len(group), tuning.batch)]
        yield from (cut[i] for i in random.permutation(len(cut)).tolist())


def accuracy(kind: Kind, model: Transformer | Classifier, rows: Sequence[Row]) -> float:
    """Return the share of answers that the model gets right."""
    by_length = sorted(rows, key=lambda row: len(row.read))
    right = sum(kind.right(model, by_length[at : at + _SCORED_ROWS]) for at in range(0, len(rows), _SCORED_ROWS))
    return right / sum(map(kind.answers, rows))
