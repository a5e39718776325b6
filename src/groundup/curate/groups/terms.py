"""Words and phrases found whole in texts, whatever their case."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e\u200c\u200d"
)
"""Marks and joiners that stand inside words of many scripts, which `\\w` does not know as parts of words."""
_WORD = re.compile(rf"[\w{_MARKS}]+")


def words_of(text: str) -> list[str]:
    """Return the words of the text, case folded, in NFC: runs of letters, digits, underscores and the marks on them."""
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFC", folded)
    return _WORD.findall(folded)


class Terms:
    """Terms of one word or several, each with a label."""

    def __init__(self, labelled: Mapping[str, Iterable[str]]) -> None:
        """Take the terms of each label; of a term with two labels the last counts. Terms without a word are passed over."""
        self._by_first: dict[str, list[tuple[list[str], str]]] = {}
        terms = {tuple(words_of(term)): label for label, terms in labelled.items() for term in terms}
        for words, label in sorted(terms.items(), key=lambda item: -len(item[0])):
            if words:
                self._by_first.setdefault(words[0], []).append((list(words), label))

    def __len__(self) -> int:
        return sum(map(len, self._by_first.values()))

    def count(self, words: list[str]) -> Counter[str]:
        """Return how often terms of each label occur among `words_of` a text; where terms overlap, the first and longest counts."""
        found = Counter[str]()
        if self._by_first.keys().isdisjoint(words):
            return found
        end = 0
        for at, word in enumerate(words):
            if at < end or word not in self._by_first:
                continue
            for term, label in self._by_first[word]:
                if words[at : at + len(term)] == term:
                    found[label] += 1
                    end = at + len(term)
                    break
        return found
