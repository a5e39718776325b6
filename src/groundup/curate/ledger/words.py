"""Stages and rules in words that need no knowledge of the code."""

from dataclasses import dataclass

from groundup.curate.config import CurateConfig
from groundup.curate.dedup.config import PassageKind
from groundup.curate.perplexity.buckets import STAGE, all_cuts
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.lines import LINE_MEASURES
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.rule import Mark, Rule

STAGES = {
    "collect": "could not be read as text",
    "normalise": "line ends, control characters and repeated blank lines made uniform; a text of which nothing is left goes",
    "languages": "in another language than those wanted, or not surely in one of them; lines in others were taken out if asked",
    "perplexity": "a model of good text foresees it worse, or better, than is wanted; others were told head, middle or tail",
    "decontaminate": "holds items of a benchmark, in whole or in part",
    "deduplicate": "equal to another document but for case and white space; one copy stays",
    "near_duplicates": "nearly equal to another document, which stays",
    "leakage": "too much in common with a document that is held out to measure with",
    "repeated_passages": "passages that a document before it has too were taken out; it goes if too little is left",
    "redact": "personal data and secrets were replaced by placeholders; no document was dropped",
}
"""Why a stage that is no rule set takes documents out."""
PASSAGES: dict[PassageKind, str] = {
    "three_sentences": "three sentences in a row",
    "lines": "lines of five words or more",
    "windows": "runs of 50 words or more",
    "substrings": "runs of 50 words or more",
}
"""Kinds of passages that are taken out."""
SHARED_SHINGLES = "runs of five words that two documents share, as a part of"


@dataclass(frozen=True)
class RuleFacts:
    """What a rule asks of a document."""

    description: str
    """What is measured, or of a stage without a measure what is wrong."""
    bound: str | None = None
    threshold: float | None = None

    @property
    def words(self) -> str:
        """The whole rule in one phrase."""
        if self.bound is None or self.threshold is None:
            return self.description
        return f"{self.description}; kept if {self.bound.replace('_', ' ')} {self.threshold:,g}"


def rules_of(config: CurateConfig) -> dict[tuple[str, str], RuleFacts]:
    """Return (stage, rule) -> what it asks, for all rules that the settings choose, about documents and about lines."""
    found: dict[tuple[str, str], RuleFacts] = {}
    for rule_set in chosen_sets(config):
        for rule in rule_set.of_documents:
            found[rule_set.name, rule.name] = RuleFacts(MEASURES[rule.measure].description, rule.bound, rule.threshold)
        for line in rule_set.lines:
            found[rule_set.name, line.name] = _line_rule(line)
    found |= _cuts(config)
    score = RuleFacts("probability of the language that was found", "at_least", config.languages.min_score)
    found["languages", "language_score"] = score
    share = config.decontaminate.min_share
    found["decontaminate", "benchmark_item"] = RuleFacts(
        f"runs of {config.decontaminate.ngram_words} words of an item that the document has, as a part of all that the item has",
        *(("below", share) if share else ("at_most", 0.0)),
    )
    near, leak = config.near_duplicates.threshold, config.leakage_threshold
    found["near_duplicates", "near_duplicate"] = RuleFacts(f"{SHARED_SHINGLES} all that the two have", "below", near)
    found["leakage", "near_duplicate_of_validation"] = RuleFacts(f"{SHARED_SHINGLES} those of the shorter one", "below", leak)
    passages = config.repeated_passages
    if passages.kind is not None:
        found["repeated_passages", passages.kind] = RuleFacts(
            f"taken out: {PASSAGES[passages.kind]} that stand in a document before"
        )
        found["repeated_passages", "words_left"] = RuleFacts("words left without repeated passages", "at_least", passages.min_words)
    return found


def _cuts(config: CurateConfig) -> dict[tuple[str, str], RuleFacts]:
    """Return what is asked of the perplexity of documents in each language that has a model."""
    found = {}
    for cuts in all_cuts(config.perplexity).values():
        what = f"perplexity under the {cuts.name}; head below {cuts.low:,.1f}, tail from {cuts.high:,.1f}"
        bounds = cuts.bounds
        found[STAGE, cuts.rule] = RuleFacts(what, bounds[-1].bound, bounds[-1].threshold) if bounds else RuleFacts(what)
    return found


def _line_rule(rule: Rule | Mark) -> RuleFacts:
    if isinstance(rule, Mark):
        return RuleFacts(rule.description)
    return RuleFacts(f"lines by {LINE_MEASURES[rule.measure].description}", rule.bound, rule.threshold)


def of_rule(known: dict[tuple[str, str], RuleFacts], stage: str, rule: str) -> RuleFacts:
    """Return what a rule asks, or what its stage is about."""
    return known.get((stage, rule), RuleFacts(STAGES.get(stage, rule.replace("_", " "))))
