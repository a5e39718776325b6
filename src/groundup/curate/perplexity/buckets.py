"""Head, middle and tail of documents by perplexity (Wenzek et al. 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.artifacts.documents import Document
from groundup.curate.perplexity.config import ANY_LANGUAGE, BUCKETS, BucketName, PerplexityConfig
from groundup.curate.perplexity.stored import open_scorer
from groundup.curate.rules.rule import Rule

STAGE = "perplexity"
NO_MODEL = "none"
"""The language and bucket of documents in a language without a model, where they are counted."""


@dataclass(frozen=True)
class Cuts:
    """Where the buckets of one language end."""

    language: str
    name: str
    """Of the model."""
    low: float
    """Head lies below it."""
    high: float
    """Tail lies from here on."""
    keep: tuple[BucketName, ...] = BUCKETS

    @property
    def rule(self) -> str:
        """As the ledger shows it."""
        return STAGE if self.language == ANY_LANGUAGE else f"{STAGE}_{self.language}"

    def bucket(self, perplexity: float) -> BucketName:
        return BUCKETS[(perplexity >= self.low) + (perplexity >= self.high)]

    def threshold(self, bucket: BucketName) -> float:
        """Return the cut between a bucket that is not kept and the nearest one that is, a lower one if there are two."""
        place, edges = BUCKETS.index(bucket), (self.low, self.high)
        kept = [number for number, name in enumerate(BUCKETS) if name in self.keep]
        below = [number for number in kept if number < place]
        return edges[below[-1]] if below else edges[kept[0] - 1]

    @property
    def bounds(self) -> tuple[Rule, ...]:
        """What is asked of a document that is kept."""
        is_kept = [name in self.keep for name in BUCKETS]
        bounds = []
        if not is_kept[0]:
            bounds.append(Rule(self.rule, STAGE, "at_least", self.low if is_kept[1] else self.high))
        if not is_kept[2]:
            bounds.append(Rule(self.rule, STAGE, "below", self.high if is_kept[1] else self.low))
        return tuple(bounds)


@dataclass(frozen=True)
class Found:
    """Where one document lies."""

    cuts: Cuts
    perplexity: float
    bucket: BucketName

    @property
    def is_kept(self) -> bool:
        return self.bucket in self.cuts.keep


def all_cuts(config: PerplexityConfig) -> dict[str, Cuts]:
    """Return the cuts of each language that has a model."""
    found = {}
    for language, path in config.models.items():
        scorer = open_scorer(path)
        low, high = (scorer.at(percent) for percent in config.cuts)
        found[language] = Cuts(language, scorer.name, low, high, config.keep)
    return found


class Buckets:
    """Divides documents, each by the model of its language."""

    def __init__(self, config: PerplexityConfig) -> None:
        self._cuts = all_cuts(config)
        self._scorers = {language: open_scorer(path) for language, path in config.models.items()}

    def divide(self, documents: Sequence[Document]) -> list[Found | None]:
        """Return where each document lies; None for one in a language without a model."""
        found: list[Found | None] = [None] * len(documents)
        of_language: dict[str, list[int]] = {}
        for place, document in enumerate(documents):
            language = document.language if document.language in self._cuts else ANY_LANGUAGE
            if language in self._cuts:
                of_language.setdefault(str(language), []).append(place)
        for language, places in of_language.items():
            cuts = self._cuts[language]
            values = self._scorers[language].perplexities([documents[place].text for place in places])
            for place, value in zip(places, values.tolist(), strict=True):
                found[place] = Found(cuts, value, cuts.bucket(value))
        return found
