"""Which words tell the two sides apart: hashed features with their names."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.classifier.features import Letters, passages_of, runs_of
from groundup.curate.classifier.linear import Floats, LinearClassifier
from groundup.curate.classifier.logistic import Examples, blocks
from groundup.curate.dedup.words import read_letters, read_words, word_places

NUM_TELLING = 25
"""Features of each side that are named."""
NUM_REASONS = 5
"""Features of each side that are named of one document."""
_CANDIDATES = 200
"""Of which those that the witnesses hold are named."""


@dataclass(frozen=True)
class Telling:
    """One feature."""

    feature: str
    """The run of words or, between bars, of characters that is most frequent in its bucket."""
    weight: float
    in_good: float
    """Part of the good passages that have it."""
    in_bad: float
    share: float
    """Of the distance between the means of z of good and of bad passages: w_j (mean x_j of good - mean x_j of bad) over that."""


def telling(
    examples: Examples, weights: Floats, witnesses: Iterable[str], features: FeaturesConfig
) -> tuple[list[Telling], list[Telling]]:
    """Return the features that speak most for the good side, and those that speak most for the bad one.

    They are named by the witnesses, texts of both sides.
    """
    values, present = (_sums(examples, len(weights), scaled) for scaled in (True, False))
    gaps = weights * (values[0] - values[1])
    total = float(gaps.sum())
    sides = [np.argsort(np.where(side, -gaps, 0.0), kind="stable")[:_CANDIDATES] for side in (weights > 0, weights < 0)]
    wanted = np.zeros(len(weights), np.bool_)
    for candidates in sides:
        wanted[candidates] = True
    names: dict[int, Counter[str]] = {}
    for text in witnesses:
        for bucket, name in set(named(text, wanted, features)):
            names.setdefault(bucket, Counter())[name] += 1
    found = []
    for candidates in sides:
        chosen = [bucket for bucket in candidates.tolist() if bucket in names and gaps[bucket] > 0][:NUM_TELLING]
        figures = ((weights[j], present[0][j], present[1][j], gaps[j] / total) for j in chosen)
        found.append([Telling(_most(names[j]), *map(_short, of)) for j, of in zip(chosen, figures, strict=True)])
    return found[0], found[1]


@dataclass(frozen=True)
class Reason:
    """What a feature of one document does to its score."""

    feature: str
    effect: float
    """Added to the mean of z over its passages: above 0 it speaks for the good side."""


def reasons(classifier: LinearClassifier, text: str, number: int = NUM_REASONS) -> tuple[Reason, ...]:
    """Return the features of a text that speak most for either side, at most `number` for each, the strongest first."""
    effects: Counter[int] = Counter()
    found = list(passages_of([text], classifier.features))
    num_passages = sum(map(len, found))
    for passages in found:
        counts = np.diff(passages.offsets)
        each = classifier.weights[passages.buckets] / np.repeat(np.sqrt(counts), counts) / num_passages
        for bucket, effect in zip(passages.buckets.tolist(), each.tolist(), strict=True):
            effects[bucket] += effect
    ordered = sorted(effects, key=lambda bucket: (effects[bucket], bucket))
    chosen = [j for j in {*ordered[:number], *ordered[-number:]} if effects[j]]
    wanted = np.zeros(len(classifier.weights), np.bool_)
    wanted[chosen] = True
    names: dict[int, Counter[str]] = {}
    for bucket, name in named(text, wanted, classifier.features):
        names.setdefault(bucket, Counter())[name] += 1
    told = [Reason(_most(names[j]), round(effects[j], 4)) for j in chosen if j in names]
    return tuple(sorted(told, key=lambda reason: (-abs(reason.effect), reason.feature)))


def _most(names: Counter[str]) -> str:
    return min(names, key=lambda name: (-names[name], name))


def _short(value: float) -> float:
    return round(float(value), 6)


def _sums(examples: Examples, num_buckets: int, scaled: bool) -> tuple[Floats, Floats]:
    """Return for both sides, bucket by bucket, the mean of x_j = 1/sqrt(|F|), or with `scaled` false the part that has it."""
    found = np.zeros(num_buckets), np.zeros(num_buckets)
    for place, block in blocks(examples.passages):
        counts = np.diff(block.offsets)
        each = examples.shares[place] * 2 / (np.sqrt(np.maximum(counts, 1)) if scaled else 1.0)
        is_good, each = np.repeat(examples.is_good[place], counts), np.repeat(each, counts)
        for side, sums in zip((is_good, ~is_good), found, strict=True):
            np.add(sums, np.bincount(block.buckets[side], each[side], num_buckets), out=sums)
    return found


def named(text: str, wanted: npt.NDArray[np.bool_], features: FeaturesConfig) -> Iterator[tuple[int, str]]:
    """Yield (bucket, what is there) for each run of the text that falls into a bucket that is wanted."""
    words, places = read_words([text], punctuation=False), word_places(text)
    if len(places) != len(words.hashes):
        return  # a word so long that it was read as several
    letters = Letters(*read_letters([text])) if features.char_ngrams else None
    for runs in runs_of(words.hashes, letters, np.array([0, len(words.hashes)]), features):
        hits = np.flatnonzero(wanted[runs.buckets])
        for start, bucket in zip(runs.places[hits].tolist(), runs.buckets[hits].tolist(), strict=True):
            end = start + runs.length
            if runs.of_words:
                yield bucket, " ".join(text[begin:stop].casefold() for begin, stop in places[start:end].tolist())
            elif letters is not None:
                yield bucket, "|" + "".join(map(chr, letters.codes[start:end].tolist())) + "|"
