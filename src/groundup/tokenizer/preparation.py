"""What is done to a text before its pieces are learned or looked up: how it is changed, and where it is cut."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tokenizers import Regex, normalizers, pre_tokenizers

from groundup.artifacts.fast_encoder.patterns import WordFinder
from groundup.tokenizer.config import NormalisationName, PreTokenizerName
from groundup.tokenizer.words import PATTERNS

NORMALISERS: Final[dict[NormalisationName, Callable[[], Any]]] = {
    "none": lambda: None,
    "nfc": normalizers.NFC,
    "nfkc": normalizers.NFKC,
    "lower": normalizers.Lowercase,
    "nfkc_lower": lambda: normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
}
"""What each loses stands in docs/tokenizer.md: all but `none` lose the way back to the bytes of some texts."""
BLOCK_CHARACTERS: Final = 1 << 15
MAX_RUN: Final = 4096
"""White space beyond so much in a row teaches nothing, and is more than some regular expressions bear."""


@dataclass(frozen=True)
class Preparation:
    """How text is normalised, and by which pattern it is cut into words."""

    normalisation: NormalisationName = "none"
    pre_tokenizer: PreTokenizerName = "digits"

    @property
    def pattern(self) -> str:
        return PATTERNS[self.pre_tokenizer]

    @property
    def normaliser(self) -> Any:
        """The step of the library `tokenizers`; None if text stays as it is."""
        return NORMALISERS[self.normalisation]()

    @property
    def splitter(self) -> Any:
        """The step that cuts text into words and keeps every character."""
        return pre_tokenizers.Split(Regex(self.pattern), behavior="isolated")

    @cached_property
    def normalise(self) -> Callable[[str], str]:
        step = self.normaliser
        return str if step is None else step.normalize_str

    @cached_property
    def words(self) -> Callable[[str], list[str]]:
        """Text, normalised before, -> its words."""
        return WordFinder(self.pattern).words

    def blocks(self, texts: Iterable[str]) -> Iterator[str]:
        """Yield the texts, normalised, in blocks of bounded size that end where words do."""
        for text in texts:
            yield from blocks(self.normalise(text))


def blocks(text: str) -> Iterator[str]:
    """Yield the text in blocks of at most BLOCK_CHARACTERS, cut before a space that follows something else: there words end.

    A block without such a place is cut anywhere.
    """
    first = 0
    while len(text) - first > BLOCK_CHARACTERS:
        cut = text.rfind(" ", first + 1, first + BLOCK_CHARACTERS)
        while cut > first and text[cut - 1].isspace():
            cut = text.rfind(" ", first + 1, cut)
        cut = cut if cut > first else first + BLOCK_CHARACTERS
        yield text[first:cut]
        first = cut
    yield text[first:]
