"""Learn a perplexity model: reference text in; pieces of words, n-grams and percentiles out."""

from typing import Any

from groundup.artifacts.build import Job, Outcome
from groundup.core.errors import DataError
from groundup.core.log import say
from groundup.curate.perplexity.ngrams import NgramModel
from groundup.curate.perplexity.pieces import Pieces, count_words, learn_pieces
from groundup.curate.perplexity.quantiles import Floats, quantiles_of, value_at
from groundup.curate.perplexity.stored import PerplexityScorer, write_model
from groundup.curate.perplexity.training.config import PerplexityModelConfig
from groundup.curate.perplexity.training.kneser_ney import estimate
from groundup.curate.perplexity.training.sample import Sample
from groundup.curate.sources import SOURCES

MIN_WORDS = 1000
_FEW_WORDS = 200_000
_MIN_MEASURED = 10
"""Texts that percentiles are taken of, at least."""
_TOLD = (5, 100 / 3, 50, 200 / 3, 95)
"""Percentiles told in the counts."""


def source_hashes(config: PerplexityModelConfig) -> dict[str, str]:
    """Return one hash over the names and bytes of all files of each source."""
    sides = (("reference", config.reference), ("calibrate", config.calibrate))
    return {f"{side}/{source.name}": SOURCES[source.kind](source).fingerprint() for side, found in sides for source in found}


def run(config: PerplexityModelConfig, job: Job) -> Outcome:
    """Write perplexity.json, pieces.model and the arrays of n-grams into `job.out`.

    The same bytes whatever the order or the files in which the text comes. Raises DataError if there is too little of it.
    """
    reference = Sample(job.seed, config.max_bytes)
    reference.read(config.reference, cut=True)
    learned, held_out = reference.divided(config.held_out)
    words = count_words(learned)
    if words.total() < MIN_WORDS or len(held_out) < _MIN_MEASURED:
        raise DataError(
            f"the reference holds {words.total():,} words to learn from and {len(held_out):,} passages to measure with, at least "
            f"{MIN_WORDS:,} and {_MIN_MEASURED} are needed ({reference.documents:,} documents, "
            f"{reference.unread:,} records were no text); give more text"
        )
    if words.total() < _FEW_WORDS:
        say(f"the reference has {words.total():,} words; of less than {_FEW_WORDS:,} a model learns little", style="yellow")
    pieces = Pieces(learn_pieces(words, config.pieces))
    stream = pieces.stream(learned)
    model, discounts = estimate(stream, config.order, len(pieces), config.min_count)
    measured = _measured(config, job.seed, pieces, model, held_out)
    facts = {
        "order": model.order,
        "pieces": len(pieces),
        "min_count": config.min_count,
        "ngrams": [len(model.ngrams[0].log_probs), *(len(ngrams.table) for ngrams in model.ngrams[1:])],
        "discounts": [list(found) for found in discounts],
        "tokens": len(stream) - len(learned),
        "reference": {"passages": len(learned), "held_out": len(held_out)},
        **measured,
    }
    write_model(job.out, pieces, model, facts)
    counts = {"documents": reference.documents, "unread": reference.unread, "tokens": facts["tokens"]}
    return Outcome({**counts, "ngrams": sum(facts["ngrams"]), "median_perplexity": facts["held_out"]["median"]})


def _measured(config: PerplexityModelConfig, seed: int, pieces: Pieces, model: NgramModel, held_out: list[str]) -> dict[str, Any]:
    """Return how the perplexities of the held-out reference lie, and those of the text to calibrate with."""
    scorer = PerplexityScorer(pieces, model, (), "")
    of_reference = scorer.perplexities(held_out)
    found = {"held_out": _told(of_reference)}
    if not config.calibrate:
        return {**found, "calibrated_with": "held-out reference", "quantiles": quantiles_of(of_reference)}
    corpus = Sample(seed, config.max_bytes)
    corpus.read(config.calibrate, cut=False)
    texts = corpus.texts()
    if len(texts) < _MIN_MEASURED:
        raise DataError(
            f"{len(texts):,} documents to calibrate with, at least {_MIN_MEASURED} are needed ({corpus.unread:,} records were no "
            "text); give more, or leave --calibrate out"
        )
    of_corpus = scorer.perplexities(texts)
    return {**found, "calibrated_with": "corpus", "corpus": _told(of_corpus), "quantiles": quantiles_of(of_corpus)}


def _told(values: Floats) -> dict[str, float]:
    quantiles = quantiles_of(values)
    names = ("p5", "p33", "median", "p67", "p95")
    return {"texts": len(values), **{name: float(f"{value_at(quantiles, at):.4g}") for name, at in zip(names, _TOLD, strict=True)}}
