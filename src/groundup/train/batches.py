"""Batches cut from the token shards in the order of the run."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from groundup.artifacts.documents import Split
from groundup.artifacts.token_shards import TokenShards
from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.core.patience import patiently
from groundup.core.seeds import derive_seed
from groundup.train.batch import Batch
from groundup.train.config import PackingName, TrainConfig
from groundup.train.course.course import Course
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.layout import PADDING
from groundup.train.objectives.objective import Objective
from groundup.train.order import DataOrder, streams_of
from groundup.train.packing import Packing, packed_streams, packings
from groundup.train.randomness import Ints, UInts, random_bits


class RowReader:
    """Reads rows of text from one split of the shards, as an objective wants them."""

    def __init__(
        self,
        shards: TokenShards,
        split: Split,
        objective: Objective,
        seed: int,
        document_mask: bool,
        packing: PackingName = "windows",
    ) -> None:
        self.packings = packings(shards, split, objective.raw_len) if packing == "best_fit" else {}
        self.streams = packed_streams(shards, self.packings) or streams_of(shards, split, objective.stride, objective.overlap)
        self._objective = objective
        self._seeds = np.array([derive_seed(seed, "objective", split, stream.name) for stream in self.streams], dtype=np.uint64)
        self._tokens = [shards.stream(split, stream.name) for stream in self.streams]
        self._eos_id = shards.info.eos_id
        self._document_mask = document_mask

    def rows(self, sources: Ints, windows: Ints, times: Ints, objective: Objective | None = None) -> Rows:
        """Return these windows of the streams of these numbers; `times` says how often each was seen before.

        With an `objective` of shorter rows each window is cut into as many of them as it holds.
        """
        objective = objective or self._objective
        if self.packings:
            return self._packed(sources, windows, times)
        tokens = self._windows(sources, windows)
        parts = parts_of_window(self._objective, objective)
        if parts > 1:
            rows = np.lib.stride_tricks.sliding_window_view(tokens, objective.raw_len, axis=1)[:, :: objective.stride]
            tokens = rows[:, :parts].reshape(-1, objective.raw_len)
            windows = (windows[:, None] * parts + np.arange(parts)).reshape(-1)
            sources, times = np.repeat(sources, parts), np.repeat(times, parts)
        ids = document_ids(tokens, self._eos_id) if self._document_mask else np.zeros_like(tokens)
        return Rows(tokens, ids, row_seeds(self._seeds[sources], windows, times))

    def _packed(self, sources: Ints, windows: Ints, times: Ints) -> Rows:
        tokens = np.empty((len(sources), self._objective.raw_len), dtype=np.int64)
        lens = np.empty_like(sources)
        for number, stream in enumerate(self.streams):
            mine = np.flatnonzero(sources == number)
            if len(mine):
                tokens[mine], lens[mine] = self.packings[stream.name].read(self._tokens[number], windows[mine], self._eos_id)
        ids = document_ids(tokens, self._eos_id) if self._document_mask else np.zeros_like(tokens)
        ids[np.arange(tokens.shape[1]) >= lens[:, None]] = PADDING
        return Rows(tokens, ids, row_seeds(self._seeds[sources], windows, times))

    def _windows(self, sources: Ints, windows: Ints) -> Ints:
        raw_len, stride = self._objective.raw_len, self._objective.stride
        tokens = np.empty((len(sources), raw_len), dtype=np.int64)
        for row, (source, start) in enumerate(zip(sources.tolist(), (windows * stride).tolist(), strict=True)):
            tokens[row] = self._tokens[source][start : start + raw_len]
        return tokens


class BatchReader:
    """Reads the micro-batches of any step."""

    def __init__(
        self,
        shards: TokenShards,
        objective: Objective,
        *,
        seed: int,
        batch_sequences: int,
        micro_batch: int,
        document_mask: bool,
        course: Course | None = None,
        parts: int = 1,
        part: int = 0,
    ) -> None:
        """Prepare to read `batch_sequences` rows a step, or what the course says; of those of a step one part of so many.

        Raises ConfigError if the rows of a step do not divide into the parts.
        """
        self._course = course or steady(objective.seq_len, batch_sequences)
        self._reader = RowReader(shards, "train", objective, seed, document_mask, self._course.config.packing)
        _check_sources(shards, self._course)
        self.order = DataOrder(self._reader.streams, seed, shards.fingerprint, self._course.mixtures, self._course.config.order)
        self._objectives = {phase.seq_len: at_length(objective, phase.seq_len) for phase in self._course.phases}
        self._stride = objective.stride
        self._micro_batch = micro_batch
        self._parts, self._part = parts, part
        self._course.check_parts(parts)

    def objective(self, step: int) -> Objective:
        """Return the objective that makes the rows of a step."""
        return self._objectives[self._course.at(step).seq_len]

    @property
    def packings(self) -> Mapping[str, Packing]:
        """How the documents of each source are packed; nothing where rows are windows of the stream."""
        return self._reader.packings

    def step_tokens(self, step: int) -> int:
        """Return the tokens of text that a step is made from."""
        return self._course.at(step).windows * self._stride

    def seen(self, steps: int, passed_over: Iterable[tuple[int, int]] = ()) -> dict[str, dict[str, float]]:
        """Return windows, tokens and epochs of each source that the first `steps` steps are made from.

        `passed_over`: ranges [first, end) of places that no step was made from, though a later place was.
        """
        ranges = list(passed_over)
        end = self._course.windows_before(steps) + sum(stop - first for first, stop in ranges)
        taken = np.array(self.order.taken(end))
        for first, stop in ranges:
            taken -= np.array(self.order.taken(stop)) - np.array(self.order.taken(first))
        return {
            stream.name: {"windows": windows, "tokens": windows * self._stride, "epochs": windows / stream.windows}
            for stream, windows in zip(self.order.streams, taken.tolist(), strict=True)
        }

    def places(self, step: int, shift: int = 0) -> range:
        """Return the places in the order that update number `step` (0-based) reads, where `shift` were passed over before."""
        made = self._course.at(step)
        return range(made.first_window + shift, made.first_window + shift + made.windows)

    def windows(self, places: range) -> dict[str, list[int]]:
        """Return the numbers of the windows that stand at these places, by source."""
        sources, windows, _ = self.order.between(places.start, places.stop)
        names = [stream.name for stream in self.order.streams]
        return {names[source]: np.sort(windows[sources == source]).tolist() for source in np.unique(sources)}

    def planned_changes(self, step: int, shift: int = 0) -> int:
        """Return how often the length of the rows and the weights of the sources have changed up to this step; see `places`."""
        last, seq_len = self.places(step, shift)[-1], self._course.at(step).seq_len
        shorter = sum(part.seq_len < seq_len for part in self._course.config.lengths)
        return shorter + sum(first <= last for first, _ in self._course.mixtures)

    def read(self, step: int, shift: int = 0) -> list[Batch]:
        """Return the micro-batches of this reader's part of update number `step`; see `places`."""
        objective, places = self.objective(step), self.places(step, shift)
        own = len(places) // self._parts
        places = places[self._part * own : (self._part + 1) * own]
        rows = self._reader.rows(*self.order.between(places.start, places.stop), objective)
        size = largest_divisor(len(places), self._micro_batch) * len(rows.seeds) // len(places)
        return [objective(rows.part(first, first + size)) for first in range(0, len(rows.seeds), size)]


class ReadAhead:
    """Reads the batches of one step while the step before is learned from, in a thread."""

    def __init__(self, batches: BatchReader, stop_step: int, patience_s: float = 0.0) -> None:
        """Read for steps below `stop_step`; what the disk refuses is asked for again for so long."""
        self._batches = batches
        self._patience_s = patience_s
        self._stop_step = stop_step
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: dict[tuple[int, int], Future[list[Batch]]] = {}
        self._waited_s = 0.0

    def read(self, step: int, shift: int = 0) -> list[Batch]:
        """Return what `BatchReader.read` returns; what it would return for the step after is read meanwhile."""
        asked_s = time.perf_counter()
        batches = patiently(lambda: self._read_or_wait(step, shift), self._patience_s)
        self._waited_s += time.perf_counter() - asked_s
        following = (step + 1, shift)
        self._ahead = {following: self._thread.submit(self._batches.read, *following)} if step + 1 < self._stop_step else {}
        return batches

    def _read_or_wait(self, step: int, shift: int) -> list[Batch]:
        reading = self._ahead.pop((step, shift), None) or self._thread.submit(self._batches.read, step, shift)
        return reading.result()

    def wait_s(self) -> float:
        """Return how long batches had to be waited for since this was asked last."""
        waited_s, self._waited_s = self._waited_s, 0.0
        return waited_s

    def __enter__(self) -> "ReadAhead":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)


def steady(seq_len: int, batch_sequences: int) -> Course:
    """Return the course of which every step is so many rows of that length."""
    return Course(TrainConfig(seq_len=seq_len, batch_tokens=seq_len * batch_sequences), steps=1)


def at_length(objective: Objective, seq_len: int) -> Objective:
    """Return the objective for rows of `seq_len`, which divides that of the objective."""
    if seq_len == objective.seq_len:
        return objective
    shorter = type(objective)(objective.config, objective.vocabulary, seq_len)
    assert objective.stride % shorter.stride == 0, "TrainConfig takes lengths with objectives that cut windows evenly only"
    return shorter


def parts_of_window(whole: Objective, objective: Objective) -> int:
    """Return the rows that the objective makes from a window of the whole one."""
    return whole.stride // objective.stride


def largest_divisor(number: int, limit: int) -> int:
    """Return the largest divisor of `number` that is at most `limit`."""
    return next(divisor for divisor in range(min(number, limit), 0, -1) if number % divisor == 0)


def _check_sources(shards: TokenShards, course: Course) -> None:
    known = [source.name for source in shards.info.sources]
    for name in (name for _, weights in course.mixtures for name in weights):
        if name not in known:
            raise ConfigError(f"pretrain.mixture: no source '{name}' in {shards.path}; {nearest(name, known)}")


def document_ids(tokens: Ints, eos_id: int) -> Ints:
    """Return the number of each token's document within its row.

    An end-of-document token opens the document after it, as it does when text is scored or generated: the document before is
    seen by the prediction of the end, the one after starts from the end token alone.
    """
    return (tokens == eos_id).cumsum(axis=1)  # type: ignore[no-any-return]


def row_seeds(seeds: UInts, windows: Ints, times: Ints) -> UInts:
    """Return the seed of each row: of its source's seed, its window, and how often that was seen before."""
    return random_bits(random_bits(seeds, 0, windows), 1, times)
