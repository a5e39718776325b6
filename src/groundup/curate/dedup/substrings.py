"""Repeated passages of many words by a suffix array: exact, without hashes, for text that fits into memory."""

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.core.errors import BudgetError, MissingExtraError
from groundup.core.units import format_bytes
from groundup.curate.dedup.passages import Passages, Range

BYTES_PER_WORD = 72
"""At the peak: the words as numbers, the suffixes of their four bytes, those of whole words, and two neighbours to compare."""
SUBSTRING_WORDS = 50
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class WholeWords(Passages):
    """Any so many words in a row, as `WordWindows` but for words of any length, each of which is one."""

    width: int = SUBSTRING_WORDS

    def units(self, text: str) -> list[Range]:
        return [match.span() for match in _WORD.finditer(text)]


def repeated_windows(texts: Iterable[str], memory_bytes: int, width: int = SUBSTRING_WORDS) -> npt.NDArray[np.int64]:
    """Return rows (text, first word) of each run of `width` words that is not the first of its kind, sorted.

    Together they are every repeated passage of at least `width` words (Lee et al. 2022, section 4.1, by words instead of the tokens
    of a tokenizer, so that no word is cut). Texts are in the order of who keeps a passage; case and white space do not count; a
    run that overlaps the first one itself is left. The same as `WordWindows` finds by hash, which needs no memory for the text.
    Raises BudgetError if the suffix array needs more than `memory_bytes`.
    """
    numbers, starts = _numbered(texts)
    check_memory(len(numbers), memory_bytes)
    later, first = _pairs(numbers, width) if len(numbers) > 1 else (np.zeros(0, np.int64),) * 2
    of = np.searchsorted(starts, later, side="right") - 1
    is_apart = (later - first >= width) | (first < starts[of])
    rows = np.stack([of, later - starts[of]], axis=1)[is_apart]
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def check_memory(num_words: int, memory_bytes: int) -> None:
    """Raise BudgetError if a suffix array of so many words, and one more for each text, needs more than `memory_bytes`."""
    needed = num_words * BYTES_PER_WORD
    if needed > memory_bytes:
        raise BudgetError(
            f"a suffix array of {num_words:,} words takes about {format_bytes(needed)}, memory is {format_bytes(memory_bytes)}; "
            "raise it (worker_memory_bytes), or find the passages by hash, which is bounded (kind: windows)"
        )


def _numbered(texts: Iterable[str]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the words of all texts as numbers, after each text one that stands nowhere else, and where each text starts."""
    vocabulary: dict[str, int] = {}
    numbers: list[npt.NDArray[np.int32]] = []
    for place, text in enumerate(texts):
        words = text.casefold().split()
        own = [vocabulary.setdefault(word, len(vocabulary)) for word in words]
        numbers.append(np.array([*own, -1 - place], np.int32))
    starts = np.cumsum([0, *map(len, numbers)])
    return np.concatenate([np.zeros(0, np.int32), *numbers]), starts[:-1]


def _pairs(numbers: npt.NDArray[np.int32], width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (start of a run, start of the first one equal to it) of all runs of `width` but the first ones."""
    suffixes = _load().divsufsort(numbers).astype(np.int64)
    alike = np.arange(len(suffixes) - 1)  # neighbours in the order of suffixes that agree so far
    for step in range(width):
        here, there = suffixes[alike] + step, suffixes[alike + 1] + step
        alike = alike[numbers[here] == numbers[there]]
    is_first = np.ones(len(suffixes), bool)
    is_first[alike + 1] = False
    group = is_first.cumsum() - 1
    first = np.full(group[-1] + 1, len(numbers))
    np.minimum.at(first, group, suffixes)
    first_of = first[group]
    is_later = first_of < suffixes
    return suffixes[is_later], first_of[is_later]


def _load() -> Any:
    try:
        return importlib.import_module("pydivsufsort")
    except ImportError as error:
        raise MissingExtraError(
            f"suffix arrays need the package 'pydivsufsort', which cannot be imported ({error}): "
            "pip install 'groundup[substrings]', or find the passages by hash"
        ) from error
