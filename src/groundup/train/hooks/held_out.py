"""Held-out text that a model is scored on again and again: the same rows each time, hidden in the same way."""

import contextlib
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from groundup.artifacts.token_shards import TokenShards
from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.batches import RowReader
from groundup.train.loss import IGNORE, linear_cross_entropy
from groundup.train.objectives.objective import Objective
from groundup.train.passes import FEW_TARGETS
from groundup.train.randomness import Ints
from groundup.train.ranks import ALONE, Ranks


@dataclass(frozen=True)
class HeldOutSource:
    """The rows of one source."""

    name: str
    batches: tuple[Batch, ...]
    targets: int
    bytes: float | None
    """Of the text that is predicted; None where what is predicted is not simply the text."""


class HeldOut:
    """A fixed choice of rows from the validation text.

    Rows are windows of the stream of each source, taken evenly, at least one of each; a source has its share of all rows.
    """

    def __init__(self, shards: TokenShards, objective: Objective, document_mask: bool, max_tokens: int, rows: int) -> None:
        """Choose rows of at most `max_tokens` together, to be scored `rows` at a time.

        Raises DataError if the validation text fills no row.
        """
        reader = RowReader(shards, "validation", objective, seed=0, document_mask=document_mask)
        total = sum(stream.windows for stream in reader.streams)
        share = min(max_tokens / objective.stride / total, 1.0)
        self.sources = []
        for number, stream in enumerate(reader.streams):
            count = max(int(stream.windows * share), 1)
            windows = np.linspace(0, stream.windows - 1, count).round().astype(np.int64)
            batches = tuple(_batches(reader, objective, number, windows, rows))
            targets = sum(int((batch.targets != IGNORE).sum()) for batch in batches)
            size = text_bytes(shards, stream.name, windows * objective.stride + 1, objective.stride)
            self.sources.append(HeldOutSource(stream.name, batches, targets, size if objective.config.name == "causal" else None))

    @property
    def targets(self) -> int:
        """Tokens that are predicted each time."""
        return sum(source.targets for source in self.sources)

    def score(self, model: Transformer, autocast: contextlib.AbstractContextManager[Any], ranks: Ranks = ALONE) -> dict[str, Any]:
        """Return loss [nats per target], perplexity, targets and, where text is predicted, bits_per_byte and bytes; also by source.

        Nothing of the model is changed, and no random number drawn.
        """
        of = functools.partial(_nats, model, autocast)
        with evaluating(model):
            nats = [ranks.nats(source.batches, of) for source in self.sources]
        by_source = {
            source.name: _summary(cost, source.targets, source.bytes) for source, cost in zip(self.sources, nats, strict=True)
        }
        sizes = [source.bytes for source in self.sources if source.bytes is not None]
        whole = _summary(sum(nats), self.targets, sum(sizes) if sizes else None)
        return {**whole, "by_source": by_source}


def text_bytes(shards: TokenShards, source: str, starts: Ints, length: int) -> float:
    """Return the bytes of text behind the tokens start .. start + length - 1 of the validation stream, for all starts together.

    Documents are counted exactly; of one that is cut, its bytes are taken to lie evenly on its tokens.
    """
    index = shards.index("validation", source)
    tokens, sizes = (np.asarray(index[name], np.float64) for name in ("tokens", "bytes"))
    ends, before = (np.concatenate([[0.0], np.cumsum(values)]) for values in (tokens, sizes))
    return float((np.interp(starts + length, ends, before) - np.interp(starts, ends, before)).sum())


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Let the model be as in evaluation, without dropout, and then as it was; random states stay as they are."""
    was_training = model.training
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        model.eval()
        try:
            yield
        finally:
            model.train(was_training)


def _batches(reader: RowReader, objective: Objective, source: int, windows: Ints, rows: int) -> Iterator[Batch]:
    for part in np.split(windows, range(rows, len(windows), rows)):
        yield objective(reader.rows(np.full_like(part, source), part, np.zeros_like(part)))


def _nats(model: Transformer, autocast: contextlib.AbstractContextManager[Any], batch: Batch) -> float:
    """Return the summed cross-entropy of the batch's targets, with the model as it is: nothing is compiled for it."""
    with torch.inference_mode(), autocast:
        return _cross_entropy(model, batch)


def _cross_entropy(model: Transformer, batch: Batch) -> float:
    batch = batch.to(model.head.weight.device)
    head, hidden, targets = model.head, model.hidden(batch.inputs), batch.targets
    predicted = targets != IGNORE
    if int(predicted.sum()) < FEW_TARGETS * predicted.numel():
        hidden, targets = hidden[predicted], targets[predicted]
    bias = None if head.bias is None else head.bias.detach()
    _, nats = linear_cross_entropy(head.features(hidden), head.weight.detach(), targets, bias, head.soft_cap)
    return nats.item()


def _summary(nats: float, targets: int, size: float | None) -> dict[str, Any]:
    loss = nats / max(targets, 1)
    found = {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), "targets": targets}
    if size is not None:
        found |= {"bits_per_byte": nats / math.log(2) / max(size, 1.0), "bytes": round(size)}
    return found
