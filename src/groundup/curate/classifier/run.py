"""Train a classifier: examples of both sides in; weights, calibration, a threshold and honest figures out."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from groundup.artifacts.build import Job, Outcome
from groundup.core.log import say
from groundup.curate.classifier.config import ClassifierConfig
from groundup.curate.classifier.linear import Floats, LinearClassifier, rounded
from groundup.curate.classifier.logistic import Examples, Fit, fit, joined
from groundup.curate.classifier.quality import platt, quality_of, suggested_threshold
from groundup.curate.classifier.sample import Example, Sample, check_sides, read_sample
from groundup.curate.classifier.stored import write_classifier
from groundup.curate.classifier.telling import telling
from groundup.curate.sources import SOURCES

_WEAK_AUC = 0.7


def source_hashes(config: ClassifierConfig) -> dict[str, str]:
    """Return one hash over the names and bytes of all files of each source of examples."""
    sides = (("good", config.good), ("bad", config.bad))
    return {f"{side}/{source.name}": SOURCES[source.kind](source).fingerprint() for side, found in sides for source in found}


def run(config: ClassifierConfig, job: Job) -> Outcome:
    """Write classifier.json and weights.safetensors into `job.out`.

    The same bytes whatever the order or the files in which the examples come. Raises DataError if a side has too few examples.
    """
    good, bad = (
        read_sample(sources, config.features, config.max_passages, job.seed, name)
        for name, sources in (("good", config.good), ("bad", config.bad))
    )
    in_both = check_sides(good, bad)
    parts = good.parts(), bad.parts()
    examples = Examples.of(*([example.passages for example in side["train"]] for side in parts))
    found = fit(examples, 1 << config.features.bucket_bits, config.penalty)
    classifier = _calibrated(config, found, [side["calibrate"] for side in parts])
    seen, new = ([document_scores(classifier, side[part]) for side in parts] for part in ("calibrate", "test"))
    threshold = suggested_threshold(seen[0], seen[1], config.keep_good)
    quality = quality_of(new[0], new[1], threshold)
    for doubt in _doubts(good, bad, in_both, found, quality.auc):
        say(doubt, style="yellow")
    witnesses = [example.text for side in parts for example in side["train"] if example.text]
    for_good, for_bad = telling(examples, found.weights, witnesses, config.features)
    facts = {
        "threshold": threshold,
        "keep_good": config.keep_good,
        "quality": quality.to_json(),
        "examples": {"good": _counts(good, parts[0]), "bad": _counts(bad, parts[1]), "in_both": in_both},
        "training": {"loss": found.loss, "steps": found.steps, "converged": found.converged, "penalty": config.penalty},
        "telling": {"good": [asdict(one) for one in for_good], "bad": [asdict(one) for one in for_bad]},
    }
    write_classifier(job.out, classifier, facts)
    return Outcome({"good_documents": good.documents, "bad_documents": bad.documents, "auc": quality.auc, "threshold": threshold})


def _doubts(good: Sample, bad: Sample, in_both: int, found: Fit, auc: float) -> Iterator[str]:
    """Yield what a user should know of the examples and the result."""
    for name, side in (("good", good), ("bad", bad)):
        if side.unread:
            yield f"{side.unread:,} {name} examples could not be read: {side.first_problem}"
    if in_both:
        yield f"{in_both:,} texts are examples of both sides and were left out of both"
    if not found.converged:
        yield f"after {found.steps} steps the optimum is not reached: a larger penalty is reached sooner"
    if auc < _WEAK_AUC:
        yield f"the sides are hardly told apart (AUC {auc:.2f}; 0.5 is guessing): do the examples show what is meant?"


def _calibrated(config: ClassifierConfig, found: Fit, sides: list[list[Example]]) -> LinearClassifier:
    """Return the classifier as it will be read back, its calibration taken from passages that it was not trained on."""
    weights, bias = rounded(found.weights).astype(np.float32), float(rounded(np.array([found.bias]))[0])
    classifier = LinearClassifier(config.features, weights, bias)
    if config.calibration == "none":
        return classifier
    passages = [joined([example.passages for example in side]) for side in sides]
    is_good = np.repeat([True, False], [len(side) for side in passages])
    calibration = platt(classifier.logits(joined(passages)), is_good)
    return LinearClassifier(config.features, weights, bias, calibration)


def document_scores(classifier: LinearClassifier, examples: list[Example]) -> Floats:
    """Return the score of each document, over the passages of it that were taken."""
    passages = joined([example.passages for example in examples])
    found = classifier.calibration.probabilities(classifier.logits(passages))
    return np.bincount(passages.texts, found) / np.bincount(passages.texts)


def _counts(side: Sample, parts: dict[str, list[Example]]) -> dict[str, Any]:
    return {
        "documents": side.documents,
        "taken": len(side.examples),
        "repeats": side.repeats,
        "unread": side.unread,
        **{name: len(found) for name, found in parts.items()},
        "passages": sum(len(example.passages) for example in side.examples),
    }
