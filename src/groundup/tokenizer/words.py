"""Where text is cut before any piece is learned."""

from collections import Counter
from typing import Final

from groundup.tokenizer.config import PreTokenizerName

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
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
PATTERNS: Final[dict[PreTokenizerName, str]] = {
    "digits": WORD,
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": WORD.replace(r"\p{N}|", r"\p{N}{1,3}|"),
    "gpt4o": (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "whitespace": r" ?\S+|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""Name -> what a token may span: digits one by one (Qwen2), GPT-2's, numbers in threes (GPT-4, Llama 3), words cut at upper case
(GPT-4o), all between white space. Each keeps every character."""


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
