"""Batches cut from the token shards in the order of the run."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from groundup.artifacts.documents import Split
from groundup.artifacts.token_shards import TokenShards
from groundup.core.seeds import derive_seed
from groundup.train.batch import Batch
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.objective import Objective
from groundup.train.order import DataOrder, streams_of
from groundup.train.randomness import Ints, UInts, random_bits


class RowReader:
    """Reads rows of text from one split of the shards, as an objective wants them."""

    def __init__(self, shards: TokenShards, split: Split, objective: Objective, seed: int, document_mask: bool) -> None:
        self.streams = streams_of(shards, split, objective.stride, objective.overlap)
        self._objective = objective
        self._seeds = np.array([derive_seed(seed, "objective", split, stream.name) for stream in self.streams], dtype=np.uint64)
        self._tokens = [shards.tokens(split, stream.name) for stream in self.streams]
        self._eos_id = shards.info.eos_id
        self._document_mask = document_mask

    def rows(self, sources: Ints, windows: Ints, times: Ints) -> Rows:
        """Return these windows of the streams of these numbers; `times` says how often each was seen before."""
        raw_len, stride = self._objective.raw_len, self._objective.stride
        tokens = np.empty((len(sources), raw_len), dtype=np.int64)
        for row, (source, window) in enumerate(zip(sources, windows, strict=True)):
            tokens[row] = self._tokens[source][window * stride : window * stride + raw_len]
        ids = document_ids(tokens, self._eos_id) if self._document_mask else np.zeros_like(tokens)
        return Rows(tokens, ids, row_seeds(self._seeds[sources], windows, times))


class BatchReader:
    """Reads the micro-batches of any step."""

    def __init__(
        self, shards: TokenShards, objective: Objective, *, seed: int, batch_sequences: int, micro_batch: int, document_mask: bool
    ) -> None:
        self._reader = RowReader(shards, "train", objective, seed, document_mask)
        self.order = DataOrder(self._reader.streams, seed, shards.fingerprint)
        self._objective = objective
        self._batch_sequences = batch_sequences
        self._num_micro_batches = batch_sequences // micro_batch

    @property
    def step_tokens(self) -> int:
        """Tokens of text that a step is made from."""
        return self._batch_sequences * self._objective.stride

    def places(self, step: int, shift: int = 0) -> range:
        """Return the places in the order that update number `step` (0-based) reads, where `shift` were passed over before."""
        first = step * self._batch_sequences + shift
        return range(first, first + self._batch_sequences)

    def windows(self, places: range) -> dict[str, list[int]]:
        """Return the numbers of the windows that stand at these places, by source."""
        sources, windows, _ = self.order.at(np.arange(places.start, places.stop, dtype=np.int64))
        names = [stream.name for stream in self.order.streams]
        return {names[source]: np.sort(windows[sources == source]).tolist() for source in np.unique(sources)}

    def read(self, step: int, shift: int = 0) -> list[Batch]:
        """Return the micro-batches of update number `step`; see `places`."""
        places = self.places(step, shift)
        parts = np.split(np.arange(places.start, places.stop, dtype=np.int64), self._num_micro_batches)
        return [self._objective(self._reader.rows(*self.order.at(part))) for part in parts]


class ReadAhead:
    """Reads the batches of one step while the step before is learned from, in a thread."""

    def __init__(self, batches: BatchReader, stop_step: int) -> None:
        self._batches = batches
        self._stop_step = stop_step
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: dict[tuple[int, int], Future[list[Batch]]] = {}

    def read(self, step: int, shift: int = 0) -> list[Batch]:
        """Return what `BatchReader.read` returns; what it would return for the step after is read meanwhile."""
        current = self._ahead.pop((step, shift), None) or self._thread.submit(self._batches.read, step, shift)
        batches = current.result()
        following = (step + 1, shift)
        self._ahead = {following: self._thread.submit(self._batches.read, *following)} if step + 1 < self._stop_step else {}
        return batches

    def __enter__(self) -> "ReadAhead":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)


def document_ids(tokens: Ints, eos_id: int) -> Ints:
    """Return the number of each token's document within its row.

    An end-of-document token opens the document after it, as it does when text is scored or generated: the document before is
    seen by the prediction of the end, the one after starts from the end token alone.
    """
    return (tokens == eos_id).cumsum(axis=1)  # type: ignore[no-any-return]


def row_seeds(seeds: UInts, windows: Ints, times: Ints) -> UInts:
    """Return the seed of each row: of its source's seed, its window, and how often that was seen before."""
    return random_bits(random_bits(seeds, 0, windows), 1, times)
