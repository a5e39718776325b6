"""The words that make a text what it is."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

MIN_COUNT: Final = 3
"""A word seen less often says nothing."""
WORD: Final = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")


def characteristic(texts: Iterable[str], general: Mapping[str, int], count: int) -> list[str]:
    """Return the words that are more frequent here than in general text, the most telling first.

    Ranked by the log-likelihood ratio G^2 of their counts in both texts (Dunning 1993); of equal ones the first in Unicode.
    """
    here = count_terms(texts)
    total, general_total = max(here.total(), 1), max(sum(general.values()), 1)
    scores = {
        word: log_likelihood_ratio(seen, total, general.get(word, 0), general_total)
        for word, seen in here.items()
        if seen >= MIN_COUNT and seen / total > general.get(word, 0) / general_total
    }
    return sorted(scores, key=lambda word: (-scores[word], word))[:count]


def count_terms(texts: Iterable[str]) -> Counter[str]:
    """Return how often each word of letters occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORD.findall(text))
    return counts


def log_likelihood_ratio(seen: int, total: int, other_seen: int, other_total: int) -> float:
    """Return G^2 = 2 sum O ln(O / E) of a word's counts in two texts, each against all other words of its text (Dunning 1993)."""
    share = (seen + other_seen) / (total + other_total)
    cells = (
        (seen, total * share),
        (other_seen, other_total * share),
        (total - seen, total * (1 - share)),
        (other_total - other_seen, other_total * (1 - share)),
    )
    return 2 * sum(observed * math.log(observed / expected) for observed, expected in cells if observed)
