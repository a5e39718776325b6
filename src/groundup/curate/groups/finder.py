"""Which groups of people texts name: whole words and phrases, in any case, whatever stands between words."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.words import Hashes, read_words
from groundup.curate.groups.config import GroupsConfig
from groundup.curate.groups.terms import GroupTerms, name_of, read_terms

Masks = npt.NDArray[np.int64]
_SLOT_BITS = 14


class GroupFinder:
    """Finds the groups that texts name. Made once a worker.

    A term is there if its words follow each other in the text; words are runs of letters, marks and numbers, case folded, compared
    by 64-bit hashes. A term within a longer one counts too: 'old women' names the old and women.
    """

    def __init__(self, terms: GroupTerms) -> None:
        self.names = [name_of(axis, group) for axis, groups in terms.items() for group in groups]
        listed = [(term, number) for number, group in enumerate(_lists(terms)) for term in group]
        words = read_words([term for term, _ in listed], punctuation=False)
        masks: dict[tuple[int, ...], int] = {}
        for place, (_, number) in enumerate(listed):
            key = tuple(words.hashes[words.offsets[place] : words.offsets[place + 1]].tolist())
            masks[key] = masks.get(key, 0) | 1 << number
        self._phrases = [(np.array(key, np.uint64), mask) for key, mask in masks.items() if len(key) > 1]
        firsts = {key[0]: 0 for key in masks} | {key[0]: mask for key, mask in masks.items() if len(key) == 1}
        self._hashes = np.array(sorted(firsts), np.uint64)
        self._masks = np.array([firsts[word] for word in self._hashes.tolist()], np.int64)
        self._opens = np.isin(self._hashes, np.array([key[0] for key in masks if len(key) > 1], np.uint64))
        self._is_slot = np.zeros(1 << _SLOT_BITS, np.bool_)
        self._is_slot[_slots(self._hashes)] = True

    def find(self, texts: Sequence[str]) -> Masks:
        """Return for each text the groups that it names: bit i is set for `names[i]`."""
        words = read_words(texts, punctuation=False)
        maybe = np.flatnonzero(self._is_slot[_slots(words.hashes)])
        number = np.searchsorted(self._hashes, words.hashes[maybe]).clip(max=len(self._hashes) - 1)
        is_known = self._hashes[number] == words.hashes[maybe]
        places, number = maybe[is_known], number[is_known]
        found = np.zeros(len(texts), np.int64)
        begins = np.searchsorted(places, words.offsets)
        named = np.flatnonzero(np.diff(begins))
        if len(named):
            found[named] = np.bitwise_or.reduceat(self._masks[number], begins[named])
        places = places[self._opens[number]]
        firsts = words.hashes[places]
        for phrase, mask in self._phrases:
            here = places[firsts == phrase[0]]
            if len(here):
                found[self._with(phrase, here, words.hashes, words.offsets)] |= mask
        return found

    @staticmethod
    def _with(phrase: Hashes, places: npt.NDArray[np.int64], hashes: Hashes, offsets: npt.NDArray[np.int64]) -> Masks:
        """Return the texts in which the phrase stands at one of these places of its first word."""
        text_of = np.searchsorted(offsets, places, side="right") - 1
        fits = places + len(phrase) <= offsets[text_of + 1]
        places, text_of = places[fits], text_of[fits]
        for step in range(1, len(phrase)):
            same = hashes[places + step] == phrase[step]
            places, text_of = places[same], text_of[same]
        return text_of

    def named(self, mask: int) -> tuple[str, ...]:
        """Return the names of the groups whose bits are set."""
        return tuple(name for number, name in enumerate(self.names) if mask >> number & 1)


@functools.lru_cache(maxsize=1)
def open_finder(config: str) -> GroupFinder:
    """Return a worker's finder for the settings, given as JSON."""
    return GroupFinder(read_terms(GroupsConfig.model_validate_json(config).terms))


def _lists(terms: GroupTerms) -> list[list[str]]:
    return [found for groups in terms.values() for found in groups.values()]


def _slots(hashes: Hashes) -> npt.NDArray[np.int64]:
    return (hashes >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
