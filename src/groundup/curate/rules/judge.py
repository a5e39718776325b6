"""The verdict of rule sets over texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from groundup.curate.rules.batch import Batch
from groundup.curate.rules.histogram import Histograms
from groundup.curate.rules.lines import Edit, edit
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.rule import KEEPS, Rule, RuleSet

MAX_BATCH_TEXTS = 512
MAX_BATCH_CHARS = 1 << 20
"""Of the texts that are measured at once; a longer one is measured alone."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule found in a text."""

    rule_set: str
    rule: Rule
    value: float

    @property
    def passes(self) -> bool:
        return self.rule.passes(self.value)


@dataclass(slots=True)
class Verdict:
    """What became of one text."""

    text: str
    """After the edits of every set that was asked, the one that it broke included."""
    broken: Measured | None = None
    """The first rule broken; None if all are kept."""
    edits: list[Edit] = field(default_factory=list)
    """In the order of the sets; sets and rules that took nothing out are left away."""
    bytes_after: dict[str, int] = field(default_factory=dict)
    """UTF-8 bytes of the text after each set that edited it."""


class Judge:
    """Asks texts the rules of some sets, in their order; a text that breaks one set is not asked those after it."""

    def __init__(self, rule_sets: Sequence[RuleSet]) -> None:
        self.rule_sets = tuple(rule_sets)

    def judge(self, texts: Sequence[str], histograms: Histograms | None = None) -> list[Verdict]:
        """Return for each text its verdict; count what was measured in `histograms`.

        Give some hundred texts at once: what a call costs is shared by them.
        """
        if not self.rule_sets:
            return [Verdict(text) for text in texts]
        return [verdict for batch in _batches(texts) for verdict in self._judge(batch, histograms)]

    def _judge(self, texts: Sequence[str], histograms: Histograms | None) -> list[Verdict]:
        hearing = _Hearing(texts, histograms)
        for rule_set in self.rule_sets:
            hearing.ask(rule_set, rule_set.before)
            hearing.edit(rule_set)
            hearing.ask(rule_set, rule_set.rules)
        return hearing.verdicts


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = num_chars = 0
    for end, text in enumerate(texts):
        if end > start and (end - start == MAX_BATCH_TEXTS or num_chars + len(text) > MAX_BATCH_CHARS):
            yield texts[start:end]
            start, num_chars = end, 0
        num_chars += len(text)
    if len(texts) > start:
        yield texts[start:]


class _Hearing:
    """The texts of one batch on their way through the sets; those that break a rule leave it."""

    def __init__(self, texts: Sequence[str], histograms: Histograms | None) -> None:
        self.verdicts = [Verdict(text) for text in texts]
        self._batch, self._asked = Batch.of(texts), self.verdicts
        self._histograms = histograms
        self._is_long = len(texts) == 1 and len(texts[0]) > MAX_BATCH_CHARS

    def edit(self, rule_set: RuleSet) -> None:
        """Apply the set's rules about lines and note in the verdicts what they took out."""
        self._batch, edits = edit(self._batch, rule_set)
        for text, found in edits.items():
            verdict = self._asked[text]
            verdict.text = self._batch.texts[text]
            verdict.edits += found
            verdict.bytes_after[rule_set.name] = len(verdict.text.encode())

    def ask(self, rule_set: RuleSet, rules: tuple[Rule, ...]) -> None:
        """Note the first of the rules that a text breaks in its verdict.

        A very long text is measured no further than that, for the sake of memory.
        """
        self._batch.bring(rule_set.listed, rule_set.classifier, rule_set.perplexity)
        kept = np.ones(len(self._batch), np.bool_)
        for rule in rules:
            values = MEASURES[rule.measure].of(self._batch)
            if self._histograms is not None:
                self._histograms.add(rule_set.name, rule.name, rule.measure, values)
            broken = kept & ~KEEPS[rule.bound](values, rule.threshold)
            for text in np.flatnonzero(broken):
                self._asked[text].broken = Measured(rule_set.name, rule, float(values[text]))
            kept &= ~broken
            if self._is_long and not kept.all():
                break
        if not kept.all():
            self._batch = self._batch.take(kept)
            self._asked = [verdict for verdict in self._asked if verdict.broken is None]


def measure_all(text: str, rule_sets: Sequence[RuleSet]) -> list[Measured]:
    """Return what every rule of every set finds in the text, also after one is broken; each set as the sets before it edited it."""
    batch = Batch.of([text])
    found = []
    for rule_set in rule_sets:
        found += _measured(batch, rule_set, rule_set.before)
        batch, _ = edit(batch, rule_set)
        found += _measured(batch, rule_set, rule_set.rules)
    return found


def _measured(batch: Batch, rule_set: RuleSet, rules: tuple[Rule, ...]) -> list[Measured]:
    batch.bring(rule_set.listed, rule_set.classifier, rule_set.perplexity)
    return [Measured(rule_set.name, rule, float(MEASURES[rule.measure].of(batch)[0])) for rule in rules]
