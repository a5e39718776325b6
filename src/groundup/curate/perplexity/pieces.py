"""Words as numbers of pieces of words, so that no text is unknown."""

import io
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece

from groundup.core.errors import DataError

Tokens = npt.NDArray[np.int32]
START = 1
"""The number that stands before each text; no text holds it. Piece 0 is the one that SentencePiece wants for the unknown."""
MAX_CHARS = 1 << 20
"""Of a text; what follows is not looked at, for the sake of memory."""
_BATCH_TEXTS = 256
"""Texts whose pieces are Python's numbers at once."""
_MAX_WORD_CHARS = 64
"""Longer words teach no pieces."""
_CHARACTER_COVERAGE = 0.9995
"""Rarer characters are written as bytes (the share is that of CCNet's models)."""
_OF_ONE_KIND = {'"': "“”„«»", "'": "‘’", "-": "–—", "...": "…", " ": "\u00a0"}
_AS_BYTES = bytes.maketrans(b"123456789\t\n\v\f\r", b"0" * 9 + b" " * 5)


def plain(text: str) -> bytes:
    """Return the text as the model sees it: lower case, every digit a 0, white space, quotes and dashes of one kind; in UTF-8."""
    text = text[:MAX_CHARS].lower()
    if not text.isascii():
        for kind, characters in _OF_ONE_KIND.items():
            for character in characters:
                text = text.replace(character, kind)
    return text.encode().translate(_AS_BYTES)


class Pieces:
    """Cuts the words of texts, what white space separates, into the pieces of a unigram model of SentencePiece."""

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __len__(self) -> int:
        """Return how many numbers there are, that of the start among them."""
        return int(self._processor.get_piece_size())

    def stream(self, texts: Sequence[str]) -> Tokens:
        """Return the pieces of all texts, one after another, `START` before each."""
        found = [self._stream(texts[first : first + _BATCH_TEXTS]) for first in range(0, len(texts), _BATCH_TEXTS)]
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def _stream(self, texts: Sequence[str]) -> Tokens:
        pieces = self._processor.encode(list(map(plain, texts)), add_bos=True, num_threads=1)
        return np.fromiter(itertools.chain.from_iterable(pieces), np.int32, sum(map(len, pieces)))


def learn_pieces(words: Mapping[str, int], num_pieces: int) -> bytes:
    """Return a unigram model of SentencePiece of the plain words, each with how often it occurs (Kudo 2018).

    Bytes stand for characters that are rare or missing. Raises DataError if the words are too few, or hold too many characters.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(words),
            input_format="tsv",
            model_writer=model,
            model_type="unigram",
            vocab_size=num_pieces,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=_CHARACTER_COVERAGE,
            normalization_rule_name="identity",
            num_threads=1,
            unk_id=0,
            bos_id=START,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"no pieces of words can be learned from the reference ({error}); give more text, or more --pieces"
        ) from None
    return model.getvalue()


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how often each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word in plain(text).decode().split() if len(word) <= _MAX_WORD_CHARS)
    return counts


def _lines(words: Mapping[str, int]) -> Iterator[str]:
    """Yield what the trainer reads; a zero byte would end its strings, and what it writes spaces as is no letter."""
    for word in sorted(words):
        if "\0" not in word and "▁" not in word:
            yield f"{word}\t{words[word]}"
