"""Batches: what one backward pass sees, cut from the token shards in the order of the run."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.token_shards import TokenShards
from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.order import DataOrder, streams_of


class BatchReader:
    """Reads the micro-batches of any step."""

    def __init__(
        self, shards: TokenShards, *, seed: int, seq_len: int, batch_sequences: int, micro_batch: int, document_mask: bool
    ) -> None:
        streams = streams_of(shards, seq_len)
        self.order = DataOrder(streams, seed, shards.fingerprint)
        self._tokens = [shards.tokens("train", stream.name) for stream in streams]
        self._eos_id = shards.info.eos_id
        self._seq_len = seq_len
        self._batch_sequences = batch_sequences
        self._micro_batch = micro_batch
        self._document_mask = document_mask

    def read(self, step: int) -> list[Batch]:
        """Return the micro-batches of update number `step` (0-based)."""
        first = step * self._batch_sequences
        sources, windows = self.order.at(np.arange(first, first + self._batch_sequences, dtype=np.int64))
        rows = np.empty((self._batch_sequences, self._seq_len + 1), dtype=np.int64)
        for row, (source, window) in enumerate(zip(sources, windows, strict=True)):
            start = window * self._seq_len
            rows[row] = self._tokens[source][start : start + self._seq_len + 1]
        return [self._batch(torch.from_numpy(part)) for part in np.split(rows, self._batch_sequences // self._micro_batch)]

    def read_ahead(self, start_step: int, stop_step: int) -> Iterator[list[Batch]]:
        """Yield what `read` returns for each step from `start_step` up to `stop_step`, reading one ahead in a thread."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as reader:
            ahead: Future[list[Batch]] | None = None
            for step in range(start_step, stop_step):
                current = ahead or reader.submit(self.read, step)
                batches = current.result()
                ahead = reader.submit(self.read, step + 1) if step + 1 < stop_step else None
                yield batches

    def _batch(self, rows: Int[Tensor, "batch window"]) -> Batch:
        inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
        return Batch(Inputs(inputs, document_ids(inputs, self._eos_id) if self._document_mask else None), targets)


def document_ids(tokens: Int[Tensor, "batch seq"], eos_id: int) -> Int[Tensor, "batch seq"] | None:
    """Return the number of each token's document within its row, or None if every row is of one document.

    An end-of-document token opens the document after it, as it does when text is scored or generated: the document before is
    seen by the prediction of the end, the one after starts from the end token alone.
    """
    ends = tokens == eos_id
    if not ends[:, 1:].any():
        return None
    return ends.cumsum(dim=1)
