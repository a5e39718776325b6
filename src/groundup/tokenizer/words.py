"""Where text is cut before any piece is learned."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, pre_tokenizers

WORD = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"  # a word with the one space or sign before it: ' word', '.name', '(x'
    r"|\p{N}"  # each digit by itself: a number is always spelled the same way
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # signs with the line ends after them
    r"|\s*[\r\n]+"  # blank lines
    r"|\s+(?!\S)"  # indentation, but for the last space, which belongs to the word
    r"|\s+"
)
"""What a token may span. The split of Qwen2, so that formats which know splits by name (GGUF: 'qwen2') can hold the tokenizer.

docs/log.md compares it with others in bytes a token. Since letters, digits and signs are cut apart, no text can spell the name of a
special token or of a byte in one piece.
"""


def word_splitter() -> Any:
    """Return the step that cuts text into words and keeps every character."""
    return pre_tokenizers.Split(Regex(WORD), behavior="isolated")


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how often each word occurs."""
    splitter = word_splitter()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(text))
    return counts


def frequent_characters(counts: Counter[str], limit: int, coverage: float = 1.0) -> list[str]:
    """Return the most frequent characters, sorted: as many as make up `coverage` of all, at most `limit`.

    Of equally frequent ones the first in Unicode come first, so the result does not depend on the order of counting.
    """
    kept: list[str] = []
    missing = (1 - coverage) * counts.total()
    left = counts.total()
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(kept) >= limit or left <= missing:
            break
        kept.append(character)
        left -= count
    return sorted(kept)
