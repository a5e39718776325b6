"""The examples that a classifier is trained on: a sample of the documents given, each text once, in bounded memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xxhash

from groundup.artifacts.documents import Document
from groundup.core.errors import DataError
from groundup.core.progress import progress
from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.classifier.features import Passages, passages_of
from groundup.curate.classifier.logistic import joined
from groundup.curate.config import SourceConfig
from groundup.curate.dedup.words import read_words
from groundup.curate.drops import Drop
from groundup.curate.normalise import normalise
from groundup.curate.sources import SOURCES

MIN_DOCUMENTS = 20
"""Of each side: fewer say nothing about others."""
MAX_PASSAGES_OF_ONE = 256
"""Of a longer document so many, evenly spread."""
NUM_WITNESSES = 2000
"""Documents of each side whose text is kept, to name features by."""
WITNESS_CHARS = 1 << 13
_BATCH_DOCUMENTS = 256
_BATCH_CHARS = 1 << 20
_TWENTIETHS = {"train": 14, "calibrate": 3, "test": 3}


@dataclass(frozen=True)
class Example:
    """One document."""

    order: int
    """A hash of (seed, words): which documents are taken, and their order."""
    key: bytes
    """128 bits of the words: equal for texts that differ in case, punctuation and white space alone."""
    passages: Passages
    text: str
    """Its beginning; '' of most."""


@dataclass
class Sample:
    """The documents of one side with the lowest hashes: the same ones in whatever order they come."""

    max_passages: int
    seed: int
    examples: list[Example] = field(default_factory=list)
    documents: int = 0
    """Read, and with words in them."""
    repeats: int = 0
    """Of a document that was in the sample when it came again."""
    unread: int = 0
    first_problem: str = ""
    _keys: set[bytes] = field(default_factory=set)
    _num_passages: int = 0
    _num_texts: int = 0
    _limit: int = 1 << 64

    def add(self, texts: Sequence[str], features: FeaturesConfig) -> None:
        """Take a batch of texts."""
        words = read_words(texts, punctuation=False)
        found = joined_by_text(passages_of(texts, features, words))
        for text, passages, key, size in zip(texts, found, words.keys, np.diff(words.offsets), strict=True):
            if not size:
                continue
            self.documents += 1
            self._take(Example(self._order(key.tobytes()), key.tobytes(), _spread(passages), text[:WITNESS_CHARS]))
        if self._num_passages > 2 * self.max_passages or self._num_texts > 2 * NUM_WITNESSES:
            self.trim()

    def _take(self, example: Example) -> None:
        if example.key in self._keys:
            self.repeats += 1
        elif example.order < self._limit:
            self.examples.append(example)
            self._keys.add(example.key)
            self._num_passages += len(example.passages)
            self._num_texts += 1

    def _order(self, key: bytes) -> int:
        return xxhash.xxh3_64_intdigest(key, self.seed & ((1 << 64) - 1))

    def trim(self) -> None:
        """Keep the documents of the lowest hashes, as many as there is room for."""
        self.examples.sort(key=lambda example: (example.order, example.key))
        ends = np.cumsum([len(example.passages) for example in self.examples])
        room = int(np.searchsorted(ends, self.max_passages, side="right"))
        if room < len(self.examples):
            self._limit = self.examples[room].order
            self.examples = self.examples[:room]
        self.examples[NUM_WITNESSES:] = [replace(example, text="") for example in self.examples[NUM_WITNESSES:]]
        self._keys = {example.key for example in self.examples}
        self._num_passages = sum(len(example.passages) for example in self.examples)
        self._num_texts = min(len(self.examples), NUM_WITNESSES)

    def parts(self) -> dict[str, list[Example]]:
        """Return the documents for training, for calibration and threshold, and for the figures: 70, 15 and 15 %."""
        found: dict[str, list[Example]] = {name: [] for name in _TWENTIETHS}
        names = [name for name, number in _TWENTIETHS.items() for _ in range(number)]
        for at, example in enumerate(self.examples):
            found[names[7 * at % len(names)]].append(example)
        return found


def read_sample(sources: Iterable[SourceConfig], features: FeaturesConfig, max_passages: int, seed: int, name: str = "") -> Sample:
    """Return the sample of all documents of some sources, made uniform as `curate` does; `name` is that of the side."""
    sample = Sample(max_passages, seed)
    opened = [SOURCES[source.kind](source) for source in sources]
    size = sum(source.text_bytes(file) for source in opened for file in source.files())
    with progress(f"reading {name} examples", max(size, 1)) as bar:
        for source in opened:
            for texts in _batches(source.documents(), sample):
                sample.add(texts, features)
                bar.advance(sum(map(len, texts)))
    sample.trim()
    return sample


def _batches(found: Iterable[Document | Drop], sample: Sample) -> Iterator[list[str]]:
    texts: list[str] = []
    size = 0
    for item in found:
        if isinstance(item, Drop):
            sample.unread += 1
            sample.first_problem = sample.first_problem or f"{item.rule}: {item.excerpt}"
            continue
        texts.append(normalise(item.text))
        size += len(item.text)
        if len(texts) == _BATCH_DOCUMENTS or size >= _BATCH_CHARS:
            yield texts
            texts, size = [], 0
    if texts:
        yield texts


def joined_by_text(blocks: Iterable[Passages]) -> Iterator[Passages]:
    """Yield the passages of each text, of texts in a row that all have some."""
    waiting: list[Passages] = []
    for block in blocks:
        starts = np.flatnonzero(np.diff(block.texts, prepend=-1))
        for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(block)], strict=True):
            offsets = block.offsets[first : last + 1]
            piece = Passages(block.texts[first:last], block.buckets[offsets[0] : offsets[-1]].copy(), offsets - offsets[0])
            if waiting and waiting[0].texts[0] != piece.texts[0]:
                yield joined(waiting) if len(waiting) > 1 else waiting[0]
                waiting = []
            waiting.append(piece)
    if waiting:
        yield joined(waiting) if len(waiting) > 1 else waiting[0]


def _spread(passages: Passages) -> Passages:
    """Return at most `MAX_PASSAGES_OF_ONE` of the passages of a document."""
    if len(passages) <= MAX_PASSAGES_OF_ONE:
        return passages
    chosen = np.arange(MAX_PASSAGES_OF_ONE) * len(passages) // MAX_PASSAGES_OF_ONE
    pieces = [passages.buckets[passages.offsets[at] : passages.offsets[at + 1]] for at in chosen.tolist()]
    offsets = np.cumsum([0, *map(len, pieces)])
    return Passages(passages.texts[chosen], np.concatenate(pieces), offsets)


def check_sides(good: Sample, bad: Sample) -> int:
    """Take texts that are examples of both sides out of both and return their number; raise DataError if a side is too small."""
    for name, side in (("good", good), ("bad", bad)):
        if side.unread and not side.documents:
            raise DataError(f"no {name} example could be read: {side.first_problem}")
        if len(side.examples) < MIN_DOCUMENTS:
            raise DataError(_too_few(name, side, f"{side.repeats:,} more repeat them"))
    both = {example.key for example in good.examples} & {example.key for example in bad.examples}
    for name, side in (("good", good), ("bad", bad)):
        side.examples = [example for example in side.examples if example.key not in both]
        if len(side.examples) < MIN_DOCUMENTS:
            raise DataError(_too_few(name, side, f"{len(both):,} more are among the examples of both sides, so say nothing"))
    return len(both)


def _too_few(name: str, side: Sample, more: str) -> str:
    unread = f", and {side.unread:,} could not be read ({side.first_problem})" if side.unread else ""
    return (
        f"{len(side.examples):,} {name} examples that differ ({more}{unread}); at least {MIN_DOCUMENTS} are needed, some hundred "
        "are better: give more documents, or cut long texts into several"
    )
