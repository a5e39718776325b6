"""Rules about single lines: what they measure of a line, and the text that is left when they are done."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from groundup.curate.rules.batch import Batch, Floats
from groundup.curate.rules.characters import C4_END_MARKS, Bools, Ints
from groundup.curate.rules.rule import KEEPS, Mark, Rule, RuleSet

POLICY_PHRASES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
COUNTED = "likes?|shares?|comments?|views?|followers?|following|replies|reply|retweets?|votes?|points?|reviews?|downloads?"
"""What lines like "3 likes" count; the paper gives only that example."""
_POLICY_BYTES = [phrase.encode() for phrase in POLICY_PHRASES]
_POLICY_HINTS = ("terms", "policy", "cookie")
"""One of them is in every phrase."""
MAX_COUNTER_WORDS = 4
"""The two, and marks around them that stand alone."""
_COUNTER = re.compile(rf"\W*\d[\d.,]*[km]?\+?\s+(?:{COUNTED})\W*", re.IGNORECASE)


@dataclass(frozen=True)
class LineMeasure:
    """One number of each line of a batch, always 0 or more."""

    description: str
    of: Callable[[Batch], Floats | Ints]


def _longest_word(batch: Batch) -> Ints:
    lengths: Ints = batch.of_words(batch.characters.lengths)
    return np.maximum.reduceat(lengths, batch.line_starts) if len(lengths) else lengths


def _in_lines(batch: Batch, chosen: Bools, count: Callable[[str], int]) -> Ints:
    """Return what `count` finds in the chosen lines, 0 for the others."""
    found = np.zeros(len(chosen), np.int64)
    for line in np.flatnonzero(chosen).tolist():
        found[line] = count(batch.line(line))
    return found


def _policy_phrases(batch: Batch) -> Ints:
    hints = np.sum([batch.lines_with(batch.characters.places_of(hint)) for hint in _POLICY_HINTS], axis=0)
    return _in_lines(batch, np.greater(hints, 0), _num_policy_phrases)


def _num_policy_phrases(line: str) -> int:
    lowered = line.encode("utf-8", "surrogatepass").lower()  # of bytes: only letters of ASCII change
    return sum(map(lowered.count, _POLICY_BYTES))


def _uppercase_chars(batch: Batch) -> Floats:
    found, lengths = batch.of_words(batch.characters.num_uppercase), batch.of_words(batch.characters.lengths)
    return batch.within_lines(found) / batch.within_lines(lengths)


LINE_MEASURES: dict[str, LineMeasure] = {
    "words": LineMeasure("words", lambda batch: batch.word_counts),
    "longest_word": LineMeasure("characters of the longest word", _longest_word),
    "end_mark": LineMeasure(
        f"1 if the line ends with one of {' '.join(C4_END_MARKS)} and not with an ellipsis; else 0",
        lambda batch: batch.of_words(batch.characters.ends_in_c4_mark)[batch.line_ends].astype(np.int64),
    ),
    "javascript": LineMeasure(
        "how often 'javascript' occurs, in any case", lambda batch: batch.lines_with(batch.characters.places_of("javascript"))
    ),
    "policy_phrases": LineMeasure(f"how often the phrases {', '.join(POLICY_PHRASES)} occur, in any case", _policy_phrases),
    "uppercase_chars": LineMeasure("part of the words' characters that are upper case", _uppercase_chars),
    "numeric_words": LineMeasure(
        "part of the words that are all numeric characters",
        lambda batch: batch.within_lines(batch.of_words(batch.characters.is_numeric)) / batch.word_counts,
    ),
    "counter": LineMeasure(
        f"1 if the line, of at most {MAX_COUNTER_WORDS} words, is a number and what it counts, as '3 likes'; else 0",
        lambda batch: _in_lines(batch, batch.word_counts <= MAX_COUNTER_WORDS, lambda line: int(bool(_COUNTER.fullmatch(line)))),
    ),
}


@dataclass(frozen=True, slots=True)
class Edit:
    """What one rule about lines took out of a text."""

    rule_set: str
    rule: str
    count: int
    """Lines, or marks inside lines."""
    num_bytes: int
    """Of the text taken out, in UTF-8, without the white space around it."""


class _Editing:
    """The lines of a batch while the steps of one set go over them."""

    def __init__(self, batch: Batch, name: str) -> None:
        self.batch, self._name = batch, name
        self._alive = np.ones(len(batch.word_counts), np.bool_)
        self._flagged = np.zeros(len(batch.word_counts), np.bool_)
        self._original_counts = batch.word_counts
        self._changed: dict[int, str] = {}
        self.edits: dict[int, list[Edit]] = {}

    def drop(self, rule: Rule) -> None:
        """Take out the lines that break the rule."""
        values = LINE_MEASURES[rule.measure].of(self.batch)
        broken = np.flatnonzero(self._alive & ~KEEPS[rule.bound](values, rule.threshold))
        self._alive[broken] = False
        self._flagged[broken] = True
        self._record(rule.name, {line: (1, _num_bytes(self.batch.line(line))) for line in broken.tolist()})

    def strip(self, mark: Mark) -> None:
        """Take the mark out of the lines; a line that was nothing else goes."""
        chosen = self._alive & (self.batch.word_counts <= mark.max_words)
        if mark.hint:
            chosen &= self.batch.lines_with(self.batch.characters.places_of(mark.hint)) > 0
        taken, changed = {}, {}
        for line in np.flatnonzero(chosen).tolist():
            before = self.batch.line(line)
            after, count = mark.pattern.subn("", before)
            if count:
                changed[line] = after.strip()
                taken[line] = (count, _num_bytes(before) - _num_bytes(after))
        self._flagged[list(changed)] = True
        self._alive[[line for line, text in changed.items() if not text]] = False
        self._change({line: text for line, text in changed.items() if text})
        self._record(mark.name, taken)

    def _change(self, changed: dict[int, str]) -> None:
        if changed:
            self.batch = self.batch.with_changed(changed)
            self._changed |= changed

    def _record(self, rule: str, taken: dict[int, tuple[int, int]]) -> None:
        by_text: dict[int, tuple[int, int]] = {}
        for line, (count, num_bytes) in taken.items():
            text = int(self.batch.text_of_line[line])
            before = by_text.get(text, (0, 0))
            by_text[text] = (before[0] + count, before[1] + num_bytes)
        for text, (count, num_bytes) in by_text.items():
            self.edits.setdefault(text, []).append(Edit(self._name, rule, count, num_bytes))

    def result(self) -> Batch:
        """Return the texts as they are left."""
        if not self.edits:
            return self.batch
        texts = self.batch.texts.copy()
        for text in self.edits:
            lines = self.batch.lines_of(text)
            left = [self._changed.get(line, "") if self._alive[line] else None for line in lines]
            texts[text] = without_lines(texts[text], left)
        return self.batch.with_lines(texts, self._alive, self.batch.over_lines(self._alive))

    def flagged_words(self) -> Floats:
        """Return the part of each text's words that stood in lines taken out or edited."""
        flagged = self.batch.over_lines(np.where(self._flagged, self._original_counts, 0))
        return flagged / np.maximum(self.batch.over_lines(self._original_counts), 1)


def edit(batch: Batch, rule_set: RuleSet) -> tuple[Batch, dict[int, list[Edit]]]:
    """Return the batch as the set's rules about lines leave it, and what they took out of which text."""
    if not rule_set.lines:
        return batch, {}
    editing = _Editing(batch, rule_set.name)
    for step in rule_set.lines:
        if isinstance(step, Mark):
            editing.strip(step)
        else:
            editing.drop(step)
    left = editing.result()
    left.flagged_words = editing.flagged_words()
    return left, editing.edits


def without_lines(text: str, left: list[str | None]) -> str:
    """Return the text with what is `left` of each line that is not blank: None for nothing, "" for the line as it was.

    Blank lines stay between lines that stay, one at a place.
    """
    lines: list[str] = []
    following = iter(left)
    for raw in text.split("\n"):
        if not raw.strip():
            if lines and lines[-1]:
                lines.append("")
        elif (new := next(following)) is not None:
            lines.append(new or raw)
    return "\n".join(lines).rstrip("\n")


def _num_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
