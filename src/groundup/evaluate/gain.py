"""What the words of a text know beyond a model: the bits that a bigram model of the text saves when it is mixed in."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from groundup.evaluate.ngrams import Probs

SHARES: Final = tuple(np.linspace(0.0, 0.9, 19).tolist())
"""Of the bigram model in the mixture, of which the best is taken."""


@dataclass(frozen=True)
class Gain:
    """Bits of held-out text with and without the mixture."""

    share: float
    """Of the bigram model."""
    bits_alone: float
    bits_mixed: float

    @property
    def saved(self) -> float:
        """Share of the model's bits that the mixture saves."""
        return 1 - self.bits_mixed / self.bits_alone


def mixture_gain(model: Probs, bigram: Probs) -> Gain:
    """Return what p = (1 - s) model + s bigram saves on half of the tokens, s being the best for the other half; both ways round.

    Both are the probabilities of the same tokens. Linear interpolation as by Jelinek & Mercer 1980; what it saves, a model that
    learned from the text could save too, and more.
    """
    half = len(model) // 2
    first, second = slice(None, half), slice(half, None)
    alone = mixed = 0.0
    shares = []
    for tuned, scored in ((first, second), (second, first)):
        share = min(SHARES, key=lambda share: _bits(model[tuned], bigram[tuned], share))
        shares.append(share)
        alone += _bits(model[scored], bigram[scored], 0.0)
        mixed += _bits(model[scored], bigram[scored], share)
    return Gain(sum(shares) / 2, alone, mixed)


def _bits(model: Probs, bigram: Probs, share: float) -> float:
    return float(-np.log2((1 - share) * model + share * bigram).sum())
