"""What the model is compared with: the table of baselines."""

from collections.abc import Callable

import numpy as np

from groundup.core.log import say
from groundup.evaluate.bits_per_byte import bits_per_byte
from groundup.evaluate.compression import join_documents, last_bytes, xz_bytes, xz_bytes_given
from groundup.evaluate.config import BaselineName
from groundup.evaluate.held_out import HeldOut
from groundup.evaluate.ngrams import Bigram, Probs, Unigram


def unigram_bits(held_out: HeldOut) -> float:
    """Return the bits of a unigram model of the training tokens."""
    model = Unigram.fit(held_out.shards)
    return sum(_bits(model.prob(document.tokens.astype(np.int64))) for document in held_out.chosen)


def bigram_bits(held_out: HeldOut) -> float:
    """Return the bits of an interpolated bigram model of the training tokens; a document starts after an end-of-document."""
    model = Bigram.fit(held_out.shards)
    bits = 0.0
    for document in held_out.chosen:
        tokens = document.tokens.astype(np.int64)
        bits += _bits(model.prob(np.concatenate([[held_out.shards.info.eos_id], tokens[:-1]]), tokens))
    return bits


def xz_bits(held_out: HeldOut) -> float:
    """Return the bits of the held-out text as an .xz file."""
    return 8.0 * xz_bytes(join_documents(document.text for document in held_out.chosen))


def xz_conditional_bits(held_out: HeldOut) -> float:
    """Return the bits that the held-out text adds to an .xz file of the training text."""
    known = last_bytes(document.text.encode() for document in held_out.documents.read("train"))
    return 8.0 * xz_bytes_given(known, join_documents(document.text for document in held_out.chosen))


def _bits(probs: Probs) -> float:
    return float(-np.log2(probs).sum())


BASELINES: dict[BaselineName, Callable[[HeldOut], float]] = {
    "unigram": unigram_bits,
    "bigram": bigram_bits,
    "xz": xz_bits,
    "xz_conditional": xz_conditional_bits,
}
"""Name -> bits of the held-out documents, all of them the same ones."""


def score_baselines(names: tuple[BaselineName, ...], held_out: HeldOut) -> dict[str, float]:
    """Return bits per byte of each baseline."""
    scores: dict[str, float] = {}
    for name in names:
        scores[name] = round(bits_per_byte(BASELINES[name](held_out), held_out.num_bytes), 6)
        say(f"  evaluate: {name} {scores[name]:.3f} bits per byte")
    return scores
