"""Documents that hold items of benchmarks."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundup.core.errors import DataError
from groundup.core.files import read_object, write_json
from groundup.curate.dedup.config import DecontaminateConfig
from groundup.curate.dedup.items import Item, read_items
from groundup.curate.dedup.passages import Range
from groundup.curate.dedup.postings import Postings
from groundup.curate.dedup.shingles import as_sets, word_runs
from groundup.curate.dedup.words import Words, read_words, word_places

NGRAM_WORDS = 13
MIN_ITEM_WORDS = 8
_BATCH = 1 << 12
_NAMES = "items.json"


@dataclass(frozen=True)
class Contamination:
    """An item, or a part of it, in a document."""

    document: int
    """Its place in the batch."""
    item_id: str
    shared: int
    """N-grams of the item's text that are in the document."""
    of: int
    """N-grams of the item's text; 1 for one that is sought whole."""
    spans: tuple[Range, ...]
    """Where they lie in the document, in characters, sorted and apart."""

    @property
    def share(self) -> float:
        return self.shared / self.of


@functools.lru_cache(maxsize=1)
def open_decontaminator(config: str) -> "Decontaminator":
    """Return what looks for the items that `DecontaminateConfig` (as JSON) names; raise DataError if none of them can be sought."""
    settings = DecontaminateConfig.model_validate_json(config)
    items = [item for given in settings.items for item in read_items(given.path, given.fields, given.id_field)]
    finder = Decontaminator.of(items, settings.ngram_words, settings.min_words)
    if len(finder.too_short) == len(items):
        raise DataError(
            f"none of the {len(items):,} items of curate.decontaminate has a text of {settings.min_words} words or more; "
            "lower curate.decontaminate.min_words, or name other fields"
        )
    return finder


class Decontaminator:
    """Finds items of benchmarks in documents, by runs of 13 words (Brown et al. 2020, appendix C; Rae et al. 2021, A1.1).

    A word is a run of letters, marks and numbers: case, punctuation and white space do not count. A text of an item that has fewer
    than 13 words is sought whole if it has at least 8 (the least n of Brown et al.); a shorter one says too little to be sought,
    and an item of such texts alone is in `too_short`. Each document that shares one run with an item is reported, with how much of
    the item it has: whether that is a leak is for the caller to decide. Memory: about 22 bytes for each run of the items.
    """

    def __init__(self, postings: Postings, item_ids: Sequence[str], widths: Sequence[int], too_short: Sequence[str]) -> None:
        self._postings, self._ids, self._widths = postings, item_ids, widths
        self.too_short = too_short

    @staticmethod
    def of(items: Iterable[Item], ngram_words: int = NGRAM_WORDS, min_words: int = MIN_ITEM_WORDS) -> "Decontaminator":
        """Index the items."""
        items = list(items)
        pairs = [(item.id, text) for item in items for text in item.texts]
        words = read_words([text for _, text in pairs], punctuation=False)
        lengths = np.diff(words.offsets)
        is_long = lengths >= min(min_words, ngram_words)
        ids = [name for (name, _), chosen in zip(pairs, is_long.tolist(), strict=True) if chosen]
        known = set(ids)
        widths = np.unique(np.minimum(lengths[is_long], ngram_words)).tolist()
        sets = as_sets(word_runs(_only(words, is_long), ngram_words))
        return Decontaminator(Postings.of(sets), ids, widths, [item.id for item in items if item.id not in known])

    def write(self, folder: Path) -> None:
        """Write the index into `folder`, which exists, for many workers to map."""
        self._postings.write(folder)
        write_json(folder / _NAMES, {"ids": list(self._ids), "widths": list(self._widths), "too_short": list(self.too_short)})

    @staticmethod
    def open(folder: Path) -> "Decontaminator":
        """Map what `write` wrote into memory."""
        names = read_object(folder / _NAMES)
        return Decontaminator(Postings.open(folder), names["ids"], names["widths"], names["too_short"])

    def find(self, texts: Sequence[str]) -> list[Contamination]:
        """Return every item that one of the texts shares a run with, sorted by text."""
        return [found for start in range(0, len(texts), _BATCH) for found in self._find(texts[start : start + _BATCH], start)]

    def _find(self, texts: Sequence[str], first: int) -> Iterator[Contamination]:
        words = read_words(texts, punctuation=False)
        hits = np.concatenate([np.zeros((4, 0), np.int64), *(self._hits(words, width) for width in self._widths)], axis=1)
        hits = hits[:, np.lexsort(hits[::-1])]
        edges = np.flatnonzero((np.diff(hits[:2], axis=1, prepend=-1, append=-1) != 0).any(axis=0)).tolist()
        for begin, end in pairwise(edges):
            document, text = hits[:2, begin].tolist()
            found = hits[2:, begin:end]
            own = words.hashes[slice(*words.offsets[document : document + 2])]
            runs = word_runs(Words(own, np.array([0, len(own)]), words.keys[:1]), int(found[1, 0])).hashes
            shared = len(set(runs[found[0]].tolist()))
            spans = _spans(found, word_places(texts[document]))
            yield Contamination(first + document, self._ids[text], shared, int(self._postings.sizes[text]), spans)

    def _hits(self, words: Words, width: int) -> npt.NDArray[np.int64]:
        """Return columns (document, item's text, first word, width) of each run of so many words that an item has."""
        runs = word_runs(words, width)
        places, at = self._postings.found(runs.hashes)
        documents = np.searchsorted(runs.offsets, places, side="right") - 1
        is_whole = np.diff(words.offsets)[documents] >= width
        places, at, documents = places[is_whole], at[is_whole], documents[is_whole]
        starts = self._postings.starts[at]
        counts = self._postings.starts[at + 1] - starts
        steps = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        texts = self._postings.owners[np.repeat(starts, counts) + steps].astype(np.int64)
        within = np.repeat(places - runs.offsets[documents], counts)
        return np.stack([np.repeat(documents, counts), texts, within, np.full(len(texts), width)])


def _only(words: Words, which: npt.NDArray[np.bool_]) -> Words:
    """Return the words of some of the texts."""
    lengths = np.diff(words.offsets)
    return Words(words.hashes[np.repeat(which, lengths)], np.concatenate([[0], lengths[which].cumsum()]), words.keys[which])


def _spans(found: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> tuple[Range, ...]:
    """Return the characters that runs (first word, width) cover, sorted, those that touch as one."""
    spans: list[Range] = []
    ends_before = -1
    for first, width in found.T.tolist():
        end = int(places[first + width - 1, 1])
        if first <= ends_before:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((int(places[first, 0]), end))
        ends_before = first + width
    return tuple(spans)
