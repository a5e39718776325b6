"""A model's loss on what its objective hides of held-out text, beside a unigram model of the same kind of targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from groundup.artifacts.documents import Split
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import DivergedError
from groundup.core.progress import progress
from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.batches import RowReader
from groundup.train.loss import IGNORE
from groundup.train.objectives.objective import Objective

MAX_TRAIN_TOKENS = 8_000_000
"""Training text that the unigram model is counted on, at most; windows are taken evenly."""
_COUNTED_ROWS = 256
_MAX_LOGITS = 1 << 24
"""Logits in memory at a time (64 MiB of float32)."""


@dataclass(frozen=True)
class TargetScore:
    """How well the targets of some rows were predicted."""

    nats: float
    right: int
    """Targets that were the likeliest token."""
    targets: int

    def summary(self) -> dict[str, Any]:
        """Return nll_per_target [nats] and accuracy."""
        return {"nll_per_target": round(self.nats / self.targets, 6), "accuracy": round(self.right / self.targets, 6)}


def score_objective(
    model: Transformer, objective: Objective, shards: TokenShards, document_mask: bool, max_tokens: int, batch: int
) -> dict[str, Any]:
    """Return the score of held-out rows: the model's, and under "unigram" that of a unigram model, on the same targets.

    The unigram model is counted (add-one) on the targets that the objective makes of the training text. Rows are hidden in the same
    way whenever they are scored. Raises DataError if the held-out text fills no row.
    """
    counts = np.ones(model.config.vocab_size)
    for train_batch in _batches(shards, "train", objective, document_mask, MAX_TRAIN_TOKENS, _COUNTED_ROWS):
        counts += np.bincount(_targets(train_batch), minlength=len(counts))
    log_probs = np.log(counts / counts.sum())
    scores, unigram = [], []
    with progress("evaluate", max_tokens) as bar:
        for held_out in _batches(shards, "validation", objective, document_mask, max_tokens, batch):
            targets = _targets(held_out)
            scores.append(score_batch(model, held_out))
            unigram.append(TargetScore(-float(log_probs[targets].sum()), int((targets == log_probs.argmax()).sum()), len(targets)))
            bar.advance(len(held_out.targets) * objective.stride)
    whole = _sum(scores)
    if not np.isfinite(whole.nats):
        raise DivergedError("the model's predictions are not finite numbers: its training diverged; lower the learning rate")
    return {
        "name": objective.config.name,
        "targets": whole.targets,
        **whole.summary(),
        "unigram": _sum(unigram).summary(),
    }


@torch.inference_mode()
def score_batch(model: Transformer, batch: Batch) -> TargetScore:
    """Return the score of a batch; the log-softmax is taken in float32, and only where something is predicted."""
    on_device = batch.to(model.head.weight.device)
    predicted = on_device.targets != IGNORE
    hidden, wanted = model.hidden(on_device.inputs)[predicted], on_device.targets[predicted]
    nats, right = 0.0, 0
    rows = max(_MAX_LOGITS // model.config.vocab_size, 1)
    for vectors, ids in zip(torch.split(hidden, rows), torch.split(wanted, rows), strict=True):
        logits = model.head(vectors).float()
        nats += F.cross_entropy(logits, ids, reduction="sum").item()
        right += int((logits.argmax(-1) == ids).sum())
    return TargetScore(nats, right, len(wanted))


def _batches(
    shards: TokenShards, split: Split, objective: Objective, document_mask: bool, max_tokens: int, rows: int
) -> Iterator[Batch]:
    """Yield batches of the split's windows, in order; if they hold more than `max_tokens`, some taken evenly."""
    reader = RowReader(shards, split, objective, seed=0, document_mask=document_mask)
    num_windows = [stream.windows for stream in reader.streams]
    sources = np.repeat(np.arange(len(num_windows)), num_windows)
    windows = np.concatenate([np.arange(number) for number in num_windows])
    count = min(len(windows), max(max_tokens // objective.stride, 1))
    chosen = np.linspace(0, len(windows) - 1, count).round().astype(np.int64)
    for part in np.split(chosen, range(rows, count, rows)):
        yield objective(reader.rows(sources[part], windows[part], np.zeros_like(part)))


def _targets(batch: Batch) -> npt.NDArray[np.int64]:
    targets: npt.NDArray[np.int64] = batch.targets[batch.targets != IGNORE].numpy()
    return targets


def _sum(scores: list[TargetScore]) -> TargetScore:
    return TargetScore(
        sum(score.nats for score in scores), sum(score.right for score in scores), max(sum(score.targets for score in scores), 1)
    )
